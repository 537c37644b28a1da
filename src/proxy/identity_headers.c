/* Names of header fields that applications trust to tell who the client is, in every
 * spelling that some server or framework takes for the same name. */
#include "identity_presets.h"
#include "portcullis/proxy/request.h"

/* Folded: lower case, '-' for whatever is no letter or digit. A prefix ends with '*'. */
static const struct str known[] = {
#define N(text) STR_INIT(text)
    /* RFC 9440 */
    N("client-cert"),
    N("client-cert-chain"),
    /* nginx and HAProxy habit */
    N("x-ssl-*"),
    N("x-client-cert*"),
    N("x-client-dn"),
    N("x-client-cn"),
    N("x-client-verify"),
    N("x-client-serial"),
    N("x-client-fingerprint"),
    N("x-client-issuer"),
    N("x-client-subject"),
    /* ingress-nginx, Apache, Keycloak */
    N("ssl-client-*"),
    N("ssl-cert*"),
    N("cert-chain*"),
    /* Envoy, Istio */
    N("x-forwarded-client-cert"),
    /* Traefik */
    N("x-forwarded-tls-client-cert"),
    N("x-forwarded-tls-client-cert-info"),
    /* AWS, GCP, Azure, Cloudflare (X-Client-Cert-* is above) */
    N("x-amzn-mtls-*"),
    N("x-arr-clientcert"),
    N("x-arr-ssl"),
    N("cf-client-cert-*"),
    N("cf-cert-*"),
    /* Puppet, Kubernetes front proxy, others */
    N("x-remote-user"),
    N("x-remote-group"),
    N("x-remote-extra-*"),
    N("x-forwarded-user"),
    N("x-forwarded-groups"),
    N("x-forwarded-email"),
    N("x-auth-request-*"),
    N("remote-user"),
    /* our own */
    N("x-portcullis-*"),
#undef N
};
#define KNOWN (sizeof known / sizeof *known)

/* CGI and its heirs (WSGI, Rack, PHP) make '_' of '-', some of them of any other octet too, so
 * these are all one. */
static char fold(char c)
{
    c = ascii_lower(c);
    return ascii_is_alpha(c) || ascii_is_digit(c) ? c : '-';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct str cut_blanks(struct str s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = str_from(s, 1);
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* row is folded already. */
static bool matches_row(struct str name, struct str row)
{
    bool is_prefix = row.ptr[row.len - 1] == '*';
    if (is_prefix)
        row.len--;
    if (name.len < row.len || (!is_prefix && name.len != row.len))
        return false;
    for (size_t i = 0; i < row.len; i++)
        if (fold(name.ptr[i]) != row.ptr[i])
            return false;
    return true;
}

bool identity_name_is_same(struct str a, struct str b)
{
    b = cut_blanks(b);
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return false;
    return true;
}

/* Most fields of a request are told apart by their first letter and end here. */
static bool may_be_known(struct str name)
{
    switch (fold(name.ptr[0])) {
    case 'c':
    case 'r':
    case 's':
    case 'x':
        return true;
    default:
        return false;
    }
}

static bool is_known(struct str name)
{
    if (!may_be_known(name))
        return false;
    for (size_t i = 0; i < KNOWN; i++)
        if (matches_row(name, known[i]))
            return true;
    return false;
}

/* What this location tells its upstream of the client is trusted there under that name. */
static bool is_set_here(const struct location_conf *loc, struct str name)
{
    if (identity_preset_sets(loc->proxy.client_identity, name))
        return true;
    VEC_FOR(const struct set_header_conf, set, &loc->proxy.set_headers)
        if (set->is_identity && identity_name_is_same(name, set->name))
            return true;
    return false;
}

/* proxy_client_identity_strip */
static bool is_stripped_here(const struct location_conf *loc, struct str name)
{
    VEC_FOR(const struct str, it, &loc->proxy.identity_strip)
        if (identity_name_is_same(name, *it))
            return true;
    return false;
}

bool identity_header_is_one(const struct location_conf *loc, struct str name)
{
    name = cut_blanks(name);
    if (name.len == 0)
        return false;
    return is_known(name) || (loc && (is_set_here(loc, name) || is_stripped_here(loc, name)));
}

/* What any location tells any upstream: of another listener, too. */
static bool is_set_anywhere(const struct server_conf *s, struct str name)
{
    VEC_FOR(const struct str, it, &s->http->identity_names)
        if (identity_name_is_same(*it, name))
            return true;
    return false;
}

bool identity_header_is_trusted(const struct request *req, struct str name)
{
    return identity_header_is_one(req->location, name) || is_set_anywhere(req->server, name);
}

/* httpoxy: CGI makes HTTP_PROXY of it. */
static bool is_proxy(struct str name)
{
    return identity_name_is_same(STR("proxy"), name);
}

static bool may_pass(const struct request *req, struct str name)
{
    name = cut_blanks(name);
    /* Else a twin of the field that is set would come through beside it. */
    if (is_set_here(req->location, name))
        return false;
    VEC_FOR(const struct identity_pass_conf, pass, &req->location->proxy.identity_pass) {
        if (!identity_name_is_same(name, pass->name))
            continue;
        VEC_FOR(const struct cidr, c, &pass->from)
            if (cidr_contains(c, client_addr(req->client)))
                return true;
    }
    return false;
}

void identity_headers_strip(const struct request *req, struct headers *h)
{
    HEADERS_FOR(it, h)
        if (is_proxy(it->name) ||
            (identity_header_is_trusted(req, it->name) && !may_pass(req, it->name)))
            header_remove(it);
}

void identity_headers_strip_response(const struct request *req, struct headers *h)
{
    HEADERS_FOR(it, h)
        if (identity_header_is_one(req->location, it->name))
            header_remove(it);
}
