#include "portcullis/proxy/proxy.h"

#include <assert.h>

#include "handshake_rate.h"
#include "limit.h"
#include "portcullis/base/memory.h"
#include "portcullis/proxy/client.h"

struct loop *proxy_loop(const struct proxy *p)
{
    return p->loop;
}

const struct snapshot *proxy_snapshot(const struct proxy *p)
{
    return p->snapshot;
}

struct access_logs *proxy_access_logs(const struct proxy *p)
{
    return p->access_logs;
}

struct limits *proxy_limits(const struct proxy *p)
{
    return p->limits;
}

size_t proxy_connections(const struct proxy *p)
{
    return p->clients_count;
}

const struct log *proxy_error_log(const struct proxy *p, const struct location_conf *conf)
{
    if (conf->error_log != NULL)
        return conf->error_log;
    return p->snapshot->process.error_log != NULL ? p->snapshot->process.error_log
                                                  : log_process.log;
}

void proxy_flush_logs(struct proxy *p)
{
    access_logs_flush(p->access_logs);
}

/* ------------------------------------------------------------------ accepting */

static void on_accept(void *owner, int fd, const struct addr *peer)
{
    struct proxy_listener *l = owner;
    struct proxy *p = l->proxy;

    p->clients_count++;
    client_accept(p, l->bind, fd, peer);
    room_update(p);
}

static void listen_on(struct proxy *p, const struct proxy_socket *sockets, size_t count)
{
    bool multi = p->snapshot->process.multi_accept;

    p->listeners = mem_zalloc(sizeof *p->listeners * (count + 1));
    p->listeners_count = count;
    for (size_t i = 0; i < count; i++) {
        struct proxy_listener *l = &p->listeners[i];
        l->proxy = p;
        l->bind = sockets[i].bind;
        l->listener = listener_new(p->loop, sockets[i].fd, multi, on_accept, l);
    }
}

static void stop_listening(struct proxy *p)
{
    for (size_t i = 0; i < p->listeners_count; i++) {
        if (p->listeners[i].listener != NULL)
            listener_free(p->listeners[i].listener);
        p->listeners[i].listener = NULL;
    }
}

/* ------------------------------------------------------------------ connections end */

static void say_done(void *arg)
{
    struct proxy *p = arg;
    void (*on_done)(void *owner) = p->on_done;

    p->on_done = NULL;
    access_logs_flush(p->access_logs);
    if (on_done != NULL)
        on_done(p->owner);
}

static void check_done(struct proxy *p)
{
    if (p->phase == PROXY_RUNS || p->on_done == NULL || p->clients_count > 0 ||
        p->backends.open > 0)
        return;
    loop_defer_cancel(p->loop, say_done, p);
    loop_defer(p->loop, say_done, p);
}

static void on_connection_gone(void *owner)
{
    struct proxy *p = owner;

    room_update(p);
    check_done(p);
}

void proxy_client_gone(struct proxy *p)
{
    p->clients_count--;
    on_connection_gone(p);
}

/* ------------------------------------------------------------------ what requests use */

static void make_upstreams(struct proxy *p)
{
    const struct http_conf *http = &p->snapshot->http;

    p->backends = (struct backends){.loop = p->loop, .on_gone = on_connection_gone, .owner = p};
    p->upstreams = mem_zalloc(sizeof *p->upstreams * (http->upstreams.count + 1));
    for (size_t i = 0; i < http->upstreams.count; i++)
        p->upstreams[i] = upstream_new(&p->backends, http->upstreams.items[i]);
}

static void make_resolvers(struct proxy *p)
{
    const struct http_conf *http = &p->snapshot->http;

    p->resolvers = mem_zalloc(sizeof *p->resolvers * (http->resolvers.count + 1));
    for (size_t i = 0; i < http->resolvers.count; i++) {
        const struct resolver_conf *r = http->resolvers.items[i];
        p->resolvers[i] = resolver_new(p->loop, r->servers.items, r->servers.count, r->valid_ms,
                                       r->ipv4, r->ipv6);
    }
}

struct proxy *proxy_start(struct loop *l, const struct snapshot *s,
                          const struct proxy_socket *sockets, size_t count)
{
    struct proxy *p = MEM_NEW(struct proxy);

    p->loop = l;
    p->snapshot = s;
    list_init(&p->clients);
    p->review_timer = timer_new(l, review_on_timer, p);
    room_init(p);
    make_upstreams(p);
    make_resolvers(p);
    p->access_logs = access_logs_new(l, s);
    p->limits = limits_new(l, s);
    p->handshake_rate = handshake_rate_new(l, s->process.ssl_handshake_rate);
    listen_on(p, sockets, count);
    return p;
}

/* ------------------------------------------------------------------ the end */

/* Nobody else would. */
static void accept_waiting(struct proxy *p)
{
    for (size_t i = 0; i < p->listeners_count; i++)
        if (p->listeners[i].listener != NULL)
            listener_accept_waiting(p->listeners[i].listener);
}

static void drain_clients(struct proxy *p)
{
    LIST_FOR_EACH(it, &p->clients)
    client_drain(CONTAINER_OF(it, struct client, node));
}

void proxy_drain(struct proxy *p, enum proxy_drain how, void (*on_done)(void *owner), void *owner)
{
    p->phase = how == PROXY_DRAIN_QUIT ? PROXY_QUITS : PROXY_RELOADS;
    p->on_done = on_done;
    p->owner = owner;
    if (how == PROXY_DRAIN_QUIT)
        accept_waiting(p);
    stop_listening(p);
    p->backends.is_draining = true;
    for (size_t i = 0; i < p->snapshot->http.upstreams.count; i++)
        upstream_close_idle(p->upstreams[i]);
    drain_clients(p);
    check_done(p);
}

void proxy_abort(struct proxy *p)
{
    LIST_FOR_EACH(it, &p->clients)
    client_close(CONTAINER_OF(it, struct client, node), CLOSE_SHUTDOWN);
}

void proxy_free(struct proxy *p)
{
    stop_listening(p);
    loop_defer_cancel(p->loop, say_done, p);
    for (size_t i = 0; i < p->snapshot->http.upstreams.count; i++)
        upstream_free(p->upstreams[i]);
    for (size_t i = 0; i < p->snapshot->http.resolvers.count; i++)
        resolver_free(p->resolvers[i]);
    timer_free(p->review_timer);
    room_deinit(p);
    access_logs_free(p->access_logs);
    limits_free(p->limits);
    handshake_rate_free(p->handshake_rate);
    mem_free(p->upstreams);
    mem_free(p->resolvers);
    mem_free(p->listeners);
    mem_free(p);
}
