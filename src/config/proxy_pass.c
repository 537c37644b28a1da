/* proxy_pass: a URL cut into its parts, or kept for run time when it has variables. */
#include "loader.h"

/* What stands behind "http://". */
struct target {
    struct str host_port; /* "app:3000", "unix:/path" */
    struct str uri;
};

static struct str unix_path(struct str rest, struct str *uri)
{
    /* unix:/path:/uri — a path ends at the colon before the URI. */
    size_t colon = str_find(str_from(rest, 5), ':');
    *uri = colon == SIZE_MAX ? STR_NONE : str_from(rest, 5 + colon + 1);
    return colon == SIZE_MAX ? rest : str_upto(rest, 5 + colon);
}

static struct target split(struct str rest)
{
    struct target t = {.uri = STR_NONE};
    if (str_starts_nocase(rest, STR("unix:"))) {
        t.host_port = unix_path(rest, &t.uri);
        return t;
    }
    size_t end = str_find(rest, '/'), question = str_find(rest, '?');
    if (question < end)
        end = question;
    t.host_port = end == SIZE_MAX ? rest : str_upto(rest, end);
    t.uri = end == SIZE_MAX ? STR_NONE : str_from(rest, end);
    return t;
}

/* Host without its port, and the port; brackets stay. */
static struct str cut_port(struct str host_port, struct str *port)
{
    size_t colon = str_find_last(host_port, ':'), bracket = str_find_last(host_port, ']');
    *port = STR_NONE;
    if (colon == SIZE_MAX || (bracket != SIZE_MAX && bracket > colon))
        return host_port;
    *port = str_from(host_port, colon + 1);
    return str_upto(host_port, colon);
}

static bool is_special(enum location_kind kind)
{
    return kind == LOCATION_REGEX || kind == LOCATION_NAMED || kind == LOCATION_IF ||
           kind == LOCATION_LIMIT_EXCEPT;
}

/* A block's name, else host:port, which is shared by all who say it. */
static const struct upstream_conf *find_upstream(struct loader *l, const struct conf_node *node,
                                                 struct str host_port, struct proxy_conf *p)
{
    struct str port;
    bool is_unix = str_starts_nocase(host_port, STR("unix:"));
    struct str host = is_unix ? host_port : cut_port(host_port, &port);
    struct upstream_conf *u = strmap_find(&l->upstreams, lower_case(l->arena, host));

    if (is_unix) {
        p->host = STR("localhost");
        p->port = STR("");
        return upstream_add(l, node, host_port, host_port);
    }
    if (u && !u->is_implicit && port.len) {
        loader_error(l, node, "name the upstream alone", "upstream \"%.*s\" may not have port %.*s",
                     STR_ARG(host), STR_ARG(port));
        return NULL;
    }
    bool is_default = port.len == 0 || str_eq_z(port, "80");
    p->host = is_default ? host : host_port;
    p->port = port.len ? port : STR("80");
    if (u && !u->is_implicit)
        return u;
    return upstream_add(
        l, node, arena_printf(l->arena, "%.*s:%.*s", STR_ARG(host), STR_ARG(p->port)), host_port);
}

static bool set_fixed(struct loader *l, const struct conf_node *node, struct proxy_conf *p,
                      struct str rest)
{
    struct target t = split(rest);
    if (t.host_port.len == 0)
        return loader_error(l, node, NULL, "no host in upstream \"%.*s\"", STR_ARG(rest));
    p->has_uri = t.uri.len > 0;
    p->uri = t.uri;
    if (p->has_uri && is_special(loader_location(l)->kind))
        return loader_error(l, node, "leave out what stands behind the host",
                            "\"proxy_pass\" cannot have URI part in location given by regular "
                            "expression, or inside named location, or inside \"if\" statement, "
                            "or inside \"limit_except\" block");
    p->upstream = find_upstream(l, node, t.host_port, p);
    return p->upstream != NULL;
}

static bool check_scheme(struct loader *l, const struct conf_node *node, struct str url)
{
    if (str_starts_nocase(url, STR("https://")))
        return loader_error(l, node, "connections to upstreams are plain: use http://",
                            "https:// in \"proxy_pass\" is not supported yet");
    if (str_starts_nocase(url, STR("http://")) || str_starts(url, STR("$")))
        return true;
    return loader_error(l, node, "it must begin with http://", "invalid URL prefix in \"%.*s\"",
                        STR_ARG(url));
}

bool set_proxy_pass(struct loader *l, const struct conf_node *node, void *field)
{
    struct location_conf *loc = loader_location(l);
    struct proxy_conf *p = &loc->proxy;
    struct str url = node->args[0];

    *(bool *)field = true;
    p->upstream = NULL;
    p->host = p->port = p->uri = STR_NONE;
    p->has_uri = false;
    loc->auto_redirect = str_ends(loc->name, STR("/"));
    if (!template_compile(l, node, url, &p->url) || !check_scheme(l, node, url))
        return false;
    if (p->url.has_variables)
        return l->snapshot->http.proxies_by_variable = true;
    return set_fixed(l, node, p, str_from(url, 7));
}
