/* One attempt at a peer: how it begins and ends, and whether another one follows. */
#include "portcullis/proxy/exchange.h"

#include <assert.h>
#include <errno.h>

#include "portcullis/base/clock.h"
#include "portcullis/proxy/client.h"

static int64_t since(int64_t then_ms)
{
    return clock_monotonic_ms() - then_ms;
}

struct upstream_try *exchange_try(struct exchange *x)
{
    assert(x->req->tries.count > 0);
    return &x->req->tries.items[x->req->tries.count - 1];
}

static const char *doing(const struct exchange *x)
{
    switch (x->state) {
    case EXCHANGE_SPOOLING:
        return "while reading client request body";
    case EXCHANGE_READY:
    case EXCHANGE_RESOLVING:
    case EXCHANGE_CONNECTING:
        return "while connecting to upstream";
    case EXCHANGE_CONNECTED:
        return "while sending request to upstream";
    case EXCHANGE_WAITING:
        if (exchange_is_sending(x))
            return "while sending request to upstream";
        return "while reading response header from upstream";
    case EXCHANGE_RESPONDING:
        return "while reading upstream";
    case EXCHANGE_TUNNEL:
        return "while proxying upgraded connection";
    case EXCHANGE_DONE:
        break;
    }
    return "while logging request";
}

void exchange_log(struct exchange *x, enum log_level level, int err, const char *format, ...)
{
    va_list args;

    x->req->action = doing(x);
    va_start(args, format);
    log_vwrite(&x->req->log, level, err, format, args);
    va_end(args);
    x->req->action = NULL;
}

/* ------------------------------------------------------------------ begin and end */

void exchange_begin_try(struct exchange *x)
{
    struct request *req = x->req;
    bool follows_another = x->began_ms == 0 && req->tries.count > 0;

    *VEC_PUSH(&req->arena, &req->tries) = (struct upstream_try){
        .connect_ms = -1, .header_ms = -1, .response_ms = -1, .after_redirect = follows_another};
    x->attempt_ms = clock_monotonic_ms();
    if (x->began_ms == 0)
        x->began_ms = x->attempt_ms;
    x->backend_full = x->request_sent = x->response_begun = x->upstream_ended = false;
    x->spool_offset = 0;
}

static void count_sent(struct exchange *x)
{
    if (x->backend != NULL && x->state >= EXCHANGE_WAITING)
        exchange_try(x)->bytes_sent = stream_bytes_sent(x->backend->stream) - x->sent_before;
}

static void end_try(struct exchange *x)
{
    struct upstream_try *try = exchange_try(x);

    count_sent(x);
    if (try->response_ms < 0)
        try->response_ms = since(x->attempt_ms);
}

/* Without it there is nobody to take the body: who comes next asks for it. */
static void close_backend(struct exchange *x, enum close_reason why)
{
    x->req->transport->stop_body(x->req);
    if (x->backend == NULL)
        return;
    backend_close(x->backend, why);
    x->backend = NULL;
}

void exchange_give_backend(struct exchange *x, bool reusable)
{
    end_try(x);
    selection_end(&x->selection, PEER_OK, &x->req->log);
    if (reusable && x->backend != NULL) {
        backend_give(x->backend);
        x->backend = NULL;
    }
    close_backend(x, CLOSE_DONE);
}

void exchange_release(struct request *req)
{
    struct exchange *x = req->exchange;

    if (x == NULL || x->state == EXCHANGE_DONE)
        return;
    if (x->selection.peer != NULL)
        end_try(x);
    if (x->query != NULL)
        resolver_cancel(x->query);
    x->query = NULL;
    close_backend(x, CLOSE_ABORTED);
    selection_end(&x->selection, PEER_OK, &req->log);
    if (x->owns_upstream)
        upstream_free(x->upstream);
    x->upstream = NULL;
    x->state = EXCHANGE_DONE;
}

void exchange_free(struct request *req)
{
    exchange_release(req);
    req->exchange = NULL;
}

/* ------------------------------------------------------------------ another peer? */

/* Retrying must not do a thing twice: RFC 9110, 9.2.2. */
static bool may_be_said_again(struct exchange *x, unsigned allowed)
{
    const struct request *req = x->req;

    if (req->body_is_lost)
        return false;
    count_sent(x);
    if (exchange_try(x)->bytes_sent == 0 || x->is_idempotent)
        return true;
    return (allowed & NEXT_NON_IDEMPOTENT) != 0;
}

bool exchange_may_try_next(struct exchange *x, unsigned bit)
{
    const struct proxy_conf *conf = x->conf;

    if ((conf->next_upstream & NEXT_OFF) != 0 || (conf->next_upstream & bit) == 0 ||
        x->selection.tries_left <= 1)
        return false;
    if (conf->next_upstream_timeout_ms > 0 && since(x->began_ms) >= conf->next_upstream_timeout_ms)
        return false;
    return may_be_said_again(x, conf->next_upstream);
}

/* An idle connection that the peer closed as the request came: no fault of anyone's. RFC
 * 9112, 9.3.1. */
static bool was_stale(struct exchange *x, unsigned bit)
{
    if (bit != NEXT_ERROR || !x->backend_was_idle || x->response_begun)
        return false;
    return x->state == EXCHANGE_CONNECTING || /* nothing was said on it */
           (x->state == EXCHANGE_WAITING && may_be_said_again(x, 0));
}

static enum peer_result result_of(unsigned bit)
{
    if (bit == NEXT_403 || bit == NEXT_404)
        return PEER_PASSED;
    return bit == NEXT_TIMEOUT ? PEER_TIMED_OUT : PEER_FAILED;
}

void exchange_fault(struct exchange *x, unsigned bit, unsigned status, enum close_reason why)
{
    struct request *req = x->req;

    if (req->response_started) { /* who answered is none that fails */
        request_abort(req, status, why);
        return;
    }
    bool stale = was_stale(x, bit);
    bool again = stale || exchange_may_try_next(x, bit);

    exchange_try(x)->status = stale ? 0 : status;
    end_try(x);
    close_backend(x, why);
    req->action = doing(x);
    if (stale)
        req->tries.count--;
    else
        selection_end(&x->selection, result_of(bit), &req->log);
    req->action = NULL;
    if (!again) {
        request_fail(req, status, why);
        return;
    }
    x->same_peer_again = stale;
    x->state = EXCHANGE_READY;
    req->next_step = REQUEST_CONNECT;
    request_resume(req);
}

/* ------------------------------------------------------------------ what ends it */

static void connect_failed(struct exchange *x, enum close_reason why, int err)
{
    if (why == CLOSE_CONNECT_TIMED_OUT) {
        exchange_log(x, LOG_ERROR, ETIMEDOUT, "upstream timed out");
        exchange_fault(x, NEXT_TIMEOUT, 504, why);
        return;
    }
    struct str addr = exchange_try(x)->addr;
    bool is_unix = str_starts(addr, STR("unix:"));
    enum log_level level = err == ENOENT ? LOG_CRIT : LOG_ERROR;
    if (is_unix)
        exchange_log(x, level, err, "connect() to %.*s failed", STR_ARG(addr));
    else
        exchange_log(x, level, err, "connect() failed");
    exchange_fault(x, NEXT_ERROR, 502, why);
}

static void connection_failed(struct exchange *x, enum close_reason why, int err)
{
    bool timed_out = why == CLOSE_TIMED_OUT;

    exchange_log(x, was_stale(x, NEXT_ERROR) ? LOG_INFO : LOG_ERROR, err, "%s",
                 timed_out ? "upstream timed out" : "recv() failed");
    exchange_fault(x, timed_out ? NEXT_TIMEOUT : NEXT_ERROR, timed_out ? 504 : 502, why);
}

void exchange_on_early_eof(struct exchange *x)
{
    exchange_log(x, was_stale(x, NEXT_ERROR) ? LOG_INFO : LOG_ERROR, 0,
                 "upstream prematurely closed connection");
    exchange_fault(x, NEXT_ERROR, 502, CLOSE_PEER_CLOSED);
}

void exchange_on_backend_close(struct exchange *x, enum close_reason why)
{
    int err = stream_error(x->backend->stream);
    bool was_connecting = x->state == EXCHANGE_CONNECTING;

    count_sent(x);
    backend_gone(x->backend);
    x->backend = NULL;
    if (was_connecting && x->backend_was_idle)
        exchange_fault(x, NEXT_ERROR, 502, why); /* nothing was said on it: another, unseen */
    else if (was_connecting)
        connect_failed(x, why, err);
    else
        connection_failed(x, why, err);
}
