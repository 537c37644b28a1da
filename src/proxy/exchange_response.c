/* What a backend answers, on its way to the client. One buffer at a time: while the client is full,
 * nothing is taken from the backend. */
#include "portcullis/proxy/client.h"
#include "portcullis/proxy/exchange.h"

#include "portcullis/base/clock.h"

#define INFORMATIONAL_MAX 64

static bool is_active(const struct exchange *x)
{
    return x->state == EXCHANGE_WAITING || x->state == EXCHANGE_RESPONDING;
}

static void bad_response(struct exchange *x, const char *problem)
{
    exchange_log(x, LOG_ERROR, 0, "upstream sent invalid response: %s", problem);
    exchange_fault(x, NEXT_INVALID_HEADER, 502, CLOSE_BAD_RESPONSE);
}

/* ------------------------------------------------------------------ complete */

/* RFC 9112, 9.3: only a message that ended by itself leaves a connection that can be used again. */
static bool backend_is_reusable(const struct exchange *x)
{
    const struct response_head *head = &x->parser.response;

    if (!x->request_sent || x->upstream_ended || x->conf->version < HTTP_1_1)
        return false;
    return framing_keeps_alive(head->version, &head->headers);
}

static void complete(struct exchange *x, bool self_delimited)
{
    struct request *req = x->req;
    struct headers *trailers = ARENA_NEW(&req->arena, struct headers);

    *trailers = x->parser.trailers;
    identity_headers_strip_response(req, trailers);
    req->upstream_trailers = trailers;
    exchange_give_backend(x, self_delimited && backend_is_reusable(x));
    exchange_release(req);
    req->is_complete = true;
    req->transport->finish(req, trailers);
    request_resume(req);
}

/* ------------------------------------------------------------------ head */

static unsigned next_bit(unsigned status)
{
    static const struct {
        unsigned status, bit;
    } rows[] = {{500, NEXT_500}, {502, NEXT_502}, {503, NEXT_503}, {504, NEXT_504},
                {403, NEXT_403}, {404, NEXT_404}, {429, NEXT_429}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status)
            return rows[i].bit;
    }
    return 0;
}

static bool on_informational(struct exchange *x)
{
    struct request *req = x->req;
    const struct response_head *head = &x->parser.response;

    if (++x->informational > INFORMATIONAL_MAX) {
        bad_response(x, "too many informational responses");
        return false;
    }
    /* 100 was answered here already: forward_request_head takes Expect away. RFC 9110, 15.2. */
    if (head->status != 100)
        req->transport->send_informational(req, head);
    h1_parser_restart(&x->parser, &req->arena);
    return true;
}

static void keep_facts(struct exchange *x)
{
    struct request *req = x->req;
    struct upstream_try *try = exchange_try(x);

    try->status = x->parser.response.status;
    try->header_ms = clock_monotonic_ms() - x->attempt_ms;
    req->upstream_headers = ARENA_NEW(&req->arena, struct headers);
    *req->upstream_headers = x->parser.response.headers;
}

static bool on_switching(struct exchange *x)
{
    struct request *req = x->req;

    if (!x->wants_upgrade) {
        bad_response(x, "101 without an Upgrade in the request");
        return false;
    }
    if (!x->request_sent || !req->client->h1.body_ended) { /* RFC 9110, 7.8 */
        bad_response(x, "101 before the end of the request");
        return false;
    }
    keep_facts(x);
    (void)forward_response_head(req, &x->parser.response); /* it leads nowhere else */
    respond_finish_head(req);
    h1_parser_body(&x->parser, (struct framing){.kind = BODY_UNTIL_CLOSE});
    req->must_close = true;
    req->transport->send_head(req, true);
    x->state = EXCHANGE_TUNNEL;
    exchange_touch(x);
    req->transport->tunnel(req);
    return true;
}

/* False: it goes nowhere: to another peer, to an error page, to a redirect. */
static bool pass_head(struct exchange *x, struct framing framing)
{
    struct request *req = x->req;
    const struct response_head *head = &x->parser.response;
    unsigned bit = next_bit(head->status);

    if (bit != 0 && exchange_may_try_next(x, bit)) {
        exchange_fault(x, bit, head->status, CLOSE_DONE);
        return false;
    }
    if (!forward_response_head(req, head)) {
        request_resume(req);
        return false;
    }
    h1_parser_body(&x->parser, framing);
    if (x->is_head && !req->is_head_only) /* the length is that of a body that will not come */
        headers_remove(&req->response.headers, HEADER_CONTENT_LENGTH);
    respond_finish_head(req);
    x->state = EXCHANGE_RESPONDING;
    exchange_touch(x);
    req->transport->send_head(req, framing.kind != BODY_NONE);
    return true;
}

static bool on_head(struct exchange *x)
{
    const struct response_head *head = &x->parser.response;

    if (head->status == 101)
        return on_switching(x);
    if (head->status < 200)
        return on_informational(x);
    struct framing framing = framing_of_response(head, x->is_head);
    if (framing.status != 0) {
        bad_response(x, framing.problem);
        return false;
    }
    keep_facts(x);
    return pass_head(x, framing);
}

/* ------------------------------------------------------------------ body */

static void send_to_client(struct exchange *x, struct str data)
{
    struct request *req = x->req;

    exchange_try(x)->response_length += data.len;
    if (!req->transport->send_body(req, data))
        x->client_full = true;
}

static void read_response(struct exchange *x, struct buf *in)
{
    while (is_active(x) && !x->client_full) {
        switch (h1_parser_next(&x->parser, in)) {
        case H1_MORE:
            return;
        case H1_HEAD:
            if (!on_head(x))
                return;
            break;
        case H1_DATA: {
            struct str data = x->parser.data;
            send_to_client(x, data);
            h1_parser_took(&x->parser, in, data.len);
            break;
        }
        case H1_END:
            complete(x, !x->upstream_ended);
            return;
        case H1_ERROR:
            bad_response(x, x->parser.problem);
            return;
        }
    }
}

static void read_tunnel(struct exchange *x, struct buf *in)
{
    if (x->client_full || buf_is_empty(in))
        return;
    exchange_touch(x);
    send_to_client(x, buf_str(in));
    buf_clear(in);
}

void exchange_on_response_data(struct exchange *x, struct buf *in)
{
    size_t before = buf_len(in);

    if (x->state == EXCHANGE_CONNECTED || x->state == EXCHANGE_CONNECTING)
        return; /* it speaks before it was asked: read when the request was sent */
    x->response_begun |= before > 0;
    size_t attempt = x->req->tries.count - 1;
    read_response(x, in);
    if (x->state == EXCHANGE_TUNNEL)
        read_tunnel(x, in);
    /* A new attempt may have begun meanwhile. */
    if (attempt < x->req->tries.count)
        x->req->tries.items[attempt].bytes_received += before - buf_len(in);
    if (x->upstream_ended && buf_is_empty(in))
        exchange_on_response_eof(x);
}

/* ------------------------------------------------------------------ end of the connection */

static void on_tunnel_eof(struct exchange *x)
{
    struct request *req = x->req;

    exchange_give_backend(x, false);
    exchange_release(req);
    req->is_complete = true;
    req->transport->finish(req, NULL);
    request_resume(req);
}

void exchange_on_response_eof(struct exchange *x)
{
    struct buf nothing = {0};

    x->upstream_ended = true;
    if (x->backend == NULL || x->state == EXCHANGE_DONE)
        return;
    if (x->client_full && stream_has_input(x->backend->stream))
        return; /* what came before is still to be taken */
    switch (x->state) {
    case EXCHANGE_TUNNEL:
        on_tunnel_eof(x);
        return;
    case EXCHANGE_CONNECTED: /* told again when the request is sent */
    case EXCHANGE_WAITING:
        exchange_on_early_eof(x);
        return;
    case EXCHANGE_RESPONDING:
        if (h1_parser_eof(&x->parser) && h1_parser_next(&x->parser, &nothing) == H1_END)
            complete(x, false);
        else
            exchange_on_early_eof(x);
        return;
    default:
        return;
    }
}
