/* ssl directives; certificates by certs/make, made once a run. */
#include "support_tls.h"

TestSuite(tls, .init = config_make_certs, .fini = config_remove_certs);

Test(tls, a_context_for_each_server_that_tls_leads_to)
{
    struct loaded c = config_of_tls(
        "server { listen 8443 ssl; % ^ ssl_verify_client on; } server { "
        "listen 8443; server_name b; } server { listen 8080; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect(c.s->http.binds.items[0]->listen.ssl);
    cr_expect(!c.s->http.binds.items[1]->listen.ssl);
    cr_expect(config_server(&c, 0)->tls_context != NULL);
    cr_expect(config_server(&c, 1)->tls_context != NULL, "with the default server's certificate");
    cr_expect(config_server(&c, 2)->tls_context == NULL);
    cr_expect_eq(config_server(&c, 1)->tls.verify, TLS_VERIFY_OFF);
    cr_expect(!tls_context_same_trust(config_server(&c, 0)->tls_context,
                                      config_server(&c, 1)->tls_context));
    config_end(&c);
}

Test(tls, settings)
{
    struct loaded c = config_of_tls(
        "server { listen 8443 ssl; % ^ ssl_trusted_certificate @/ca.crt; ssl_verify_client "
        "optional; ssl_verify_depth 2; ssl_ciphers ECDHE+AESGCM; ssl_conf_command Ciphersuites "
        "TLS_AES_256_GCM_SHA384; ssl_ecdh_curve X25519:P-256; ssl_prefer_server_ciphers on; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct tls_settings *t = &config_server(&c, 0)->tls;
    cr_expect(str_starts(t->certificates.items[0], str_of(config_certs)));
    cr_expect(str_ends(t->certificate_keys.items[0], STR("/server.key")));
    cr_expect_eq(t->verify, TLS_VERIFY_OPTIONAL);
    EXPECT_STR(t->ciphers, "ECDHE+AESGCM");
    EXPECT_STR(t->ciphersuites, "TLS_AES_256_GCM_SHA384");
    EXPECT_STR(t->ecdh_curve, "X25519:P-256");
    cr_expect(t->prefer_server_ciphers);
    config_end(&c);
}

Test(tls, paths_are_relative_to_the_file)
{
    struct loaded c = config_of_tls("server { listen 8443 ssl; ssl_certificate a.crt; "
                                    "ssl_certificate_key a.key; }");
    cr_expect(c.s == NULL);
    cr_expect_eq(config_count(&c, "[emerg] cannot load certificate \"a.crt\""), 1, "%s",
                 config_problems(&c));
    config_end(&c);
}

Test(tls, problems)
{
    static const struct problem_row rows[] = {
        {"server { listen 8443 ssl; % }", NULL},
        {"server { listen 8443 ssl; % ^ ssl_verify_client on; }", NULL},
        {"server {\nlisten 8443 ssl; }", "no \"ssl_certificate\" is defined for the \"listen ... "
                                         "ssl\" directive in test.conf:1; name the server's"},
        {"server { listen 8443 ssl; ssl_reject_handshake on; }", NULL},
        {"server { listen 8443 ssl; ssl_reject_handshake on; } server { listen 8443 ssl; "
         "server_name a; }",
         "no \"ssl_certificate\" is defined"},
        {"server { listen 8443 ssl;\nssl_certificate @/server.crt; }",
         "no \"ssl_certificate_key\" is defined for certificate"},
        {"server { listen 8080; ssl_certificate @/server.crt; }",
         "no \"ssl_certificate_key\" is defined for certificate"},
        {"server { listen 8443 ssl;\nssl_certificate @/server.crt; ssl_certificate_key "
         "@/client.key; }",
         "[emerg] "},
        {"server { listen 8443 ssl; % ssl_verify_client on; }",
         "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client in "
         "test.conf:1; name the CA"},
        {"server { listen 8443 ssl; % ssl_verify_client optional_no_ca; }", NULL},
        {"server { listen 8443 ssl; % ssl_trusted_certificate @/ca.crt; ssl_verify_client on; }",
         NULL},
        {"server { listen 8443 ssl; % ssl_client_certificate @/none; ssl_verify_client on; }",
         "/none\""},
        {"server { listen 8080; ^ ssl_verify_client on; }",
         "[warn] \"ssl_verify_client\" has no effect in a server without TLS: nobody is asked for "
         "a certificate"},
        {"server { listen 8443 ssl; % ssl_crl @/none; }", "/none\""},
        {"server { ssl_certificate data:x; }", "invalid value \"data:x\" in \"ssl_certificate\" "
                                               "directive in test.conf:1; \"data:\" is not "
                                               "supported, only PEM files are"},
        {"server { ssl_certificate_key engine:x:y; }", "\"engine:\" is not supported"},
        {"server { ssl_certificate_key store:x; }", "\"store:\" is not supported"},
        {"server { ssl_certificate /x/$ssl_server_name; }", "certificates are read at start"},
        {"ssl_protocols TLSv1 TLSv1.1 TLSv1.2;",
         "[warn] \"TLSv1\", \"TLSv1.1\" in \"ssl_protocols\" is ignored"},
        {"ssl_protocols SSLv3;",
         "no protocol is left in \"ssl_protocols\": \"SSLv3\" is not supported"},
        {"ssl_protocols TLSv2;", "invalid value \"TLSv2\" in \"ssl_protocols\""},
        {"ssl_verify_client yes;", "invalid value \"yes\" in \"ssl_verify_client\""},
        {"ssl_verify_depth x;", "\"ssl_verify_depth\" directive invalid number \"x\""},
        {"ssl_ciphers NOSUCH;", "invalid value \"NOSUCH\" in \"ssl_ciphers\" directive"},
        {"ssl_ciphers HIGH:NOSUCH;", NULL},
        {"ssl_ecdh_curve foo;", "invalid value \"foo\" in \"ssl_ecdh_curve\""},
        {"ssl_conf_command Ciphersuites FOO;", "invalid value \"FOO\" in \"ssl_conf_command\""},
        {"ssl_conf_command MinProtocol TLSv1.3;", "only Ciphersuites is supported"},
    };
    EXPECT_PROBLEMS(rows, config_of_tls);
}

Test(tls, verify_client_by_location)
{
    static const struct problem_row rows[] = {
        {"server { listen 8443 ssl; ssl_certificate a; ssl_certificate_key b; location / { "
         "ssl_verify_client on; return 200; } }",
         "[emerg] no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client in "
         "test.conf:1"},
        {"server { listen 8080; location / { ssl_verify_client on; return 200; } }",
         "[warn] \"ssl_verify_client\" has no effect in a server without TLS: nobody is asked for "
         "a certificate"},
        {"server { listen 8080; location / { ssl_verify_client maybe; } }",
         "[emerg] invalid value \"maybe\""},
        {"server { listen 8080; location / { if ($host) { ssl_verify_client on; } } }",
         "[emerg] \"ssl_verify_client\" directive is not allowed here"},
    };
    EXPECT_PROBLEMS(rows, config_of_http);
    struct loaded c = config_of_http(
        "ssl_verify_client optional; server { listen 8080; location / { return 200; } } "
        "server { listen 8081; ssl_verify_client off; location / { ssl_verify_client report; "
        "location /in { limit_except GET { deny all; } if ($host) { return 200; } } } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct server_conf *same = config_server(&c, 0), *varies = config_server(&c, 1);
    cr_expect_eq(config_location(&c, 0, "/")->verify, TLS_VERIFY_OPTIONAL);
    cr_expect(!same->verify_varies && !same->tls.location_verifies);
    cr_expect_eq(varies->root->verify, TLS_VERIFY_OFF);
    cr_expect(varies->verify_varies && varies->tls.location_verifies);
    const struct location_conf *inner = config_location(&c, 1, "/")->nested.prefixes.items[0];
    cr_expect_eq(inner->verify, TLS_VERIFY_REPORT);
    cr_expect_eq(inner->limit_except->conf->verify, TLS_VERIFY_REPORT);
    cr_expect_eq(inner->script.ops.items[0].then->verify, TLS_VERIFY_REPORT);
    config_end(&c);
}

Test(tls, how_clients_are_refused)
{
    static const struct problem_row rows[] = {
        {"ssl_client_refuse 403;", NULL},
        {"ssl_client_refuse close;", NULL},
        {"ssl_client_refuse alert;", NULL},
        {"ssl_client_refuse alert; location = /healthz { ssl_verify_client optional_no_ca; }",
         "[emerg] a location's own \"ssl_verify_client\" cannot be kept"},
        {"ssl_client_refuse 404;", "[emerg] invalid value \"404\""},
        {"location / { ssl_client_refuse close; }", "[emerg] \"ssl_client_refuse\" directive is "
                                                    "not allowed here"},
        {"location / { ssl_client_detail full; }", NULL},
        {"ssl_client_detail on;", "[emerg] invalid value \"on\""},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
}
