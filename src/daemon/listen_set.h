/* The master's listening sockets, by address. Sockets outlive configurations; what no configuration
 * wants any more is closed when the newest one serves. */
#ifndef PORTCULLIS_SRC_DAEMON_LISTEN_SET_H
#define PORTCULLIS_SRC_DAEMON_LISTEN_SET_H

#include "channel.h"
#include "portcullis/base/list.h"

struct listen_set {
    struct list sockets; /* of struct listening, several in a row for reuseport */
    bool is_shared;      /* another process has them, too: unix sockets' paths stay */
};

void listen_set_init(struct listen_set *set);
/* A socket that another process opened; false: it is no listening socket. is_given: a service
 * manager did, and keeps it: it is never closed before the end, and its path not removed. */
bool listen_set_adopt(struct listen_set *set, int fd, bool is_given);
void listen_set_each(const struct listen_set *set, void (*each)(void *owner, int fd, bool is_given),
                     void *owner);
/* Marks all as unwanted by the configuration that is being built. */
void listen_set_begin(struct listen_set *set);
/* Sockets for spec: those that are there, and new ones up to wanted. Appends them to fds (room for
 * room); *count of them. False with errno and the call that failed. */
struct listen_fds {
    int *fds;
    size_t count;
};
bool listen_set_get(struct listen_set *set, const struct listen_spec *spec, unsigned wanted,
                    struct listen_fds *out, enum listen_call *failed);
/* "bind() to 127.0.0.1:443 failed (98: Address already in use)", and what to do. */
void listen_log_failure(const struct addr *addr, enum listen_call failed, int err);
/* One that is there: with the options that may change between configurations. It is listened on
 * afterwards, whatever a worker did to it. False with errno. */
bool listen_again(int fd, const struct listen_spec *spec);
/* The configuration serves: closes what it does not want. */
void listen_set_commit(struct listen_set *set);
/* It failed: closes what was opened for it. */
void listen_set_rollback(struct listen_set *set);
/* The end: closes all and removes unix sockets' paths. */
void listen_set_close(struct listen_set *set);

#endif
