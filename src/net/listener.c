#include "portcullis/net/listener.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io.h"
#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"

/* Streams get their turn between so many new ones. */
#define ACCEPTS_A_TURN 64
/* Then it is another worker's turn: of those that sleep the kernel wakes the one that has watched
 * the queue the longest (EPOLLEXCLUSIVE), and would always wake the same. */
#define ACCEPTS_A_ROUND 4
/* Out of descriptors: as long as nginx waits (accept_mutex_delay). */
#define SHORTAGE_WAIT_MS 500

struct listener {
    struct io io;
    struct loop *loop;
    struct timer *retry;
    void (*on_accept)(void *owner, int fd, const struct addr *peer);
    void *owner;
    bool multi, in_loop;
    unsigned accepts; /* of this round */
    bool paused;      /* by the owner */
    bool shortage;    /* of descriptors; lasts until the queue was emptied, and is logged once */
    bool waiting;     /* for retry */
    bool accepting, freed;
};

static void watch_queue(struct listener *l)
{
    bool wanted = !l->paused && !l->waiting;

    if (wanted == l->in_loop)
        return;
    /* Other workers wait for the same socket: the kernel wakes one of them, not all. */
    if (wanted && !io_start(l->loop, &l->io, EPOLLIN | EPOLLEXCLUSIVE)) {
        log_write_errno(&log_process, LOG_ALERT, errno, "epoll_ctl(%d) failed", l->io.fd);
        l->waiting = true;
        timer_start(l->retry, SHORTAGE_WAIT_MS);
        return;
    }
    if (!wanted)
        io_stop(l->loop, &l->io);
    l->in_loop = wanted;
}

static void let_others_go_first(struct listener *l)
{
    l->accepts = 0;
    if (!l->in_loop)
        return;
    io_stop(l->loop, &l->io);
    l->in_loop = false;
    watch_queue(l);
}

static void wait_for_descriptors(struct listener *l, int err)
{
    if (!l->shortage)
        log_write_errno(&log_process, LOG_CRIT, err,
                        "accept4() failed, accepting pauses until descriptors are free");
    l->shortage = true;
    l->waiting = true;
    timer_start(l->retry, SHORTAGE_WAIT_MS);
    watch_queue(l);
}

/* True when it makes sense to try again at once. */
static bool on_accept_error(struct listener *l, int err)
{
    switch (err) {
    case EAGAIN:
        l->shortage = false;
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        wait_for_descriptors(l, err);
        return false;
    case EINTR:
    case EPROTO:
    case ECONNABORTED:
    case ENETDOWN: /* accept(2): errors of the new connection itself, here and below */
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        log_write_errno(&log_process, LOG_ALERT, err, "accept4() failed");
        wait_for_descriptors(l, err);
        return false;
    }
}

static bool accept_one(struct listener *l)
{
    struct addr peer = {0};

    peer.len = sizeof peer.un;
    int fd = accept4(l->io.fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd == -1)
        return on_accept_error(l, errno);
    l->on_accept(l->owner, fd, &peer);
    if (++l->accepts >= ACCEPTS_A_ROUND)
        let_others_go_first(l);
    return true;
}

static void accept_some(struct listener *l, int most)
{
    l->accepting = true;
    while (most-- > 0 && !l->paused && !l->freed && accept_one(l))
        continue;
    l->accepting = false;
    if (l->freed)
        mem_free(l);
}

/* One at a time leaves the others to other workers. But in the kernel's queue whoever came first is
 * first, and here addresses take turns: what came during handshakes is to wait here. After a
 * shortage the queue is long, and only its end tells that the shortage is over. */
static bool takes_many(const struct listener *l)
{
    return l->multi || l->shortage || loop_ran_costly(l->loop);
}

static void on_queue_events(struct io *io, uint32_t events)
{
    struct listener *l = CONTAINER_OF(io, struct listener, io);

    (void)events;
    accept_some(l, takes_many(l) ? ACCEPTS_A_TURN : 1);
}

static void on_retry(void *owner)
{
    struct listener *l = owner;

    l->waiting = false;
    watch_queue(l);
}

struct listener *listener_new(struct loop *loop, int fd, bool multi,
                              void (*on_accept)(void *owner, int fd, const struct addr *peer),
                              void *owner)
{
    struct listener *l = MEM_NEW(struct listener);

    l->io = (struct io){fd, on_queue_events};
    l->loop = loop;
    l->multi = multi;
    l->on_accept = on_accept;
    l->owner = owner;
    l->retry = timer_new(loop, on_retry, l);
    watch_queue(l);
    return l;
}

void listener_pause(struct listener *l)
{
    l->paused = true;
    watch_queue(l);
}

void listener_resume(struct listener *l)
{
    l->paused = false;
    watch_queue(l);
}

void listener_accept_waiting(struct listener *l)
{
    accept_some(l, INT_MAX);
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    assert(!l->freed);
    l->paused = true;
    watch_queue(l);
    timer_free(l->retry);
    l->freed = true;
    if (!l->accepting)
        mem_free(l);
}
