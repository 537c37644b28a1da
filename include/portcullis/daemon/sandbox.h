/* What a worker can still do to the machine when somebody else got to steer it: talk over the
 * descriptors it has, read the few files named here, make files in the folders for bodies, connect
 * to the ports of upstreams. It has no capabilities and never will, makes no process, executes
 * nothing and makes no memory executable.
 *
 *   builder   sandbox_open ─▶ sandbox_may_… ─▶ sandbox_describe   while it may open anything
 *   worker    sandbox_enter                                       for good
 *
 * Landlock limits files and ports, seccomp limits system calls; what the kernel does not have is
 * left out with a warning. */
#ifndef PORTCULLIS_DAEMON_SANDBOX_H
#define PORTCULLIS_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "portcullis/config/sandbox.h"

enum sandbox_need { SANDBOX_UNIX_SOCKETS = 1, SANDBOX_DATAGRAMS = 2 };

struct sandbox {
    enum sandbox_mode mode;
    unsigned needs;   /* of enum sandbox_need */
    int landlock;     /* the version of the kernel's Landlock; 0: none, or not asked for */
    bool seccomp;     /* the kernel has it */
    int files, ports; /* Landlock's rule sets; -1: no limit */
};

/* One that is not open yet. */
#define SANDBOX_NONE {.mode = SANDBOX_OFF, .files = -1, .ports = -1}

void sandbox_open(struct sandbox *s, enum sandbox_mode mode);
/* A file, or all in a folder. What is not there is no harm. */
void sandbox_may_read(struct sandbox *s, const char *path);
/* Make, read, write and remove files in that folder. */
void sandbox_may_write_in(struct sandbox *s, int folder);
/* Without a call of these there is nobody to connect to over TCP. */
void sandbox_may_connect(struct sandbox *s, uint16_t port);
void sandbox_may_connect_anywhere(struct sandbox *s);
/* Sockets other than TCP's, which Landlock does not see: there are none without a call of this. */
void sandbox_may_open(struct sandbox *s, enum sandbox_need need);
/* Logs what will be in force. */
void sandbox_describe(const struct sandbox *s);
/* False: the kernel refused what it said it has, and the log says what. */
bool sandbox_enter(struct sandbox *s);
void sandbox_close(struct sandbox *s);

#endif
