/* The request on its way to a backend: its head, then its body from the spool or as it comes. One
 * buffer at a time: what the backend does not take is not read. */
#include <errno.h>

#include "portcullis/http/h1_writer.h"
#include "portcullis/proxy/exchange.h"

bool exchange_is_sending(const struct exchange *x)
{
    bool body_is_coming = x->body == EXCHANGE_BODY_SPOOLED && !x->request_sent;

    return body_is_coming || (x->backend != NULL && stream_queued(x->backend->stream) > 0);
}

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
                               .ignore_invalid_fields = true,
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

/* The client's trailers end here, as with nginx: RFC 9110, 6.5.1, and servers that join them to the
 * head would take from them what proxy_set_header says. */
static void end_streamed(struct exchange *x)
{
    struct buf out = {0};

    if (x->req->framing.kind == BODY_CHUNKED) {
        h1_write_last_chunk(&out, NULL);
        give(x, &out);
        buf_deinit(&out);
    }
    if (!x->req->body_is_lost) { /* it was empty: whoever is asked next need not wait for it */
        x->req->framing = (struct framing){.kind = BODY_LENGTH};
        x->body = EXCHANGE_BODY_NONE;
    }
    x->request_sent = true;
    exchange_touch(x);
}

void exchange_on_body_end(struct request *req)
{
    struct exchange *x = req->exchange;

    switch (x->state) {
    case EXCHANGE_SPOOLING:
        end_spool(x);
        return;
    case EXCHANGE_WAITING:
    case EXCHANGE_RESPONDING:
        if (x->backend != NULL)
            end_streamed(x);
        return;
    case EXCHANGE_TUNNEL:
        if (x->backend != NULL)
            stream_shutdown(x->backend->stream);
        return;
    default:
        return;
    }
}
