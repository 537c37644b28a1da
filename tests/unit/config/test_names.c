/* Addresses, and the servers behind each. */
#include <stdio.h>
#include <unistd.h>

#include "support.h"

Test(listen, addresses)
{
    static const struct {
        const char *text, *address;
    } rows[] = {
        {"443", "0.0.0.0:443"},         {"*:8080", "0.0.0.0:8080"},
        {"127.0.0.1", "127.0.0.1:80"},  {"127.0.0.1:8443", "127.0.0.1:8443"},
        {"[::]:443", "[::]:443"},       {"[::1]", "[::1]:80"},
        {"unix:/run/x", "unix:/run/x"}, {"localhost:81", "127.0.0.1:81"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128], shown[ADDR_TEXT_MAX];
        snprintf(text, sizeof text, "server { listen %s; }", rows[i].text);
        struct loaded c = config_of_http(text);
        cr_assert(c.s != NULL, "%s", config_problems(&c));
        EXPECT_STR(addr_text_port(&c.s->http.binds.items[0]->listen.addr, shown), rows[i].address);
        config_end(&c);
    }
}

Test(listen, options)
{
    struct loaded c = config_of_http(
        "server { listen [::]:8080 default_server backlog=77 reuseport ipv6only=off "
        "so_keepalive=on; } server { listen [::]:8080; server_name a; } server { listen 8001-8003; "
        "}"
        "server { listen [::]:81; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_assert_eq(c.s->http.binds.count, 5);
    const struct listen_conf *l = &c.s->http.binds.items[0]->listen;
    cr_expect(l->default_server && l->reuseport && !l->ipv6only && l->so_keepalive && !l->ssl);
    cr_expect_eq(l->backlog, 77);
    cr_expect_eq(addr_port(&c.s->http.binds.items[3]->listen.addr), 8003);
    l = &c.s->http.binds.items[4]->listen;
    cr_expect(!l->default_server && !l->reuseport && l->ipv6only && !l->so_keepalive);
    cr_expect_eq(l->backlog, 0);
    config_end(&c);
}

Test(listen, default_is_port_80_for_root)
{
    struct loaded c = config_of_http("server {}");
    cr_assert(c.s != NULL);
    cr_expect_eq(addr_port(&c.s->http.binds.items[0]->listen.addr), geteuid() == 0 ? 80 : 8000);
    config_end(&c);
}

Test(listen, problems)
{
    static const struct problem_row rows[] = {
        {"server { listen 0; }",
         "invalid port in \"0\" of the \"listen\" directive in test.conf:1"},
        {"server { listen 65536; }", "invalid port in \"65536\""},
        {"server { listen 80-79; }", "invalid port in \"80-79\""},
        {"server { listen 80x; }", "host not found in \"80x\" of the \"listen\" directive"},
        {"server { listen :80; }", "no host in \":80\" of the \"listen\" directive"},
        {"server { listen 8080 bogus; }", "invalid parameter \"bogus\""},
        {"server { listen 8080 proxy_protocol; }",
         "invalid parameter \"proxy_protocol\" in test.conf:1; the PROXY protocol is not "
         "supported"},
        {"server { listen 8080 deferred; }", "[warn] \"deferred\" has no effect here"},
        {"server { listen 8080 rcvbuf=8k; }", "[warn] \"rcvbuf=8k\" has no effect here"},
        {"server { listen 8080 quic; }", "HTTP/3 is not spoken"},
        {"server { listen 8080 http2; }", "[warn] \"http2\" has no effect here"},
        {"server { listen 8080 backlog=x; }", "invalid backlog \"backlog=x\""},
        {"server { listen [::]:8080 ipv6only=x; }", "invalid parameter \"ipv6only=x\""},
        {"server { listen 8080 so_keepalive=x; }", "invalid parameter \"so_keepalive=x\""},
        {"server { listen 8080; listen 8080; }", "a duplicate listen 0.0.0.0:8080 in test.conf:1"},
        {"server { listen 8080 default_server; }\nserver { listen 8080 default_server; }",
         "a duplicate default server for 0.0.0.0:8080 in test.conf:2"},
        {"server { listen 8080 backlog=5; } server { listen 8080 reuseport; }",
         "duplicate listen options for 0.0.0.0:8080"},
        {"server { listen 8080; server_name a; }\nserver { listen 8080; server_name a; }",
         "[warn] conflicting server name \"a\" on 0.0.0.0:8080, ignored in test.conf:2"},
        {"server { listen 8080; server_name a a; }", NULL},
        {"server { listen 8080; } server { listen 8080; }",
         "[warn] conflicting server name \"\" on 0.0.0.0:8080, ignored"},
        {"server { server_name a/b; }", "[warn] server name \"a/b\" has suspicious symbols"},
        {"server { server_name *; }", "server name \"*\" is invalid"},
        {"server { server_name a.*.b; }", "server name \"a.*.b\" is invalid"},
        {"server { server_name .; }", "server name \".\" is invalid"},
        {"server { server_name ~; }", "empty regex in server name \"~\""},
        {"server { server_name ~(; }", "missing closing parenthesis"},
        {"server { server_name ~^(?<host>.)$; }", "the duplicate \"host\" variable"},
    };
    EXPECT_PROBLEMS(rows, config_of_http);
}

/* nginx: the exact name, the longest "*.x", the longest "x.*", the first regex, the default. */
Test(names, server_of_a_name)
{
    struct loaded c = config_of_http(
        "server { listen 8080; server_name first; }"
        "server { listen 8080 default_server; server_name default; }"
        "server { listen 8080; server_name www.example.com A.B; }"
        "server { listen 8080; server_name *.example.com; }"
        "server { listen 8080; server_name *.sub.example.com; }"
        "server { listen 8080; server_name www.example.*; }"
        "server { listen 8080; server_name .dot.org; }"
        "server { listen 8080; server_name ~^(?<user>\\w+)\\.re\\.net$; }"
        "server { listen 8080; server_name ~^.+\\.re\\.net$; }"
        "server { listen 8080; server_name ''; }"
        "server { listen 8080; server_name ~^UPPER; }"
        "server { listen 8080; server_name mail.*; }");
    static const struct {
        const char *host;
        size_t server;
        bool matched;
    } rows[] = {
        {"first", 0, true},
        {"default", 1, true},
        {"nobody", 1, false},
        {"www.example.com", 2, true},
        {"a.b", 2, true},
        {"x.example.com", 3, true},
        {"x.y.example.com", 3, true},
        {"x.sub.example.com", 4, true},
        {"sub.example.com", 3, true},
        {"example.com", 1, false},
        {"www.example.org", 5, true},
        {"www.example.co.uk", 5, true},
        {"www.example", 1, false},
        {"dot.org", 6, true},
        {"a.dot.org", 6, true},
        {"adot.org", 1, false},
        {"bob.re.net", 7, true},
        {"a.bob.re.net", 8, true},
        {"re.net", 1, false},
        {"upper", 10, true},
        {"", 9, false},
        {"mail.example.com", 3, true}, /* "*.x" comes before "x.*" */
        {"mail.other.com", 11, true},
        {".example.com", 3, true},
    };
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct bind_conf *b = c.s->http.binds.items[0];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool matched;
        const struct name_regex *regex;
        struct regex_captures captures;
        struct server_conf *s = bind_find_server(b, str_of(rows[i].host), &matched, &captures,
                                                 &regex);
        cr_expect_eq(s, config_server(&c, rows[i].server), "\"%s\" led to \"%.*s\"", rows[i].host,
                     STR_ARG(s->name));
        cr_expect_eq(matched, rows[i].matched, "\"%s\"", rows[i].host);
        cr_expect_eq(regex != NULL,
                     rows[i].server == 7 || rows[i].server == 8 || rows[i].server == 10);
    }
    struct regex_captures captures;
    const struct name_regex *regex;
    bind_find_server(b, STR("bob.re.net"), NULL, &captures, &regex);
    cr_assert_eq(regex->regex.groups.count, 1);
    EXPECT_STR(regex->regex.groups.items[0].variable->name, "user");
    EXPECT_STR(captures.group[regex->regex.groups.items[0].group], "bob");
    config_end(&c);
}

Test(names, first_server_of_an_address_is_its_default)
{
    struct loaded c = config_of_http("server { listen 8080; server_name a; } server { listen 8080; "
                                     "listen 8081; server_name b; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(c.s->http.binds.items[0]->default_server, config_server(&c, 0));
    cr_expect_eq(c.s->http.binds.items[1]->default_server, config_server(&c, 1));
    cr_expect_eq(bind_find_server(c.s->http.binds.items[1], STR("a"), NULL, NULL, NULL),
                 config_server(&c, 1), "a does not listen there");
    config_end(&c);
}

Test(names, server_name_variable)
{
    static const struct {
        const char *text, *name;
    } rows[] = {{"server {}", ""},
                {"server { server_name A.b c; }", "a.b"},
                {"server { server_name *.a.b; }", "*.a.b"},
                {"server { server_name .a.b; }", "a.b"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded c = config_of_http(rows[i].text);
        EXPECT_STR(config_server(&c, 0)->name, rows[i].name);
        config_end(&c);
    }
}

/* One socket for a port's wildcard and the addresses it covers; connections find theirs. */
Test(names, wildcard_serves_the_addresses_of_its_port)
{
    struct loaded c = config_of_http("server { listen 127.0.0.1:8080; } server { listen 8080; } "
                                     "server { listen 127.0.0.1:8081; } server { listen "
                                     "[::]:8080; }");
    struct addr local;
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    struct bind_conf *const *b = c.s->http.binds.items;
    cr_expect_eq(b[0]->wildcard, b[1]);
    cr_expect(!b[1]->wildcard && !b[2]->wildcard && !b[3]->wildcard);
    addr_parse_ip(&local, STR("127.0.0.1"), 8080);
    cr_expect_eq(bind_of_local(&c.s->http, b[1], &local), b[0]);
    addr_parse_ip(&local, STR("127.0.0.2"), 8080);
    cr_expect_eq(bind_of_local(&c.s->http, b[1], &local), b[1]);
    config_end(&c);
}

Test(names, as_many_as_are_wanted)
{
    struct buf text = {0};
    buf_append_str(&text, STR("server { listen 8080; server_name"));
    for (int i = 0; i < 5000; i++)
        buf_printf(&text, " n%d.example.com", i);
    buf_append(&text, "; }", 4);
    struct loaded c = config_of_http(buf_str(&text).ptr);
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(config_server(&c, 0)->names.count, 5000);
    buf_deinit(&text);
    config_end(&c);
}
