/* limit_req, limit_conn and their zones. */
#include "loader.h"

const struct enum_name limit_levels[] = {{"info", LOG_INFO},
                                         {"notice", LOG_NOTICE},
                                         {"warn", LOG_WARN},
                                         {"error", LOG_ERROR},
                                         {NULL, 0}};
const struct number_bounds limit_status = {400, 599};

enum { ZONE_SIZE_MIN = 32768 }; /* eight pages, as nginx asks for */

/* Finds it, or notes that somebody names it. */
static struct limit_zone *zone_named(struct loader *l, const struct conf_node *node,
                                     struct str name, bool is_rate)
{
    struct http_conf *http = &l->snapshot->http;
    for (size_t i = 0; i < http->limit_zones.count; i++) {
        struct limit_zone *z = http->limit_zones.items[i];
        if (z->is_rate == is_rate && str_eq(z->name, name))
            return z;
    }
    struct limit_zone *z = ARENA_NEW(l->arena, struct limit_zone);
    *z = (struct limit_zone){
        .is_rate = is_rate, .name = name, .pos = node->pos, .index = http->limit_zones.count};
    *VEC_PUSH(l->arena, &http->limit_zones) = z;
    return z;
}

void limits_finish(struct loader *l)
{
    VEC_FOR(struct limit_zone *, it, &l->snapshot->http.limit_zones) {
        const struct limit_zone *z = *it;
        const char *kind = z->is_rate ? "limit_req_zone" : "limit_conn_zone";
        if (!z->memory)
            report_error(&l->report, &z->pos, loader_text(l, "declare it by %s in http", kind),
                         "unknown %s \"%.*s\"", kind, STR_ARG(z->name));
    }
}

/* ---- zones ---- */

/* "10r/s", "30r/m" */
static bool read_rate(struct str text, uint64_t *interval_ns)
{
    uint64_t rate, unit_ns = UINT64_C(1000000000);
    if (str_ends(text, STR("r/m")))
        unit_ns *= 60;
    else if (!str_ends(text, STR("r/s")))
        return false;
    if (!str_to_u64(str_upto(text, text.len - 3), &rate) || rate == 0 || rate > 1000000)
        return false;
    *interval_ns = unit_ns / rate;
    return true;
}

/* zone=NAME:SIZE. Another key or rate is another memory. */
static bool declare(struct loader *l, const struct conf_node *node, bool is_rate,
                    uint64_t interval_ns)
{
    struct str value, key = node->args[0];
    uint64_t size;
    if (!value_of_parameter(node->args[1], "zone", &value))
        return invalid_parameter(l, node, node->args[1], "write zone=NAME:SIZE");
    struct str name = str_cut(&value, ':');
    if (name.len == 0 || !value_to_size(value, &size))
        return invalid_parameter(l, node, node->args[1],
                                 "write zone=NAME:SIZE, as in zone=one:10m");
    if (size < ZONE_SIZE_MIN)
        return loader_error(l, node, "32k is the least", "zone \"%.*s\" is too small",
                            STR_ARG(name));
    struct limit_zone *z = zone_named(l, node, name, is_rate);
    if (z->memory)
        return loader_error(l, node, NULL, "%.*s \"%.*s\" is already bound to key \"%.*s\"",
                            STR_ARG(node->name), STR_ARG(name), STR_ARG(z->key.source));
    z->interval_ns = interval_ns;
    z->memory = zone_declare(l, node,
                             arena_printf(l->arena, "%.*s:%.*s:%llu:%.*s", STR_ARG(node->name),
                                          STR_ARG(name), (unsigned long long)interval_ns,
                                          STR_ARG(key)),
                             name, size);
    return z->memory && template_compile(l, node, key, &z->key);
}

bool set_limit_req_zone(struct loader *l, const struct conf_node *node, void *field)
{
    struct str value;
    uint64_t interval_ns;
    (void)field;
    if (!value_of_parameter(node->args[2], "rate", &value) || !read_rate(value, &interval_ns))
        return invalid_parameter(l, node, node->args[2],
                                 "after key and zone comes rate=NUMBERr/s or rate=NUMBERr/m");
    if (node->count == 4 && !str_eq_z(node->args[3], "sync"))
        return invalid_parameter(l, node, node->args[3], NULL);
    return declare(l, node, true, interval_ns);
}

bool set_limit_conn_zone(struct loader *l, const struct conf_node *node, void *field)
{
    (void)field;
    return declare(l, node, false, 0);
}

/* ---- use ---- */

enum { BURST_MAX = 1000000000 };

static bool read_count(struct loader *l, const struct conf_node *node, struct str arg,
                       struct str value, uint64_t *count)
{
    if (str_to_u64(value, count) && *count <= BURST_MAX)
        return true;
    return invalid_parameter(l, node, arg, "a number of requests is expected");
}

static bool read_req_arg(struct loader *l, const struct conf_node *node, struct str arg,
                         struct limit_req *r)
{
    struct str value;
    if (value_of_parameter(arg, "zone", &value) && value.len > 0) {
        r->zone = zone_named(l, node, value, true);
        return true;
    }
    if (value_of_parameter(arg, "burst", &value))
        return read_count(l, node, arg, value, &r->burst);
    if (value_of_parameter(arg, "delay", &value))
        return read_count(l, node, arg, value, &r->delay);
    if (str_eq_z(arg, "nodelay")) {
        r->delay = UINT64_MAX;
        return true;
    }
    return invalid_parameter(l, node, arg, "zone=NAME, burst=, delay= and nodelay are known");
}

static bool is_duplicate(struct loader *l, const struct conf_node *node)
{
    loader_error(l, node, NULL, "\"%.*s\" directive is duplicate", STR_ARG(node->name));
    return false;
}

bool set_limit_req(struct loader *l, const struct conf_node *node, void *field)
{
    struct location_conf *loc = loader_location(l);
    struct limit_req r = {0};
    (void)field;
    for (size_t i = 0; i < node->count; i++)
        if (!read_req_arg(l, node, node->args[i], &r))
            return false;
    if (!r.zone)
        return loader_error(l, node, "name one of limit_req_zone",
                            "\"limit_req\" must have \"zone\" parameter");
    VEC_FOR(const struct limit_req, other, &loc->limit_reqs) {
        if (other->zone == r.zone)
            return is_duplicate(l, node);
    }
    *VEC_PUSH(l->arena, &loc->limit_reqs) = r;
    return true;
}

bool set_limit_conn(struct loader *l, const struct conf_node *node, void *field)
{
    struct location_conf *loc = loader_location(l);
    struct limit_conn c = {.zone = zone_named(l, node, node->args[0], false)};
    uint64_t most;
    (void)field;
    if (!str_to_u64(node->args[1], &most) || most == 0 || most > 65535)
        return invalid_value(l, node, node->args[1], "a number of connections from 1 to 65535");
    c.most = (unsigned)most;
    VEC_FOR(const struct limit_conn, other, &loc->limit_conns) {
        if (other->zone == c.zone)
            return is_duplicate(l, node);
    }
    *VEC_PUSH(l->arena, &loc->limit_conns) = c;
    return true;
}
