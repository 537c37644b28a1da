/* The request on its way to a backend: its head, then its body from the spool or as it comes. One
 * buffer at a time: what the backend does not take is not read. */
#include <errno.h>

#include "portcullis/http/h1_writer.h"
#include "portcullis/proxy/exchange.h"

#define PIECE_BYTES         STREAM_READ_MAX
#define RESPONSE_FIELDS_MAX 1000

static void give(struct exchange *x, struct buf *out)
{
    x->backend_full = !stream_write(x->backend->stream, out);
}

static void give_str(struct exchange *x, struct str data)
{
    x->backend_full = !stream_write_str(x->backend->stream, data);
}

/* ------------------------------------------------------------------ from the spool */

static void send_spooled(struct exchange *x)
{
    struct request *req = x->req;
    struct buf piece = {0};

    while (!x->backend_full && !stream_is_broken(x->backend->stream) &&
           x->spool_offset < req->spool->size) {
        if (!spool_read(req->spool, x->spool_offset, PIECE_BYTES, &piece)) {
            exchange_log(x, LOG_CRIT, errno, "pread() of the request body failed");
            buf_deinit(&piece);
            request_fail(req, 500, CLOSE_ABORTED);
            return;
        }
        x->spool_offset += buf_len(&piece);
        give_str(x, buf_str(&piece));
        buf_clear(&piece);
    }
    buf_deinit(&piece);
    x->request_sent = x->spool_offset == req->spool->size;
}

/* ------------------------------------------------------------------ the head */

static void expect_response(struct exchange *x)
{
    size_t most = x->conf->buffer_size;
    struct h1_limits limits = {.line_bytes = most,
                               .field_bytes = most,
                               .head_bytes = most,
                               .fields = RESPONSE_FIELDS_MAX,
                               .trailer_bytes = most,
                               .underscores = true};

    h1_parser_init(&x->parser, H1_RESPONSE, &limits);
    h1_parser_restart(&x->parser, &x->req->arena);
}

void exchange_send_request(struct exchange *x)
{
    struct request *req = x->req;
    struct stream *s = x->backend->stream;
    struct buf out = {0};

    expect_response(x);
    x->sent_before = stream_bytes_sent(s);
    forward_request_head(req, &out);
    give(x, &out);
    buf_deinit(&out);
    stream_resume(s);
    if (x->body == EXCHANGE_BODY_SPOOLED)
        send_spooled(x);
    else if (x->body == EXCHANGE_BODY_STREAMED)
        req->transport->read_body(req);
    else
        x->request_sent = true;
}

void exchange_on_backend_drain(struct exchange *x)
{
    if (x->backend == NULL || x->state < EXCHANGE_WAITING || !x->backend_full)
        return;
    x->backend_full = false;
    if (x->body == EXCHANGE_BODY_SPOOLED && !x->request_sent)
        send_spooled(x);
    else if (x->body == EXCHANGE_BODY_STREAMED || x->state == EXCHANGE_TUNNEL)
        x->req->transport->read_body(x->req);
}

/* ------------------------------------------------------------------ as it comes from the client */

static void warn_of_directory(struct exchange *x)
{
    static bool is_known;
    const struct spool *s = x->req->spool;

    if (s->directory_errno != 0 && !is_known)
        exchange_log(x, LOG_WARN, s->directory_errno,
                     "client_body_temp_path \"%.*s\" cannot be written to, \"/tmp\" is",
                     STR_ARG(s->directory));
    is_known |= s->directory_errno != 0;
}

static size_t spool(struct exchange *x, struct str data)
{
    struct request *req = x->req;
    bool ok = spool_add(req->spool, data);

    warn_of_directory(x);
    if (ok)
        return data.len;
    exchange_log(x, LOG_CRIT, errno, "the request body could not be written to \"%.*s\"",
                 STR_ARG(req->spool->directory));
    req->body_is_lost = req->must_close = true;
    request_fail(req, 500, CLOSE_ABORTED);
    return data.len;
}

static size_t pass_on(struct exchange *x, struct str data, bool chunked)
{
    struct buf out = {0};

    if (x->backend == NULL || x->backend_full)
        return 0;
    x->req->body_is_lost = true;
    exchange_touch(x);
    if (chunked) {
        h1_write_chunk(&out, data);
        give(x, &out);
        buf_deinit(&out);
    } else
        give_str(x, data);
    return data.len;
}

size_t exchange_on_body(struct request *req, struct str data)
{
    struct exchange *x = req->exchange;

    switch (x->state) {
    case EXCHANGE_SPOOLING:
        return spool(x, data);
    case EXCHANGE_WAITING:
    case EXCHANGE_RESPONDING:
        return pass_on(x, data, req->framing.kind == BODY_CHUNKED);
    case EXCHANGE_TUNNEL:
        return pass_on(x, data, false);
    default:
        return 0;
    }
}

/* ------------------------------------------------------------------ its end */

static void end_spool(struct exchange *x)
{
    struct request *req = x->req;

    if (!spool_end(req->spool)) {
        exchange_log(x, LOG_CRIT, errno, "the request body could not be written to \"%.*s\"",
                     STR_ARG(req->spool->directory));
        req->body_is_lost = true;
        request_fail(req, 500, CLOSE_ABORTED);
        return;
    }
    x->state = EXCHANGE_READY;
    req->next_step = REQUEST_ADMIT; /* who took his time is looked at again */
    request_resume(req);
}

/* RFC 9110, 6.5.1: nothing in a trailer may frame, route or identify. */
static bool may_be_a_trailer(const struct request *req, const struct header *it)
{
    switch (it->id) {
    case HEADER_CONTENT_LENGTH:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_HOST:
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_PROXY:
    case HEADER_TE:
    case HEADER_TRAILER:
    case HEADER_UPGRADE:
    case HEADER_EXPECT:
    case HEADER_MAX_FORWARDS:
    case HEADER_AUTHORIZATION:
    case HEADER_COOKIE:
    case HEADER_SET_COOKIE:
    case HEADER_CONTENT_ENCODING:
    case HEADER_CONTENT_TYPE:
    case HEADER_CONTENT_RANGE:
    case HEADER_CACHE_CONTROL:
    case HEADER_X_FORWARDED_FOR:
    case HEADER_X_REAL_IP:
        return false;
    default:
        return !identity_header_is_trusted(req, it->name);
    }
}

void exchange_filter_trailers(struct request *req, const struct headers *from, struct headers *to)
{
    *to = (struct headers){0};
    if (from == NULL)
        return;
    HEADERS_FOR(it, from) {
        if (may_be_a_trailer(req, it))
            headers_add(to, &req->arena, it->name, it->value);
    }
}

static void end_streamed(struct exchange *x, const struct headers *trailers)
{
    struct request *req = x->req;
    struct headers kept;
    struct buf out = {0};

    if (req->framing.kind == BODY_CHUNKED) {
        exchange_filter_trailers(req, trailers, &kept);
        h1_write_last_chunk(&out, &kept);
        give(x, &out);
        buf_deinit(&out);
    }
    x->request_sent = true;
    exchange_touch(x);
}

void exchange_on_body_end(struct request *req, const struct headers *trailers)
{
    struct exchange *x = req->exchange;

    switch (x->state) {
    case EXCHANGE_SPOOLING:
        end_spool(x);
        return;
    case EXCHANGE_WAITING:
    case EXCHANGE_RESPONDING:
        if (x->backend != NULL)
            end_streamed(x, trailers);
        return;
    case EXCHANGE_TUNNEL:
        if (x->backend != NULL)
            stream_shutdown(x->backend->stream);
        return;
    default:
        return;
    }
}
