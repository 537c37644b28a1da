/* upstream blocks. */
#include "loader.h"

/* ---- server ---- */

static bool read_weight(struct str value, struct peer_conf *p)
{
    uint64_t n;
    bool good = str_to_u64(value, &n) && n >= 1 && n <= 65535;
    p->weight = (unsigned)n;
    return good;
}

static bool read_max_fails(struct str value, struct peer_conf *p)
{
    uint64_t n;
    bool good = str_to_u64(value, &n) && n <= INT32_MAX;
    p->max_fails = (unsigned)n;
    return good;
}

static bool read_max_conns(struct str value, struct peer_conf *p)
{
    uint64_t n;
    bool good = str_to_u64(value, &n) && n <= INT32_MAX;
    p->max_conns = (unsigned)n;
    return good;
}

static bool read_fail_timeout(struct str value, struct peer_conf *p)
{
    return value_to_seconds_ms(value, &p->fail_timeout_ms);
}

static const struct {
    const char *name;
    bool (*read)(struct str value, struct peer_conf *p);
} parameters[] = {
    {"weight", read_weight},
    {"max_fails", read_max_fails},
    {"max_conns", read_max_conns},
    {"fail_timeout", read_fail_timeout},
};

static const struct {
    const char *name;
    const char *cure;
} unsupported[] = {
    {"resolve", "names are looked up at start; use resolver and a variable in proxy_pass"},
    {"service", "names are looked up at start; write host:port"},
    {"slow_start", "it is not supported here; remove it"},
    {"route", "it is not supported here; remove it"},
    {"drain", "write \"down\""},
};

static bool read_parameter(struct loader *l, const struct conf_node *node, struct peer_conf *p,
                           struct str arg)
{
    struct str value;
    if (str_eq_z(arg, "backup"))
        return p->backup = true;
    if (str_eq_z(arg, "down"))
        return p->down = true;
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (value_of_parameter(arg, parameters[i].name, &value))
            return parameters[i].read(value, p) || invalid_parameter(l, node, arg, NULL);
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (str_eq_z(arg, unsupported[i].name) ||
            value_of_parameter(arg, unsupported[i].name, &value))
            return invalid_parameter(l, node, arg, unsupported[i].cure);
    return invalid_parameter(l, node, arg, NULL);
}

static bool not_resolved(struct loader *l, const struct conf_node *node, const char *problem,
                         struct str shown)
{
    static const struct {
        const char *problem, *cure;
    } cures[] = {
        {"host not found", "is it spelled right, and does a name server know it now?"},
        {"invalid port", "a port is a number from 1 to 65535"},
    };
    const char *cure = NULL;
    for (size_t i = 0; i < sizeof cures / sizeof *cures; i++)
        if (strcmp(cures[i].problem, problem) == 0)
            cure = cures[i].cure;
    return loader_error(l, node, cure, "%s in upstream \"%.*s\"", problem, STR_ARG(shown));
}

static bool set_peer(struct loader *l, const struct conf_node *node, void *field)
{
    struct peer_conf p = {.weight = 1, .max_fails = 1, .fail_timeout_ms = 10000};
    struct addr *addrs;
    const char *problem = NULL;
    bool good = true;

    (void)field;
    p.name = node->args[0];
    for (size_t i = 1; i < node->count; i++)
        good &= read_parameter(l, node, &p, node->args[i]);
    size_t count = resolve_now(l->arena, p.name, 80, &addrs, &problem);
    if (count == 0)
        return not_resolved(l, node, problem, p.name);
    for (size_t i = 0; i < count; i++) {
        p.addr = addrs[i];
        *VEC_PUSH(l->arena, &loader_upstream(l)->peers) = p;
    }
    return good;
}

/* ---- the block ---- */

static bool set_balancer(struct loader *l, const struct conf_node *node, void *field)
{
    static const char *const names[] = {
#define X(id, name) name,
#include "portcullis/config/balancers.def"
#undef X
    };
    enum balancer_id *balancer = field;
    if (*balancer != BALANCER_ROUND_ROBIN)
        loader_warn(l, node, NULL, "load balancing method redefined");
    for (unsigned i = 0; i < BALANCERS; i++)
        if (str_eq_z(node->name, names[i]))
            *balancer = (enum balancer_id)i;
    return true;
}

static bool set_keepalive(struct loader *l, const struct conf_node *node, void *field)
{
    struct upstream_conf *u = loader_upstream(l);
    if (!set_number(l, node, field))
        return false;
    u->keepalive_local = node->count == 2;
    if (node->count == 2 && !str_eq_z(node->args[1], "local"))
        return invalid_parameter(l, node, node->args[1], "it can only be \"local\"");
    return true;
}

static struct upstream_conf *upstream_new(struct loader *l, const struct conf_node *node,
                                          struct str name)
{
    struct http_conf *http = &l->snapshot->http;
    struct upstream_conf *u = ARENA_NEW(l->arena, struct upstream_conf);
    struct block b = {.where = IN_UPSTREAM};
    b.fields[OF_UPSTREAM] = u;
    directives_set_initial(l, &b);
    u->name = name;
    u->pos = node->pos;
    u->index = http->upstreams.count;
    *VEC_PUSH(l->arena, &http->upstreams) = u;
    return u;
}

static bool check_peers(struct loader *l, const struct conf_node *node,
                        const struct upstream_conf *u)
{
    size_t primary = 0;
    VEC_FOR(const struct peer_conf, p, &u->peers) {
        primary += !p->backup;
        if (p->backup && u->balancer == BALANCER_IP_HASH)
            return loader_error(l, node, NULL,
                                "balancing method does not support parameter \"backup\"");
    }
    if (u->peers.count == 0)
        return loader_error(l, node, "write server ADDRESS; in it",
                            "no servers are inside upstream");
    return primary > 0 || loader_error(l, node, "one must be no backup",
                                       "no servers in upstream \"%.*s\"", STR_ARG(u->name));
}

bool set_upstream(struct loader *l, const struct conf_node *node, void *field)
{
    struct block b = {.where = IN_UPSTREAM};
    struct str name = node->args[0], key = lower_case(l->arena, name);
    (void)field;
    if (strmap_find(&l->upstreams, key))
        return loader_error(l, node, NULL, "duplicate upstream \"%.*s\"", STR_ARG(name));
    struct upstream_conf *u = upstream_new(l, node, name);
    strmap_add(&l->upstreams, key, u);
    b.fields[OF_UPSTREAM] = u;
    unsigned errors = l->report.errors;
    block_load(l, &b, node->children.items, node->children.count);
    return l->report.errors == errors && check_peers(l, node, u);
}

/* ---- made by proxy_pass ---- */

struct upstream_conf *upstream_add(struct loader *l, const struct conf_node *node,
                                   struct str host_port, struct str shown)
{
    struct str key = lower_case(l->arena, host_port);
    struct upstream_conf *u = strmap_find(&l->upstreams, key);
    struct addr *addrs;
    const char *problem = NULL;
    if (u)
        return u;
    size_t count = resolve_now(l->arena, host_port, 80, &addrs, &problem);
    if (count == 0) {
        not_resolved(l, node, problem, shown);
        return NULL;
    }
    u = upstream_new(l, node, host_port);
    u->is_implicit = true;
    for (size_t i = 0; i < count; i++)
        *VEC_PUSH(l->arena, &u->peers) = (struct peer_conf){
            .addr = addrs[i],
            .name = host_port,
            .weight = 1,
            .max_fails = 1,
            .fail_timeout_ms = 10000,
        };
    strmap_add(&l->upstreams, key, u);
    return u;
}

#define U(member) FIELD(struct upstream_conf, member)

static const struct directive rows[] = {
    {"server", IN_UPSTREAM, 1, MANY, set_peer, U(peers), NULL, IS_LIST, NULL},
    {"least_conn", IN_UPSTREAM, 0, 0, set_balancer, U(balancer), NULL, 0, NULL},
    {"ip_hash", IN_UPSTREAM, 0, 0, set_balancer, U(balancer), NULL, 0, NULL},
    {"keepalive", IN_UPSTREAM, 1, 2, set_keepalive, U(keepalive), "32 local", 0, NULL},
    {"keepalive_requests", IN_UPSTREAM, 1, 1, set_number, U(keepalive_requests), "1000", 0, NULL},
    {"keepalive_timeout", IN_UPSTREAM, 1, 1, set_msec, U(keepalive_timeout_ms), "60s", 0, NULL},
    {"keepalive_time", IN_UPSTREAM, 1, 1, set_msec, U(keepalive_time_ms), "1h", 0, NULL},
};

const struct directive_table directives_upstream = {OF_UPSTREAM, rows, sizeof rows / sizeof *rows};
