/* Messages with descriptors between a process and the one it forked: a SOCK_SEQPACKET pair, whose
 * end of file tells each that the other is gone, however it went. */
#ifndef PORTCULLIS_SRC_DAEMON_CHANNEL_H
#define PORTCULLIS_SRC_DAEMON_CHANNEL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "portcullis/base/zone.h"
#include "portcullis/daemon/app.h"

#define CHANNEL_FDS_MAX 64

/* A message begins as zeros: what else was in its place is nothing for the other process. */
enum message_type {
    /* builder to master */
    MESSAGE_SETTINGS, /* struct message_settings */
    MESSAGE_LOG,      /* struct message_log; answered by MESSAGE_RESULT with a descriptor */
    MESSAGE_ZONE,     /* struct message_zone; answered by MESSAGE_RESULT with a descriptor */
    MESSAGE_LISTEN,   /* struct message_listen; answered by MESSAGE_RESULTs with descriptors */
    MESSAGE_READY,    /* also worker to builder */
    /* reader to builder, builder to its workers and to the master, master to older builders, those
     * to theirs */
    MESSAGE_IMAGE,  /* with a descriptor */
    MESSAGE_RELOAD, /* as HUP: files have changed; reader to builder, perhaps with an image, builder
                       to master */
    /* master to builder */
    MESSAGE_RESULT, /* struct message_result */
    /* master to builder, builder to worker */
    MESSAGE_START,
    MESSAGE_RETIRE, /* drain: a newer configuration serves */
    MESSAGE_QUIT,   /* drain: the program ends */
    MESSAGE_TERM,   /* end at once */
    /* master to builder */
    MESSAGE_REST,   /* the workers drain; the configuration stays */
    MESSAGE_RESUME, /* workers again */
    MESSAGE_REREAD, /* files of its configuration may have changed */
    /* master to builder, builder to worker */
    MESSAGE_REOPEN, /* struct message_reopen with a descriptor */
};

struct message_settings {
    bool daemonize, master_process;
    char pid_path[PATH_MAX];
};

struct message_log {
    int level;           /* of the master's own messages that go there; -1: none */
    char path[PATH_MAX]; /* empty: stderr, no descriptor in the answer */
};

struct message_zone {
    size_t size;
    char name[ZONE_NAME_MAX];
};

struct message_listen {
    struct listen_spec spec;
    unsigned wanted; /* sockets: one, or as many as workers with reuseport */
};

/* What the kernel refused, for a message in nginx's words. */
enum listen_call { CALL_SOCKET, CALL_BIND, CALL_LISTEN };
const char *listen_call_text(enum listen_call call); /* "bind() to" */

struct message_result {
    int err; /* errno, or 0 */
    enum listen_call call;
    unsigned left; /* descriptors that follow in further results */
};

struct message_reopen {
    unsigned log; /* the how manieth MESSAGE_LOG */
};

struct message {
    enum message_type type;
    union {
        struct message_settings settings;
        struct message_log log;
        struct message_zone zone;
        struct message_listen listen;
        struct message_result result;
        struct message_reopen reopen;
    };
    int fds[CHANNEL_FDS_MAX];
    size_t fd_count;
    bool lost_fds; /* there was no room for them in this process */
};

bool channel_pair(int fds[2]);
/* False with errno; a peer that is gone is EPIPE, one that does not listen EAGAIN. */
bool channel_send(int fd, const struct message *m);
/* After a failure: the other end has closed it, and its process ends or has ended. */
bool channel_is_gone(int err);
bool channel_send_type(int fd, enum message_type type);
enum channel_status { CHANNEL_MESSAGE, CHANNEL_EMPTY, CHANNEL_GONE };
/* wait: blocks. The descriptors are the caller's then. */
enum channel_status channel_receive(int fd, struct message *m, bool wait);
void message_close_fds(struct message *m);

#endif
