/* The loop is libuv's, embedded as its manual describes (uv_backend_fd, uv_backend_timeout), in an
 * epoll set of our own:
 *
 *      epoll_wait ──▶ sockets of streams and listeners ──▶ tasks, deferred calls ──▶ epoll_wait
 *          └────────▶ uv_run: timers and whatever else libuv does
 *
 * Sockets are not uv_poll_t because that costs six system calls a connection and one more for
 * each change of mind; edge-triggered, a socket is registered once and never touched again.
 * Listening sockets need EPOLLEXCLUSIVE, or every worker wakes for each connection, and that works
 * on the outermost epoll set alone. */
#include "portcullis/net/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "io.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"
#include "turns.h"

#define EVENTS_A_TURN 256
/* Work may make work; after so many rounds sockets get their turn, so that none starves. */
#define ROUNDS_A_TURN 32
/* Handshakes, 150 us each: so long others wait. */
#define COSTLY_A_TURN 8
/* About a millisecond's worth, when each reads as much as it may. */
#define BULK_A_TURN 16

struct deferred {
    void (*fn)(void *arg);
    void *arg;
};

struct deferred_queue {
    struct deferred *items;
    size_t count, capacity;
};

struct loop {
    uv_loop_t uv;
    struct io uv_io; /* libuv's own descriptor in our set */
    bool uv_ready;
    uv_check_t uv_anchor; /* keeps uv_backend_timeout from saying "at once" where only weak timers
                             run, or none */
    int epoll;
    size_t watched; /* descriptors in the set, libuv's not counted */
    bool stopped;

    struct deferred_queue deferred, running;
    size_t running_at;
    struct list tasks, later;
    struct turns costly, bulk;
    bool ran_costly, is_behind; /* in the last turn: some; not all there was */
    struct buf read_buffer;

    struct epoll_event events[EVENTS_A_TURN];
    int event_at, event_count; /* what of events is still to be dispatched */
    bool saw_all;
};

/* ------------------------------------------------------------------ descriptors */

bool io_start(struct loop *l, struct io *io, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = io};

    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, io->fd, &event) == -1)
        return false;
    l->watched++;
    return true;
}

void io_stop(struct loop *l, struct io *io)
{
    int rc = epoll_ctl(l->epoll, EPOLL_CTL_DEL, io->fd, NULL);

    assert(rc == 0);
    l->watched--;
    for (int i = l->event_at; i < l->event_count; i++)
        if (l->events[i].data.ptr == io)
            l->events[i].data.ptr = NULL;
}

static void dispatch_events(struct loop *l)
{
    while (l->event_at < l->event_count) {
        struct epoll_event *event = &l->events[l->event_at++];
        struct io *io = event->data.ptr;
        if (io != NULL)
            io->on_events(io, event->events);
    }
}

bool loop_saw_all(const struct loop *l)
{
    return l->saw_all;
}

struct buf *loop_read_buffer(struct loop *l)
{
    assert(buf_is_empty(&l->read_buffer));
    return &l->read_buffer;
}

/* ------------------------------------------------------------------ work for later */

void task_init(struct task *t, void (*run)(struct task *t))
{
    list_init(&t->link);
    t->run = run;
}

void task_post(struct loop *l, struct task *t)
{
    if (!task_is_posted(t))
        list_push_back(&l->tasks, &t->link);
}

void task_post_later(struct loop *l, struct task *t)
{
    if (!task_is_posted(t))
        list_push_back(&l->later, &t->link);
}

void task_post_costly(struct loop *l, struct task *t, uint32_t owner)
{
    if (!task_is_posted(t))
        turns_add(&l->costly, &t->link, owner);
}

void task_post_bulk(struct loop *l, struct task *t, uint32_t owner)
{
    if (!task_is_posted(t))
        turns_add(&l->bulk, &t->link, owner);
}

void task_cancel(struct task *t)
{
    list_remove(&t->link);
}

bool loop_ran_costly(const struct loop *l)
{
    return l->ran_costly;
}

bool loop_is_behind(const struct loop *l)
{
    return l->is_behind;
}

bool task_is_posted(const struct task *t)
{
    return !list_is_empty(&t->link);
}

void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct deferred_queue *q = &l->deferred;

    if (q->count == q->capacity) {
        q->capacity = q->capacity == 0 ? 64 : q->capacity * 2;
        q->items = mem_realloc(q->items, q->capacity * sizeof *q->items);
    }
    q->items[q->count++] = (struct deferred){fn, arg};
}

static void forget_deferred(struct deferred_queue *q, size_t from, void (*fn)(void *arg), void *arg)
{
    for (size_t i = from; i < q->count; i++)
        if (q->items[i].fn == fn && q->items[i].arg == arg)
            q->items[i].fn = NULL;
}

void loop_defer_cancel(struct loop *l, void (*fn)(void *arg), void *arg)
{
    forget_deferred(&l->running, l->running_at, fn, arg);
    forget_deferred(&l->deferred, 0, fn, arg);
}

static void run_deferred(struct loop *l)
{
    struct deferred_queue batch = l->deferred;

    /* Calls that are asked for meanwhile go into the other queue and wait for the next round. */
    l->deferred = l->running;
    l->deferred.count = 0;
    l->running = batch;
    for (l->running_at = 0; l->running_at < l->running.count;) {
        struct deferred call = l->running.items[l->running_at++];
        if (call.fn != NULL)
            call.fn(call.arg);
    }
    l->running.count = 0;
    l->running_at = 0;
}

static void list_take_all(struct list *to, struct list *from)
{
    list_init(to);
    if (list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    list_init(from);
}

static void run_tasks(struct loop *l)
{
    struct list batch;

    list_take_all(&batch, &l->tasks);
    while (!list_is_empty(&batch)) {
        struct task *t = CONTAINER_OF(batch.next, struct task, link);
        list_remove(&t->link);
        t->run(t);
    }
}

static bool has_work(const struct loop *l)
{
    return l->deferred.count > 0 || !list_is_empty(&l->tasks);
}

static bool has_work_later(const struct loop *l)
{
    return !list_is_empty(&l->later) || !turns_is_empty(&l->costly) || !turns_is_empty(&l->bulk);
}

static void run_work(struct loop *l)
{
    for (int round = 0; round < ROUNDS_A_TURN && has_work(l); round++) {
        run_deferred(l);
        run_tasks(l);
    }
}

/* How many had their turn, most at most. */
static int run_in_turn(struct turns *turns, int most)
{
    struct list *link;
    int i = 0;

    for (; i < most && (link = turns_take(turns)) != NULL; i++) {
        struct task *t = CONTAINER_OF(link, struct task, link);
        t->run(t);
    }
    return i;
}

static void run_costly(struct loop *l)
{
    int ran = run_in_turn(&l->costly, COSTLY_A_TURN);

    l->ran_costly = ran > 0;
    l->is_behind = ran == COSTLY_A_TURN;
}

static void wake_later_tasks(struct loop *l)
{
    struct list batch;

    list_take_all(&batch, &l->later);
    while (!list_is_empty(&batch)) {
        struct list *link = batch.next;
        list_remove(link);
        list_push_back(&l->tasks, link);
    }
}

/* ------------------------------------------------------------------ the loop */

static void on_uv_events(struct io *io, uint32_t events)
{
    struct loop *l = CONTAINER_OF(io, struct loop, uv_io);

    (void)events;
    l->uv_ready = true;
}

static void on_anchor(uv_check_t *anchor)
{
    (void)anchor;
}

struct loop *loop_new(void)
{
    struct loop *l = MEM_NEW(struct loop);

    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll == -1 || uv_loop_init(&l->uv) != 0) {
        log_write_errno(&log_process, LOG_ALERT, errno, "epoll_create() failed");
        if (l->epoll != -1)
            (void)close(l->epoll);
        mem_free(l);
        return NULL;
    }
    list_init(&l->tasks);
    list_init(&l->later);
    turns_init(&l->costly);
    turns_init(&l->bulk);
    (void)uv_check_init(&l->uv, &l->uv_anchor);
    (void)uv_check_start(&l->uv_anchor, on_anchor);
    l->uv_io = (struct io){uv_backend_fd(&l->uv), on_uv_events};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->uv_io};
    int rc = epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->uv_io.fd, &event);
    assert(rc == 0);
    clock_update();
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    run_work(l);
    uv_close((uv_handle_t *)&l->uv_anchor, NULL);
    (void)uv_run(&l->uv, UV_RUN_NOWAIT); /* the last handles' close callbacks */
    assert(l->watched == 0);
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0);
    (void)close(l->epoll);
    mem_free(l->deferred.items);
    mem_free(l->running.items);
    buf_deinit(&l->read_buffer);
    mem_free(l);
}

static bool uv_is_alive(struct loop *l)
{
    uv_unref((uv_handle_t *)&l->uv_anchor);
    bool alive = uv_loop_alive(&l->uv) != 0;
    uv_ref((uv_handle_t *)&l->uv_anchor);
    return alive;
}

static bool is_alive(struct loop *l)
{
    return l->watched > 0 || has_work(l) || has_work_later(l) || uv_is_alive(l);
}

static int wait_ms(struct loop *l)
{
    if (has_work(l) || has_work_later(l) || l->stopped)
        return 0;
    uv_update_time(&l->uv);
    return uv_backend_timeout(&l->uv);
}

static void wait_for_events(struct loop *l)
{
    int n = epoll_wait(l->epoll, l->events, EVENTS_A_TURN, wait_ms(l));

    assert(n >= 0 || errno == EINTR);
    l->event_at = 0;
    l->event_count = n > 0 ? n : 0;
    l->saw_all = n >= 0 && n < EVENTS_A_TURN;
    clock_update();
    uv_update_time(&l->uv);
}

static void run_uv(struct loop *l)
{
    uv_update_time(&l->uv);
    /* Timers that are due and handles that wait to be closed both make the timeout zero. */
    if (!l->uv_ready && uv_backend_timeout(&l->uv) != 0)
        return;
    l->uv_ready = false;
    (void)uv_run(&l->uv, UV_RUN_NOWAIT);
}

static void turn(struct loop *l)
{
    wait_for_events(l);
    wake_later_tasks(l);
    dispatch_events(l);
    run_work(l);
    run_costly(l);
    (void)run_in_turn(&l->bulk, BULK_A_TURN);
    run_uv(l);
    run_work(l);
}

void loop_run(struct loop *l)
{
    l->stopped = false;
    run_work(l);
    while (!l->stopped && is_alive(l))
        turn(l);
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

/* ------------------------------------------------------------------ timers */

/* Most timers are put off or stopped and started again, with every request: libuv's heap learns of
 * neither. A timer stays armed there for the earliest time it was asked for, and when that comes it
 * is looked at whether it is due. */
struct timer {
    uv_timer_t uv;
    uint64_t armed_for, due; /* in libuv's time */
    bool is_running, is_weak;
    void (*on_fire)(void *owner);
    void *owner;
};

struct timer *timer_new(struct loop *l, void (*on_fire)(void *owner), void *owner)
{
    struct timer *t = MEM_NEW(struct timer);

    (void)uv_timer_init(&l->uv, &t->uv);
    t->uv.data = t;
    timer_set_owner(t, on_fire, owner);
    return t;
}

void timer_set_owner(struct timer *t, void (*on_fire)(void *owner), void *owner)
{
    t->on_fire = on_fire;
    t->owner = owner;
}

/* What is armed but not running does not keep the loop from ending. */
static void set_running(struct timer *t, bool on)
{
    t->is_running = on;
    if (on && !t->is_weak)
        uv_ref((uv_handle_t *)&t->uv);
    else
        uv_unref((uv_handle_t *)&t->uv);
}

static void on_uv_timer(uv_timer_t *uv);

static void arm(struct timer *t, uint64_t now)
{
    t->armed_for = t->due;
    (void)uv_timer_start(&t->uv, on_uv_timer, t->due - now, 0);
}

static void on_uv_timer(uv_timer_t *uv)
{
    struct timer *t = uv->data;
    uint64_t now = uv_now(uv->loop);

    if (!t->is_running)
        return;
    if (t->due > now) {
        arm(t, now);
        return;
    }
    set_running(t, false);
    t->on_fire(t->owner);
}

void timer_start(struct timer *t, int64_t ms)
{
    uint64_t now = uv_now(t->uv.loop);

    t->due = now + (ms > 0 ? (uint64_t)ms : 0);
    set_running(t, true);
    if (uv_is_active((const uv_handle_t *)&t->uv) == 0 || t->due < t->armed_for)
        arm(t, now);
}

void timer_stop(struct timer *t)
{
    set_running(t, false);
}

bool timer_is_running(const struct timer *t)
{
    return t->is_running;
}

static void on_timer_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void timer_free(struct timer *t)
{
    if (t != NULL)
        uv_close((uv_handle_t *)&t->uv, on_timer_closed);
}

void timer_set_weak(struct timer *t, bool weak)
{
    t->is_weak = weak;
    set_running(t, t->is_running);
}

/* ------------------------------------------------------------------ watches */

struct watch {
    struct io io;
    struct loop *loop;
    void (*on_readable)(void *owner);
    void *owner;
};

static void on_watch_events(struct io *io, uint32_t events)
{
    struct watch *w = CONTAINER_OF(io, struct watch, io);

    (void)events;
    w->on_readable(w->owner);
}

struct watch *watch_new(struct loop *l, int fd, void (*on_readable)(void *owner), void *owner)
{
    struct watch *w = MEM_NEW(struct watch);

    *w = (struct watch){{fd, on_watch_events}, l, on_readable, owner};
    if (!io_start(l, &w->io, EPOLLIN)) {
        log_write_errno(&log_process, LOG_ALERT, errno, "epoll_ctl(%d) failed", fd);
        mem_free(w);
        return NULL;
    }
    return w;
}

void watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    io_stop(w->loop, &w->io);
    mem_free(w);
}
