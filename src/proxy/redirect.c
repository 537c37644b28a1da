/* Location, ours and the upstream's: what a client can follow. */
#include "respond.h"
#include "variables.h"

/* ---- ours ---- */

static struct str host_in_redirect(struct request *req)
{
    if (req->location->server_name_in_redirect && req->server->name.len)
        return req->server->name;
    if (req->host.len)
        return req->host;
    char text[ADDR_TEXT_MAX];
    return arena_str(&req->arena, addr_text(stream_local(client_stream(req->client)), text));
}

static struct str port_in_redirect(struct request *req)
{
    unsigned port = addr_port(stream_local(client_stream(req->client)));
    unsigned usual = client_is_tls(req->client) ? 443 : 80;
    if (!req->location->port_in_redirect || port == 0 || port == usual)
        return STR("");
    return arena_printf(&req->arena, ":%u", port);
}

static struct str make_absolute(struct request *req, struct str url)
{
    if (!str_starts(url, STR("/")) || !req->location->absolute_redirect)
        return url;
    struct str parts[] = {
        client_is_tls(req->client) ? STR("https://") : STR("http://"),
        host_in_redirect(req),
        port_in_redirect(req),
        url,
    };
    return arena_concat(&req->arena, parts, sizeof parts / sizeof *parts);
}

/* "return 301 https://$host$uri" must not let a %0D%0A of the path end the field. */
static struct str escape_controls(struct request *req, struct str url)
{
    if (header_value_is_valid(url))
        return url;
    struct buf out = {0};
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.ptr[i];
        if (c < 0x20 || c == 0x7f)
            buf_printf(&out, "%%%02X", c);
        else
            buf_append_char(&out, (char)c);
    }
    struct str escaped = arena_str(&req->arena, buf_str(&out));
    buf_deinit(&out);
    return escaped;
}

struct str respond_location(struct request *req, struct str url)
{
    return make_absolute(req, escape_controls(req, url));
}

/* ---- the upstream's: proxy_redirect ---- */

static bool replace_prefix(struct request *req, struct str url, struct str from, struct str to,
                           struct str *out)
{
    if (!str_starts(url, from))
        return false;
    *out = arena_concat(&req->arena, (struct str[]){to, str_from(url, from.len)}, 2);
    return true;
}

/* What proxy_pass says becomes what the location is called. */
static bool rewrite_by_default(struct request *req, struct str url, struct str *out)
{
    const struct proxy_conf *proxy = &req->location->proxy;
    if (!proxy->upstream)
        return false;
    struct str from[] = {STR("http://"), proxy->host, proxy->has_uri ? proxy->uri : STR("/")};
    struct str to = proxy->has_uri ? req->outer_location->name : STR("/");
    return replace_prefix(req, url, arena_concat(&req->arena, from, 3), to, out);
}

static bool rewrite_by(struct request *req, const struct redirect_conf *r, struct str url,
                       struct str *out)
{
    switch (r->kind) {
    case REDIRECT_PREFIX:
        return replace_prefix(req, url, template_value(req, &r->from), template_value(req, &r->to),
                              out);
    case REDIRECT_REGEX:
        if (!request_match(req, &r->regex, url))
            return false;
        *out = template_value(req, &r->to);
        return true;
    case REDIRECT_DEFAULT:
        return rewrite_by_default(req, url, out);
    case REDIRECT_OFF:
        return false;
    }
    return false;
}

static bool rewrite_url(struct request *req, struct str url, struct str *out)
{
    VEC_FOR(const struct redirect_conf, r, &req->location->proxy.redirects)
        if (rewrite_by(req, r, url, out))
            return true;
    return false;
}

static size_t find_url(struct str refresh)
{
    for (size_t i = 0; i + 4 <= refresh.len; i++)
        if (str_eq_nocase(str_make(refresh.ptr + i, 4), STR("url=")))
            return i + 4;
    return SIZE_MAX;
}

void proxy_redirect_apply(struct request *req, struct headers *h)
{
    struct str url;
    struct header *location = headers_find(h, HEADER_LOCATION);
    if (location && rewrite_url(req, location->value, &url))
        location->value = respond_location(req, url);
    struct header *refresh = headers_find(h, HEADER_REFRESH);
    size_t at = refresh ? find_url(refresh->value) : SIZE_MAX;
    if (at != SIZE_MAX && rewrite_url(req, str_from(refresh->value, at), &url)) {
        struct str parts[] = {str_upto(refresh->value, at), escape_controls(req, url)};
        refresh->value = arena_concat(&req->arena, parts, 2);
    }
}
