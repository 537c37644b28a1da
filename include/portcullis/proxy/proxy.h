/* What a worker runs: the proxy of one configuration on one loop. */
#ifndef PORTCULLIS_PROXY_PROXY_H
#define PORTCULLIS_PROXY_PROXY_H

#include <sys/types.h>

#include "portcullis/config/snapshot.h"
#include "portcullis/net/loop.h"

struct proxy;

/* A listening socket for this worker and the address block it belongs to. */
struct proxy_socket {
    int fd;
    const struct bind_conf *bind;
};

/* In the builder, before workers are forked and while it is root: makes the folders of
 * client_body_temp_path, gives them to the workers' user and keeps them open. What cannot be made
 * is warned of; bodies go to /tmp then. */
void proxy_make_folders(const struct snapshot *s, uid_t uid, gid_t gid);
void proxy_close_folders(void);

/* Begins to accept. The snapshot outlives the proxy. */
struct proxy *proxy_start(struct loop *l, const struct snapshot *s,
                          const struct proxy_socket *sockets, size_t count);

enum proxy_drain {
    PROXY_DRAIN_QUIT,   /* who waits to be accepted is, kept connections that are idle close at
                           once */
    PROXY_DRAIN_RELOAD, /* each kept connection gets one more answer, for a bounded time */
};
/* Stops accepting; who has just come has his answer, and all of these say Connection: close.
 * on_done comes from the loop when the last connection has ended. */
void proxy_drain(struct proxy *p, enum proxy_drain how, void (*on_done)(void *owner), void *owner);
/* Contexts of the snapshot judge by another trust now (trust_image_adopt). */
void proxy_trust_changed(struct proxy *p);
/* Closes what is left (worker_shutdown_timeout). on_done follows. */
void proxy_abort(struct proxy *p);
/* After on_done, or never drained and the process ends. */
void proxy_free(struct proxy *p);
/* Writes out buffered access logs; files were replaced in place by the master (USR1). */
void proxy_flush_logs(struct proxy *p);
size_t proxy_connections(const struct proxy *p);

#endif
