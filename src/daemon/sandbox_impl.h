/* What the files of the sandbox share: sandbox.c decides the order of things, sandbox_paths.c has
 * Landlock, sandbox_calls.c the system calls. */
#ifndef PORTCULLIS_SRC_DAEMON_SANDBOX_IMPL_H
#define PORTCULLIS_SRC_DAEMON_SANDBOX_IMPL_H

#include <stddef.h>

#include "portcullis/daemon/sandbox.h"

/* ---- sandbox_paths.c ---- */

/* Finds the kernel's version; 0 with errno. */
int landlock_find(void);
void landlock_open(struct sandbox *s);
bool landlock_enter(const struct sandbox *s);

/* ---- sandbox_calls.c ---- */

bool seccomp_find(void);
/* How many calls a worker may make. */
size_t seccomp_count(const struct sandbox *s);
bool seccomp_enter(const struct sandbox *s);

#endif
