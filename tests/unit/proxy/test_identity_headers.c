#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>

#include "../../../src/proxy/identity_presets.h"
#include "portcullis/proxy/client.h"
#include "support_server.h"

/* A name of each product's; "…" of a prefix is one of its kind. */
static const char *const trusted[] = {
    "Client-Cert",
    "Client-Cert-Chain",
    "X-SSL-Client-Cert",
    "X-SSL-CERT",
    "X-SSL-Client-S-DN",
    "X-SSL-Anything",
    "X-Client-Cert",
    "X-Client-Certificate",
    "X-Client-Cert-Chain",
    "X-Client-DN",
    "X-Client-CN",
    "X-Client-Verify",
    "X-Client-Serial",
    "X-Client-Fingerprint",
    "X-Client-Issuer",
    "X-Client-Subject",
    "SSL-Client-Cert",
    "SSL-Client-Verify",
    "SSL-Client-Subject-DN",
    "SSL-Cert",
    "SSL-Cert-Chain-0",
    "Cert-Chain",
    "Cert-Chain-1",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Mtls-Clientcert-Subject",
    "X-Client-Cert-Leaf",
    "X-ARR-ClientCert",
    "X-ARR-SSL",
    "Cf-Client-Cert-Der-Base64",
    "Cf-Cert-Verified",
    "Cf-Cert-Issuer-Dn",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Remote-Extra-Scopes",
    "X-Forwarded-User",
    "X-Forwarded-Groups",
    "X-Forwarded-Email",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "Remote-User",
    "X-Portcullis-Verify",
};

/* Neighbours that are not to be touched; those of addresses are passed on, as nginx does. */
static const char *const innocent[] = {
    "Host",
    "Cookie",
    "Connection",
    "Content-Type",
    "Cert",
    "Client",
    "Client-Certs",
    "X-Client",
    "X-Client-Id",
    "X-Client-IP",
    "X-Client-DNS",
    "X-SSL",
    "SSL",
    "SSL-Client",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded-Users",
    "X-Real-IP",
    "Forwarded",
    "True-Client-IP",
    "Cf-Connecting-IP",
    "Fastly-Client-IP",
    "X-Cluster-Client-IP",
    "X-Remote-Users",
    "X-Remote-Addr",
    "Remote-Users",
    "X",
    "X-",
    "-",
    "_",
    "Client-Cer",
    "AClient-Cert",
    "X-Amzn-Trace-Id",
    "X-Portculli",
};

#define EACH(name, list) \
    (const char *const *name = list; name < list + sizeof list / sizeof *list; name++)

static bool is_one(const char *name)
{
    return identity_header_is_one(NULL, str_of(name));
}

Test(identity_headers, knows_each_row)
{
    for
        EACH(name, trusted)
    cr_expect(is_one(*name), "%s", *name);
}

Test(identity_headers, knows_what_presets_set)
{
    size_t count = 0;
    for (struct str name; (name = identity_preset_name(count)).ptr; count++)
        cr_expect(identity_header_is_one(NULL, name), "%.*s", STR_ARG(name));
    cr_expect(count > 30);
}

Test(identity_headers, leaves_others_alone)
{
    for
        EACH(name, innocent)
    cr_expect(!is_one(*name), "%s", *name);
}

/* Puma's CVE-2024-45614 and its kind: what an application reads as the same name. */
static void twin(char *to, size_t size, const char *name, int how)
{
    static const struct {
        const char *before, *after;
    } shapes[] = {{"", ""}, {" ", ""}, {"", " "}, {"", "\t"}, {"\t", " "}};
    size_t i = 0;
    char folded[128];
    for (; name[i]; i++) {
        int c = (unsigned char)name[i];
        if (c == '-' && how % 4 == 1)
            c = '_';
        if (c == '-' && how % 4 == 2)
            c = i % 2 ? '_' : '-';
        if (c == '-' && how % 4 == 3)
            c = '.';
        folded[i] = (char)(how & 4 ? toupper(c) : how & 8 ? tolower(c) : c);
    }
    folded[i] = 0;
    snprintf(to, size, "%s%s%s", shapes[how / 16 % 5].before, folded, shapes[how / 16 % 5].after);
}

Test(identity_headers, knows_every_twin)
{
    char text[160];
    for
        EACH(name, trusted)
    for (int how = 0; how < 80; how++) {
        twin(text, sizeof text, *name, how);
        cr_expect(is_one(text), "\"%s\"", text);
    }
}

/* ---- stripping ---- */

struct fixture {
    struct arena arena;
    struct http_conf http;
    struct server_conf server;
    struct location_conf loc;
    struct request req;
    struct headers h;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    arena_init(&f->arena, 1024);
    f->server.http = &f->http;
    f->req.server = &f->server;
    f->req.location = &f->loc;
}

static void add(struct fixture *f, const char *name)
{
    headers_add(&f->h, &f->arena, str_of(name), STR("v"));
}

static size_t count(const struct headers *h)
{
    size_t n = 0;
    HEADERS_FOR(it, h)
        n++;
    return n;
}

Test(identity_headers, are_stripped_whatever_their_spelling)
{
    struct fixture f;
    char text[160];
    begin(&f);
    for
        EACH(name, trusted)
    for (int how = 0; how < 80; how++) {
        twin(text, sizeof text, *name, how);
        headers_add(&f.h, &f.arena, arena_str(&f.arena, str_of(text)), STR("v"));
    }
    for
        EACH(name, innocent)
    add(&f, *name);
    identity_headers_strip(&f.req, &f.h);
    cr_expect(count(&f.h) == sizeof innocent / sizeof *innocent);
    arena_deinit(&f.arena);
}

Test(identity_headers, proxy_is_stripped_from_requests_alone)
{
    struct fixture f;
    begin(&f);
    add(&f, "Proxy");
    add(&f, "proxy ");
    add(&f, "Proxy-Authorization");
    struct headers response = f.h;
    identity_headers_strip_response(&f.req, &response);
    cr_expect(count(&f.h) == 3);
    identity_headers_strip(&f.req, &f.h);
    cr_expect(count(&f.h) == 1);
    arena_deinit(&f.arena);
}

Test(identity_headers, what_proxy_set_header_sets_from_the_certificate_joins_the_list)
{
    struct fixture f;
    begin(&f);
    struct set_header_conf *set = VEC_PUSH(&f.arena, &f.loc.proxy.set_headers);
    set->name = STR("X-Who");
    set->is_identity = true;
    set = VEC_PUSH(&f.arena, &f.loc.proxy.set_headers);
    set->name = STR("X-Where");
    add(&f, "x_who");
    add(&f, "X-WHO");
    add(&f, "X-Whom");
    add(&f, "X-Where");
    identity_headers_strip(&f.req, &f.h);
    cr_expect(count(&f.h) == 2);
    cr_expect(headers_find_name(&f.h, STR("X-Whom")) && headers_find_name(&f.h, STR("X-Where")));
    cr_expect(!identity_header_is_one(NULL, STR("X-Who")), "a response elsewhere may have it");
    arena_deinit(&f.arena);
}

Test(identity_headers, are_stripped_from_responses)
{
    struct fixture f;
    begin(&f);
    for
        EACH(name, trusted)
    add(&f, *name);
    add(&f, "Content-Type");
    identity_headers_strip_response(&f.req, &f.h);
    cr_expect(count(&f.h) == 1);
    arena_deinit(&f.arena);
}

/* ---- from one end to the other ---- */

static struct client client_at(const char *from)
{
    struct client c = {0};
    cr_assert(addr_parse_ip(&c.addr, str_of(from), 4711));
    return c;
}

Test(identity_headers, pass_by_name_from_where_told)
{
    static const struct {
        const char *from, *name;
        bool passes;
    } rows[] = {
        {"192.0.2.7", "X-Remote-User", true},        {"192.0.2.7", "x_remote_user", true},
        {"198.51.100.1", "X-Remote-User", false},    {"192.0.2.7", "X-Remote-Group", false},
        {"::ffff:192.0.2.7", "X-Remote-User", true}, {"2001:db8::1", "X-Remote-User", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        begin(&f);
        struct client c = client_at(rows[i].from);
        f.req.client = &c;
        struct identity_pass_conf *pass = VEC_PUSH(&f.arena, &f.loc.proxy.identity_pass);
        pass->name = STR("X-Remote-User");
        cr_assert(cidr_parse(VEC_PUSH(&f.arena, &pass->from), STR("192.0.2.0/24"), NULL));
        add(&f, rows[i].name);
        identity_headers_strip(&f.req, &f.h);
        cr_expect((count(&f.h) == 1) == rows[i].passes, "row %zu", i);
        arena_deinit(&f.arena);
    }
}

Test(identity_headers, never_reach_an_upstream)
{
    if (server_is_oracle())
        return;
    static const struct server_row rows[] = {
        {"!/|X-Client-DN: evil|Client-Cert: evil|X-Who: evil|X-Other: fine", "200 [|||fine]"},
        {"!/|x-client-dn: evil|CLIENT-CERT: evil|x-WHO: evil|Connection: close, x-client-dn",
         "200 [|||]"},
        {"!/own|X-Client-DN: evil", "200 [NONE||own|]"},
        {"!/pass|X-Client-DN: trusted|Client-Cert: evil", "200 [trusted|||]"},
        /* Another location fills it. */
        {"!/pass|X-Who: evil|X-Other: fine", "200 [|||fine]"},
    };
    SERVER_CHECK("server { listen LISTEN; server_name localhost; proxy_set_header Host up.example;"
                 "location / { proxy_pass http://LISTEN; proxy_set_header Host up.example; "
                 "proxy_set_header X-Who $ssl_client_s_dn; }"
                 "location /own { proxy_pass http://LISTEN; proxy_set_header Host up.example; "
                 "proxy_set_header X-Client-DN NONE;"
                 "  proxy_set_header X-Who own; }"
                 "location /pass { proxy_pass http://LISTEN; proxy_client_identity_pass "
                 "X-Client-DN from 127.0.0.0/8; } }"
                 "server { listen LISTEN; server_name up.example;"
                 "return 200 [$http_x_client_dn|$http_client_cert|$http_x_who|$http_x_other]; }",
                 rows);
}
