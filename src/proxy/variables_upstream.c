/* $upstream_*: a value for each attempt, as nginx lists them: "a, b" for one exchange's attempts,
 * "a : b" where an internal redirect began another exchange. */
#include "variables.h"

static struct str try_addr(struct request *req, const struct upstream_try *t)
{
    (void)req;
    return t->addr;
}

static struct str try_number(struct request *req, uint64_t n)
{
    return arena_printf(&req->arena, "%llu", (unsigned long long)n);
}

static struct str try_time(struct request *req, int64_t ms)
{
    return ms < 0 ? STR("-") : variable_seconds(req, ms);
}

static struct str try_status(struct request *req, const struct upstream_try *t)
{
    return t->status ? try_number(req, t->status) : STR("-");
}

static struct str try_connect_time(struct request *req, const struct upstream_try *t)
{
    return try_time(req, t->connect_ms);
}

static struct str try_header_time(struct request *req, const struct upstream_try *t)
{
    return try_time(req, t->header_ms);
}

static struct str try_response_time(struct request *req, const struct upstream_try *t)
{
    return try_time(req, t->response_ms);
}

static struct str try_bytes_sent(struct request *req, const struct upstream_try *t)
{
    return try_number(req, t->bytes_sent);
}

static struct str try_bytes_received(struct request *req, const struct upstream_try *t)
{
    return try_number(req, t->bytes_received);
}

static struct str try_response_length(struct request *req, const struct upstream_try *t)
{
    return try_number(req, t->response_length);
}

static bool each_try(struct request *req, const struct variable *v, struct str *out)
{
    static struct str (*const one[VARIABLE_IDS])(struct request *, const struct upstream_try *) = {
        [VARIABLE_ID_UPSTREAM_ADDR] = try_addr,
        [VARIABLE_ID_UPSTREAM_STATUS] = try_status,
        [VARIABLE_ID_UPSTREAM_CONNECT_TIME] = try_connect_time,
        [VARIABLE_ID_UPSTREAM_HEADER_TIME] = try_header_time,
        [VARIABLE_ID_UPSTREAM_RESPONSE_TIME] = try_response_time,
        [VARIABLE_ID_UPSTREAM_BYTES_SENT] = try_bytes_sent,
        [VARIABLE_ID_UPSTREAM_BYTES_RECEIVED] = try_bytes_received,
        [VARIABLE_ID_UPSTREAM_RESPONSE_LENGTH] = try_response_length,
    };
    if (req->tries.count == 0)
        return false;
    *out = one[v->id](req, &req->tries.items[0]);
    for (size_t i = 1; i < req->tries.count; i++) {
        const struct upstream_try *t = &req->tries.items[i];
        struct str between = t->after_redirect ? STR(" : ") : STR(", ");
        *out = arena_concat(&req->arena, (struct str[]){*out, between, one[v->id](req, t)}, 3);
    }
    return true;
}

static bool none(struct request *req, const struct variable *v, struct str *out)
{
    (void)req;
    (void)v;
    (void)out;
    return false;
}

static bool upstream_header(struct request *req, const struct variable *v, struct str *out)
{
    return variable_of_fields(req, req->upstream_headers, v->argument, out);
}

static bool upstream_trailer(struct request *req, const struct variable *v, struct str *out)
{
    return variable_of_fields(req, req->upstream_trailers, v->argument, out);
}

/* The value that the upstream's Set-Cookie gives a cookie of this name. */
static bool upstream_cookie(struct request *req, const struct variable *v, struct str *out)
{
    if (!req->upstream_headers)
        return false;
    HEADERS_FOR(it, req->upstream_headers) {
        struct str first = it->value;
        first = str_cut(&first, ';'); /* attributes behind it are not cookies */
        if (it->id == HEADER_SET_COOKIE && variable_of_pairs(first, v->argument, out))
            return true;
    }
    return false;
}

static bool proxy_host(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    *out = req->proxy_host.ptr ? req->proxy_host : req->location->proxy.host;
    return out->len > 0;
}

static bool proxy_port(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    *out = req->proxy_port.ptr ? req->proxy_port : req->location->proxy.port;
    return out->len > 0;
}

const struct variable_row variables_of_upstream[VARIABLE_IDS] = {
    [VARIABLE_ID_UPSTREAM_ADDR] = {.value = each_try},
    [VARIABLE_ID_UPSTREAM_STATUS] = {.value = each_try},
    [VARIABLE_ID_UPSTREAM_CONNECT_TIME] = {.value = each_try},
    [VARIABLE_ID_UPSTREAM_HEADER_TIME] = {.value = each_try},
    [VARIABLE_ID_UPSTREAM_RESPONSE_TIME] = {.value = each_try},
    [VARIABLE_ID_UPSTREAM_BYTES_SENT] = {.value = each_try},
    [VARIABLE_ID_UPSTREAM_BYTES_RECEIVED] = {.value = each_try},
    [VARIABLE_ID_UPSTREAM_RESPONSE_LENGTH] = {.value = each_try},
    [VARIABLE_ID_UPSTREAM_CACHE_STATUS] = {.value = none},
    [VARIABLE_ID_UPSTREAM_HTTP_] = {.value = upstream_header},
    [VARIABLE_ID_UPSTREAM_TRAILER_] = {.value = upstream_trailer},
    [VARIABLE_ID_UPSTREAM_COOKIE_] = {.value = upstream_cookie},
    [VARIABLE_ID_PROXY_HOST] = {.value = proxy_host},
    [VARIABLE_ID_PROXY_PORT] = {.value = proxy_port},
};
