/* Answers of our own, and error_page in front of them. Statuses that only exist inside (494 to 497)
 * and what each status does to the connection are rows of one table. */
#include "respond.h"

#include "portcullis/base/clock.h"

#define REDIRECTS_MAX 10 /* request.c's too */

/* ---- statuses ---- */

enum { CLOSES = 1 /* no further request on this connection */, SILENT = 2 /* nothing is sent */ };

static const struct status_row {
    unsigned status;
    unsigned wire; /* as sent; 0: the same */
    unsigned also; /* error_page may name it by this one, too */
    unsigned flags;
    struct str note;
} status_rows[] = {
    {400, .flags = CLOSES},
    {408, .flags = SILENT},
    {413, .flags = CLOSES},
    {414, .flags = CLOSES},
    {431, .also = 494, .flags = CLOSES},
    {444, .flags = SILENT},
    {494, .wire = 400, .flags = CLOSES, .note = STR_INIT("Request Header Or Cookie Too Large")},
    {495, .wire = 403, .also = 403, .flags = CLOSES},
    {496, .wire = 403, .also = 403, .flags = CLOSES},
    {497, .wire = 400, .flags = CLOSES,
     .note = STR_INIT("The plain HTTP request was sent to HTTPS port")},
    {499, .flags = SILENT},
    {500, .flags = CLOSES},
    {501, .flags = CLOSES},
};

static const struct status_row *status_find(unsigned status)
{
    static const struct status_row plain;
    for (size_t i = 0; i < sizeof status_rows / sizeof *status_rows; i++)
        if (status_rows[i].status == status)
            return &status_rows[i];
    return &plain;
}

/* 495 and 496 are never on the wire, nor nginx's other inner ones. */
static unsigned wire_status(unsigned status)
{
    const struct status_row *row = status_find(status);
    return row->wire ? row->wire : status;
}

/* ---- the head ---- */

static struct str server_text(const struct request *req)
{
    static const struct str texts[] = {
        [TOKENS_OFF] = STR_INIT("portcullis"),
        [TOKENS_ON] = STR_INIT("portcullis/" PC_VERSION),
        [TOKENS_BUILD] = STR_INIT("portcullis/" PC_VERSION),
    };
    return texts[req->location->server_tokens];
}

/* nginx's add_header without "always". */
static bool is_add_header_status(unsigned status)
{
    static const unsigned short list[] = {200, 201, 204, 206, 301, 302, 303, 304, 307, 308};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == status)
            return true;
    return false;
}

static void add_header(struct request *req, const struct add_header_conf *conf)
{
    struct str value = template_value(req, &conf->value);
    if (value.len == 0)
        return;
    if (!header_value_is_valid(value)) {
        log_write(&req->log, LOG_WARN, "add_header \"%.*s\" left out: its value is no header value",
                  STR_ARG(conf->name));
        return;
    }
    bool replaces = str_eq_nocase(conf->name, STR("Last-Modified")) ||
                    str_eq_nocase(conf->name, STR("ETag"));
    (replaces ? headers_set : headers_add)(&req->response.headers, &req->arena, conf->name, value);
}

static void add_missing(struct request *req, enum header_name id, struct str value)
{
    struct headers *h = &req->response.headers;
    if (!headers_has(h, id))
        headers_add(h, &req->arena, header_name_text(id), value);
}

static void add_carried(struct request *req)
{
    struct headers *h = &req->response.headers;
    HEADERS_FOR(it, &req->carried)
        if (it->id == HEADER_SET_COOKIE || !headers_find_name(h, it->name))
            headers_add(h, &req->arena, it->name, it->value);
}

void respond_finish_head(struct request *req)
{
    struct response_head *head = &req->response;
    if (req->error_status) {
        head->status = req->error_status;
        head->reason = STR_NONE;
    }
    req->status = head->status;
    add_carried(req);
    add_missing(req, HEADER_SERVER, server_text(req));
    add_missing(req, HEADER_DATE, arena_str(&req->arena, clock_text_http()));
    if (req->refusal != REFUSAL_NONE) { /* whatever page error_page found for it */
        req->must_close = true;
        headers_set(&head->headers, &req->arena, STR("Cache-Control"), STR("no-store"));
    }
    VEC_FOR(const struct add_header_conf, conf, &req->location->add_headers)
        if (conf->always || is_add_header_status(head->status))
            add_header(req, conf);
}

/* ---- sending ---- */

struct answer {
    unsigned status;
    struct str type, body, location;
};

static void send_answer(struct request *req, const struct answer *a)
{
    struct response_head *head = &req->response;
    *head = (struct response_head){.status = a->status, .version = HTTP_1_1};
    add_missing(req, HEADER_SERVER, server_text(req));
    add_missing(req, HEADER_DATE, arena_str(&req->arena, clock_text_http()));
    unsigned status = req->error_status ? req->error_status : a->status;
    bool has_body = http_status_has_body(status);
    if (has_body) {
        if (a->type.len)
            add_missing(req, HEADER_CONTENT_TYPE, a->type);
        add_missing(req, HEADER_CONTENT_LENGTH, arena_printf(&req->arena, "%zu", a->body.len));
    }
    if (a->location.ptr)
        add_missing(req, HEADER_LOCATION, a->location);
    respond_finish_head(req);
    req->is_head_only = req->head.method == METHOD_HEAD || !has_body;
    bool sends_body = !req->is_head_only && a->body.len > 0;
    req->transport->send_head(req, sends_body);
    if (sends_body)
        req->transport->send_body(req, a->body); /* what is full takes it all the same */
    req->transport->finish(req, NULL);
    req->next_step = REQUEST_END;
}

static void send_page(struct request *req, unsigned status, struct str location)
{
    const struct status_row *row = status_find(status);
    req->error_status = wire_status(status);
    struct page page = {
        .status = req->error_status,
        .title = http_status_reason(req->error_status),
        .note = row->note,
        .server = server_text(req),
    };
    struct answer a = {
        .status = req->error_status,
        .body = page_html(&req->arena, &page),
        .location = location,
    };
    if (a.body.len)
        a.type = STR("text/html");
    send_answer(req, &a);
}

/* ---- error_page ---- */

static const struct error_page_conf *find_error_page(const struct location_conf *loc,
                                                     unsigned status)
{
    VEC_FOR(const struct error_page_conf, page, &loc->error_pages)
        for (size_t i = 0; i < page->codes.count; i++)
            if (page->codes.items[i] == status)
                return page;
    return NULL;
}

static bool is_redirect(unsigned status)
{
    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

static void go_to_page(struct request *req, const struct error_page_conf *page, struct str target)
{
    if (str_starts(target, STR("@"))) {
        if (!request_redirect_named(req, target))
            send_page(req, 500, STR_NONE);
        return;
    }
    if (str_starts(target, STR("/"))) {
        struct str args = target, path = str_cut(&args, '?');
        request_redirect(req, path, args.ptr ? args : STR(""));
        return;
    }
    unsigned status = page->overwrite > 0 ? (unsigned)page->overwrite : 302;
    send_page(req, is_redirect(status) ? status : 302, respond_location(req, target));
}

/* An error page whose page is an error, and so on: no further. */
static bool is_cycle(struct request *req, struct str target)
{
    if (req->redirects < REDIRECTS_MAX ||
        !(str_starts(target, STR("/")) || str_starts(target, STR("@"))))
        return false;
    log_write(&req->log, LOG_ERROR,
              "rewrite or internal redirection cycle while internally redirecting to \"%s\"",
              log_quoted(target));
    send_page(req, 500, STR_NONE);
    return true;
}

/* The page is fetched, so what was another method becomes GET. */
static void become_get(struct request *req)
{
    if (req->head.method == METHOD_HEAD)
        return;
    req->head.method = METHOD_GET;
    req->head.method_text = STR("GET");
}

static bool take_over(struct request *req, unsigned listed, unsigned status)
{
    const struct error_page_conf *page = find_error_page(req->location, listed);
    if (!page)
        return false;
    req->in_error_page = !req->location->recursive_error_pages;
    struct str target = template_value(req, &page->target);
    if (is_cycle(req, target))
        return true;
    if (page->overwrite < 0)
        req->error_status = wire_status(status);
    else
        req->error_status = wire_status((unsigned)page->overwrite);
    if (str_starts(target, STR("/")))
        become_get(req);
    go_to_page(req, page, target);
    return true;
}

bool respond_error_page(struct request *req, unsigned status)
{
    if (req->in_error_page)
        return false;
    if (take_over(req, status, status))
        return true;
    unsigned also = status_find(status)->also;
    return also && take_over(req, also, status);
}

bool respond_intercepted(struct request *req, unsigned status)
{
    if (!req->in_error_page)
        return respond_error_page(req, status);
    if (!find_error_page(req->location, status))
        return false;
    send_page(req, status, STR_NONE);
    return true;
}

/* ---- what others call ---- */

void respond_status(struct request *req, unsigned status)
{
    const struct status_row *row = status_find(status);
    if (row->flags & SILENT) {
        request_abort(req, status, CLOSE_REFUSED);
        return;
    }
    if (row->flags & CLOSES)
        req->must_close = true;
    if (!respond_error_page(req, status))
        send_page(req, status, STR_NONE);
}

void respond_text(struct request *req, unsigned status, struct str body, struct str content_type)
{
    send_answer(req, &(struct answer){.status = status, .type = content_type, .body = body});
}

void respond_redirect(struct request *req, unsigned status, struct str url)
{
    /* error_page is not asked: its page would have to go out with this Location. */
    send_page(req, status, respond_location(req, url));
}

void respond_refusal(struct request *req)
{
    static const unsigned inner[REFUSALS] = {
        [REFUSAL_CERT_MISSING] = 496,
        [REFUSAL_HOST_NOT_FOR_THIS_CONNECTION] = 421,
    };
    unsigned status = inner[req->refusal] ? inner[req->refusal] : 495;
    req->must_close = true;
    if (!respond_error_page(req, status))
        respond_refusal_page(req);
}

/* Only to who has proved to own the certificate that it is about. */
static struct str refusal_detail(const struct request *req)
{
    const struct identity *id = req->identity;
    if (req->location->client_detail != DETAIL_FULL || !id || !identity_has_certificate(id) ||
        identity_is_verified(id))
        return STR("");
    return identity_detail(id);
}

void respond_refusal_page(struct request *req)
{
    bool is_misdirected = req->refusal == REFUSAL_HOST_NOT_FOR_THIS_CONNECTION;
    req->error_status = is_misdirected ? 421 : 403;
    struct refusal_page page = {
        .status = req->error_status,
        .title = http_status_reason(req->error_status),
        .detail = refusal_detail(req),
        .request_id = request_id(req),
        .server = server_text(req),
    };
    if (req->location->client_detail != DETAIL_OFF) {
        page.code = str_of(refusal_code(req->refusal));
        page.cure = str_of(refusal_cure(req->refusal));
    }
    struct answer a = {.status = page.status};
    a.body = page_refusal(&req->arena, &page, &req->head.headers, &a.type);
    send_answer(req, &a);
}
