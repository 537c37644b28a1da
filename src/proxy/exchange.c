/* The life of an exchange: body, target, peer, connection, and its deadlines. */
#include "portcullis/proxy/exchange.h"

#include <assert.h>
#include <errno.h>

#include "portcullis/base/clock.h"
#include "portcullis/proxy/client.h"

/* ------------------------------------------------------------------ deadline */

void exchange_touch(struct exchange *x)
{
    x->wait_since_ms = clock_monotonic_ms();
}

static int64_t last_move_ms(const struct exchange *x)
{
    int64_t last = x->wait_since_ms;
    int64_t read = stream_last_read_ms(x->backend->stream);
    int64_t written = stream_last_write_ms(x->backend->stream);

    if (read > last)
        last = read;
    return written > last ? written : last;
}

/* Not the upstream's turn: the client is slow to take the response, or to send its body. Those
 * waits have deadlines of their own (send_timeout, client_body_timeout). */
static bool waits_for_client(const struct exchange *x)
{
    if (x->client_full)
        return true;
    return x->body == EXCHANGE_BODY_STREAMED && !x->request_sent &&
           stream_queued(x->backend->stream) == 0;
}

static void on_deadline(void *owner)
{
    struct exchange *x = owner;
    bool sending = x->state == EXCHANGE_WAITING && exchange_is_sending(x);
    int64_t limit = sending ? x->conf->send_timeout_ms : x->conf->read_timeout_ms;

    if (waits_for_client(x))
        exchange_touch(x);
    int64_t left = last_move_ms(x) + limit - clock_monotonic_ms();
    if (left > 0) {
        timer_start(x->backend->deadline, left);
        return;
    }
    exchange_log(x, LOG_ERROR, ETIMEDOUT, "upstream timed out");
    exchange_fault(x, NEXT_TIMEOUT, 504, CLOSE_TIMED_OUT);
}

static void watch_deadline(struct exchange *x)
{
    int64_t shorter = x->conf->send_timeout_ms < x->conf->read_timeout_ms
                          ? x->conf->send_timeout_ms
                          : x->conf->read_timeout_ms;

    exchange_touch(x);
    timer_set_owner(x->backend->deadline, on_deadline, x);
    timer_start(x->backend->deadline, shorter);
}

/* ------------------------------------------------------------------ connecting */

static void no_live_upstreams(struct exchange *x)
{
    struct upstream_try *try = exchange_try(x);

    try->addr = x->upstream->conf->name;
    try->status = 502;
    try->response_ms = 0;
    exchange_log(x, LOG_ERROR, 0, "no live upstreams");
    request_fail(x->req, 502, CLOSE_CONNECT_FAILED);
}

static struct backend *take_idle_backend(struct exchange *x, const struct peer *p)
{
    return x->same_peer_again ? NULL : backend_take(x->upstream, p, &exchange_backend_events, x);
}

static enum step_result pick(struct exchange *x)
{
    exchange_begin_try(x);
    struct peer *p = x->same_peer_again ? x->selection.peer : selection_next(&x->selection);
    if (p == NULL) {
        no_live_upstreams(x);
        return STEP_NEXT;
    }
    exchange_try(x)->addr = arena_str(&x->req->arena, p->addr_text);
    x->state = EXCHANGE_CONNECTING;
    x->backend = take_idle_backend(x, p);
    x->backend_was_idle = x->backend != NULL;
    x->same_peer_again = false;
    if (!x->backend_was_idle)
        x->backend = backend_connect(x->upstream, p, x->conf->connect_timeout_ms,
                                     x->conf->socket_keepalive, &exchange_backend_events, x);
    return STEP_WAIT;
}

static void init_selection(struct exchange *x)
{
    selection_init(&x->selection, x->upstream, &x->req->arena, client_addr(x->req->client),
                   x->conf->next_upstream_tries);
}

static void on_resolved(void *owner, const struct resolver_result *result)
{
    struct exchange *x = owner;
    struct request *req = x->req;

    x->query = NULL;
    if (result->count == 0) {
        log_write(&req->log, LOG_ERROR, "\"%s\" could not be resolved (%s)",
                  log_quoted(x->resolve_name), result->problem);
        request_fail(req, 502, CLOSE_CONNECT_FAILED);
        return;
    }
    x->upstream = upstream_new_resolved(&req->proxy->backends, x->resolve_name, result->addrs,
                                        result->count, x->resolve_port);
    x->owns_upstream = true;
    init_selection(x);
    x->state = EXCHANGE_READY;
    request_resume(req);
}

static enum step_result resolve(struct exchange *x)
{
    struct request *req = x->req;
    const struct resolver_conf *conf = req->location->resolver;

    if (conf == NULL) {
        log_write(&req->log, LOG_ERROR, "no resolver defined to resolve \"%s\"",
                  log_quoted(x->resolve_name));
        request_fail(req, 502, CLOSE_CONNECT_FAILED);
        return STEP_NEXT;
    }
    x->state = EXCHANGE_RESOLVING;
    x->query = resolver_lookup(req->proxy->resolvers[conf->index], x->resolve_name,
                               req->location->resolver_timeout_ms, on_resolved, x);
    return STEP_WAIT;
}

static enum step_result connect_or_resolve(struct exchange *x)
{
    if (x->upstream == NULL)
        return resolve(x);
    return pick(x);
}

/* ------------------------------------------------------------------ the request's body, before */

static bool must_be_gathered(const struct request *req, const struct proxy_conf *conf)
{
    bool needs_length = req->framing.kind == BODY_CHUNKED && conf->version < HTTP_1_1;

    return conf->request_buffering || needs_length;
}

static enum exchange_body choose_body(const struct request *req, const struct proxy_conf *conf)
{
    bool has_none = req->framing.kind == BODY_NONE ||
                    (req->framing.kind == BODY_LENGTH && req->framing.length == 0);

    if (has_none || !conf->pass_request_body || req->body_is_lost)
        return EXCHANGE_BODY_NONE;
    if (req->spool != NULL || must_be_gathered(req, conf))
        return EXCHANGE_BODY_SPOOLED;
    return EXCHANGE_BODY_STREAMED;
}

static void begin_spooling(struct exchange *x)
{
    struct request *req = x->req;

    req->spool = ARENA_NEW(&req->arena, struct spool);
    spool_init(req->spool, req->location->client_body_buffer_size,
               req->location->client_body_temp_path);
    x->state = EXCHANGE_SPOOLING;
    req->transport->read_body(req);
}

static struct exchange *exchange_new(struct request *req)
{
    struct exchange *x = ARENA_NEW(&req->arena, struct exchange);

    x->req = req;
    x->conf = &req->location->proxy;
    x->body = choose_body(req, x->conf);
    x->state = EXCHANGE_READY;
    req->exchange = x;
    return x;
}

static enum step_result begin(struct request *req)
{
    struct exchange *x = exchange_new(req);
    unsigned problem = target_find(x);

    if (problem != 0) {
        request_fail(req, problem, CLOSE_ABORTED);
        return STEP_NEXT;
    }
    if (x->upstream != NULL)
        init_selection(x);
    if (x->body == EXCHANGE_BODY_SPOOLED && req->spool == NULL) {
        begin_spooling(x);
        return STEP_WAIT;
    }
    return connect_or_resolve(x);
}

enum step_result exchange_connect(struct request *req)
{
    struct exchange *x = req->exchange;

    assert(req->is_admitted);
    if (x == NULL)
        return begin(req);
    switch (x->state) {
    case EXCHANGE_READY:
        return connect_or_resolve(x);
    case EXCHANGE_CONNECTED:
        return STEP_NEXT;
    default:
        return STEP_WAIT;
    }
}

enum step_result exchange_run(struct request *req)
{
    struct exchange *x = req->exchange;

    if (x->state == EXCHANGE_DONE)
        return STEP_NEXT;
    if (x->state == EXCHANGE_CONNECTED) {
        x->state = EXCHANGE_WAITING;
        watch_deadline(x);
        exchange_send_request(x);
    }
    return STEP_WAIT;
}

/* ------------------------------------------------------------------ what the backend tells */

static void on_open(void *owner)
{
    struct exchange *x = owner;

    if (x->state != EXCHANGE_CONNECTING)
        return;
    exchange_try(x)->connect_ms = clock_monotonic_ms() - x->attempt_ms;
    x->state = EXCHANGE_CONNECTED;
    x->req->next_step = REQUEST_ADMIT; /* now it is said for whom: is he still let in? */
    request_resume(x->req);
}

static void on_data(void *owner, struct buf *in)
{
    exchange_on_response_data(owner, in);
}

static void on_eof(void *owner, bool clean)
{
    (void)clean;
    exchange_on_response_eof(owner);
}

static void on_drain(void *owner)
{
    struct exchange *x = owner;

    exchange_touch(x);
    exchange_on_backend_drain(x);
}

static void on_close(void *owner, enum close_reason why)
{
    exchange_on_backend_close(owner, why);
}

const struct stream_events exchange_backend_events = {on_open, on_data, on_eof, on_drain, on_close};

/* ------------------------------------------------------------------ what the client does */

void exchange_on_client_gone(struct request *req, enum close_reason why)
{
    struct exchange *x = req->exchange;

    bool is_clients_doing = why == CLOSE_PEER_CLOSED || why == CLOSE_PEER_TRUNCATED ||
                            why == CLOSE_PEER_RESET || why == CLOSE_WRITE_FAILED;

    if (x == NULL || x->state == EXCHANGE_DONE)
        return;
    if (is_clients_doing)
        exchange_log(x, LOG_INFO, 0, "client prematurely closed connection%s",
                     x->backend != NULL ? ", so upstream connection is closed too" : "");
    exchange_release(req);
}

void exchange_on_client_drain(struct request *req)
{
    struct exchange *x = req->exchange;
    struct buf nothing = {0};

    if (x == NULL || x->backend == NULL || !x->client_full)
        return;
    x->client_full = false;
    exchange_touch(x);
    if (stream_has_input(x->backend->stream))
        stream_resume(x->backend->stream);
    else
        exchange_on_response_data(x, &nothing); /* the end may be all that is left */
}
