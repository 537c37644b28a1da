/* The life of a client's connection and its deadlines. What is said on it is client_h1.c's. */
#include "portcullis/proxy/client.h"

#include <assert.h>
#include <errno.h>

#include "access.h"
#include "handshake_rate.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "refusal_log.h"

/* After an answer that closes the connection a client that has nothing more to say closes its side
 * at once: no need to wait as long as for one that is still sending. */
#define LINGER_QUIET_MS 1000
/* A handshake that waits for its turn when its time is up. */
#define LOOK_AGAIN_MS 50

/* ------------------------------------------------------------------ facts */

struct stream *client_stream(const struct client *c)
{
    return c->stream;
}

uint64_t client_number(const struct client *c)
{
    return c->number;
}

uint64_t client_requests(const struct client *c)
{
    return c->requests;
}

int64_t client_started_ms(const struct client *c)
{
    return c->started_ms;
}

bool client_is_tls(const struct client *c)
{
    return stream_tls(c->stream) != NULL;
}

const struct server_conf *client_tls_server(const struct client *c)
{
    return c->tls_server;
}

bool client_sni_matched(const struct client *c)
{
    return c->sni_matched;
}

const struct addr *client_addr(const struct client *c)
{
    return &c->addr;
}

static void describe(const void *owner, struct buf *out)
{
    const struct client *c = owner;
    char text[ADDR_TEXT_MAX];

    if (c->action != NULL)
        buf_printf(out, " %s", c->action);
    buf_printf(out, ", client: %s, server: ", c->addr_text);
    buf_append_str(out, addr_text_port(&c->bind->listen.addr, text));
}

/* ------------------------------------------------------------------ deadlines */

void client_enter(struct client *c, enum client_phase phase, int64_t deadline_ms)
{
    if (!c->is_stranger || phase == CLIENT_CLOSED)
        room_leave(c);
    c->phase = phase;
    c->phase_ms = clock_monotonic_ms();
    if (deadline_ms > 0)
        timer_start(c->deadline, deadline_ms);
    else
        timer_stop(c->deadline);
}

static void close_timed_out(struct client *c, const char *action)
{
    c->action = action;
    log_write_errno(&c->log, LOG_INFO, ETIMEDOUT, "client timed out");
    c->action = NULL;
    stream_set_reset_on_close(c->stream,
                              c->conf->reset_timedout_connection && c->phase != CLIENT_HANDSHAKE);
    client_close(c, CLOSE_TIMED_OUT);
}

/* The end of the last answer may still wait for the client to read (is_sent, client_h1.c). */
void client_close_idle(struct client *c, enum close_reason why)
{
    stream_close_after_flush(c->stream, why, c->conf->send_timeout_ms);
    client_enter(c, CLIENT_CLOSED, 0);
}

bool client_is_answered(const struct client *c)
{
    return c->phase == CLIENT_REQUEST || c->phase == CLIENT_DONE;
}

void client_give_way(struct client *c)
{
    log_write(&c->log, LOG_INFO, "closed for others: all worker_connections are taken");
    room_leave(c);
    client_close(c, CLOSE_OVERLOAD);
}

/* Whose octets wait for us is not late; but not for ever. */
static void on_handshake_deadline(struct client *c)
{
    int64_t left = c->started_ms + 2 * c->bind->default_server->tls_handshake_timeout_ms -
                   clock_monotonic_ms();

    if (stream_awaits_turn(c->stream) && left > 0)
        timer_start(c->deadline, left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS);
    else
        close_timed_out(c, "while SSL handshaking");
}

static void on_idle_deadline(struct client *c)
{
    if (c->requests == 0)
        close_timed_out(c, "while waiting for request");
    else
        client_close_idle(c, CLOSE_IDLE);
}

static void on_reading_away_deadline(struct client *c)
{
    /* What is still queued has its own deadline. */
    if (stream_queued(c->stream) > 0)
        timer_start(c->deadline, LINGER_QUIET_MS);
    else
        client_close(c, CLOSE_DONE);
}

/* ------------------------------------------------------------------ upgraded connections */

/* At the latest a day from now, so that it can be said in milliseconds. */
#define RECHECK_MAX_MS 86400000

/* When its certificate ends, or the verdict is as old as ssl_client_recheck allows. 0: never. */
static int64_t recheck_delay(const struct client *c)
{
    const struct request *req = c->request;
    int64_t ms = req->server->client_recheck_ms > 0 ? req->server->client_recheck_ms
                                                    : RECHECK_MAX_MS;

    if (!client_is_tls(c) || req->location->verify == TLS_VERIFY_OFF)
        return 0;
    if (req->identity != NULL && identity_is_verified(req->identity)) {
        int64_t left_s = identity_valid_until(req->identity) + 1 - clock_wall();
        if (left_s < ms / 1000)
            ms = left_s > 0 ? left_s * 1000 : 1;
    }
    return ms < RECHECK_MAX_MS ? ms : RECHECK_MAX_MS;
}

void client_enter_tunnel(struct client *c)
{
    client_enter(c, CLIENT_TUNNEL, recheck_delay(c));
}

bool client_recheck(struct client *c)
{
    bool stays = access_still_admits(c->request);

    if (stays)
        client_enter(c, CLIENT_TUNNEL, recheck_delay(c));
    else
        request_abort(c->request, 403, CLOSE_REFUSED);
    return stays;
}

static void on_deadline(void *owner)
{
    struct client *c = owner;

    switch (c->phase) {
    case CLIENT_HANDSHAKE:
        on_handshake_deadline(c);
        return;
    case CLIENT_IDLE:
        on_idle_deadline(c);
        return;
    case CLIENT_HEAD:
    case CLIENT_REQUEST:
        client_h1_on_timeout(c);
        return;
    case CLIENT_DISCARD:
    case CLIENT_LINGER:
        on_reading_away_deadline(c);
        return;
    case CLIENT_TUNNEL:
        (void)client_recheck(c);
        return;
    case CLIENT_DONE:
    case CLIENT_CLOSED:
        return;
    }
}

static void on_send_deadline(void *owner)
{
    struct client *c = owner;
    int64_t last = stream_last_write_ms(c->stream);

    if (stream_queued(c->stream) == 0 || c->phase == CLIENT_CLOSED)
        return;
    if (last < c->queue_since_ms)
        last = c->queue_since_ms;
    int64_t left = last + c->conf->send_timeout_ms - clock_monotonic_ms();
    if (left > 0) {
        timer_start(c->send_deadline, left);
        return;
    }
    close_timed_out(c, "while sending to client");
}

/* False: it would go nowhere. */
static bool begin_write(struct client *c)
{
    if (stream_is_closing(c->stream))
        return false;
    if (stream_queued(c->stream) == 0)
        c->queue_since_ms = clock_monotonic_ms();
    if (!timer_is_running(c->send_deadline))
        timer_start(c->send_deadline, c->conf->send_timeout_ms);
    return true;
}

bool client_write(struct client *c, struct buf *out)
{
    if (begin_write(c))
        return stream_write(c->stream, out);
    buf_clear(out);
    return true;
}

bool client_write_str(struct client *c, struct str data)
{
    return !begin_write(c) || stream_write_str(c->stream, data);
}

/* ------------------------------------------------------------------ from request to request */

static int64_t at_least_one(int64_t ms)
{
    return ms > 0 ? ms : 1;
}

bool request_keeps_alive(const struct request *req)
{
    const struct client *c = req->client;
    const struct location_conf *conf = req->location;

    if (req->must_close || c->proxy->phase != PROXY_RUNS || conf->keepalive_timeout_ms == 0)
        return false;
    if (c->requests >= conf->keepalive_requests ||
        clock_monotonic_ms() - c->started_ms > conf->keepalive_time_ms)
        return false;
    return framing_keeps_alive(req->head.version, &req->head.headers);
}

void client_forget_request(struct client *c)
{
    request_free(c->request);
    c->request = NULL;
}

void client_next_request(struct client *c)
{
    client_forget_request(c);
    client_enter(c, CLIENT_IDLE, c->conf->keepalive_timeout_ms);
    room_add_idle(c);
    stream_resume(c->stream); /* the next request may be there already */
    if (c->proxy->phase != PROXY_RUNS)
        client_drain(c);
}

static void after_request(void *arg)
{
    struct client *c = arg;
    struct request *req = c->request;
    bool keeps = c->h1.keep && !req->must_close;

    c->conf = req->location;
    if (stream_is_closing(c->stream)) {
        client_enter(c, CLIENT_CLOSED, 0);
        return;
    }
    if (!keeps) {
        client_forget_request(c);
        client_linger(c);
        return;
    }
    if (!c->h1.body_ended) {
        /* The request stays: its arena is the parser's until the body's end. */
        client_enter(c, CLIENT_DISCARD, at_least_one(c->conf->lingering_timeout_ms));
        stream_resume(c->stream);
        return;
    }
    client_next_request(c);
}

void client_request_done(struct request *req)
{
    struct client *c = req->client;

    if (c->phase == CLIENT_DONE)
        return;
    client_enter(c, CLIENT_DONE, 0);
    loop_defer(c->proxy->loop, after_request, c);
}

void client_linger(struct client *c)
{
    bool expects_more = !c->h1.body_ended || stream_has_input(c->stream);
    int64_t wait_ms = c->conf->lingering_timeout_ms;

    if (c->conf->lingering == LINGERING_OFF) {
        stream_close_after_flush(c->stream, CLOSE_DONE, c->conf->send_timeout_ms);
        client_enter(c, CLIENT_CLOSED, 0);
        return;
    }
    if (!expects_more && c->conf->lingering != LINGERING_ALWAYS && wait_ms > LINGER_QUIET_MS)
        wait_ms = LINGER_QUIET_MS;
    stream_shutdown(c->stream);
    client_enter(c, CLIENT_LINGER, at_least_one(wait_ms));
    stream_resume(c->stream);
}

void client_close(struct client *c, enum close_reason why)
{
    stream_close(c->stream, why);
    if (c->request == NULL || c->phase == CLIENT_DISCARD)
        client_enter(c, CLIENT_CLOSED, 0);
}

void client_drain(struct client *c)
{
    /* QUIT: at once, but where the next request has come. After a reload a kept connection has one
     * more answer, with Connection: close, but not for long. */
    static const int64_t one_more_ms = 10000;

    /* Whoever has just come has his answer; client_header_timeout goes on. */
    if (c->phase != CLIENT_IDLE || c->requests == 0)
        return;
    if (c->proxy->phase == PROXY_QUITS && stream_is_quiet(c->stream))
        client_close_idle(c, CLOSE_SHUTDOWN);
    else if (c->conf->keepalive_timeout_ms > one_more_ms)
        timer_start(c->deadline, one_more_ms);
}

/* ------------------------------------------------------------------ what the stream tells */

static void on_open(void *owner)
{
    struct client *c = owner;

    client_enter(c, CLIENT_IDLE, c->bind->default_server->client_header_timeout_ms);
}

static void on_data(void *owner, struct buf *in)
{
    struct client *c = owner;

    if (c->phase == CLIENT_LINGER) {
        int64_t left = c->phase_ms + c->conf->lingering_time_ms - clock_monotonic_ms();
        buf_clear(in);
        if (left <= 0)
            client_close(c, CLOSE_DONE);
        else
            timer_start(c->deadline, left < c->conf->lingering_timeout_ms
                                         ? left
                                         : c->conf->lingering_timeout_ms);
        return;
    }
    client_h1_on_data(c, in);
}

static void on_eof(void *owner, bool clean)
{
    struct client *c = owner;

    (void)clean; /* either way nothing more comes; what is incomplete counts as that (RFC 9112, 9.8)
                  */
    switch (c->phase) {
    case CLIENT_HANDSHAKE:
        client_close(c, CLOSE_PEER_CLOSED);
        return;
    case CLIENT_IDLE:
    case CLIENT_DISCARD:
        client_close_idle(c, CLOSE_PEER_CLOSED);
        return;
    case CLIENT_DONE: /* the answer is complete, but nothing can follow */
        c->request->must_close = true;
        return;
    case CLIENT_HEAD:
    case CLIENT_REQUEST:
    case CLIENT_TUNNEL:
        client_h1_on_eof(c);
        return;
    case CLIENT_LINGER: /* the stream closes by itself */
    case CLIENT_CLOSED:
        return;
    }
}

static void on_drain(void *owner)
{
    struct client *c = owner;

    if (c->phase != CLIENT_REQUEST && c->phase != CLIENT_TUNNEL)
        return;
    if (c->request->step == REQUEST_EXCHANGE)
        exchange_on_client_drain(c->request);
    else
        request_resume(c->request);
}

static void log_tls_problem(struct client *c, enum close_reason why)
{
    const struct tls_session *tls = stream_tls(c->stream);
    enum refusal refusal = tls_session_refusal(tls);
    if (refusal != REFUSAL_NONE) {
        refusal_log_add(access_logs_refusals(proxy_access_logs(c->proxy)), &c->log, client_addr(c),
                        refusal, str_of(tls_session_problem(tls)));
        return;
    }
    enum log_level level = tls_session_problem_is_client(tls) ? LOG_INFO : LOG_ERROR;

    log_write(&c->log, level, "%s: %s", close_reason_text(why), tls_session_problem(tls));
}

static void log_failed_handshake(struct client *c, enum close_reason why)
{
    c->action = "while SSL handshaking";
    if (why == CLOSE_PEER_CLOSED)
        log_write(&c->log, LOG_INFO, "peer closed connection in SSL handshake");
    else if (why == CLOSE_PEER_RESET || why == CLOSE_READ_FAILED || why == CLOSE_WRITE_FAILED)
        log_write_errno(&c->log, LOG_INFO, stream_error(c->stream), "SSL handshake failed");
}

static void client_free(struct client *c)
{
    struct proxy *p = c->proxy;

    list_remove(&c->node);
    room_leave(c);
    loop_defer_cancel(p->loop, after_request, c);
    if (c->request != NULL)
        request_free(c->request);
    client_h1_deinit(c);
    timer_free(c->deadline);
    timer_free(c->send_deadline);
    mem_free(c);
    proxy_client_gone(p);
}

static void end_running_request(struct client *c, enum close_reason why)
{
    struct request *req = c->request;

    bool is_incomplete = c->phase == CLIENT_HEAD || c->h1.body_wanted;

    exchange_on_client_gone(req, why);
    request_abort(req, is_incomplete ? 400 : 499, why);
}

static void on_close(void *owner, enum close_reason why)
{
    struct client *c = owner;

    if (c->phase == CLIENT_HANDSHAKE)
        log_failed_handshake(c, why);
    if (why == CLOSE_TLS_FAILED || why == CLOSE_TLS_BROKEN)
        log_tls_problem(c, why);
    if (c->request != NULL)
        end_running_request(c, why);
    client_free(c);
}

static const struct stream_events events = {on_open, on_data, on_eof, on_drain, on_close};

/* ------------------------------------------------------------------ accept */

/* The server block by SNI; its TLS settings serve the handshake. */
static const struct tls_context *choose(void *owner, const struct client_hello *hello)
{
    struct client *c = owner;
    struct str name = hello->server_name;
    bool matched = false;
    const struct server_conf *s = c->bind->default_server;

    if (name.ptr != NULL)
        s = bind_find_server(c->bind, name, &matched, NULL, NULL);
    c->tls_server = s;
    c->sni_matched = matched;
    c->conf = s->root;
    return s->tls.reject_handshake ? NULL : s->tls_context;
}

static bool may_sign(void *owner)
{
    struct client *c = owner;

    c->action = "while SSL handshaking";
    bool may = handshake_rate_take(c->proxy->handshake_rate, &c->log);
    c->action = NULL;
    return may;
}

static struct tls_session *make_session(struct client *c)
{
    if (!c->bind->listen.ssl)
        return NULL;
    return tls_session_new((struct tls_session_hooks){choose, may_sign, c});
}

/* A wildcard's socket also takes the connections of the listens of that port with an address. */
static const struct bind_conf *bind_of_socket(struct proxy *p, const struct bind_conf *bind, int fd)
{
    struct addr local = {.len = sizeof local.un};

    if (!bind->is_shared || getsockname(fd, &local.sa, &local.len) == -1)
        return bind;
    return bind_of_local(&proxy_snapshot(p)->http, bind, &local);
}

void client_accept(struct proxy *p, const struct bind_conf *socket, int fd, const struct addr *peer)
{
    const struct bind_conf *bind = bind_of_socket(p, socket, fd);
    struct client *c = MEM_NEW(struct client);

    c->proxy = p;
    c->bind = bind;
    c->conf = bind->default_server->root;
    c->addr = *peer;
    addr_text(peer, c->addr_text);
    c->number = ++p->last_number;
    c->review = p->review;
    c->log = (struct log_context){.log = proxy_error_log(p, c->conf),
                                  .connection = c->number,
                                  .describe = describe,
                                  .owner = c};
    c->started_ms = clock_monotonic_ms();
    c->deadline = timer_new(p->loop, on_deadline, c);
    c->send_deadline = timer_new(p->loop, on_send_deadline, c);
    list_push_back(&p->clients, &c->node);
    room_add_stranger(c);
    client_h1_init(c);
    client_enter(c, CLIENT_HANDSHAKE, bind->default_server->tls_handshake_timeout_ms);
    c->stream = stream_accept(p->loop, fd, peer, make_session(c), &events, c);
}
