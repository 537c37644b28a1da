/* HTTP/1 on a client's connection (RFC 9112): heads and bodies in; client_h1_transport.c has the
 * responses. One request at a time; what a client sends beyond it stays in the stream, which reads
 * no more than STREAM_READ_MAX. */
#include <errno.h>

#include "portcullis/base/clock.h"
#include "portcullis/proxy/client.h"

#define FIELDS_MAX 1000

/* ------------------------------------------------------------------ a new message */

static void restart(struct client *c, struct request *req)
{
    const struct server_conf *s = req->server;
    size_t large = s->large_header_buffer_size;
    size_t line = large > s->client_header_buffer_size ? large : s->client_header_buffer_size;
    struct h1_limits limits = {
        .line_bytes = line,
        .field_bytes = line,
        .head_bytes = line * (s->large_header_buffers > 0 ? s->large_header_buffers : 1),
        .fields = FIELDS_MAX,
        .trailer_bytes = line,
        .ignore_invalid_fields = s->ignore_invalid_headers,
        .underscores = s->underscores_in_headers};

    h1_parser_init(&c->h1.parser, H1_REQUEST, &limits);
    h1_parser_restart(&c->h1.parser, &req->arena);
    c->h1.sending = H1_SEND_NOTHING;
    c->h1.awaits_continue = c->h1.body_wanted = c->h1.keep = false;
    c->h1.body_ended = true; /* until a head says otherwise */
}

static void begin_head(struct client *c)
{
    c->request = request_new(c, &client_h1_transport);
    restart(c, c->request);
    client_enter(c, CLIENT_HEAD, c->request->server->client_header_timeout_ms);
}

/* A head that is none: answered, and the connection ends. */
static void refuse(struct client *c, unsigned status, const char *problem)
{
    struct request *req = c->request;

    req->action = "while reading client request headers";
    log_write(&req->log, LOG_INFO, "client sent invalid request: %s", problem);
    req->action = NULL;
    req->must_close = req->body_is_lost = true;
    req->path_is_original = false; /* such a target is not passed on as it came */
    if (req->host.len == 0)
        req->host = req->server->name;
    c->h1.body_ended = false; /* whatever follows: read on a little (RFC 9112, 9.6) */
    client_enter(c, CLIENT_REQUEST, 0);
    request_fail(req, status, CLOSE_BAD_REQUEST);
}

/* RFC 9112, 3.2: one Host in HTTP/1.1, valid, and the target's authority instead when there is one.
 */
static const char *read_host(struct request *req)
{
    struct headers *h = &req->head.headers;
    size_t count = headers_count(h, HEADER_HOST);
    struct str text = headers_value(h, HEADER_HOST);

    if (count > 1)
        return "more than one Host";
    if (count == 0 && req->head.version >= HTTP_1_1)
        return "no Host in HTTP/1.1";
    /* Empty is for schemes whose URIs have no authority: RFC 9110, 4.2.1. */
    if (count == 1 && !uri_host_parse(&req->arena, text, &req->host, &req->host_port))
        return "invalid Host";
    if (req->uri.form != URI_ABSOLUTE)
        return NULL;
    if (!uri_host_parse(&req->arena, req->uri.authority, &req->host, &req->host_port))
        return "invalid authority in the target";
    headers_set(h, &req->arena, STR("Host"), req->uri.authority);
    return NULL;
}

/* RFC 9110, 5.3: who is asked, and who asks, must not depend on which of two a reader takes. */
static const char *find_repeated(const struct headers *h)
{
    static const struct {
        enum header_name name;
        const char *problem;
    } rows[] = {{HEADER_AUTHORIZATION, "more than one Authorization"},
                {HEADER_CONTENT_RANGE, "more than one Content-Range"},
                {HEADER_EXPECT, "more than one Expect"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (headers_count(h, rows[i].name) > 1)
            return rows[i].problem;
    }
    return NULL;
}

static bool read_target(struct request *req, const char **problem)
{
    if (!uri_parse(&req->uri, &req->arena, req->head.target, req->server->merge_slashes, problem))
        return false;
    req->path = req->uri.path;
    req->args = req->uri.args;
    *problem = "this form of target is for CONNECT or OPTIONS"; /* RFC 9112, 3.2.3 and 3.2.4 */
    if (req->uri.form == URI_AUTHORITY ||
        (req->uri.form == URI_ASTERISK && req->head.method != METHOD_OPTIONS))
        return false;
    *problem = read_host(req);
    if (*problem == NULL)
        *problem = find_repeated(&req->head.headers);
    return *problem == NULL;
}

/* RFC 9110, 10.1.1. False: an expectation we do not know. */
static bool read_expectation(struct client *c)
{
    const struct request *req = c->request;
    struct str value = headers_value(&req->head.headers, HEADER_EXPECT);

    if (value.ptr == NULL || req->head.version < HTTP_1_1)
        return true;
    if (!str_eq_nocase(value, STR("100-continue")))
        return false;
    c->h1.awaits_continue = !c->h1.body_ended;
    return true;
}

static bool is_refused_method(enum http_method m)
{
    return m == METHOD_TRACE ||
           m == METHOD_CONNECT; /* RFC 9110, 9.3.8: credentials are not echoed */
}

static void start(struct client *c)
{
    struct request *req = c->request;
    const char *problem = NULL;

    req->head = c->h1.parser.request;
    req->is_head_only = req->head.method == METHOD_HEAD;
    req->framing = framing_of_request(&req->head);
    c->requests++;
    if (req->framing.status != 0) {
        refuse(c, req->framing.status, req->framing.problem);
        return;
    }
    if (req->head.method == METHOD_CONNECT) {
        refuse(c, 405, "CONNECT method");
        return;
    }
    if (!read_target(req, &problem)) {
        refuse(c, 400, problem);
        return;
    }
    h1_parser_body(&c->h1.parser, req->framing);
    c->h1.body_ended = req->framing.kind == BODY_NONE;
    client_enter(c, CLIENT_REQUEST, 0);
    if (!read_expectation(c)) {
        refuse(c, 417, "unknown expectation");
        return;
    }
    if (is_refused_method(req->head.method)) {
        refuse(c, 405, "TRACE method");
        return;
    }
    request_start(req);
}

static struct str moved(struct str s, struct str from, struct str to)
{
    return s.ptr == NULL ? s : str_make(to.ptr + (s.ptr - from.ptr), s.len);
}

/* For the log. Until a head is complete its strings point into `in` as it was. */
static void keep_first_line(struct client *c, const struct buf *in)
{
    struct request *req = c->request;
    const struct request_head *from = &c->h1.parser.request;
    bool is_in_arena = c->h1.parser.head_bytes > 0;

    if (is_in_arena || from->line.ptr == NULL) {
        req->head = *from;
        return;
    }
    struct str copy = arena_str(&req->arena, str_upto(buf_str(in), from->line.len));
    req->head.line = copy;
    req->head.version = from->version;
    req->head.method = from->method;
    req->head.method_text = moved(from->method_text, from->line, copy);
    req->head.target = moved(from->target, from->line, copy);
}

static void read_head(struct client *c, struct buf *in)
{
    struct h1_parser *p = &c->h1.parser;

    switch (h1_parser_next(p, in)) {
    case H1_HEAD:
        start(c);
        return;
    case H1_ERROR:
        keep_first_line(c, in);
        refuse(c, p->error_status, p->problem);
        return;
    default:
        return;
    }
}

/* ------------------------------------------------------------------ the body */

void client_h1_stop_body(struct client *c)
{
    c->h1.body_wanted = false;
    timer_stop(c->deadline);
}

static void fail_body(struct client *c, unsigned status, enum close_reason why)
{
    struct request *req = c->request;

    client_h1_stop_body(c);
    req->must_close = req->body_is_lost = true;
    request_fail(req, status, why);
}

static bool chunks_are_too_many(struct client *c)
{
    struct request *req = c->request;
    uint64_t most = req->location->client_max_body_size;
    uint64_t now = c->h1.parser.body_bytes + c->h1.parser.data.len;

    if (most == 0 || now <= most)
        return false;
    log_write(&req->log, LOG_ERROR, "client intended to send too large chunked body: %llu bytes",
              (unsigned long long)now);
    fail_body(c, 413, CLOSE_BAD_REQUEST);
    return true;
}

/* False: the rest has to wait. */
static bool pass_data(struct client *c, struct buf *in)
{
    struct str data = c->h1.parser.data;

    if (chunks_are_too_many(c))
        return false;
    size_t taken = exchange_on_body(c->request, data);
    h1_parser_took(&c->h1.parser, in, taken);
    if (taken == data.len)
        return true;
    client_h1_stop_body(c);
    return false;
}

static void read_body(struct client *c, struct buf *in)
{
    struct h1_parser *p = &c->h1.parser;

    while (c->phase == CLIENT_REQUEST && c->h1.body_wanted) {
        switch (h1_parser_next(p, in)) {
        case H1_DATA:
            if (!pass_data(c, in))
                return;
            break;
        case H1_END:
            c->h1.body_ended = true;
            client_h1_stop_body(c);
            exchange_on_body_end(c->request);
            return;
        case H1_ERROR:
            log_write(&c->request->log, LOG_INFO, "client sent invalid body: %s", p->problem);
            fail_body(c, p->error_status, CLOSE_BAD_REQUEST);
            return;
        default:
            timer_start(c->deadline, c->request->location->client_body_timeout_ms);
            return;
        }
    }
}

static void discard_body(struct client *c, struct buf *in)
{
    struct h1_parser *p = &c->h1.parser;
    bool too_long = clock_monotonic_ms() - c->phase_ms > c->conf->lingering_time_ms;

    for (;;) {
        switch (h1_parser_next(p, in)) {
        case H1_DATA:
            h1_parser_took(p, in, p->data.len);
            break;
        case H1_END:
            c->h1.body_ended = true;
            client_next_request(c);
            return;
        case H1_ERROR:
            client_linger(c);
            return;
        default:
            if (too_long)
                client_close(c, CLOSE_TIMED_OUT);
            else
                timer_start(c->deadline, c->conf->lingering_timeout_ms);
            return;
        }
    }
}

static void read_tunnel(struct client *c, struct buf *in)
{
    if (!c->h1.body_wanted || buf_is_empty(in))
        return;
    size_t taken = exchange_on_body(c->request, buf_str(in));
    buf_consume(in, taken);
    c->h1.body_wanted = buf_is_empty(in);
    if (c->h1.tunnel_ended && buf_is_empty(in))
        exchange_on_body_end(c->request);
}

/* ------------------------------------------------------------------ what the stream tells */

void client_h1_on_data(struct client *c, struct buf *in)
{
    if (c->phase == CLIENT_IDLE && !buf_is_empty(in))
        begin_head(c);
    if (c->phase == CLIENT_HEAD)
        read_head(c, in);
    if (c->phase == CLIENT_REQUEST)
        read_body(c, in);
    else if (c->phase == CLIENT_DISCARD)
        discard_body(c, in);
    else if (c->phase == CLIENT_TUNNEL)
        read_tunnel(c, in);
}

static void on_early_end(struct client *c)
{
    struct request *req = c->request;

    if (req->step >= REQUEST_END) {
        req->must_close = true; /* the answer is on its way and may still be read */
        return;
    }
    bool is_incomplete = c->phase == CLIENT_HEAD || c->h1.body_wanted;
    if (is_incomplete)
        log_write(&req->log, LOG_INFO, "client prematurely closed connection");
    exchange_on_client_gone(req, CLOSE_PEER_CLOSED);
    request_abort(req, is_incomplete ? 400 : 499, CLOSE_PEER_CLOSED);
}

void client_h1_on_eof(struct client *c)
{
    if (c->phase == CLIENT_HEAD && !h1_parser_has_begun(&c->h1.parser)) {
        client_forget_request(c);
        client_close_idle(c, CLOSE_PEER_CLOSED);
        return;
    }
    if (c->phase != CLIENT_TUNNEL)
        on_early_end(c);
    else if (stream_has_input(c->stream)) /* the upstream is slow: the end goes behind that */
        c->h1.tunnel_ended = true;
    else
        exchange_on_body_end(c->request);
}

void client_h1_on_timeout(struct client *c)
{
    if (c->phase == CLIENT_HEAD && !h1_parser_has_begun(&c->h1.parser)) {
        client_forget_request(c);
        client_close_idle(c, CLOSE_TIMED_OUT);
        return;
    }
    struct request *req = c->request;
    bool is_head = c->phase == CLIENT_HEAD;
    if (req->step == REQUEST_END) {
        timer_start(c->deadline, CLIENT_H1_UNSENT_CHECK_MS);
        request_resume(req);
        return;
    }
    req->action = is_head ? "while reading client request headers"
                          : "while reading client request body";
    log_write_errno(&req->log, LOG_INFO, ETIMEDOUT, "client timed out");
    req->action = NULL;
    if (is_head)
        client_enter(c, CLIENT_REQUEST, 0);
    c->h1.body_ended = false;
    stream_set_reset_on_close(c->stream, req->location->reset_timedout_connection);
    fail_body(c, 408, CLOSE_TIMED_OUT);
}

void client_h1_init(struct client *c)
{
    c->h1.body_ended = true;
}

void client_h1_deinit(struct client *c)
{
    buf_deinit(&c->h1.out);
}
