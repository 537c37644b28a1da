#include <unistd.h>

#include "support.h"

Test(directive, main_context_problems)
{
    static const struct problem_row rows[] = {
        {"events {}", NULL},
        {"", "[emerg] no \"events\" section in configuration; write events {}"},
        {"http {}", "no \"events\" section in configuration"},
        {"events {} events {}", "\"events\" directive is duplicate in test.conf:1"},
        {"events {} http {} http {}", "\"http\" directive is duplicate"},
        {"events {} foo;", "unknown directive \"foo\" in test.conf:1"},
        {"evnts {}", "unknown directive \"evnts\" in test.conf:1; did you mean \"events\"?"},
        {"events {}\nworker_proceses 1;", "did you mean \"worker_processes\"?"},
        {"events {} http { server { if($http_a = b) { return 403; } } }",
         "unknown directive \"if($http_a\" in test.conf:1; is a space missing behind \"if\"?"},
        {"events {} http { server { location~^/a { return 403; } } }",
         "unknown directive \"location~^/a\" in test.conf:1; is a space missing behind "
         "\"location\"?"},
        {"events;",
         "directive \"events\" has no opening \"{\" in test.conf:1; write events { ... }"},
        {"events {} user root {}", "directive \"user\" is not terminated by \";\" in test.conf:1"},
        {"events {} user;", "invalid number of arguments in \"user\" directive in test.conf:1; it "
                            "takes 1 to 2"},
        {"events x {}", "invalid number of arguments in \"events\" directive in test.conf:1; it "
                        "takes none"},
        {"events {} pid a b;", "\"pid\" directive in test.conf:1; it takes 1"},
        {"events {} pid a\nuser root;",
         "\"pid\" directive in test.conf:1; is a \";\" missing before \"user\"?"},
        {"events {} http { server { root /a\nlocation / { } } }",
         "directive \"root\" is not terminated by \";\" in test.conf:1; is a \";\" missing before "
         "\"location\"?"},
        {"\xef\xbb\xbf"
         "events {}",
         NULL},
        {"events {} pid a; pid b;", "\"pid\" directive is duplicate in test.conf:1"},
        {"events { listen 80; }",
         "\"listen\" directive is not allowed here in test.conf:1; it belongs in: server"},
        {"events {} worker_connections 5;", "it belongs in: events"},
        {"events {} worker_processes 0;",
         "invalid value \"0\" in \"worker_processes\" directive in test.conf:1; it must be "
         "\"auto\" or 1 to 1024"},
        {"events {} worker_processes auto;", NULL},
        {"events {} daemon maybe;", "invalid value \"maybe\" in \"daemon\" directive, it must be "
                                    "\"on\" or \"off\" in test.conf:1"},
        {"events {} daemon OFF;", NULL},
        {"events { worker_connections x; }",
         "\"worker_connections\" directive invalid number \"x\""},
        {"events { worker_connections 0; }", "value must be between 1 and 10000000"},
        {"events { use epoll; multi_accept on; accept_mutex on; }", NULL},
        {"events { use kqueue; }", "invalid event type \"kqueue\""},
        {"events { accept_mutex x; }", "it must be \"on\" or \"off\""},
        {"events {} worker_priority -20;", NULL},
        {"events {} worker_priority 21;", "it must be -20 to 20"},
        {"events {} error_log x bogus;",
         "invalid log level \"bogus\" in test.conf:1; it must be debug, info,"},
        {"events {} error_log syslog:facility=foo;", "in \"syslog:facility=foo\""},
        {"events {} env A; env B=1;", NULL},
        {"events {} worker_shutdown_timeout 1x;", "a time is a number with"},
    };
    EXPECT_PROBLEMS(rows, config_of);
}

Test(directive, user_must_exist_when_there_is_a_choice)
{
    struct loaded c = config_of("events {} user nosuchuser;");
    if (geteuid() == 0)
        cr_expect_eq(config_count(&c, "getpwnam(\"nosuchuser\") failed in test.conf:1"), 1);
    else
        cr_expect_eq(config_count(&c, "[warn] the \"user\" directive makes sense only"), 1);
    config_end(&c);
}

Test(directive, all_problems_are_told_in_one_run)
{
    struct loaded c = config_of(
        "evnts {}\nhttp {\n foo;\n auth_basic x;\n sendfile on;\n server {\n"
        "  listen 80x;\n  location / { proxy_pass ftp://x; root; }\n }\n}\n"
        "pid;");
    static const char *const parts[] = {
        "\"evnts\" in test.conf:1",          "\"foo\" in test.conf:3",
        "\"auth_basic\" is known",           "[warn] \"sendfile\"",
        "directive in test.conf:7",          "invalid URL prefix in \"ftp://x\" in test.conf:8",
        "\"root\" directive in test.conf:8", "\"pid\" directive in test.conf:11",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect_eq(config_count(&c, parts[i]), 1, "%s in\n%s", parts[i], config_problems(&c));
    cr_expect(c.s == NULL);
    config_end(&c);
}

Test(directive, what_nginx_has_and_we_do_not_is_never_silent)
{
    static const struct problem_row rows[] = {
        {"sendfile on;", "[warn] \"sendfile\" directive has no effect here in test.conf:1"},
        {"types_hash_max_size 1024;", "[warn] \"types_hash_max_size\" directive"},
        {"gzip on;", "[warn] \"gzip\" directive"},
        {"http2 on;", "[warn] \"http2\" directive has no effect here in test.conf:1; HTTP/1.1"},
        {"auth_basic x;", "[emerg] directive \"auth_basic\" is known to nginx but not supported "
                          "here in test.conf:1; clients are known by their certificates"},
        {"auth_basic off;", "[warn] \"auth_basic\" directive has no effect here"},
        {"chunked_transfer_encoding off;", "[emerg] directive \"chunked_transfer_encoding\""},
        {"server { ssl on; }", "[emerg] directive \"ssl\" is known to nginx but not supported here "
                               "in test.conf:1; write listen ... ssl"},
        {"server { ssl_ocsp on; }", "[emerg] directive \"ssl_ocsp\""},
        {"server { location / { auth_request /x; } }", "[emerg] directive \"auth_request\""},
        {"server { location / { secure_link x; } }", "[emerg] directive \"secure_link\""},
        {"server { location / { valid_referers none; } }", "[emerg] directive \"valid_referers\""},
        {"chunked_transfer_encoding on;", "[warn] \"chunked_transfer_encoding\" directive has no"},
        {"server { location / { proxy_ssl_new_thing on; } }",
         "[warn] \"proxy_ssl_new_thing\" and other \"proxy_ssl_...\" directives have no effect "
         "here "
         "in test.conf:1; connections to upstreams are plain"},
        {"server { location / { proxy_cache_bypass $http_upgrade; } }",
         "[warn] \"proxy_cache_bypass\" and other"},
        {"server { location / { proxy_cache x; } }", "[emerg] directive \"proxy_cache\""},
        {"server { location / { grpc_pass x; } }", "[emerg] directive \"grpc_pass\""},
        {"server { location / { fastcgi_pass x; } }", "[emerg] directive \"fastcgi_pass\""},
        {"server { location / { fastcgi_cache_new x; } }", "[warn] \"fastcgi_cache_new\""},
        {"server { location / { alias /x; } }", "[emerg] directive \"alias\""},
        {"server { index a; }", "[emerg] directive \"index\""},
        {"server { location / { try_files $uri =404; } }", "[emerg] directive \"try_files\""},
        {"server { set_real_ip_from 10.0.0.0/8; }", "[emerg] directive \"set_real_ip_from\""},
        {"expires 1h;", "[emerg] \"expires\" with other values than \"off\""},
    };
    EXPECT_PROBLEMS(rows, config_of_http);
}

Test(directive, a_family_is_told_of_once_and_each_of_its_passes)
{
    struct loaded c = config_of_http(
        "server { location /a { fastcgi_param A a; fastcgi_param B b; fastcgi_pass a; }\n"
        "location /b { fastcgi_index i; uwsgi_param A a; uwsgi_param B b; fastcgi_pass b; } }");
    cr_expect_eq(config_count(&c, "\"fastcgi_param\" and other \"fastcgi_...\""), 1);
    cr_expect_eq(config_count(&c, "\"uwsgi_param\" and other \"uwsgi_...\""), 1);
    cr_expect_eq(config_count(&c, "\"fastcgi_pass\" is known to nginx"), 2);
    cr_expect_eq(config_count(&c, "[warn]"), 2, "%s", config_problems(&c));
    cr_expect(c.s == NULL);
    config_end(&c);
}

Test(directive, a_bare_server_is_enough)
{
    struct loaded c = config_of("worker_processes 2;\nmap $host $x { a b; }\nerror_log e.log;\n"
                                "server { listen 8080; location / { return 200 $x; } }\n"
                                "client_max_body_size 5m;");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(c.s->process.worker_processes, 2);
    cr_expect_eq(c.s->process.worker_connections, 512);
    cr_expect_eq(config_location(&c, 0, "/")->client_max_body_size, 5 << 20);
    config_end(&c);
}

Test(directive, bare_and_http_do_not_mix)
{
    static const struct problem_row rows[] = {
        {"events {} server {} http {}", "\"server\" directive is not allowed here in test.conf:1; "
                                        "it belongs in: http"},
        {"server {} events {}", NULL},
        {"server { listen 8080; } upstream u { server 127.0.0.1; }", NULL},
        {"events {} gzip on;", "[warn] \"gzip\""},
    };
    EXPECT_PROBLEMS(rows, config_of);
}
