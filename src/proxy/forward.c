/* What changes between the two sides: the request as the upstream gets it, the response as the
 * client does (RFC 9110, 7.6; nginx's defaults). The order is part of the rules: what clients may
 * not say is removed first, what the configuration sets is written last, and no Connection of a
 * client names it away. */
#include "identity_presets.h"
#include "portcullis/http/h1_writer.h"
#include "portcullis/proxy/exchange.h"

/* ------------------------------------------------------------------ hop by hop */

/* RFC 9110, 7.6.1: every field that Connection names goes, then it. */
static void remove_named_by_connection(struct headers *h)
{
    HEADERS_FOR(it, h) {
        struct str rest = it->value, name;
        if (it->id != HEADER_CONNECTION)
            continue;
        while (header_list_next(&rest, &name)) {
            if (!str_eq_nocase(name, STR("connection")))
                headers_remove_name(h, name);
        }
    }
}

static void remove_hop_by_hop(struct headers *h)
{
    static const enum header_name names[] = {HEADER_CONNECTION,        HEADER_PROXY_CONNECTION,
                                             HEADER_KEEP_ALIVE,        HEADER_TE,
                                             HEADER_TRANSFER_ENCODING, HEADER_UPGRADE};

    remove_named_by_connection(h);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        headers_remove(h, names[i]);
}

static void copy_headers(struct headers *to, struct arena *a, const struct headers *from)
{
    HEADERS_FOR(it, from)
        headers_add(to, a, it->name, it->value);
}

/* ------------------------------------------------------------------ request */

/* A field as proxy_set_header has it for this request. */
struct set_field {
    struct str name, value;
};

struct set_fields {
    struct set_field *items;
    size_t count;
};

static struct set_fields evaluate(struct request *req, const struct proxy_conf *conf)
{
    struct set_fields set = {
        ARENA_ARRAY(&req->arena, struct set_field, conf->set_headers.count + 1), 0};

    VEC_FOR(const struct set_header_conf, it, &conf->set_headers) {
        struct str value = header_value_unfold(&req->arena, template_value(req, &it->value));
        set.items[set.count++] = (struct set_field){it->name, value};
    }
    return set;
}

/* In any spelling that applications read as the same: CGI makes one of X-A and X_A. */
static const struct set_field *find_set(const struct set_fields *set, struct str name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (identity_name_is_same(set->items[i].name, name))
            return &set->items[i];
    }
    return NULL;
}

/* How long the body is said to be is nobody's choice but framing's: RFC 9112, 6.3. */
static bool is_about_framing(struct str name)
{
    return str_eq_nocase(name, STR("Content-Length")) ||
           str_eq_nocase(name, STR("Transfer-Encoding"));
}

static void remove_replaced(struct headers *h, const struct set_fields *set)
{
    static const enum header_name names[] = {HEADER_HOST, HEADER_CONTENT_LENGTH, HEADER_EXPECT};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        headers_remove(h, names[i]);
    HEADERS_FOR(it, h)
        if (find_set(set, it->name) != NULL)
            header_remove(it);
}

/* RFC 9110, 7.6.2; 0 never comes here. */
static void count_forwards(struct request *req, struct headers *h)
{
    struct header *it = headers_find(h, HEADER_MAX_FORWARDS);
    uint64_t left;

    if (it == NULL || (req->head.method != METHOD_OPTIONS && req->head.method != METHOD_TRACE))
        return;
    if (str_to_u64(it->value, &left) && left > 0)
        it->value = arena_printf(&req->arena, "%llu", (unsigned long long)(left - 1));
}

static struct headers clean_request_headers(struct request *req, const struct proxy_conf *conf,
                                            const struct set_fields *set)
{
    struct headers h = {0};

    if (!conf->pass_request_headers)
        return h;
    copy_headers(&h, &req->arena, &req->head.headers);
    identity_headers_strip(req, &h);
    remove_hop_by_hop(&h);
    headers_remove(&h, HEADER_PROXY);
    headers_remove(&h, HEADER_TRAILER); /* there will be none */
    remove_replaced(&h, set);
    count_forwards(req, &h);
    return h;
}

static void write_request_line(struct request *req, struct exchange *x, struct buf *out)
{
    struct str method = req->head.method_text;

    if (!template_is_empty(&x->conf->method))
        method = template_value(req, &x->conf->method);
    if (method.len == 0) /* error_page of a request that had none */
        method = STR("GET");
    x->is_head = str_eq(method, STR("HEAD"));
    x->is_idempotent = http_method_is_idempotent(http_method_find(method));
    h1_write_request_line(out, method, x->target, x->conf->version);
}

static void write_length(const struct request *req, const struct exchange *x, struct buf *out)
{
    uint64_t length = req->framing.length;
    struct buf number = {0};

    if (x->body == EXCHANGE_BODY_STREAMED && req->framing.kind == BODY_CHUNKED) {
        h1_write_header(out, STR("Transfer-Encoding"), STR("chunked"));
        return;
    }
    if (x->body == EXCHANGE_BODY_NONE && (req->framing.kind != BODY_LENGTH || length > 0))
        return;
    if (x->body == EXCHANGE_BODY_SPOOLED)
        length = req->spool->size;
    buf_printf(&number, "%llu", (unsigned long long)length);
    h1_write_header(out, STR("Content-Length"), buf_str(&number));
    buf_deinit(&number);
}

static bool keeps_connections(const struct exchange *x)
{
    return x->conf->version >= HTTP_1_1 && x->upstream->conf->keepalive > 0;
}

static void write_defaults(const struct request *req, const struct exchange *x,
                           const struct set_fields *set, struct buf *out)
{
    if (find_set(set, STR("Host")) == NULL)
        h1_write_header(out, STR("Host"), req->proxy_host);
    if (find_set(set, STR("Connection")) == NULL && !keeps_connections(x))
        h1_write_header(out, STR("Connection"), STR("close"));
}

static void write_set(struct request *req, const struct set_fields *set, struct buf *out)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct set_field *it = &set->items[i];
        if (it->value.len == 0 || is_about_framing(it->name))
            continue;
        if (header_value_is_valid(it->value))
            h1_write_header(out, it->name, it->value);
        else
            log_write(&req->log, LOG_WARN,
                      "proxy_set_header \"%.*s\" left out: its value is no header value",
                      STR_ARG(it->name));
    }
}

static void write_identity(struct request *req, struct buf *out)
{
    struct headers h = {0};

    identity_presets_add(req, &h, &req->arena);
    h1_write_headers(out, &h);
}

/* Behind it requests would pass that nobody looks at. With a version or among others, too. */
static bool names_h2c(struct str value)
{
    struct str protocol;
    while (header_list_next(&value, &protocol))
        if (str_eq_nocase(str_cut(&protocol, '/'), STR("h2c")))
            return true;
    return false;
}

/* RFC 9110, 7.8: only what the client asked for in HTTP/1.1 and the configuration passes on; h2c
 * never, nor for an error page that goes out with a status of its own. */
static bool asks_for_upgrade(const struct request *req, const struct set_fields *set)
{
    const struct set_field *upgrade = find_set(set, STR("Upgrade"));
    const struct set_field *connection = find_set(set, STR("Connection"));

    if (upgrade == NULL || connection == NULL || upgrade->value.len == 0 ||
        names_h2c(upgrade->value) || req->error_status != 0)
        return false;
    return req->head.version == HTTP_1_1 && headers_has(&req->head.headers, HEADER_UPGRADE) &&
           header_list_has(connection->value, STR("upgrade"));
}

static void drop_upgrade(const struct exchange *x, struct set_fields *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct set_field *it = &set->items[i];
        bool is_upgrade = str_eq_nocase(it->name, STR("Upgrade")) && it->value.len > 0;
        bool names_it = str_eq_nocase(it->name, STR("Connection")) &&
                        header_list_has(it->value, STR("upgrade"));
        if (is_upgrade)
            it->value = STR("");
        else if (names_it)
            it->value = keeps_connections(x) ? STR("") : STR("close");
    }
}

void forward_request_head(struct request *req, struct buf *out)
{
    struct exchange *x = req->exchange;
    struct set_fields set = evaluate(req, x->conf);
    struct headers h = clean_request_headers(req, x->conf, &set);

    x->wants_upgrade = asks_for_upgrade(req, &set);
    if (!x->wants_upgrade)
        drop_upgrade(x, &set);
    write_request_line(req, x, out);
    write_defaults(req, x, &set, out);
    write_length(req, x, out);
    h1_write_headers(out, &h);
    write_set(req, &set, out);
    write_identity(req, out);
    h1_write_head_end(out);
}

/* ------------------------------------------------------------------ response: X-Accel-Redirect */

static bool is_ignored(const struct proxy_conf *conf, unsigned bit)
{
    return (conf->ignore_headers & bit) != 0;
}

/* What nginx takes along to where X-Accel-Redirect leads. */
static void carry(struct request *req, const struct headers *from)
{
    static const enum header_name names[] = {HEADER_CONTENT_TYPE, HEADER_SET_COOKIE,
                                             HEADER_CACHE_CONTROL, HEADER_EXPIRES,
                                             HEADER_ACCEPT_RANGES};

    HEADERS_FOR(it, from) {
        bool taken = str_eq_nocase(it->name, STR("Content-Disposition"));
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            taken |= it->id == names[i];
        if (taken)
            headers_add(&req->carried, &req->arena, it->name, it->value);
    }
}

static void follow(struct request *req, struct str to)
{
    struct uri uri;
    const char *problem;

    if (to.len > 0 && to.ptr[0] == '@') {
        if (!request_redirect_named(req, to))
            respond_status(req, 500);
        return;
    }
    if (uri_leads_up(&req->arena, to) ||
        !uri_parse(&uri, &req->arena, to, req->server->merge_slashes, &problem) ||
        uri.form != URI_ORIGIN) {
        log_write(&req->log, LOG_ERROR, "upstream sent unsafe X-Accel-Redirect \"%s\"",
                  log_quoted(to));
        respond_status(req, 404);
        return;
    }
    if (req->head.method != METHOD_HEAD) {
        req->head.method = METHOD_GET;
        req->head.method_text = STR("GET");
        req->body_is_lost = true; /* it was for the first upstream */
    }
    request_redirect(req, uri.path, uri.args);
}

static bool was_redirected(struct request *req, const struct proxy_conf *conf,
                           const struct response_head *from)
{
    struct str to = headers_value(&from->headers, HEADER_X_ACCEL_REDIRECT);

    if (to.ptr == NULL || is_ignored(conf, IGNORE_X_ACCEL_REDIRECT))
        return false;
    carry(req, &from->headers);
    exchange_release(req);
    follow(req, arena_str(&req->arena, to));
    return true;
}

static bool was_intercepted(struct request *req, const struct proxy_conf *conf,
                            const struct response_head *from)
{
    if (!conf->intercept_errors || from->status < 300)
        return false;
    struct headers carried = req->carried;
    if (from->status == 401) /* the page asks for the same credentials */
        HEADERS_FOR(it, &from->headers)
            if (it->id == HEADER_WWW_AUTHENTICATE)
                headers_add(&req->carried, &req->arena, it->name, it->value);
    if (!respond_intercepted(req, from->status)) {
        req->carried = carried;
        return false;
    }
    exchange_release(req);
    return true;
}

/* ------------------------------------------------------------------ response: fields */

static bool list_has(const struct str *items, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_nocase(items[i], name))
            return true;
    }
    return false;
}

static bool is_hidden_by_default(const struct header *it)
{
    switch (it->id) {
    case HEADER_DATE:
    case HEADER_SERVER:
    case HEADER_X_ACCEL_BUFFERING:
    case HEADER_X_ACCEL_CHARSET:
    case HEADER_X_ACCEL_EXPIRES:
    case HEADER_X_ACCEL_LIMIT_RATE:
    case HEADER_X_ACCEL_REDIRECT:
        return true;
    default:
        return str_eq_nocase(it->name, STR("X-Pad"));
    }
}

static bool is_hidden(const struct proxy_conf *conf, const struct header *it)
{
    if (list_has(conf->hide_headers.items, conf->hide_headers.count, it->name))
        return true;
    return is_hidden_by_default(it) &&
           !list_has(conf->pass_headers.items, conf->pass_headers.count, it->name);
}

static void keep_upgrade(struct request *req, struct headers *h, const struct response_head *from)
{
    struct str upgrade = headers_value(&from->headers, HEADER_UPGRADE);

    if (from->status != 101)
        return;
    if (upgrade.len > 0)
        headers_add(h, &req->arena, STR("Upgrade"), upgrade);
    headers_add(h, &req->arena, STR("Connection"), STR("upgrade"));
}

static void fill_response(struct request *req, const struct proxy_conf *conf,
                          const struct response_head *from)
{
    struct headers copy = {0};
    struct response_head *to = &req->response;

    copy_headers(&copy, &req->arena, &from->headers);
    identity_headers_strip_response(req, &copy);
    remove_hop_by_hop(&copy);
    *to = (struct response_head){
        .status = from->status, .reason = from->reason, .version = HTTP_1_1};
    HEADERS_FOR(it, &copy) {
        if (!is_hidden(conf, it))
            headers_add(&to->headers, &req->arena, it->name, it->value);
    }
    keep_upgrade(req, &to->headers, from);
    proxy_redirect_apply(req, &to->headers);
    req->status = from->status;
}

bool forward_response_head(struct request *req, const struct response_head *from)
{
    const struct proxy_conf *conf = req->exchange->conf;

    if (from->status != 101 &&
        (was_redirected(req, conf, from) || was_intercepted(req, conf, from)))
        return false;
    fill_response(req, conf, from);
    return true;
}
