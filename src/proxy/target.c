/* Where a request goes and with which path: proxy_pass, with and without URI, with and without
 * variables, by nginx's rules. */
#include "portcullis/proxy/client.h"
#include "portcullis/proxy/exchange.h"

#define HTTP_PORT 80

/* ------------------------------------------------------------------ the path */

/* nginx escapes again only what it had decoded. */
static struct str escape_rest(struct request *req, struct str rest)
{
    struct str path = str_upto(req->uri.raw, str_find(req->uri.raw, '?'));
    bool was_escaped = str_find(path, '%') != SIZE_MAX;

    return was_escaped || req->is_internal ? uri_escape_path(&req->arena, rest) : rest;
}

static struct str with_args(struct request *req, struct str prefix, struct str rest)
{
    struct str parts[] = {prefix, escape_rest(req, rest), STR("?"), req->args};
    size_t count = req->args.len > 0 ? 4 : 2;

    return arena_concat(&req->arena, parts, count);
}

/* proxy_pass http://x/uri; the part of the path that matched the location is replaced by it. */
static struct str replace_prefix(struct request *req, struct str uri)
{
    size_t cut = req->outer_location->name.len;

    if (!req->path_fits_location)
        return with_args(req, STR(""), req->path);
    if (cut > req->path.len)
        cut = req->path.len;
    return with_args(req, uri, str_from(req->path, cut));
}

/* RFC 9110, 7.7: octet for octet; but a ".." is resolved, so that who does not resolve it takes the
 * request for no other than the location did. */
static struct str original_target(struct request *req)
{
    bool leads_up = req->uri.is_changed && uri_leads_up(&req->arena, req->uri.raw);

    return leads_up ? with_args(req, STR(""), req->path) : req->uri.raw;
}

static struct str make_target(struct request *req, bool has_uri, struct str uri)
{
    if (req->path.len == 0) /* error_page of a request whose target was never read */
        return STR("/");
    if (has_uri)
        return replace_prefix(req, uri);
    if (req->uri.form == URI_ASTERISK && req->path_is_original)
        return STR("*");
    if (req->path_is_original)
        return original_target(req);
    return with_args(req, STR(""), req->path);
}

/* ------------------------------------------------------------------ a URL with variables */

struct url {
    struct str host, port; /* port empty: not given */
    struct str uri;        /* from "/" or "?" on; empty: none */
    bool is_unix;
    struct addr unix_addr;
};

static bool parse_unix(struct str rest, struct url *url)
{
    size_t colon = str_find(str_from(rest, 5), ':');

    url->is_unix = true;
    if (colon == SIZE_MAX)
        return addr_parse_unix(&url->unix_addr, rest);
    url->uri = str_from(rest, 5 + colon + 1);
    return addr_parse_unix(&url->unix_addr, str_upto(rest, 5 + colon));
}

static size_t end_of_authority(struct str rest)
{
    size_t i = 0;

    while (i < rest.len && rest.ptr[i] != '/' && rest.ptr[i] != '?')
        i++;
    return i;
}

static bool parse_inet(struct str rest, struct url *url)
{
    size_t end = end_of_authority(rest);
    struct str authority = str_upto(rest, end);
    size_t bracket = str_find_last(authority, ']');
    size_t colon = str_find_last(authority, ':');

    url->uri = str_from(rest, end);
    url->host = authority;
    if (colon == SIZE_MAX || (bracket != SIZE_MAX && colon < bracket))
        return authority.len > 0;
    url->host = str_upto(authority, colon);
    url->port = str_from(authority, colon + 1);
    return url->host.len > 0 && url->port.len > 0;
}

static bool parse_url(struct str text, struct url *url)
{
    *url = (struct url){0};
    if (!str_starts_nocase(text, STR("http://")))
        return false;
    struct str rest = str_from(text, 7);
    return str_starts_nocase(rest, STR("unix:")) ? parse_unix(rest, url) : parse_inet(rest, url);
}

static bool port_of(const struct url *url, uint16_t *port)
{
    uint64_t value = HTTP_PORT;

    if (url->port.len > 0 && (!str_to_u64(url->port, &value) || value == 0 || value > 65535))
        return false;
    *port = (uint16_t)value;
    return true;
}

/* A group by that name, or what another proxy_pass has made of the same host and port. */
static struct upstream *find_configured(const struct proxy *p, struct str name)
{
    for (size_t i = 0; i < p->snapshot->http.upstreams.count; i++) {
        if (str_eq_nocase(p->upstreams[i]->conf->name, name))
            return p->upstreams[i];
    }
    return NULL;
}

static void use_addr(struct exchange *x, struct str name, const struct addr *a, uint16_t port)
{
    x->upstream = upstream_new_resolved(&x->req->proxy->backends, name, a, 1, port);
    x->owns_upstream = true;
}

static bool find_upstream(struct exchange *x, const struct url *url)
{
    struct proxy *p = x->req->proxy;
    struct str authority = str_make(url->host.ptr,
                                    url->host.len + (url->port.len > 0 ? url->port.len + 1 : 0));
    struct addr literal;
    uint16_t port;

    if (url->is_unix) {
        use_addr(x, STR("unix:"), &url->unix_addr, 0);
        return true;
    }
    if (!port_of(url, &port))
        return false;
    x->upstream = find_configured(p, authority);
    if (x->upstream != NULL)
        return true;
    if (addr_parse_ip(&literal, url->host, port)) {
        use_addr(x, authority, &literal, port);
        return true;
    }
    x->resolve_name = url->host;
    x->resolve_port = port;
    return true;
}

static void set_names(struct request *req, const struct url *url)
{
    uint16_t port = 0;

    req->proxy_host = url->is_unix ? STR("localhost") : url->host;
    req->proxy_port = url->is_unix ? STR("") : STR("80");
    if (url->is_unix || !port_of(url, &port) || port == HTTP_PORT)
        return;
    req->proxy_host = str_make(url->host.ptr, url->host.len + 1 + url->port.len);
    req->proxy_port = url->port;
}

static bool find_by_variables(struct exchange *x)
{
    struct request *req = x->req;
    struct str text = template_value(req, &x->conf->url);
    struct url url;

    if (!parse_url(text, &url) || !find_upstream(x, &url)) {
        log_write(&req->log, LOG_ERROR, "invalid URL prefix in \"%s\"", log_quoted(text));
        return false;
    }
    set_names(req, &url);
    if (url.uri.len == 0)
        x->target = make_target(req, false, STR(""));
    else if (url.uri.ptr[0] == '?')
        x->target = arena_concat(&req->arena, (struct str[]){STR("/"), url.uri}, 2);
    else
        x->target = url.uri;
    return true;
}

static bool find(struct exchange *x)
{
    struct request *req = x->req;

    if (x->conf->upstream == NULL)
        return find_by_variables(x);
    x->upstream = req->proxy->upstreams[x->conf->upstream->index];
    req->proxy_host = x->conf->host;
    req->proxy_port = x->conf->port;
    x->target = make_target(req, x->conf->has_uri, x->conf->uri);
    return true;
}

/* "/s../x" in a location "/s" whose proxy_pass ends in "/t/" comes to "/t/../x", and so out of what
 * the location opens; $request_uri may have ".." of its own. */
static bool leads_out(struct exchange *x)
{
    const struct uri *uri = &x->req->uri;
    bool is_as_it_came = x->target.ptr == uri->raw.ptr; /* original_target has looked */

    return !is_as_it_came && uri_leads_up(&x->req->arena, x->target);
}

unsigned target_find(struct exchange *x)
{
    if (!find(x))
        return 500;
    if (!leads_out(x))
        return 0;
    log_write(&x->req->log, LOG_ERROR, "the URI for the upstream leads up by \"..\": \"%s\"",
              log_quoted(x->target));
    return 400;
}
