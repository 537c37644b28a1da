/* listen: an address, or several, and how to listen there. */
#include <unistd.h>

#include "loader.h"

/* ---- parameters ---- */

struct listen_flag {
    const char *name;
    void (*set)(struct listen_conf *listen);
};

static void set_ssl(struct listen_conf *listen)
{
    listen->ssl = true;
}
static void set_default(struct listen_conf *listen)
{
    listen->default_server = true;
}
static void set_reuseport(struct listen_conf *listen)
{
    listen->reuseport = listen->has_options = true;
}
static void set_http2(struct listen_conf *listen)
{
    listen->http2 = true;
}
static void set_bind(struct listen_conf *listen)
{
    listen->has_options = true;
}

static const struct listen_flag listen_flags[] = {
    {"ssl", set_ssl},   {"default_server", set_default}, {"default", set_default},
    {"bind", set_bind}, {"reuseport", set_reuseport},    {"http2", set_http2},
};

/* How the system does its part: nothing that a client sees. */
static const char *const ignored[] = {"deferred", "fastopen", "rcvbuf", "sndbuf"};

static const struct {
    const char *name;
    const char *cure;
} unsupported[] = {
    {"proxy_protocol", "the PROXY protocol is not supported here"},
    {"quic", "HTTP/3 is not spoken; remove it"},
    {"spdy", "SPDY is not spoken; remove it"},
    {"multipath", "it is not supported here; remove it"},
    {"accept_filter", "the system has no accept filters; remove it"},
    {"setfib", "it is not supported here; remove it"},
};

static bool read_ipv6only(struct loader *l, const struct conf_node *node,
                          struct listen_conf *listen, struct str arg, struct str value)
{
    listen->ipv6only = str_eq_z(value, "on");
    if (!listen->ipv6only && !str_eq_z(value, "off"))
        return invalid_parameter(l, node, arg, "it must be ipv6only=on or ipv6only=off");
    return listen->has_options = true;
}

/* on, off, or idle:interval:count with parts left out. */
static bool read_keepalive(struct loader *l, const struct conf_node *node,
                           struct listen_conf *listen, struct str arg, struct str value)
{
    listen->so_keepalive = !str_eq_z(value, "off");
    listen->has_options = true;
    if (str_eq_z(value, "on") || str_eq_z(value, "off"))
        return true;
    if (str_find(value, ':') == SIZE_MAX)
        return invalid_parameter(l, node, arg, "it must be on, off or idle:interval:count");
    loader_warn(l, node, "the system's values are used",
                "the times in \"%.*s\" have no effect here", STR_ARG(arg));
    return true;
}

static bool read_backlog(struct loader *l, const struct conf_node *node, struct listen_conf *listen,
                         struct str arg, struct str value)
{
    uint64_t backlog;
    if (!str_to_u64(value, &backlog) || backlog == 0 || backlog > INT32_MAX)
        return loader_error(l, node, NULL, "invalid backlog \"%.*s\"", STR_ARG(arg));
    listen->backlog = (int)backlog;
    return listen->has_options = true;
}

static const struct {
    const char *name;
    bool (*read)(struct loader *, const struct conf_node *, struct listen_conf *, struct str arg,
                 struct str value);
} listen_values[] = {
    {"ipv6only", read_ipv6only}, {"so_keepalive", read_keepalive}, {"backlog", read_backlog}};

static bool is_parameter(struct str arg, const char *name)
{
    struct str value;
    return str_eq_z(arg, name) || value_of_parameter(arg, name, &value);
}

static bool read_parameter(struct loader *l, const struct conf_node *node,
                           struct listen_conf *listen, struct str arg)
{
    struct str value;
    for (size_t i = 0; i < sizeof listen_flags / sizeof *listen_flags; i++)
        if (str_eq_z(arg, listen_flags[i].name)) {
            listen_flags[i].set(listen);
            return true;
        }
    for (size_t i = 0; i < sizeof listen_values / sizeof *listen_values; i++)
        if (value_of_parameter(arg, listen_values[i].name, &value))
            return listen_values[i].read(l, node, listen, arg, value);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (is_parameter(arg, ignored[i])) {
            loader_warn(l, node, NULL, "\"%.*s\" has no effect here", STR_ARG(arg));
            return true;
        }
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (is_parameter(arg, unsupported[i].name))
            return invalid_parameter(l, node, arg, unsupported[i].cure);
    return invalid_parameter(l, node, arg, NULL);
}

/* ---- the address ---- */

struct ports {
    uint64_t first, last;
};

static bool read_ports(struct str text, struct ports *p)
{
    size_t dash = str_find(text, '-');
    if (dash == SIZE_MAX) {
        bool good = str_to_u64(text, &p->first);
        p->last = p->first;
        return good && p->first >= 1 && p->first <= 65535;
    }
    return str_to_u64(str_upto(text, dash), &p->first) &&
           str_to_u64(str_from(text, dash + 1), &p->last) && p->first >= 1 && p->first <= p->last &&
           p->last <= 65535;
}

static bool is_port(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_digit(text.ptr[i]) && text.ptr[i] != '-')
            return false;
    return text.len > 0;
}

/* Cuts ":port" or ":port-port" off; nothing there is port 80. */
static bool split_ports(struct str text, struct str *host, struct ports *p)
{
    *p = (struct ports){80, 80};
    *host = text;
    if (str_starts(text, STR("unix:")))
        return true;
    if (is_port(text)) {
        *host = STR("*");
        return read_ports(text, p);
    }
    size_t colon = str_find_last(text, ':'), bracket = str_find_last(text, ']');
    if (colon == SIZE_MAX || (bracket != SIZE_MAX && bracket > colon))
        return true;
    *host = str_upto(text, colon);
    return read_ports(str_from(text, colon + 1), p);
}

static size_t resolve_listen(struct loader *l, const struct conf_node *node, struct addr **addrs,
                             struct ports *p)
{
    struct str text = node->args[0], host;
    const char *problem = "invalid port";
    size_t count = 0;
    if (split_ports(text, &host, p))
        count = resolve_now(l->arena, host, (uint16_t)p->first, addrs, &problem);
    if (count == 0)
        loader_error(l, node, "it takes a port, address:port, [address]:port or unix:/path",
                     "%s in \"%.*s\" of the \"listen\" directive", problem, STR_ARG(text));
    return count;
}

static bool add_listen(struct loader *l, const struct conf_node *node,
                       const struct listen_conf *listen)
{
    struct server_conf *s = loader_server(l);
    VEC_FOR(const struct listen_conf, other, &s->listens) {
        if (addr_eq(&other->addr, &listen->addr)) {
            char text[ADDR_TEXT_MAX];
            return loader_error(l, node, NULL, "a duplicate listen %.*s",
                                STR_ARG(addr_text_port(&listen->addr, text)));
        }
    }
    *VEC_PUSH(l->arena, &s->listens) = *listen;
    return true;
}

bool set_listen(struct loader *l, const struct conf_node *node, void *field)
{
    struct listen_conf listen = {.text = node->args[0], .pos = node->pos, .ipv6only = true};
    struct addr *addrs;
    struct ports p;
    bool good = true;
    size_t count = resolve_listen(l, node, &addrs, &p);

    (void)field;
    if (count == 0)
        return false;
    listen.addr = addrs[0];
    for (size_t i = 1; i < node->count; i++)
        good &= read_parameter(l, node, &listen, node->args[i]);
    if (listen.http2)
        loader_warn(l, node, "HTTP/1.1 is spoken", "\"http2\" has no effect here");
    /* With a wrong parameter, too: what follows about the server is to be true of it. */
    for (uint64_t port = p.first; port <= p.last; port++)
        for (size_t i = 0; i < count; i++) {
            listen.addr = addrs[i];
            if (addr_family(&listen.addr) != AF_UNIX)
                addr_set_port(&listen.addr, (uint16_t)port);
            good &= add_listen(l, node, &listen);
        }
    return good;
}

void add_default_listen(struct loader *l, struct server_conf *s)
{
    if (s->listens.count)
        return;
    struct listen_conf *listen = VEC_PUSH(l->arena, &s->listens);
    uint16_t port = geteuid() == 0 ? 80 : 8000;
    listen->text = arena_printf(l->arena, "*:%u", port);
    listen->pos = s->pos;
    listen->ipv6only = true;
    addr_parse_ip(&listen->addr, STR("0.0.0.0"), port);
}
