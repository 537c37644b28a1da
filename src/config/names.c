/* server_name, and the table of names of each address. */
#include <unistd.h>

#include "loader.h"

/* ---- server_name ---- */

static bool invalid_name(struct loader *l, const struct conf_node *node, struct str name)
{
    return loader_error(l, node, "it must be a name, *.name, .name, name.* or ~regex",
                        "server name \"%.*s\" is invalid", STR_ARG(name));
}

static bool has_upper_case(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z')
            return true;
    return false;
}

static bool read_regex_name(struct loader *l, const struct conf_node *node, struct str arg,
                            struct server_name_conf *name)
{
    struct str source = str_from(arg, 1);
    name->kind = NAME_REGEX;
    name->text = source;
    if (source.len == 0)
        return loader_error(l, node, NULL, "empty regex in server name \"%.*s\"", STR_ARG(arg));
    /* Hosts are lower case by then, so a pattern in upper case means either. */
    return regex_compile(l, node, source, has_upper_case(source), &name->regex);
}

static bool read_plain_name(struct loader *l, const struct conf_node *node, struct str arg,
                            struct server_name_conf *name)
{
    struct str text = lower_case(l->arena, arg);
    name->kind = NAME_EXACT;
    if (str_starts(text, STR("*."))) {
        name->kind = NAME_HEAD;
        text = str_from(text, 2);
    } else if (str_starts(text, STR("."))) {
        name->kind = NAME_DOT;
        text = str_from(text, 1);
    } else if (str_ends(text, STR(".*"))) {
        name->kind = NAME_TAIL;
        text = str_upto(text, text.len - 2);
    }
    name->text = text;
    bool is_empty = text.len == 0 && name->kind != NAME_EXACT;
    if (is_empty || str_find(text, '*') != SIZE_MAX || str_search(text, STR("..")) != SIZE_MAX)
        return invalid_name(l, node, arg);
    if (str_find(text, '/') != SIZE_MAX)
        loader_warn(l, node, NULL, "server name \"%.*s\" has suspicious symbols", STR_ARG(arg));
    return true;
}

static struct str host_name(struct loader *l)
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) != 0)
        return STR("");
    return lower_case(l->arena, str_of(name));
}

bool set_server_name(struct loader *l, const struct conf_node *node, void *field)
{
    struct server_conf *s = loader_server(l);
    bool good = true;
    (void)field;
    for (size_t i = 0; i < node->count; i++) {
        struct server_name_conf *name = VEC_PUSH(l->arena, &s->names);
        struct str arg = node->args[i];
        if (str_eq_z(arg, "$hostname"))
            arg = host_name(l);
        good &= str_starts(arg, STR("~")) ? read_regex_name(l, node, arg, name)
                                          : read_plain_name(l, node, arg, name);
        if (s->names.count == 1) /* $server_name: "*.x" as it is, ".x" without its dot */
            s->name = name->kind == NAME_DOT     ? name->text
                      : name->kind == NAME_REGEX ? arg
                                                 : lower_case(l->arena, arg);
    }
    return good;
}

/* A server without a name answers to requests without one. */
void add_default_name(struct loader *l, struct server_conf *s)
{
    if (s->names.count)
        return;
    struct server_name_conf *name = VEC_PUSH(l->arena, &s->names);
    name->kind = NAME_EXACT;
    name->text = s->name = STR("");
}

/* ---- binds ---- */

static struct str bind_text(const struct bind_conf *b, char out[static ADDR_TEXT_MAX])
{
    return addr_text_port(&b->listen.addr, out);
}

static void add_key(struct loader *l, struct bind_conf *b, struct server_conf *s,
                    struct strmap *map, struct str key, struct str name)
{
    char text[ADDR_TEXT_MAX];
    if (!strmap_add(map, key, s) && strmap_find(map, key) != s)
        report_warn(&l->report, &s->pos, NULL, "conflicting server name \"%.*s\" on %.*s, ignored",
                    STR_ARG(name), STR_ARG(bind_text(b, text)));
}

static void add_name(struct loader *l, struct bind_conf *b, struct server_conf *s,
                     const struct server_name_conf *n)
{
    switch (n->kind) {
    case NAME_EXACT:
        add_key(l, b, s, &b->exact, n->text, n->text);
        return;
    case NAME_HEAD:
        add_key(l, b, s, &b->wildcard_head, n->text,
                arena_printf(l->arena, "*.%.*s", STR_ARG(n->text)));
        return;
    case NAME_TAIL:
        add_key(l, b, s, &b->wildcard_tail, n->text,
                arena_printf(l->arena, "%.*s.*", STR_ARG(n->text)));
        return;
    case NAME_DOT:
        add_key(l, b, s, &b->exact, n->text, n->text);
        add_key(l, b, s, &b->wildcard_head, n->text,
                arena_printf(l->arena, ".%.*s", STR_ARG(n->text)));
        return;
    case NAME_REGEX:
        *VEC_PUSH(l->arena, &b->regexes) = (struct name_regex){n->regex, s};
        return;
    }
}

static struct bind_conf *bind_find(struct loader *l, const struct addr *a)
{
    struct http_conf *http = &l->snapshot->http;
    for (size_t i = 0; i < http->binds.count; i++)
        if (addr_eq(&http->binds.items[i]->listen.addr, a))
            return http->binds.items[i];
    return NULL;
}

static struct bind_conf *bind_new(struct loader *l, const struct listen_conf *listen,
                                  struct server_conf *s)
{
    struct http_conf *http = &l->snapshot->http;
    struct bind_conf *b = ARENA_NEW(l->arena, struct bind_conf);
    b->listen = *listen;
    b->default_server = s;
    b->index = http->binds.count;
    strmap_init(&b->exact, l->arena, false);
    strmap_init(&b->wildcard_head, l->arena, false);
    strmap_init(&b->wildcard_tail, l->arena, false);
    *VEC_PUSH(l->arena, &http->binds) = b;
    return b;
}

static void merge_options(struct loader *l, struct bind_conf *b, const struct listen_conf *listen)
{
    char text[ADDR_TEXT_MAX];
    struct listen_conf *first = &b->listen;
    if (listen->has_options) {
        if (first->has_options)
            report_error(&l->report, &listen->pos, "give them in one of the servers",
                         "duplicate listen options for %.*s", STR_ARG(bind_text(b, text)));
        first->has_options = true;
        first->reuseport = listen->reuseport;
        first->ipv6only = listen->ipv6only;
        first->so_keepalive = listen->so_keepalive;
        first->backlog = listen->backlog;
    }
    first->ssl |= listen->ssl;
    first->http2 |= listen->http2;
}

static void merge_default(struct loader *l, struct bind_conf *b, const struct listen_conf *listen,
                          struct server_conf *s)
{
    char text[ADDR_TEXT_MAX];
    if (!listen->default_server)
        return;
    if (b->listen.default_server)
        report_error(&l->report, &listen->pos, NULL, "a duplicate default server for %.*s",
                     STR_ARG(bind_text(b, text)));
    b->listen.default_server = true;
    b->default_server = s;
}

/* nginx listens once where the wildcard of a port covers other addresses of it, and so do we: the
 * kernel would refuse the second. */
static void find_wildcards(struct loader *l)
{
    struct http_conf *http = &l->snapshot->http;
    for (size_t i = 0; i < http->binds.count; i++)
        for (size_t j = 0; j < http->binds.count; j++) {
            struct bind_conf *b = http->binds.items[i], *all = http->binds.items[j];
            const struct addr *a = &b->listen.addr, *w = &all->listen.addr;
            if (i != j && addr_family(a) == addr_family(w) && addr_family(a) != AF_UNIX &&
                addr_port(a) == addr_port(w) && addr_is_wildcard(w)) {
                b->wildcard = all;
                all->is_shared = true;
            }
        }
}

void binds_build(struct loader *l)
{
    struct http_conf *http = &l->snapshot->http;
    for (size_t i = 0; i < http->servers.count; i++) {
        struct server_conf *s = http->servers.items[i];
        VEC_FOR(const struct listen_conf, listen, &s->listens) {
            struct bind_conf *b = bind_find(l, &listen->addr);
            if (!b) {
                b = bind_new(l, listen, s);
            } else {
                merge_options(l, b, listen);
                merge_default(l, b, listen, s);
            }
            VEC_FOR(const struct server_name_conf, n, &s->names) {
                add_name(l, b, s, n);
            }
        }
    }
    find_wildcards(l);
}

/* ---- at run time ---- */

static struct server_conf *find_head(const struct bind_conf *b, struct str name)
{
    for (size_t dot = str_find(name, '.'); dot != SIZE_MAX; dot = str_find(name, '.')) {
        name = str_from(name, dot + 1);
        struct server_conf *s = strmap_find(&b->wildcard_head, name);
        if (s)
            return s;
    }
    return NULL;
}

static struct server_conf *find_tail(const struct bind_conf *b, struct str name)
{
    for (size_t dot = str_find_last(name, '.'); dot != SIZE_MAX; dot = str_find_last(name, '.')) {
        name = str_upto(name, dot);
        struct server_conf *s = strmap_find(&b->wildcard_tail, name);
        if (s)
            return s;
    }
    return NULL;
}

static const struct name_regex *find_regex(const struct bind_conf *b, struct str name,
                                           struct regex_captures *captures)
{
    if (name.len)
        VEC_FOR(const struct name_regex, n, &b->regexes) {
            if (regex_match(n->regex.regex, name, captures, NULL))
                return n;
        }
    return NULL;
}

struct server_conf *bind_find_server(const struct bind_conf *b, struct str name, bool *matched,
                                     struct regex_captures *captures,
                                     const struct name_regex **regex)
{
    const struct name_regex *by_regex = NULL;
    struct server_conf *s = strmap_find(&b->exact, name);
    if (!s)
        s = find_head(b, name);
    if (!s)
        s = find_tail(b, name);
    if (!s && (by_regex = find_regex(b, name, captures)) != NULL)
        s = by_regex->server;
    if (regex)
        *regex = by_regex;
    if (matched) /* who gave no name matches none, though a server "" may answer */
        *matched = s != NULL && name.len > 0;
    return s ? s : b->default_server;
}

const struct bind_conf *bind_of_local(const struct http_conf *http, const struct bind_conf *b,
                                      const struct addr *local)
{
    for (size_t i = 0; i < http->binds.count; i++) {
        const struct bind_conf *other = http->binds.items[i];
        if (other->wildcard == b && addr_eq(&other->listen.addr, local))
            return other;
    }
    return b;
}
