/* Queries for one name share one lookup, and its answer is kept.
 *
 *      resolver ── names ──▶ "app.internal": addresses until expiry ── waiting ──▶ query, query …
 *
 * c-ares may answer from inside its own functions; queries are told by a task, on an empty stack.
 */
#include "portcullis/net/resolver.h"

#include <ares.h>
#include <assert.h>
#include <sys/epoll.h>

#include "io.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"

/* Names come from requests ($host): answers nobody waits for are thrown out beyond this. */
#define NAMES_MAX      1024
#define ADDRS_MAX      64
#define TRY_TIMEOUT_MS 5000
#define TRIES          3
#define SOCKETS_MAX    16 /* ARES_GETSOCK_MAXNUM */

struct server_socket {
    struct io io;
    struct resolver *resolver;
    struct server_socket *next;
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct timer *tick; /* c-ares's own timeouts */
    struct server_socket *sockets;
    int64_t valid_ms;
    int family;
    struct list names; /* newest first */
    size_t name_count;
};

struct name {
    struct list link;
    struct resolver *resolver;
    struct task tell;
    struct list waiting; /* of struct resolver_query */
    struct addr *addrs;
    size_t count, first;
    int64_t expires_ms;
    const char *problem;
    bool asking;  /* c-ares holds it */
    bool telling; /* tell_waiting does */
    char text[];  /* lower case, with NUL */
};

struct resolver_query {
    struct list link;
    struct name *name;
    struct timer *timeout;
    void (*on_result)(void *owner, const struct resolver_result *result);
    void *owner;
};

static bool ares_is_ready; /* once a process */

/* ------------------------------------------------------------------ c-ares on the loop */

static void schedule_tick(struct resolver *r)
{
    struct timeval tv;

    if (ares_timeout(r->channel, NULL, &tv) == NULL)
        timer_stop(r->tick);
    else
        timer_start(r->tick, (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1);
}

static void process(struct resolver *r, int read_fd, int write_fd)
{
    ares_process_fd(r->channel, read_fd, write_fd);
    schedule_tick(r);
}

static void on_tick(void *owner)
{
    process(owner, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_server_events(struct io *io, uint32_t events)
{
    struct server_socket *s = CONTAINER_OF(io, struct server_socket, io);
    bool error = (events & (EPOLLERR | EPOLLHUP)) != 0;
    int fd = io->fd;

    /* s may be gone when c-ares returns. */
    process(s->resolver, error || (events & EPOLLIN) != 0 ? fd : ARES_SOCKET_BAD,
            (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
}

static void forget_socket(struct resolver *r, int fd)
{
    for (struct server_socket **at = &r->sockets; *at != NULL; at = &(*at)->next) {
        struct server_socket *s = *at;
        if (s->io.fd != fd)
            continue;
        *at = s->next;
        io_stop(r->loop, &s->io);
        mem_free(s);
        return;
    }
}

/* Called by c-ares whenever it wants something else of a socket, and before it closes one. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct resolver *r = data;
    uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);

    forget_socket(r, fd);
    if (events == 0)
        return;
    struct server_socket *s = MEM_NEW(struct server_socket);
    *s = (struct server_socket){{fd, on_server_events}, r, r->sockets};
    if (!io_start(r->loop, &s->io, events)) {
        mem_free(s); /* its queries will time out */
        return;
    }
    r->sockets = s;
}

static void set_servers(struct resolver *r, const struct addr *servers, size_t count)
{
    struct ares_addr_port_node *nodes = mem_zalloc(sizeof *nodes * count);

    for (size_t i = 0; i < count; i++) {
        const struct addr *a = &servers[i];
        int port = addr_port(a) != 0 ? addr_port(a) : 53;
        nodes[i] = (struct ares_addr_port_node){.next = i + 1 < count ? &nodes[i + 1] : NULL,
                                                .family = addr_family(a),
                                                .udp_port = port,
                                                .tcp_port = port};
        if (addr_family(a) == AF_INET)
            nodes[i].addr.addr4 = a->in.sin_addr;
        else
            memcpy(&nodes[i].addr.addr6, &a->in6.sin6_addr, sizeof nodes[i].addr.addr6);
    }
    int rc = ares_set_servers_ports(r->channel, nodes);
    assert(rc == ARES_SUCCESS);
    mem_free(nodes);
}

struct resolver *resolver_new(struct loop *l, const struct addr *servers, size_t count,
                              int64_t valid_ms, bool ipv4, bool ipv6)
{
    struct resolver *r = MEM_NEW(struct resolver);
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = TRY_TIMEOUT_MS,
        .tries = TRIES,
        .lookups = (char[]){"b"}, /* as nginx: servers alone, no /etc/hosts */
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = r,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB;

    assert(count > 0 && (ipv4 || ipv6));
    r->loop = l;
    r->valid_ms = valid_ms;
    r->family = ipv4 && ipv6 ? AF_UNSPEC : ipv4 ? AF_INET : AF_INET6;
    list_init(&r->names);
    if (!ares_is_ready)
        ares_is_ready = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    int rc = ares_init_options(&r->channel, &options, mask);
    if (rc != ARES_SUCCESS) {
        log_write(&log_process, LOG_ALERT, "resolver: %s", ares_strerror(rc));
        mem_free(r);
        return NULL;
    }
    r->tick = timer_new(l, on_tick, r);
    set_servers(r, servers, count);
    return r;
}

/* ------------------------------------------------------------------ names */

static void name_free(struct name *n)
{
    assert(list_is_empty(&n->waiting) && !n->asking);
    list_remove(&n->link);
    task_cancel(&n->tell);
    n->resolver->name_count--;
    mem_free(n->addrs);
    mem_free(n);
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    ares_destroy(r->channel); /* answers what it was asked, with ARES_EDESTRUCTION */
    timer_free(r->tick);
    assert(r->sockets == NULL);
    LIST_FOR_EACH(it, &r->names)
    name_free(CONTAINER_OF(it, struct name, link));
    mem_free(r);
}

/* Throws out the oldest name that nobody waits for. */
static void make_room(struct resolver *r)
{
    if (r->name_count < NAMES_MAX)
        return;
    for (struct list *it = r->names.prev; it != &r->names; it = it->prev) {
        struct name *n = CONTAINER_OF(it, struct name, link);
        if (!n->asking && !n->telling && list_is_empty(&n->waiting)) {
            name_free(n);
            return;
        }
    }
}

static struct name *name_find(struct resolver *r, struct str text)
{
    LIST_FOR_EACH(it, &r->names)
    {
        struct name *n = CONTAINER_OF(it, struct name, link);
        if (str_eq_nocase(text, str_of(n->text)))
            return n;
    }
    return NULL;
}

static void tell_waiting(struct task *t);

static struct name *name_new(struct resolver *r, struct str text)
{
    make_room(r);
    struct name *n = mem_zalloc(sizeof *n + text.len + 1);

    n->resolver = r;
    task_init(&n->tell, tell_waiting);
    list_init(&n->waiting);
    for (size_t i = 0; i < text.len; i++)
        n->text[i] = ascii_lower(text.ptr[i]);
    list_push_front(&r->names, &n->link);
    r->name_count++;
    return n;
}

/* ------------------------------------------------------------------ answers */

static const char *problem_text(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return NULL;
    case ARES_EFORMERR:
        return "Format error";
    case ARES_ESERVFAIL:
    case ARES_EBADRESP:
        return "Server failure";
    case ARES_ENOTIMP:
        return "Unimplemented";
    case ARES_EREFUSED:
        return "Operation refused";
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
        return "Operation timed out";
    default:
        return "Host not found";
    }
}

static void keep_addrs(struct name *n, const struct ares_addrinfo *answer)
{
    int64_t ttl_ms = INT64_MAX;

    n->addrs = mem_zalloc(sizeof *n->addrs * ADDRS_MAX);
    for (const struct ares_addrinfo_node *node = answer->nodes;
         node != NULL && n->count < ADDRS_MAX; node = node->ai_next) {
        addr_from_sockaddr(&n->addrs[n->count], node->ai_addr, node->ai_addrlen);
        addr_set_port(&n->addrs[n->count++], 0);
        if ((int64_t)node->ai_ttl * 1000 < ttl_ms)
            ttl_ms = (int64_t)node->ai_ttl * 1000;
    }
    n->expires_ms = clock_monotonic_ms() +
                    (n->resolver->valid_ms > 0 ? n->resolver->valid_ms : ttl_ms);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct name *n = arg;

    (void)timeouts;
    n->asking = false;
    if (status == ARES_EDESTRUCTION)
        return;
    n->problem = problem_text(status);
    if (status == ARES_SUCCESS)
        keep_addrs(n, answer);
    if (status == ARES_SUCCESS && n->count == 0)
        n->problem = "Host not found";
    if (answer != NULL)
        ares_freeaddrinfo(answer);
    task_post(n->resolver->loop, &n->tell);
}

static void ask(struct name *n)
{
    struct resolver *r = n->resolver;
    const struct ares_addrinfo_hints hints = {
        .ai_family = r->family, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};

    mem_free(n->addrs);
    n->addrs = NULL;
    n->count = n->first = 0;
    n->problem = NULL;
    n->asking = true;
    ares_getaddrinfo(r->channel, n->text, NULL, &hints, on_answer, n);
    schedule_tick(r);
}

/* Each answer starts with another address, as nginx's do. */
static void rotate(struct name *n)
{
    struct addr first;

    if (n->count < 2)
        return;
    first = n->addrs[0];
    memmove(&n->addrs[0], &n->addrs[1], sizeof first * (n->count - 1));
    n->addrs[n->count - 1] = first;
}

static void query_free(struct resolver_query *q)
{
    list_remove(&q->link);
    timer_free(q->timeout);
    mem_free(q);
}

static void query_answer(struct resolver_query *q, const struct resolver_result *result)
{
    void (*on_result)(void *owner, const struct resolver_result *result) = q->on_result;
    void *owner = q->owner;

    query_free(q);
    on_result(owner, result);
}

static void tell_waiting(struct task *t)
{
    struct name *n = CONTAINER_OF(t, struct name, tell);
    size_t told = 0, waiting = 0;

    LIST_FOR_EACH(it, &n->waiting)
    waiting++;
    /* Whoever asks again from inside comes in the next round. */
    n->telling = true;
    while (told++ < waiting && !n->asking && !list_is_empty(&n->waiting)) {
        struct resolver_result result = {n->addrs, n->count, n->problem};
        query_answer(CONTAINER_OF(n->waiting.next, struct resolver_query, link), &result);
        rotate(n);
    }
    n->telling = false;
}

static void on_query_timeout(void *owner)
{
    static const struct resolver_result timed_out = {.problem = "Operation timed out"};

    query_answer(owner, &timed_out);
}

/* ------------------------------------------------------------------ queries */

static bool is_known(const struct name *n)
{
    return n->count > 0 && clock_monotonic_ms() < n->expires_ms;
}

static bool is_literal(struct name *n)
{
    struct addr literal;

    if (!addr_parse_ip(&literal, str_of(n->text), 0))
        return false;
    mem_free(n->addrs);
    n->addrs = MEM_NEW(struct addr);
    *n->addrs = literal;
    n->count = 1;
    n->problem = NULL;
    return true;
}

struct resolver_query *
resolver_lookup(struct resolver *r, struct str text, int64_t timeout_ms,
                void (*on_result)(void *owner, const struct resolver_result *result), void *owner)
{
    struct resolver_query *q = MEM_NEW(struct resolver_query);
    struct name *n = name_find(r, text);

    if (n == NULL)
        n = name_new(r, text);
    *q = (struct resolver_query){.name = n, .on_result = on_result, .owner = owner};
    q->timeout = timer_new(r->loop, on_query_timeout, q);
    timer_start(q->timeout, timeout_ms);
    list_push_back(&n->waiting, &q->link);
    if (n->asking)
        return q;
    if (is_known(n) || is_literal(n))
        task_post(r->loop, &n->tell);
    else if (!task_is_posted(&n->tell))
        ask(n);
    return q;
}

void resolver_cancel(struct resolver_query *q)
{
    if (q != NULL)
        query_free(q);
}
