/* Connections to peers, and the pool of idle ones.
 *
 *   backend_connect ─▶ in use ─▶ backend_give ─▶ idle ─▶ backend_take ─▶ in use …
 *                        └─ backend_close ─▶ dying ◀─ anything happened, too old, too many ─┘
 */
#include "portcullis/upstream/backend.h"

#include <assert.h>

#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"

/* ------------------------------------------------------------------ dying: only on_close is
 * awaited */

static void ignore(void *owner)
{
    (void)owner;
}

static void drop_data(void *owner, struct buf *in)
{
    (void)owner;
    buf_clear(in);
}

static void ignore_eof(void *owner, bool clean)
{
    (void)owner;
    (void)clean;
}

static void on_dying_close(void *owner, enum close_reason why)
{
    (void)why;
    backend_gone(owner);
}

static const struct stream_events dying_events = {ignore, drop_data, ignore_eof, ignore,
                                                  on_dying_close};

void backend_close(struct backend *b, enum close_reason why)
{
    assert(list_is_empty(&b->node));
    timer_stop(b->deadline);
    stream_set_owner(b->stream, &dying_events, b);
    stream_close(b->stream, why);
}

void backend_gone(struct backend *b)
{
    struct upstream *u = b->upstream;
    struct backends *all = u->backends;

    assert(list_is_empty(&b->node));
    timer_free(b->deadline);
    mem_free(b);
    u->open_count--;
    all->open--;
    if (u->is_orphan && u->open_count == 0)
        upstream_free(u);
    if (all->on_gone != NULL)
        all->on_gone(all->owner);
}

/* ------------------------------------------------------------------ idle: whatever happens ends it
 */

static void leave_pool(struct backend *b)
{
    list_remove(&b->node);
    b->upstream->idle_count--;
    b->upstream->backends->idle--;
}

static void drop(struct backend *b, enum close_reason why)
{
    leave_pool(b);
    backend_close(b, why);
}

static void on_idle_data(void *owner, struct buf *in)
{
    /* Octets nobody asked for: the next response on it could be anybody's. */
    buf_clear(in);
    drop(owner, CLOSE_BAD_RESPONSE);
}

static void on_idle_eof(void *owner, bool clean)
{
    (void)clean;
    drop(owner, CLOSE_PEER_CLOSED);
}

static void on_idle_close(void *owner, enum close_reason why)
{
    (void)why;
    leave_pool(owner);
    backend_gone(owner);
}

static const struct stream_events idle_events = {ignore, on_idle_data, on_idle_eof, ignore,
                                                 on_idle_close};

static struct backend *longest_idle(struct upstream *u)
{
    return CONTAINER_OF(u->idle.next, struct backend, node);
}

void upstream_close_idle(struct upstream *u)
{
    while (!list_is_empty(&u->idle))
        drop(longest_idle(u), CLOSE_SHUTDOWN);
}

static void on_idle_timer(void *owner)
{
    struct upstream *u = owner;
    int64_t left = 0;

    while (!list_is_empty(&u->idle)) {
        left = longest_idle(u)->idle_since_ms + u->conf->keepalive_timeout_ms -
               clock_monotonic_ms();
        if (left > 0)
            break;
        drop(longest_idle(u), CLOSE_IDLE);
    }
    if (!list_is_empty(&u->idle))
        timer_start(u->idle_timer, left);
}

static void watch_age(struct upstream *u)
{
    if (u->idle_timer == NULL) {
        u->idle_timer = timer_new(u->backends->loop, on_idle_timer, u);
        timer_set_weak(u->idle_timer, true);
    }
    if (!timer_is_running(u->idle_timer))
        timer_start(u->idle_timer, u->conf->keepalive_timeout_ms);
}

static bool may_be_kept(const struct backend *b)
{
    const struct upstream_conf *conf = b->upstream->conf;

    if (conf->keepalive == 0 || b->upstream->is_orphan || b->upstream->backends->is_draining)
        return false;
    if (b->requests >= conf->keepalive_requests ||
        clock_monotonic_ms() - b->started_ms > conf->keepalive_time_ms)
        return false;
    return !stream_is_closing(b->stream) && !stream_has_input(b->stream) &&
           stream_queued(b->stream) == 0;
}

/* ------------------------------------------------------------------ in use */

struct backend *backend_connect(struct upstream *u, struct peer *p, int64_t timeout_ms,
                                bool so_keepalive, const struct stream_events *events, void *owner)
{
    struct backend *b = MEM_NEW(struct backend);

    list_init(&b->node);
    b->upstream = u;
    b->peer = p;
    b->started_ms = clock_monotonic_ms();
    b->deadline = timer_new(u->backends->loop, NULL, NULL);
    b->stream = stream_connect(u->backends->loop, &p->conf->addr, timeout_ms, so_keepalive, events,
                               owner);
    u->open_count++;
    u->backends->open++;
    return b;
}

struct backend *backend_take(struct upstream *u, const struct peer *p,
                             const struct stream_events *events, void *owner)
{
    for (struct list *it = u->idle.prev; it != &u->idle; it = it->prev) {
        struct backend *b = CONTAINER_OF(it, struct backend, node);
        if (b->peer != p || stream_is_closing(b->stream))
            continue;
        leave_pool(b);
        /* What came before the request is not its response, and may be in the kernel still. */
        stream_take_up(b->stream, events, owner);
        return b;
    }
    return NULL;
}

void backend_give(struct backend *b)
{
    struct upstream *u = b->upstream;

    b->requests++;
    if (!may_be_kept(b)) {
        backend_close(b, CLOSE_DONE);
        return;
    }
    if (u->idle_count >= u->conf->keepalive)
        drop(longest_idle(u), CLOSE_OVERLOAD);
    b->idle_since_ms = clock_monotonic_ms();
    timer_stop(b->deadline);
    stream_set_owner(b->stream, &idle_events, b);
    stream_resume(b->stream);
    list_push_back(&u->idle, &b->node);
    u->idle_count++;
    u->backends->idle++;
    watch_age(u);
}
