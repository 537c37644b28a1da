/* What a block takes from the one around it. */
#include "support.h"

Test(inherit, values_come_down_until_they_are_replaced)
{
    struct loaded c = config_of_http(
        "server { listen 8080; client_max_body_size 2m; location / { location /a { } } "
        "location /b { client_max_body_size 3m; if ($host) { proxy_pass http://127.0.0.1; } } "
        /* Further down in the parent counts, too. */
        "proxy_read_timeout 7s; } proxy_send_timeout 9s;");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_conf *a = config_location(&c, 0, "/"), *b = config_location(&c, 0, "/b");
    const struct location_conf *nested = a->nested.prefixes.items[0];
    const struct location_conf *then = b->script.ops.items[0].then;
    cr_expect_eq(a->client_max_body_size, 2 << 20);
    cr_expect_eq(nested->client_max_body_size, 2 << 20);
    cr_expect_eq(b->client_max_body_size, 3 << 20);
    cr_expect_eq(then->client_max_body_size, 3 << 20);
    cr_expect_eq(nested->proxy.read_timeout_ms, 7000);
    cr_expect_eq(then->proxy.send_timeout_ms, 9000);
    cr_expect(then->proxy.is_set && !b->proxy.is_set);
    cr_expect_eq(then->kind, LOCATION_IF);
    cr_expect_eq(then->server, config_server(&c, 0));
    config_end(&c);
}

Test(inherit, lists_begin_anew)
{
    struct loaded c = config_of_http(
        "proxy_set_header A 1; proxy_set_header B 2; add_header A 1; error_page 404 /x; deny all;"
        "server { listen 8080; location / { } location /own { proxy_set_header C 3; add_header C 3;"
        "error_page 500 /y; error_page 502 /z; allow 1.2.3.4; deny all; } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_conf *l = config_location(&c, 0, "/"),
                               *own = config_location(&c, 0, "/own");
    cr_expect_eq(l->proxy.set_headers.count, 2);
    cr_expect_eq(l->add_headers.count, 1);
    cr_expect_eq(l->access_rules.count, 1);
    cr_assert_eq(own->proxy.set_headers.count, 1);
    EXPECT_STR(own->proxy.set_headers.items[0].name, "C");
    cr_expect_eq(own->add_headers.count, 1);
    cr_expect_eq(own->error_pages.count, 2);
    cr_assert_eq(own->access_rules.count, 2, "allow and deny are one list");
    cr_expect(own->access_rules.items[0].allow);
    config_end(&c);
}

Test(inherit, siblings_do_not_share_lists)
{
    struct loaded c = config_of_http(
        "server { listen 8080; location /a { add_header A 1; } location "
        "/b { add_header B 2; add_header B 3; } location /c { } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(config_location(&c, 0, "/a")->add_headers.count, 1);
    cr_expect_eq(config_location(&c, 0, "/b")->add_headers.count, 2);
    cr_expect_eq(config_location(&c, 0, "/c")->add_headers.count, 0);
    config_end(&c);
}

Test(inherit, what_a_location_does_is_its_own)
{
    struct loaded c = config_of_server(
        "set $x 1; location / { proxy_pass http://127.0.0.1:3000; proxy_set_header X-Forwarded-For "
        "$remote_addr; internal; return 404; limit_except GET { deny all; } if ($host) { "
        "add_header "
        "A 1; } location /a { } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_conf *l = config_location(&c, 0, "/");
    const struct location_conf *a = l->nested.prefixes.items[0];
    cr_expect(l->proxy.is_set && l->internal && l->limit_except && l->script.ops.count == 2);
    cr_expect(!a->proxy.is_set && !a->limit_except && a->script.ops.count == 0);
    cr_expect_eq(a->proxy.set_headers.count, 1, "but its headers come down");
    cr_expect(a->internal, "and what is internal is so all the way down");

    const struct location_conf *then = l->script.ops.items[1].then;
    cr_expect(then->proxy.is_set, "an if proxies where its location does");
    cr_expect_eq(then->limit_except, l->limit_except, "and limits what it limits");
    cr_expect_eq(then->script.ops.count, 0);

    const struct location_conf *except = l->limit_except->conf;
    cr_expect(except->proxy.is_set && except->kind == LOCATION_LIMIT_EXCEPT);
    cr_expect_eq(except->script.ops.count, 0, "of the script, only refusals");
    cr_expect(!except->limit_except);
    cr_expect_eq(except->access_rules.count, 1);
    cr_expect_eq(l->access_rules.count, 0);
    config_end(&c);
}

Test(inherit, logs)
{
    struct loaded c = config_of("events {} error_log m.log warn; http { access_log a.log; server { "
                                "listen 8080; location / { } location /off { access_log off; } "
                                "location /own { access_log b.log; error_log e.log; } } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(config_location(&c, 0, "/")->access_logs.count, 1);
    cr_expect_eq(config_location(&c, 0, "/off")->access_logs.count, 0);
    cr_expect(
        str_ends(config_location(&c, 0, "/own")->access_logs.items[0].file->path, STR("/b.log")));
    cr_expect_eq(config_location(&c, 0, "/")->error_log, c.s->process.error_log);
    cr_expect_eq(config_location(&c, 0, "/")->error_log->level, LOG_WARN);
    cr_expect(str_ends(config_location(&c, 0, "/own")->error_log->file->path, STR("/e.log")));
    config_end(&c);
}

Test(inherit, tls_settings_come_from_http)
{
    struct loaded c = config_of_http(
        "ssl_verify_depth 4; ssl_protocols TLSv1.3; server { listen 8080; } server "
        "{ listen 8080; server_name a; ssl_protocols TLSv1.2; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(config_server(&c, 0)->tls.protocols, TLS_PROTOCOL_1_3);
    cr_expect_eq(config_server(&c, 1)->tls.protocols, TLS_PROTOCOL_1_2);
    cr_expect_eq(config_server(&c, 1)->tls.verify_depth, 4);
    config_end(&c);
}

static void expect_redirects(const struct loaded *c, const char *name, size_t count,
                             const enum redirect_kind kinds[])
{
    const struct proxy_conf *p = &config_location(c, 0, name)->proxy;
    cr_assert_eq(p->redirects.count, count, "%s", name);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(p->redirects.items[i].kind, kinds[i], "%s, %zu", name, i);
}

Test(inherit, proxy_redirect)
{
    struct loaded c = config_of_http(
        "proxy_redirect a b; server { listen 8080; location / { } location /off { proxy_redirect "
        "off; } location /default { proxy_redirect default; proxy_redirect ~c d; } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    expect_redirects(&c, "/", 1, (enum redirect_kind[]){REDIRECT_PREFIX});
    expect_redirects(&c, "/off", 1, (enum redirect_kind[]){REDIRECT_OFF});
    expect_redirects(&c, "/default", 2, (enum redirect_kind[]){REDIRECT_DEFAULT, REDIRECT_REGEX});
    config_end(&c);
}

/* In nginx a method that limit_except names skips these checks. */
Test(inherit, no_method_gets_round_a_refusal)
{
    struct loaded c = config_of_server(
        "location / { limit_except GET { allow all; } set $ok 0; if ($ssl_client_verify = SUCCESS) "
        "{ "
        "set $ok 1; } if ($ok = 0) { return 403; } if ($host) { return 200; } rewrite ^ /x break; "
        "return 404; if ($arg_a) { rewrite ^ /y last; } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_conf *l = config_location(&c, 0, "/");
    const struct script *kept = &l->limit_except->conf->script;
    cr_expect_eq(l->script.ops.count, 7);
    cr_assert_eq(kept->ops.count, 3);
    cr_expect_eq(kept->ops.items[0].kind, REWRITE_SET);
    cr_expect_eq(kept->ops.items[1].then->script.ops.items[0].kind, REWRITE_SET);
    cr_expect_eq(kept->ops.items[2].then->script.ops.items[0].status, 403);
    config_end(&c);
}
