/* HTTP/1 on a client's connection (RFC 9112): responses out, and the body asked for that
 * client_h1.c then reads. */
#include <assert.h>

#include "portcullis/http/h1_writer.h"
#include "portcullis/proxy/client.h"

/* The rest of a response that is_sent does not wait for. */
#define UNSENT_MAX ((size_t)16 * 1024)

/* ------------------------------------------------------------------ the response: head */

/* RFC 9112, 6.3, and 9110, 8.6: how the client will know where the body ends. */
static enum h1_sending choose_sending(struct request *req, bool has_body)
{
    struct headers *h = &req->response.headers;
    bool has_length = headers_has(h, HEADER_CONTENT_LENGTH);

    headers_remove(h, HEADER_TRANSFER_ENCODING);
    if (req->response.status == 101)
        return H1_SEND_RAW;
    if (!http_status_has_body(req->response.status)) {
        if (req->response.status == 204)
            headers_remove(h, HEADER_CONTENT_LENGTH);
        return H1_SEND_NOTHING;
    }
    if (req->is_head_only)
        return H1_SEND_NOTHING;
    if (has_length)
        return H1_SEND_LENGTH;
    if (!has_body) {
        headers_set(h, &req->arena, STR("Content-Length"), STR("0"));
        return H1_SEND_LENGTH;
    }
    if (req->head.version < HTTP_1_1)
        return H1_SEND_UNTIL_CLOSE;
    headers_set(h, &req->arena, STR("Transfer-Encoding"), STR("chunked"));
    return H1_SEND_CHUNKED;
}

static void set_connection(struct client *c)
{
    struct request *req = c->request;
    struct headers *h = &req->response.headers;

    if (c->h1.sending == H1_SEND_RAW)
        return;
    /* A client that still waits for 100 may send its body or not: nobody could tell what follows.
     */
    if (c->h1.sending == H1_SEND_UNTIL_CLOSE || c->h1.awaits_continue)
        req->must_close = true;
    c->h1.keep = request_keeps_alive(req);
    headers_set(h, &req->arena, STR("Connection"), c->h1.keep ? STR("keep-alive") : STR("close"));
    if (c->h1.keep && req->location->keepalive_header_s >= 0)
        headers_set(h, &req->arena, STR("Keep-Alive"),
                    arena_printf(&req->arena, "timeout=%lld",
                                 (long long)req->location->keepalive_header_s));
}

static void count(struct request *req, size_t n, bool is_body)
{
    req->bytes_sent += n;
    if (is_body)
        req->body_bytes_sent += n;
}

static bool flush(struct client *c, bool is_body)
{
    count(c->request, buf_len(&c->h1.out), is_body);
    return client_write(c, &c->h1.out);
}

static void write_head(struct client *c, const struct response_head *head)
{
    struct buf *out = &c->h1.out;

    h1_write_status_line(out, head->status, head->reason);
    h1_write_headers(out, &head->headers);
    h1_write_head_end(out);
    (void)flush(c, false);
}

static void send_informational(struct request *req, const struct response_head *head)
{
    if (req->head.version < HTTP_1_1) /* RFC 9110, 15.2 */
        return;
    struct response_head clean = *head;
    static const enum header_name never[] = {HEADER_CONNECTION, HEADER_KEEP_ALIVE,
                                             HEADER_TRANSFER_ENCODING, HEADER_CONTENT_LENGTH,
                                             HEADER_UPGRADE};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        headers_remove(&clean.headers, never[i]);
    identity_headers_strip_response(req, &clean.headers);
    write_head(req->client, &clean);
    stream_flush(req->client->stream);
}

static void send_head(struct request *req, bool has_body)
{
    struct client *c = req->client;

    assert(!req->response_started);
    req->response_started = true;
    c->conf = req->location; /* its send_timeout counts from now on */
    req->status = req->response.status;
    c->h1.sending = choose_sending(req, has_body);
    set_connection(c);
    write_head(c, &req->response);
}

/* ------------------------------------------------------------------ the response: body, end */

static bool send_body(struct request *req, struct str data)
{
    struct client *c = req->client;

    switch (c->h1.sending) {
    case H1_SEND_NOTHING:
        return true;
    case H1_SEND_CHUNKED:
        h1_write_chunk(&c->h1.out, data);
        return flush(c, true);
    case H1_SEND_LENGTH:
    case H1_SEND_UNTIL_CLOSE:
    case H1_SEND_RAW:
        break;
    }
    count(req, data.len, true);
    return client_write_str(c, data);
}

static void finish(struct request *req, const struct headers *trailers)
{
    struct client *c = req->client;

    if (c->h1.sending == H1_SEND_CHUNKED) {
        h1_write_last_chunk(&c->h1.out, trailers);
        (void)flush(c, true);
    }
    buf_release(&c->h1.out);
    req->is_complete = true;
    client_h1_stop_body(c);
    req->next_step = REQUEST_END;
    if (stream_queued(c->stream) <= UNSENT_MAX)
        return;
    stream_notify_sent(c->stream);
    timer_start(c->deadline, CLIENT_H1_UNSENT_CHECK_MS);
}

static bool is_sent(struct request *req)
{
    const struct client *c = req->client;

    return stream_is_closing(c->stream) || stream_queued(c->stream) <= UNSENT_MAX;
}

/* What never left does not count as sent. */
static void count_unsent(struct request *req)
{
    uint64_t left = stream_queued(req->client->stream);

    if (!req->response_started)
        return;
    req->bytes_sent -= left < req->bytes_sent ? left : req->bytes_sent;
    req->body_bytes_sent -= left < req->body_bytes_sent ? left : req->body_bytes_sent;
}

static void abort_response(struct request *req, enum close_reason why)
{
    struct client *c = req->client;

    client_h1_stop_body(c);
    req->must_close = true;
    if (stream_is_closing(c->stream)) {
        count_unsent(req);
        return;
    }
    if (!req->response_started) { /* the end of the answer before may still be here (is_sent) */
        stream_close_after_flush(c->stream, why, req->location->send_timeout_ms);
        return;
    }
    /* Where closing is how a body ends, a plain end would make it look whole. */
    if (c->h1.sending == H1_SEND_UNTIL_CLOSE) {
        stream_set_reset_on_close(c->stream, true);
        count_unsent(req);
        stream_close(c->stream, why);
        return;
    }
    /* If it has not begun, an earlier answer is on its way. */
    stream_close_after_flush(c->stream, req->response_started ? CLOSE_ABORTED : why,
                             req->location->send_timeout_ms);
}

/* ------------------------------------------------------------------ the request's body is asked
 * for */

static void ask_for_body(struct request *req)
{
    struct client *c = req->client;

    if (c->phase != CLIENT_REQUEST && c->phase != CLIENT_TUNNEL)
        return;
    c->h1.body_wanted = true;
    if (c->h1.awaits_continue) {
        c->h1.awaits_continue = false;
        buf_append_str(&c->h1.out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
        (void)flush(c, false);
        stream_flush(c->stream);
    }
    if (c->phase == CLIENT_REQUEST)
        timer_start(c->deadline, req->location->client_body_timeout_ms);
    stream_resume(c->stream);
}

/* The deadline may be another's already. */
static void stop_body(struct request *req)
{
    if (req->client->h1.body_wanted)
        client_h1_stop_body(req->client);
}

static void tunnel(struct request *req)
{
    struct client *c = req->client;

    client_enter_tunnel(c);
    ask_for_body(req);
}

const struct transport client_h1_transport = {
    .send_informational = send_informational,
    .send_head = send_head,
    .send_body = send_body,
    .finish = finish,
    .is_sent = is_sent,
    .abort = abort_response,
    .read_body = ask_for_body,
    .stop_body = stop_body,
    .tunnel = tunnel,
};
