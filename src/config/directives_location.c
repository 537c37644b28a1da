/* What any location may say about answering, apart from proxying and rewriting. */
#include "loader.h"

/* ---- headers of answers ---- */

static bool set_add_header(struct loader *l, const struct conf_node *node, void *field)
{
    struct add_header_conf *h = VEC_PUSH(l->arena, &loader_location(l)->add_headers);
    (void)field;
    h->name = node->args[0];
    h->always = node->count == 3;
    if (h->always && !str_eq_z(node->args[2], "always"))
        return invalid_parameter(l, node, node->args[2], "it can only be \"always\"");
    return template_compile(l, node, node->args[1], &h->value);
}

static bool set_expires(struct loader *l, const struct conf_node *node, void *field)
{
    (void)field;
    if (str_eq_z(node->args[0], "off") && node->count == 1)
        return true;
    return loader_error(l, node, "use add_header Expires and Cache-Control",
                        "\"expires\" with other values than \"off\" is not supported here");
}

/* ---- error_page ---- */

static bool read_codes(struct loader *l, const struct conf_node *node, size_t count,
                       struct error_page_conf *page)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t code;
        if (!str_to_u64(node->args[i], &code))
            return invalid_value(l, node, node->args[i], "a status code is expected");
        if (code < 300 || code > 599 || code == 499)
            return loader_error(l, node, code == 499 ? "499 is never sent" : NULL,
                                "value \"%.*s\" must be between 300 and 599",
                                STR_ARG(node->args[i]));
        *VEC_PUSH(l->arena, &page->codes) = (unsigned)code;
    }
    return true;
}

/* "=" or "=code" before the target. */
static bool read_overwrite(struct loader *l, const struct conf_node *node, size_t *codes,
                           struct error_page_conf *page)
{
    struct str arg = node->args[*codes - 1];
    uint64_t code = 0;

    page->overwrite = -1;
    if (!str_starts(arg, STR("=")))
        return true;
    if (*codes == 1 || (arg.len > 1 && (!str_to_u64(str_from(arg, 1), &code) || code > 999)))
        return invalid_value(l, node, arg, "codes come first, then =code, then the target");
    page->overwrite = (int)code;
    --*codes;
    return true;
}

static bool is_url(struct str s)
{
    return str_starts_nocase(s, STR("http://")) || str_starts_nocase(s, STR("https://")) ||
           str_starts(s, STR("$scheme"));
}

static bool set_error_page(struct loader *l, const struct conf_node *node, void *field)
{
    struct error_page_conf page = {0};
    size_t codes = node->count - 1;
    struct str target = node->args[codes];

    (void)field;
    if (!read_overwrite(l, node, &codes, &page) || !read_codes(l, node, codes, &page) ||
        !template_compile(l, node, target, &page.target))
        return false;
    page.is_named = str_starts(target, STR("@"));
    page.is_url = is_url(target);
    *VEC_PUSH(l->arena, &loader_location(l)->error_pages) = page;
    return true;
}

/* ---- access ---- */

static bool set_access_rule(struct loader *l, const struct conf_node *node, void *field)
{
    bool low_bits = false;
    struct access_rule rule = {.allow = str_eq_z(node->name, "allow")};
    (void)field;
    if (!cidr_parse(&rule.block, node->args[0], &low_bits))
        return invalid_parameter(l, node, node->args[0],
                                 "it must be an address, a block (192.0.2.0/24), \"unix:\" or "
                                 "\"all\"");
    if (low_bits)
        loader_warn(l, node, NULL, "low address bits of %.*s are meaningless",
                    STR_ARG(node->args[0]));
    *VEC_PUSH(l->arena, &loader_location(l)->access_rules) = rule;
    return true;
}

/* ---- connections ---- */

static bool set_keepalive_timeout(struct loader *l, const struct conf_node *node, void *field)
{
    struct location_conf *loc = loader_location(l);
    int64_t header_ms;
    loc->keepalive_header_s = -1;
    if (!set_msec(l, node, field) || node->count == 1)
        return true;
    if (!value_to_seconds_ms(node->args[1], &header_ms))
        return invalid_value(l, node, node->args[1], "the second is a time in seconds");
    loc->keepalive_header_s = header_ms / 1000;
    return true;
}

static bool set_internal(struct loader *l, const struct conf_node *node, void *field)
{
    (void)l;
    (void)node;
    *(bool *)field = true;
    return true;
}

static bool set_body_temp_path(struct loader *l, const struct conf_node *node, void *field)
{
    /* Levels of folders are nginx's way of keeping folders small; files here have no names. */
    for (size_t i = 1; i < node->count; i++) {
        uint64_t level;
        if (!str_to_u64(node->args[i], &level) || level < 1)
            return invalid_value(l, node, node->args[i], "a level is 1, 2 or 3");
    }
    return set_prefix_path(l, node, field);
}

/* ---- resolver ---- */

static bool read_switch(struct str arg, const char *name, bool *on, bool *is_bad)
{
    struct str value;
    if (!value_of_parameter(arg, name, &value))
        return false;
    *on = str_eq_z(value, "on");
    *is_bad = !*on && !str_eq_z(value, "off");
    return true;
}

static bool add_name_server(struct loader *l, const struct conf_node *node, struct resolver_conf *r,
                            struct str text)
{
    struct addr *addrs;
    const char *problem = NULL;
    size_t count = resolve_now(l->arena, text, 53, &addrs, &problem);
    if (count == 0)
        return loader_error(l, node, "it takes addresses of name servers",
                            "%s in resolver \"%.*s\"", problem, STR_ARG(text));
    for (size_t i = 0; i < count; i++)
        *VEC_PUSH(l->arena, &r->servers) = addrs[i];
    return true;
}

static bool read_resolver_arg(struct loader *l, const struct conf_node *node,
                              struct resolver_conf *r, struct str arg)
{
    struct str value;
    bool is_bad = false;
    if (value_of_parameter(arg, "valid", &value))
        is_bad = !value_to_seconds_ms(value, &r->valid_ms);
    else if (value_of_parameter(arg, "status_zone", &value))
        loader_warn(l, node, NULL, "\"status_zone\" has no effect here");
    else if (!read_switch(arg, "ipv4", &r->ipv4, &is_bad) &&
             !read_switch(arg, "ipv6", &r->ipv6, &is_bad))
        return add_name_server(l, node, r, arg);
    return !is_bad || invalid_parameter(l, node, arg, NULL);
}

static bool set_resolver(struct loader *l, const struct conf_node *node, void *field)
{
    struct resolver_conf *r = ARENA_NEW(l->arena, struct resolver_conf);
    r->ipv4 = r->ipv6 = true;
    for (size_t i = 0; i < node->count; i++)
        if (!read_resolver_arg(l, node, r, node->args[i]))
            return false;
    if (!r->ipv4 && !r->ipv6)
        return loader_error(l, node, NULL, "\"ipv4\" and \"ipv6\" cannot both be \"off\"");
    if (r->servers.count == 0)
        return loader_error(l, node, "it takes addresses of name servers",
                            "no name servers defined");
    r->index = l->snapshot->http.resolvers.count;
    *VEC_PUSH(l->arena, &l->snapshot->http.resolvers) = r;
    *(const struct resolver_conf **)field = r;
    return true;
}

static bool set_root(struct loader *l, const struct conf_node *node, void *field)
{
    loader_location(l)->root_pos = node->pos;
    return set_prefix_path(l, node, field);
}

/* ---- the table ---- */

static const struct enum_name satisfy[] = {{"all", SATISFY_ALL}, {"any", SATISFY_ANY}, {NULL, 0}};
static const struct enum_name detail[] = {
    {"off", DETAIL_OFF}, {"code", DETAIL_CODE}, {"full", DETAIL_FULL}, {NULL, 0}};
static const struct enum_name lingering[] = {
    {"off", LINGERING_OFF}, {"on", LINGERING_ON}, {"always", LINGERING_ALWAYS}, {NULL, 0}};
static const struct enum_name tokens[] = {
    {"on", TOKENS_ON}, {"off", TOKENS_OFF}, {"build", TOKENS_BUILD}, {NULL, 0}};
static const struct number_bounds body_buffer = {1, 1U << 31};

#define L(member) FIELD(struct location_conf, member)

enum { IN_HSL_IF = IN_HSL | IN_LOCATION_IF };

static const struct directive rows[] = {
    {"limit_except", IN_LOCATION, 1, MANY, set_limit_except, L(limit_except), NULL, IS_BLOCK, NULL},
    {"internal", IN_LOCATION, 0, 0, set_internal, L(internal), NULL, 0, NULL},
    {"ssl_verify_client", IN_LOCATION, 1, 1, set_location_verify, L(verify), NULL, 0, verify_modes},
    {"ssl_client_allow", IN_HSL, 1, MANY, set_client_rule, L(client_rules), NULL, IS_LIST, NULL},
    {"ssl_client_deny", IN_HSL, 1, MANY, set_client_rule, L(client_rules), NULL, IS_LIST, NULL},
    {"ssl_client_detail", IN_HSL, 1, 1, set_enum, L(client_detail), "code", 0, detail},
    {"root", IN_HSL_IF, 1, 1, set_root, L(root), "html", 0, NULL},
    {"types", IN_HSL, 0, 0, set_types, L(types), NULL, IS_BLOCK | IS_LIST, NULL},
    {"default_type", IN_HSL, 1, 1, set_string, L(default_type), "text/plain", 0, NULL},
    {"add_header", IN_HSL_IF, 2, 3, set_add_header, L(add_headers), NULL, IS_LIST, NULL},
    {"expires", IN_HSL_IF, 1, 2, set_expires, NO_FIELD, "off", 0, NULL},
    {"error_page", IN_HSL_IF, 2, MANY, set_error_page, L(error_pages), NULL, IS_LIST, NULL},
    {"recursive_error_pages", IN_HSL, 1, 1, set_flag, L(recursive_error_pages), "off", 0, NULL},
    {"allow", IN_HSL | IN_LIMIT_EXCEPT, 1, 1, set_access_rule, L(access_rules), NULL, IS_LIST,
     NULL},
    {"deny", IN_HSL | IN_LIMIT_EXCEPT, 1, 1, set_access_rule, L(access_rules), NULL, IS_LIST, NULL},
    {"limit_req", IN_HSL, 1, 3, set_limit_req, L(limit_reqs), NULL, IS_LIST, NULL},
    {"limit_req_status", IN_HSL, 1, 1, set_number, L(limit_req.status), "503", 0, &limit_status},
    {"limit_req_log_level", IN_HSL, 1, 1, set_enum, L(limit_req.level), "error", 0, limit_levels},
    {"limit_req_dry_run", IN_HSL, 1, 1, set_flag, L(limit_req.dry_run), "off", 0, NULL},
    {"limit_conn", IN_HSL, 2, 2, set_limit_conn, L(limit_conns), NULL, IS_LIST, NULL},
    {"limit_conn_status", IN_HSL, 1, 1, set_number, L(limit_conn.status), "503", 0, &limit_status},
    {"limit_conn_log_level", IN_HSL, 1, 1, set_enum, L(limit_conn.level), "error", 0, limit_levels},
    {"limit_conn_dry_run", IN_HSL, 1, 1, set_flag, L(limit_conn.dry_run), "off", 0, NULL},
    {"satisfy", IN_HSL, 1, 1, set_enum, L(satisfy), "all", 0, satisfy},
    {"access_log", IN_HSL_IF | IN_LIMIT_EXCEPT, 1, MANY, set_access_log, L(access_logs), "off",
     IS_LIST, NULL},
    {"error_log", IN_HSL, 1, 2, set_error_log, L(error_log), NULL, IS_LIST, NULL},
    {"log_not_found", IN_HSL, 1, 1, set_flag, L(log_not_found), "on", 0, NULL},

    {"client_body_timeout", IN_HSL, 1, 1, set_msec, L(client_body_timeout_ms), "60s", 0, NULL},
    {"client_max_body_size", IN_HSL, 1, 1, set_offset, L(client_max_body_size), "1m", 0, NULL},
    {"client_body_buffer_size", IN_HSL, 1, 1, set_size, L(client_body_buffer_size), "16k", 0,
     &body_buffer},
    {"client_body_temp_path", IN_HSL, 1, 4, set_body_temp_path, L(client_body_temp_path),
     "client_body_temp", 0, NULL},
    {"send_timeout", IN_HSL, 1, 1, set_msec, L(send_timeout_ms), "60s", 0, NULL},
    {"keepalive_timeout", IN_HSL, 1, 2, set_keepalive_timeout, L(keepalive_timeout_ms), "75s", 0,
     NULL},
    {"keepalive_requests", IN_HSL, 1, 1, set_number, L(keepalive_requests), "1000", 0, NULL},
    {"keepalive_time", IN_HSL, 1, 1, set_msec, L(keepalive_time_ms), "1h", 0, NULL},
    {"lingering_close", IN_HSL, 1, 1, set_enum, L(lingering), "on", 0, lingering},
    {"lingering_time", IN_HSL, 1, 1, set_msec, L(lingering_time_ms), "30s", 0, NULL},
    {"lingering_timeout", IN_HSL, 1, 1, set_msec, L(lingering_timeout_ms), "5s", 0, NULL},
    {"reset_timedout_connection", IN_HSL, 1, 1, set_flag, L(reset_timedout_connection), "off", 0,
     NULL},
    {"server_tokens", IN_HSL, 1, 1, set_enum, L(server_tokens), "on", 0, tokens},
    {"absolute_redirect", IN_HSL, 1, 1, set_flag, L(absolute_redirect), "on", 0, NULL},
    {"server_name_in_redirect", IN_HSL, 1, 1, set_flag, L(server_name_in_redirect), "off", 0, NULL},
    {"port_in_redirect", IN_HSL, 1, 1, set_flag, L(port_in_redirect), "on", 0, NULL},
    {"resolver", IN_HSL, 1, MANY, set_resolver, L(resolver), NULL, 0, NULL},
    {"resolver_timeout", IN_HSL, 1, 1, set_msec, L(resolver_timeout_ms), "30s", 0, NULL},
};

const struct directive_table directives_location = {OF_LOCATION, rows, sizeof rows / sizeof *rows};
