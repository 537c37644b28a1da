/* What a worker may do: user, group, limits. */
#ifndef PORTCULLIS_SRC_DAEMON_PRIVILEGE_H
#define PORTCULLIS_SRC_DAEMON_PRIVILEGE_H

#include <sys/types.h>

#include "portcullis/daemon/app.h"

struct privilege {
    bool drop; /* root alone can */
    uid_t uid;
    gid_t gid;
    char user[64];
};

/* In a process that will hold keys: no core file, and nobody but root looks into it. */
void privilege_hide_memory(void);
/* In the builder, where names can still be looked up. False: the log says why. */
bool privilege_find(struct privilege *p, const struct daemon_settings *s);
/* In the worker. False: the log says why. */
bool privilege_drop(const struct privilege *p, const struct daemon_settings *s);

#endif
