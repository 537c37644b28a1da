/* upstream and proxy_pass. */
#include <stdio.h>

#include "support.h"

Test(upstream, all_parameters)
{
    struct loaded c = config_of_http(
        "upstream App { least_conn; server 127.0.0.1:3000 weight=3 max_fails=5 fail_timeout=1m "
        "max_conns=7; server [::1]; server unix:/run/app backup down; keepalive 8; "
        "keepalive_requests 9; keepalive_timeout 10s; keepalive_time 11m; }"
        "upstream plain { server 127.0.0.1; }"
        "upstream local { ip_hash; server 127.0.0.1; keepalive 4 local; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct upstream_conf *u = c.s->http.upstreams.items[0];
    const struct peer_conf *p = u->peers.items;
    EXPECT_STR(u->name, "App");
    cr_expect_eq(u->balancer, BALANCER_LEAST_CONN);
    cr_assert_eq(u->peers.count, 3);
    EXPECT_STR(p[0].name, "127.0.0.1:3000");
    cr_expect(p[0].weight == 3 && p[0].max_fails == 5 && p[0].max_conns == 7);
    cr_expect_eq(p[0].fail_timeout_ms, 60000);
    cr_expect_eq(addr_port(&p[1].addr), 80);
    cr_expect(p[1].weight == 1 && p[1].max_fails == 1 && p[1].fail_timeout_ms == 10000);
    cr_expect(!p[1].backup && !p[1].down && p[2].backup && p[2].down);
    cr_expect_eq(addr_family(&p[2].addr), AF_UNIX);
    cr_expect(u->keepalive == 8 && !u->keepalive_local && u->keepalive_requests == 9);
    cr_expect(u->keepalive_timeout_ms == 10000 && u->keepalive_time_ms == 660000);

    u = c.s->http.upstreams.items[1]; /* nginx 1.30: keepalive 32 local */
    cr_expect(u->keepalive == 32 && u->keepalive_local && u->keepalive_requests == 1000);
    cr_expect(u->keepalive_timeout_ms == 60000 && u->keepalive_time_ms == 3600000);
    cr_expect_eq(u->balancer, BALANCER_ROUND_ROBIN);
    cr_expect_eq(u->index, 1);
    u = c.s->http.upstreams.items[2];
    cr_expect(u->keepalive == 4 && u->keepalive_local && u->balancer == BALANCER_IP_HASH);
    config_end(&c);
}

Test(upstream, problems)
{
    static const struct problem_row rows[] = {
        {"upstream u {}", "no servers are inside upstream in test.conf:1"},
        {"upstream u { server 127.0.0.1 backup; }", "no servers in upstream \"u\""},
        {"upstream u { server 127.0.0.1; } upstream U { server 127.0.0.1; }",
         "duplicate upstream \"U\""},
        {"upstream u { server none.invalid; }",
         "host not found in upstream \"none.invalid\" in test.conf:1"},
        {"upstream u { server 127.0.0.1:x; }", "invalid port in upstream \"127.0.0.1:x\""},
        {"upstream u { server 127.0.0.1 weight=0; }", "invalid parameter \"weight=0\""},
        {"upstream u { server 127.0.0.1 fail_timeout=x; }", "invalid parameter \"fail_timeout=x\""},
        {"upstream u { server 127.0.0.1 resolve; }",
         "invalid parameter \"resolve\" in test.conf:1; names are looked up at start"},
        {"upstream u { server 127.0.0.1 slow_start=5s; }", "invalid parameter \"slow_start=5s\""},
        {"upstream u { ip_hash; server 127.0.0.1; server 127.0.0.1:81 backup; }",
         "balancing method does not support parameter \"backup\""},
        {"upstream u { ip_hash; least_conn; server 127.0.0.1; }",
         "[warn] load balancing method redefined"},
        {"upstream u { server 127.0.0.1; hash $host; }", "directive \"hash\" is known to nginx"},
        {"upstream u { server 127.0.0.1; zone u 64k; }", "[warn] \"zone\""},
        {"upstream u { server 127.0.0.1; keepalive 4 x; }", "invalid parameter \"x\""},
        {"upstream u { listen 80; }", "\"listen\" directive is not allowed here"},
    };
    EXPECT_PROBLEMS(rows, config_of_http);
}

#define NO_WARNING "proxy_set_header X-Forwarded-For $remote_addr; "

Test(proxy_pass, parts)
{
    static const struct {
        const char *url, *upstream, *host, *port, *uri; /* uri NULL: none */
    } rows[] = {
        {"http://127.0.0.1", "127.0.0.1:80", "127.0.0.1", "80", NULL},
        {"http://127.0.0.1:80/", "127.0.0.1:80", "127.0.0.1", "80", "/"},
        {"http://127.0.0.1:3000", "127.0.0.1:3000", "127.0.0.1:3000", "3000", NULL},
        {"HTTP://127.0.0.1:3000/a/b?c", "127.0.0.1:3000", "127.0.0.1:3000", "3000", "/a/b?c"},
        {"http://127.0.0.1?x", "127.0.0.1:80", "127.0.0.1", "80", "?x"},
        {"http://[::1]:3000/", "[::1]:3000", "[::1]:3000", "3000", "/"},
        {"http://[::1]", "[::1]:80", "[::1]", "80", NULL},
        {"http://unix:/run/x", "unix:/run/x", "localhost", "", NULL},
        {"http://unix:/run/x:/u", "unix:/run/x", "localhost", "", "/u"},
        {"http://app", "app", "app", "80", NULL},
        {"http://APP/x", "app", "APP", "80", "/x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "upstream app { server 127.0.0.1:9; } server { listen 8080; location / { "
                 "proxy_pass %s; } }",
                 rows[i].url);
        struct loaded c = config_of_http(text);
        cr_assert(c.s != NULL, "%s", config_problems(&c));
        const struct proxy_conf *p = &config_location(&c, 0, "/")->proxy;
        cr_expect(p->is_set && !p->url.has_variables);
        EXPECT_STR(p->upstream->name, rows[i].upstream);
        EXPECT_STR(p->host, rows[i].host);
        EXPECT_STR(p->port, rows[i].port);
        cr_expect_eq(p->has_uri, rows[i].uri != NULL, "%s", rows[i].url);
        if (rows[i].uri)
            EXPECT_STR(p->uri, rows[i].uri);
        config_end(&c);
    }
}

Test(proxy_pass, who_says_the_same_shares_an_upstream)
{
    struct loaded c = config_of_server(
        "location /a { proxy_pass http://127.0.0.1:3000; } location /b { proxy_pass "
        "http://127.0.0.1:3000/x; } location /c { proxy_pass http://127.0.0.1:3001; } location /d "
        "{ "
        "proxy_pass http://127.0.0.1; } location /e { proxy_pass http://127.0.0.1:80/; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(c.s->http.upstreams.count, 3);
    const struct upstream_conf *u = config_location(&c, 0, "/a")->proxy.upstream;
    cr_expect(u->is_implicit && u->keepalive == 32);
    cr_expect_eq(u, config_location(&c, 0, "/b")->proxy.upstream);
    cr_expect_eq(config_location(&c, 0, "/d")->proxy.upstream,
                 config_location(&c, 0, "/e")->proxy.upstream);
    config_end(&c);
}

Test(proxy_pass, upstream_may_be_defined_later)
{
    struct loaded c = config_of_http(
        "server { listen 8080; location / { proxy_pass http://later; } "
        "} upstream later { server 127.0.0.1:1; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect(!config_location(&c, 0, "/")->proxy.upstream->is_implicit);
    config_end(&c);
}

Test(proxy_pass, variables_wait_for_run_time)
{
    struct loaded c = config_of_server(
        "set $to x; location / { proxy_pass http://$host:3000$uri; } "
        "location /b { proxy_pass $to; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct proxy_conf *p = &config_location(&c, 0, "/")->proxy;
    cr_expect(p->is_set && !p->upstream && p->url.has_variables);
    cr_expect_eq(p->url.parts.count, 4);
    config_end(&c);
}

Test(proxy_pass, a_folder_is_found_without_its_slash)
{
    struct loaded c = config_of_server(
        "location /a/ { proxy_pass http://127.0.0.1; location /a/b { "
        "} } location /c { proxy_pass http://127.0.0.1; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect(config_location(&c, 0, "/a/")->auto_redirect);
    cr_expect(!config_location(&c, 0, "/a/")->nested.prefixes.items[0]->auto_redirect);
    cr_expect(!config_location(&c, 0, "/c")->auto_redirect);
    config_end(&c);
}

Test(proxy_pass, problems)
{
    static const char no_uri[] =
        "\"proxy_pass\" cannot have URI part in location given by regular "
        "expression, or inside named location, or inside \"if\" statement, "
        "or inside \"limit_except\" block in test.conf:1";
    static const struct problem_row rows[] = {
        {"location / { proxy_pass 127.0.0.1; }",
         "invalid URL prefix in \"127.0.0.1\" in test.conf:1; it must begin with http://"},
        {"location / { proxy_pass ftp://127.0.0.1; }", "invalid URL prefix"},
        {"location / { proxy_pass https://127.0.0.1; }",
         "https:// in \"proxy_pass\" is not supported yet in test.conf:1"},
        {"location / { proxy_pass https://$host; }", "is not supported yet"},
        {"location / { proxy_pass http://; }", "no host in upstream"},
        {"location / { proxy_pass http:///x; }", "no host in upstream"},
        {"proxy_redirect off; proxy_redirect a b;", "\"proxy_redirect\" directive is duplicate"},
        {"proxy_redirect a b; proxy_redirect off;", "\"proxy_redirect\" directive is duplicate"},
        {"location / { proxy_pass http://none.invalid; }",
         "host not found in upstream \"none.invalid\" in test.conf:1"},
        {"location / { proxy_pass http://127.0.0.1:x; }", "invalid port in upstream"},
        {"location / { proxy_pass http://127.0.0.1:99999; }", "invalid port in upstream"},
        {"location / { proxy_pass http://127.0.0.1; proxy_pass http://127.0.0.1; }",
         "\"proxy_pass\" directive is duplicate"},
        {"proxy_pass http://127.0.0.1;", "\"proxy_pass\" directive is not allowed here in "
                                         "test.conf:1; it belongs in: location, if in location, "
                                         "limit_except"},
        {"location ~ a { proxy_pass http://127.0.0.1/; }", no_uri},
        {"location @n { proxy_pass http://127.0.0.1/; }", no_uri},
        {"location / { if ($host) { proxy_pass http://127.0.0.1/; } }", no_uri},
        {"location / { limit_except GET { proxy_pass http://127.0.0.1/; } }", no_uri},
        {"location ~ a { " NO_WARNING "proxy_pass http://127.0.0.1; }", NULL},
        {"location = /a { " NO_WARNING "proxy_pass http://127.0.0.1/; }", NULL},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
}

Test(proxy_pass, an_upstream_has_its_own_ports)
{
    static const struct problem_row rows[] = {
        {"upstream u { server 127.0.0.1; } server { location / { proxy_pass http://u:81; } }",
         "upstream \"u\" may not have port 81"},
    };
    EXPECT_PROBLEMS(rows, config_of_http);
}

Test(proxy_pass, one_warning_a_server_of_forwarded_for)
{
    struct loaded c = config_of_http(
        "server { listen 8080; location / { proxy_pass http://127.0.0.1; } location /b { "
        "proxy_pass "
        "http://127.0.0.1; } } server { listen 8081; proxy_set_header x-forwarded-for "
        "$remote_addr; "
        "location / { proxy_pass http://127.0.0.1; } } server { listen 8082; location / { return "
        "200; } } server { listen 8083; location ~ a { location ~ b { proxy_pass "
        "http://127.0.0.1; } } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(config_count(&c, "[warn] \"X-Forwarded-For\" is passed on"), 2, "%s",
                 config_problems(&c));
    cr_expect_eq(c.s->warnings, 2);
    config_end(&c);
}

Test(proxy, client_identity)
{
    static const struct problem_row rows[] = {
        {"proxy_client_identity rfc9440 xfcc;", NULL},
        {"proxy_client_identity off;", NULL},
        {"proxy_client_identity apache;", "[emerg] invalid value \"apache\""},
        {"proxy_client_identity xfcc off;", "[emerg] invalid value \"off\""},
        {"proxy_client_identity xfcc xfcc;", "[warn] duplicate value \"xfcc\""},
        {"proxy_client_identity_strip;", "[emerg] invalid number of arguments"},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
    struct loaded c = config_of_server(
        "proxy_client_identity nginx; proxy_client_identity_strip A B; location / { return 200; } "
        "location /own { proxy_client_identity aws xfcc; proxy_client_identity_strip C; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct proxy_conf *p = &config_location(&c, 0, "/")->proxy,
                            *own = &config_location(&c, 0, "/own")->proxy;
    cr_expect_eq(p->client_identity, IDENTITY_PRESET_NGINX);
    cr_expect_eq(own->client_identity, IDENTITY_PRESET_AWS | IDENTITY_PRESET_XFCC);
    cr_expect_eq(p->identity_strip.count, 2);
    cr_expect_eq(own->identity_strip.count, 1);
    config_end(&c);
}
