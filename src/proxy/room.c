/* worker_connections, and who gives way when all are taken: strangers that had their time, where
 * they hold more than half and not all wait for answers, else the longest idle, else strangers
 * again. Where nobody can, new ones wait in the kernel's queue. So whoever only begins, a thousand
 * times, keeps others out for a moment, and does not push out those that were let in. */
#include "portcullis/base/clock.h"
#include "portcullis/proxy/client.h"

/* So long a stranger has for a handshake and a request, where others wait for his place. */
#define STRANGER_MS 1000
/* Time makes strangers give way, and nobody else tells of it. */
#define LOOK_AGAIN_MS 50
/* Between two lines in the log. */
#define TELL_MS 1000

static size_t places(const struct proxy *p)
{
    return p->snapshot->process.worker_connections;
}

/* Both sides count, as nginx's do; not what can be closed at any time. */
static bool is_at_limit(const struct proxy *p)
{
    return p->clients_count + p->backends.open - p->backends.idle >= places(p);
}

static bool strangers_prevail(const struct proxy *p)
{
    return p->room.strangers_count > places(p) / 2;
}

/* At once or when he had his time. False: all of them wait for their answers. */
static bool stranger_gives_way(struct proxy *p)
{
    int64_t now = clock_monotonic_ms();

    /* Honest ones by the thousand wait for us, and each that is closed was work in vain. */
    if (loop_is_behind(p->loop))
        return true;
    LIST_FOR_EACH(it, &p->room.strangers)
    {
        struct client *c = CONTAINER_OF(it, struct client, room_node);
        if (client_is_answered(c))
            continue;
        if (now - c->started_ms >= STRANGER_MS)
            client_give_way(c);
        return true;
    }
    return false;
}

static void make_room(struct proxy *p)
{
    struct list *idle = &p->room.idle;
    bool strangers_first = strangers_prevail(p) || list_is_empty(idle);

    if (strangers_first && stranger_gives_way(p))
        return;
    if (!list_is_empty(idle))
        client_close_idle(CONTAINER_OF(idle->next, struct client, room_node), CLOSE_OVERLOAD);
}

static void tell(struct proxy *p)
{
    int64_t now = clock_monotonic_ms();

    if (p->room.told_ms != 0 && now - p->room.told_ms < TELL_MS)
        return;
    p->room.told_ms = now;
    log_write(&log_process, LOG_ALERT,
              "%zu worker_connections are not enough, %zu clients were not let in yet", places(p),
              p->room.strangers_count);
}

static void set_full(struct proxy *p, bool is_full)
{
    p->room.is_full = is_full;
    if (is_full)
        tell(p);
    for (size_t i = 0; i < p->listeners_count; i++) {
        if (p->listeners[i].listener == NULL)
            continue;
        if (is_full)
            listener_pause(p->listeners[i].listener);
        else
            listener_resume(p->listeners[i].listener);
    }
}

void room_update(struct proxy *p)
{
    bool is_full = is_at_limit(p);

    if (is_full && p->phase == PROXY_RUNS) {
        make_room(p);
        timer_start(p->room.timer, LOOK_AGAIN_MS);
    }
    if (is_full != p->room.is_full)
        set_full(p, is_full);
}

static void on_timer(void *owner)
{
    room_update(owner);
}

void room_init(struct proxy *p)
{
    list_init(&p->room.strangers);
    list_init(&p->room.idle);
    p->room.timer = timer_new(p->loop, on_timer, p);
    timer_set_weak(p->room.timer, true);
}

void room_deinit(struct proxy *p)
{
    timer_free(p->room.timer);
}

/* ------------------------------------------------------------------ who is what */

void room_add_stranger(struct client *c)
{
    struct room *r = &c->proxy->room;

    c->is_stranger = true;
    r->strangers_count++;
    list_push_back(&r->strangers, &c->room_node);
}

void room_add_idle(struct client *c)
{
    if (!c->is_stranger)
        list_push_back(&c->proxy->room.idle, &c->room_node);
}

void room_leave(struct client *c)
{
    c->proxy->room.strangers_count -= c->is_stranger;
    c->is_stranger = false;
    list_remove(&c->room_node);
}
