/* The variables of nginx's core: of the connection, the request, the response, the clock. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "limit.h"
#include "portcullis/base/clock.h"
#include "variables.h"

/* ---- helpers ---- */

/* A text that may be missing: nginx says "not found" when it was not there at all. */
static bool some(struct str value, struct str *out)
{
    *out = value;
    return value.ptr != NULL;
}

static bool not_empty(struct str value, struct str *out)
{
    *out = value;
    return value.len > 0;
}

static bool always(struct str value, struct str *out)
{
    *out = value;
    return true;
}

static bool number(struct request *req, uint64_t n, struct str *out)
{
    return always(arena_printf(&req->arena, "%llu", (unsigned long long)n), out);
}

/* A row's function, with its unused parameters. */
#define VALUE(name)                                                                         \
    static bool name(struct request *req, const struct variable *v __attribute__((unused)), \
                     struct str *out)

#define CONSTANT_VALUE(name)                                      \
    static bool name(struct request *req __attribute__((unused)), \
                     const struct variable *v __attribute__((unused)), struct str *out)

CONSTANT_VALUE(none)
{
    return some(STR_NONE, out);
}

/* ---- the connection ---- */

VALUE(binary_remote_addr)
{
    return not_empty(addr_binary(client_addr(req->client)), out);
}

VALUE(remote_addr)
{
    char text[ADDR_TEXT_MAX];
    struct str addr = addr_text(client_addr(req->client), text);
    return always(arena_str(&req->arena, addr), out);
}

static bool port_text(struct request *req, const struct addr *a, struct str *out)
{
    if (addr_port(a) == 0)
        return always(STR(""), out); /* a unix socket has none */
    return number(req, addr_port(a), out);
}

VALUE(remote_port)
{
    return port_text(req, client_addr(req->client), out);
}

VALUE(server_addr)
{
    char text[ADDR_TEXT_MAX];
    struct str addr = addr_text(stream_local(client_stream(req->client)), text);
    return always(arena_str(&req->arena, addr), out);
}

VALUE(server_port)
{
    return port_text(req, stream_local(client_stream(req->client)), out);
}

VALUE(connection)
{
    return number(req, client_number(req->client), out);
}

VALUE(connection_requests)
{
    return number(req, client_requests(req->client), out);
}

VALUE(connection_time)
{
    int64_t ms = clock_monotonic_ms() - client_started_ms(req->client);
    return always(variable_seconds(req, ms), out);
}

VALUE(scheme)
{
    return always(client_is_tls(req->client) ? STR("https") : STR("http"), out);
}

VALUE(https)
{
    return always(client_is_tls(req->client) ? STR("on") : STR(""), out);
}

/* ---- the process ---- */

CONSTANT_VALUE(hostname)
{
    static char text[HOST_NAME_MAX + 1];
    if (!text[0] && gethostname(text, sizeof text - 1) != 0)
        return false;
    for (char *c = text; *c; c++)
        *c = ascii_lower(*c);
    return always(str_of(text), out);
}

CONSTANT_VALUE(version)
{
    return always(STR(PC_VERSION), out);
}

VALUE(pid)
{
    return number(req, (uint64_t)getpid(), out);
}

VALUE(msec)
{
    return always(variable_seconds(req, clock_wall_ms()), out);
}

VALUE(time_iso8601)
{
    return always(arena_str(&req->arena, clock_text_iso8601()), out);
}

VALUE(time_local)
{
    return always(arena_str(&req->arena, clock_text_access()), out);
}

/* ---- the request ---- */

VALUE(args)
{
    return not_empty(req->args, out);
}

static void assign_args(struct request *req, struct str value)
{
    req->args = value;
    req->path_is_original = false; /* the target as received no longer says what is asked for */
}

VALUE(is_args)
{
    return always(req->args.len ? STR("?") : STR(""), out);
}

VALUE(uri)
{
    return always(req->path, out);
}

VALUE(request_uri)
{
    return not_empty(req->uri.raw, out);
}

VALUE(host)
{
    return always(req->host, out);
}

VALUE(request_port)
{
    return always(req->host_port, out);
}

VALUE(is_request_port)
{
    return always(req->host_port.len ? STR(":") : STR(""), out);
}

VALUE(request)
{
    return not_empty(req->head.line, out);
}

VALUE(request_method)
{
    return not_empty(req->head.method_text, out);
}

VALUE(request_length)
{
    return number(req, request_octets(req), out);
}

VALUE(request_time)
{
    return always(variable_seconds(req, clock_monotonic_ms() - req->started_ms), out);
}

VALUE(request_id_value)
{
    return always(request_id(req), out);
}

VALUE(request_body)
{
    return not_empty(request_body_text(req), out);
}

VALUE(request_completion)
{
    return always(req->is_complete ? STR("OK") : STR(""), out);
}

VALUE(server_protocol)
{
    return not_empty(http_version_text(req->head.version), out);
}

VALUE(server_name)
{
    return always(req->server->name, out);
}

VALUE(content_length)
{
    return some(headers_value(&req->head.headers, HEADER_CONTENT_LENGTH), out);
}

VALUE(content_type)
{
    return some(headers_value(&req->head.headers, HEADER_CONTENT_TYPE), out);
}

VALUE(limit_conn_status)
{
    return some(limits_conn_status(req), out);
}

VALUE(limit_req_status)
{
    return some(limits_req_status(req), out);
}

CONSTANT_VALUE(limit_rate)
{
    return always(STR("0"), out);
}

/* The client pipelined this request behind another: not told apart. */
CONSTANT_VALUE(pipe_value)
{
    return always(STR("."), out);
}

VALUE(document_root)
{
    return not_empty(req->location->root, out);
}

VALUE(realpath_root)
{
    char real[PATH_MAX];
    if (req->location->root.len == 0 || !realpath(arena_z(&req->arena, req->location->root), real))
        return false;
    return always(arena_str(&req->arena, str_of(real)), out);
}

VALUE(request_filename)
{
    return always(arena_concat(&req->arena, (struct str[]){req->location->root, req->path}, 2),
                  out);
}

/* The user of "Authorization: Basic": base64 up to the colon. */
VALUE(remote_user)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct str text = headers_value(&req->head.headers, HEADER_AUTHORIZATION);
    if (!str_starts_nocase(text, STR("Basic ")))
        return false;
    text = str_trim(str_from(text, 6));
    char *user = arena_alloc(&req->arena, text.len + 1);
    size_t len = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
        size_t digit = str_find(STR(digits), text.ptr[i]);
        if (digit == SIZE_MAX)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        char c = (char)(bits >> count);
        if (c == ':')
            return not_empty(str_make(user, len), out);
        user[len++] = c;
    }
    return false; /* without a colon there is no user */
}

VALUE(http_field)
{
    return variable_of_fields(req, &req->head.headers, v->argument, out);
}

VALUE(arg)
{
    return some(uri_arg(req->args, v->argument), out);
}

VALUE(cookie)
{
    HEADERS_FOR(it, &req->head.headers)
        if (it->id == HEADER_COOKIE && variable_of_pairs(it->value, v->argument, out))
            return true;
    return false;
}

VALUE(add_x_forwarded_for)
{
    struct str before = STR_NONE, addr;
    remote_addr(req, v, &addr);
    if (!variable_of_fields(req, &req->head.headers, STR("x_forwarded_for"), &before))
        return always(addr, out);
    return always(arena_concat(&req->arena, (struct str[]){before, STR(", "), addr}, 3), out);
}

/* ---- the response ---- */

VALUE(status)
{
    return always(arena_printf(&req->arena, "%03u", req->status), out);
}

VALUE(body_bytes_sent)
{
    return number(req, req->body_bytes_sent, out);
}

VALUE(bytes_sent)
{
    return number(req, req->bytes_sent, out);
}

VALUE(sent_http)
{
    return variable_of_fields(req, &req->response.headers, v->argument, out);
}

VALUE(sent_trailer)
{
    return variable_of_fields(req, req->upstream_trailers, v->argument, out);
}

const struct variable_row variables_of_request[VARIABLE_IDS] = {
    [VARIABLE_ID_BINARY_REMOTE_ADDR] = {.value = binary_remote_addr},
    [VARIABLE_ID_BODY_BYTES_SENT] = {.value = body_bytes_sent},
    [VARIABLE_ID_BYTES_SENT] = {.value = bytes_sent},
    [VARIABLE_ID_CONNECTION] = {.value = connection},
    [VARIABLE_ID_CONNECTION_REQUESTS] = {.value = connection_requests},
    [VARIABLE_ID_CONNECTION_TIME] = {.value = connection_time},
    [VARIABLE_ID_CONTENT_LENGTH] = {.value = content_length},
    [VARIABLE_ID_CONTENT_TYPE] = {.value = content_type},
    [VARIABLE_ID_ARGS] = {.value = args, .assign = assign_args},
    [VARIABLE_ID_QUERY_STRING] = {.value = args, .assign = assign_args},
    [VARIABLE_ID_DOCUMENT_ROOT] = {.value = document_root},
    [VARIABLE_ID_DOCUMENT_URI] = {.value = uri},
    [VARIABLE_ID_HOST] = {.value = host},
    [VARIABLE_ID_HOSTNAME] = {.value = hostname},
    [VARIABLE_ID_GZIP_RATIO] = {.value = none}, /* nothing is compressed here */
    [VARIABLE_ID_HTTP2] = {.value = none},
    [VARIABLE_ID_HTTP3] = {.value = none},
    [VARIABLE_ID_HTTPS] = {.value = https},
    [VARIABLE_ID_IS_ARGS] = {.value = is_args},
    [VARIABLE_ID_IS_REQUEST_PORT] = {.value = is_request_port},
    [VARIABLE_ID_REQUEST_PORT] = {.value = request_port},
    [VARIABLE_ID_LIMIT_CONN_STATUS] = {.value = limit_conn_status},
    [VARIABLE_ID_LIMIT_REQ_STATUS] = {.value = limit_req_status},
    [VARIABLE_ID_LIMIT_RATE] = {.value = limit_rate},
    [VARIABLE_ID_MSEC] = {.value = msec},
    [VARIABLE_ID_NGINX_VERSION] = {.value = version},
    [VARIABLE_ID_PID] = {.value = pid},
    [VARIABLE_ID_PIPE] = {.value = pipe_value},
    [VARIABLE_ID_PROXY_ADD_X_FORWARDED_FOR] = {.value = add_x_forwarded_for, .is_constant = true},
    [VARIABLE_ID_PROXY_PROTOCOL_ADDR] = {.value = none},
    [VARIABLE_ID_PROXY_PROTOCOL_PORT] = {.value = none},
    [VARIABLE_ID_PROXY_PROTOCOL_SERVER_ADDR] = {.value = none},
    [VARIABLE_ID_PROXY_PROTOCOL_SERVER_PORT] = {.value = none},
    [VARIABLE_ID_REALPATH_ROOT] = {.value = realpath_root},
    [VARIABLE_ID_REALIP_REMOTE_ADDR] = {.value = remote_addr, .is_constant = true},
    [VARIABLE_ID_REALIP_REMOTE_PORT] = {.value = remote_port, .is_constant = true},
    [VARIABLE_ID_REMOTE_ADDR] = {.value = remote_addr, .is_constant = true},
    [VARIABLE_ID_REMOTE_PORT] = {.value = remote_port, .is_constant = true},
    [VARIABLE_ID_REMOTE_USER] = {.value = remote_user, .is_constant = true},
    [VARIABLE_ID_REQUEST] = {.value = request},
    [VARIABLE_ID_REQUEST_BODY] = {.value = request_body},
    [VARIABLE_ID_REQUEST_BODY_FILE] = {.value = none},
    [VARIABLE_ID_REQUEST_COMPLETION] = {.value = request_completion},
    [VARIABLE_ID_REQUEST_FILENAME] = {.value = request_filename},
    [VARIABLE_ID_REQUEST_ID] = {.value = request_id_value},
    [VARIABLE_ID_REQUEST_LENGTH] = {.value = request_length},
    [VARIABLE_ID_REQUEST_METHOD] = {.value = request_method},
    [VARIABLE_ID_REQUEST_TIME] = {.value = request_time},
    [VARIABLE_ID_REQUEST_URI] = {.value = request_uri},
    [VARIABLE_ID_SCHEME] = {.value = scheme},
    [VARIABLE_ID_SERVER_ADDR] = {.value = server_addr, .is_constant = true},
    [VARIABLE_ID_SERVER_NAME] = {.value = server_name},
    [VARIABLE_ID_SERVER_PORT] = {.value = server_port, .is_constant = true},
    [VARIABLE_ID_SERVER_PROTOCOL] = {.value = server_protocol},
    [VARIABLE_ID_STATUS] = {.value = status},
    [VARIABLE_ID_TCPINFO_RTT] = {.value = none},
    [VARIABLE_ID_TCPINFO_RTTVAR] = {.value = none},
    [VARIABLE_ID_TCPINFO_SND_CWND] = {.value = none},
    [VARIABLE_ID_TCPINFO_RCV_SPACE] = {.value = none},
    [VARIABLE_ID_TIME_ISO8601] = {.value = time_iso8601},
    [VARIABLE_ID_TIME_LOCAL] = {.value = time_local},
    [VARIABLE_ID_URI] = {.value = uri},
    [VARIABLE_ID_ARG_] = {.value = arg},
    [VARIABLE_ID_COOKIE_] = {.value = cookie},
    [VARIABLE_ID_HTTP_] = {.value = http_field},
    [VARIABLE_ID_SENT_HTTP_] = {.value = sent_http},
    [VARIABLE_ID_SENT_TRAILER_] = {.value = sent_trailer},
};
