/* proxy_pass's companions. */
#include "loader.h"

static bool set_proxy_header(struct loader *l, const struct conf_node *node, void *field)
{
    struct set_header_conf *h = VEC_PUSH(l->arena, &loader_location(l)->proxy.set_headers);
    (void)field;
    h->name = node->args[0];
    h->pos = node->pos;
    return template_compile(l, node, node->args[1], &h->value);
}

/* ---- proxy_redirect ---- */

static bool read_redirect_word(struct loader *l, const struct conf_node *node,
                               enum redirect_kind *kind)
{
    *kind = str_eq_z(node->args[0], "off") ? REDIRECT_OFF : REDIRECT_DEFAULT;
    return *kind == REDIRECT_OFF || str_eq_z(node->args[0], "default") ||
           invalid_parameter(l, node, node->args[0],
                             "it takes \"default\", \"off\", or what to look for and what to "
                             "write instead");
}

static bool read_redirect_pair(struct loader *l, const struct conf_node *node,
                               struct redirect_conf *r)
{
    struct str from = node->args[0];
    if (!template_compile(l, node, node->args[1], &r->to))
        return false;
    if (!str_starts(from, STR("~")))
        return template_compile(l, node, from, &r->from);
    bool nocase = str_starts(from, STR("~*"));
    r->kind = REDIRECT_REGEX;
    return regex_compile(l, node, str_from(from, nocase ? 2 : 1), nocase, &r->regex);
}

static bool set_redirect(struct loader *l, const struct conf_node *node, void *field)
{
    struct proxy_conf *p = &loader_location(l)->proxy;
    struct redirect_conf r = {0};
    (void)field;
    if (!(node->count == 1 ? read_redirect_word(l, node, &r.kind)
                           : read_redirect_pair(l, node, &r)))
        return false;
    bool has_off = r.kind == REDIRECT_OFF ||
                   (p->redirects.count > 0 && p->redirects.items[0].kind == REDIRECT_OFF);
    if (has_off && p->redirects.count > 0)
        return loader_error(l, node, "\"off\" stands alone",
                            "\"proxy_redirect\" directive is duplicate");
    *VEC_PUSH(l->arena, &p->redirects) = r;
    return true;
}

/* ---- the rest ---- */

static bool set_identity_pass(struct loader *l, const struct conf_node *node, void *field)
{
    struct identity_pass_conf pass = {.name = node->args[0]};
    (void)field;
    if (!str_eq_z(node->args[1], "from"))
        return invalid_parameter(l, node, node->args[1],
                                 "write: proxy_client_identity_pass NAME from ADDRESS/BITS ...");
    for (size_t i = 2; i < node->count; i++) {
        bool low_bits;
        struct cidr block;
        if (!cidr_parse(&block, node->args[i], &low_bits) || block.family == AF_UNSPEC)
            return invalid_parameter(l, node, node->args[i],
                                     "it must be an address, a block (192.0.2.0/24) or \"unix:\"");
        *VEC_PUSH(l->arena, &pass.from) = block;
    }
    *VEC_PUSH(l->arena, &loader_location(l)->proxy.identity_pass) = pass;
    return true;
}

static const struct enum_name presets[] = {
    {"off", 0},
    {"rfc9440", IDENTITY_PRESET_RFC9440},
    {"nginx", IDENTITY_PRESET_NGINX},
    {"ingress-nginx", IDENTITY_PRESET_INGRESS_NGINX},
    {"xfcc", IDENTITY_PRESET_XFCC},
    {"traefik", IDENTITY_PRESET_TRAEFIK},
    {"aws", IDENTITY_PRESET_AWS},
    {"cloudflare", IDENTITY_PRESET_CLOUDFLARE},
    {NULL, 0},
};

static bool set_client_identity(struct loader *l, const struct conf_node *node, void *field)
{
    if (!set_bits(l, node, field))
        return false;
    for (size_t i = 0; i < node->count && node->count > 1; i++)
        if (str_eq_z(node->args[i], "off"))
            return invalid_value(l, node, node->args[i], "\"off\" stands alone");
    return true;
}

static const struct enum_name versions[] = {{"1.0", HTTP_1_0}, {"1.1", HTTP_1_1}, {NULL, 0}};

static const struct enum_name next_upstream[] = {
    {"error", NEXT_ERROR},
    {"timeout", NEXT_TIMEOUT},
    {"invalid_header", NEXT_INVALID_HEADER},
    {"non_idempotent", NEXT_NON_IDEMPOTENT},
    {"http_500", NEXT_500},
    {"http_502", NEXT_502},
    {"http_503", NEXT_503},
    {"http_504", NEXT_504},
    {"http_403", NEXT_403},
    {"http_404", NEXT_404},
    {"http_429", NEXT_429},
    {"off", NEXT_OFF},
    {NULL, 0},
};

static const struct enum_name ignored_headers[] = {
    {"X-Accel-Redirect", IGNORE_X_ACCEL_REDIRECT},
    {"X-Accel-Expires", IGNORE_X_ACCEL_EXPIRES},
    {"X-Accel-Limit-Rate", IGNORE_X_ACCEL_LIMIT_RATE},
    {"X-Accel-Buffering", IGNORE_X_ACCEL_BUFFERING},
    {"X-Accel-Charset", IGNORE_X_ACCEL_CHARSET},
    {"Expires", IGNORE_EXPIRES},
    {"Cache-Control", IGNORE_CACHE_CONTROL},
    {"Set-Cookie", IGNORE_SET_COOKIE},
    {"Vary", IGNORE_VARY},
    {NULL, 0},
};

static const struct number_bounds buffer = {256, 1 << 24};

#define P(member) FIELD(struct location_conf, proxy.member)

static const struct directive rows[] = {
    {"proxy_pass", IN_LOCATION | IN_LOCATION_IF | IN_LIMIT_EXCEPT, 1, 1, set_proxy_pass, P(is_set),
     NULL, IS_OWN | GOES_INTO_IF, NULL},
    {"proxy_set_header", IN_HSL, 2, 2, set_proxy_header, P(set_headers), NULL, IS_LIST, NULL},
    {"proxy_pass_header", IN_HSL, 1, 1, set_string_list, P(pass_headers), NULL, IS_LIST, NULL},
    {"proxy_hide_header", IN_HSL, 1, 1, set_string_list, P(hide_headers), NULL, IS_LIST, NULL},
    {"proxy_client_identity_pass", IN_HSL, 3, MANY, set_identity_pass, P(identity_pass), NULL,
     IS_LIST, NULL},
    {"proxy_client_identity_strip", IN_HSL, 1, MANY, set_string_list, P(identity_strip), NULL,
     IS_LIST, NULL},
    {"proxy_client_identity", IN_HSL, 1, MANY, set_client_identity, P(client_identity), "off",
     IS_LIST, presets},
    {"proxy_redirect", IN_HSL, 1, 2, set_redirect, P(redirects), "default", IS_LIST, NULL},
    {"proxy_http_version", IN_HSL, 1, 1, set_enum, P(version), "1.1", 0, versions},
    {"proxy_connect_timeout", IN_HSL, 1, 1, set_msec, P(connect_timeout_ms), "60s", 0, NULL},
    {"proxy_send_timeout", IN_HSL, 1, 1, set_msec, P(send_timeout_ms), "60s", 0, NULL},
    {"proxy_read_timeout", IN_HSL, 1, 1, set_msec, P(read_timeout_ms), "60s", 0, NULL},
    {"proxy_buffering", IN_HSL, 1, 1, set_flag, P(buffering), "on", 0, NULL},
    {"proxy_request_buffering", IN_HSL, 1, 1, set_flag, P(request_buffering), "on", 0, NULL},
    {"proxy_buffer_size", IN_HSL, 1, 1, set_size, P(buffer_size), "4k", 0, &buffer},
    {"proxy_buffers", IN_HSL, 2, 2, set_buffers, P(buffers_count), "8 4k", 0, NULL},
    {"proxy_next_upstream", IN_HSL, 1, MANY, set_bits, P(next_upstream), "error timeout", IS_LIST,
     next_upstream},
    {"proxy_next_upstream_tries", IN_HSL, 1, 1, set_number, P(next_upstream_tries), "0", 0, NULL},
    {"proxy_next_upstream_timeout", IN_HSL, 1, 1, set_msec, P(next_upstream_timeout_ms), "0", 0,
     NULL},
    {"proxy_intercept_errors", IN_HSL, 1, 1, set_flag, P(intercept_errors), "off", 0, NULL},
    {"proxy_ignore_headers", IN_HSL, 1, MANY, set_bits, P(ignore_headers), NULL, IS_LIST,
     ignored_headers},
    {"proxy_method", IN_HSL, 1, 1, set_template, P(method), NULL, 0, NULL},
    {"proxy_pass_request_body", IN_HSL, 1, 1, set_flag, P(pass_request_body), "on", 0, NULL},
    {"proxy_pass_request_headers", IN_HSL, 1, 1, set_flag, P(pass_request_headers), "on", 0, NULL},
    {"proxy_socket_keepalive", IN_HSL, 1, 1, set_flag, P(socket_keepalive), "off", 0, NULL},
};
_Static_assert(offsetof(struct proxy_conf, buffers_size) ==
                   offsetof(struct proxy_conf, buffers_count) + sizeof(size_t),
               "set_buffers fills both");

const struct directive_table directives_proxy = {OF_LOCATION, rows, sizeof rows / sizeof *rows};
