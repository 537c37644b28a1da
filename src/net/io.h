/* What the files of net/ share and nobody else sees: descriptors watched by the loop, and tasks
 * that run on an empty stack. */
#ifndef PORTCULLIS_SRC_NET_IO_H
#define PORTCULLIS_SRC_NET_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "portcullis/base/buf.h"
#include "portcullis/base/list.h"
#include "portcullis/net/loop.h"

/* A descriptor in the loop's epoll set; embedded in its owner. on_events comes from the loop. */
struct io {
    int fd;
    void (*on_events)(struct io *io, uint32_t events);
};

/* events are EPOLL's, EPOLLET included. False with errno: the kernel takes no more. */
bool io_start(struct loop *l, struct io *io, uint32_t events);
/* No on_events after this, not even of a batch that is being dispatched. Before close(fd). */
void io_stop(struct loop *l, struct io *io);

/* Work that waits for the end of the turn; queued at most once at a time. */
struct task {
    struct list link;
    void (*run)(struct task *t);
};

void task_init(struct task *t, void (*run)(struct task *t));
void task_post(struct loop *l, struct task *t);       /* in this turn */
void task_post_later(struct loop *l, struct task *t); /* in the next, after others had theirs */
/* Costly work, which a peer asks for: after all other, a little in each turn of the loop, one
 * owner's after the other's. */
void task_post_costly(struct loop *l, struct task *t, uint32_t owner);
/* Long reads likewise: a crowd of them does not make those wait who have a few octets to say. */
void task_post_bulk(struct loop *l, struct task *t, uint32_t owner);
/* In its last turn the loop did something costly: others may have come meanwhile. */
bool loop_ran_costly(const struct loop *l);
void task_cancel(struct task *t);
bool task_is_posted(const struct task *t);

/* The last wait told of every descriptor on which something had happened: there is no more to tell
 * than it has room for. */
bool loop_saw_all(const struct loop *l);

/* Where reads go first, so that connections that wait hold no memory. Empty between calls;
 * whoever takes its memory by buf_move leaves the loop to make another. */
struct buf *loop_read_buffer(struct loop *l);

#endif
