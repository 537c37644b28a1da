/* Names of users and groups. A program with libc inside reads /etc/passwd and /etc/group itself:
 * libc's own functions would load modules of another libc there, and crash. */
#ifndef PORTCULLIS_BASE_USER_H
#define PORTCULLIS_BASE_USER_H

#include <stdbool.h>
#include <sys/types.h>

struct user {
    uid_t uid;
    gid_t gid;
};

/* False with errno, 0 when there is none of that name. */
bool user_find(const char *name, struct user *out);
bool group_find(const char *name, gid_t *out);
/* This process's further groups become the user's. False with errno. */
bool user_take_groups(const char *name, gid_t gid);

#endif
