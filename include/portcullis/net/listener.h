/* A listening socket made by the master and accepted from here. Out of descriptors: accepting
 * pauses, existing clients are served, one log line; who knocks meanwhile waits in the kernel's
 * queue. */
#ifndef PORTCULLIS_NET_LISTENER_H
#define PORTCULLIS_NET_LISTENER_H

#include "portcullis/base/addr.h"
#include "portcullis/net/loop.h"

struct listener;

/* fd stays the caller's property to close after listener_free. multi: accept until the queue is
 * empty. on_accept takes fd. */
struct listener *listener_new(struct loop *l, int fd, bool multi,
                              void (*on_accept)(void *owner, int fd, const struct addr *peer),
                              void *owner);
void listener_pause(struct listener *l); /* the connection limit was reached */
void listener_resume(struct listener *l);
/* What waits in the kernel's queue, which ends with its last descriptor. Nothing while paused. */
void listener_accept_waiting(struct listener *l);
void listener_free(struct listener *l);

#endif
