/* The gate as clients meet it: real handshakes, the server blocks of one address, and who gets
 * where. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support_server.h"

#define KEY                " ssl_certificate CERTS/a/server.crt; ssl_certificate_key CERTS/a/server.key;"
#define CA(which)          " ssl_client_certificate CERTS/" which "/ca.crt;"
#define WHO                " location / { return 200 \"$server_name $ssl_client_verify $ssl_client_s_dn\"; } }"
#define SERVER(name, more) "server { listen LISTEN ssl; server_name " name ";" KEY more WHO

struct gate_row {
    const char *sni, *certificate, *host;
    const char *expected; /* as server_brief says it; "403 code" by the reason in the page */
    bool is_ours;
};

/* "403 code" for a refusal, whose page would be too long to compare. */
static const char *brief(const char *answer)
{
    static char text[64];
    const char *at = strstr(answer, "\"reason\":\"");
    if (!at)
        return server_brief(answer);
    snprintf(text, sizeof text, "%.3s %.*s", answer + 9, (int)strcspn(at + 10, "\""), at + 10);
    return text;
}

static void check(const char *http, const struct gate_row *rows, size_t count)
{
    bool with_rogues = false;
    for (size_t i = 0; i < count; i++)
        with_rogues |= rows[i].certificate && strstr(rows[i].certificate, "rogues");
    server_make_certs(with_rogues);
    server_start(http);
    for (size_t i = 0; i < count; i++) {
        const struct gate_row *row = &rows[i];
        char request[256];
        if (row->is_ours && server_is_oracle())
            continue;
        snprintf(request, sizeof request, "/|Host: %s|Accept: application/json", row->host);
        const char *got = brief(server_ask_tls(row->sni, row->certificate, request));
        cr_expect(strcmp(got, row->expected) == 0, "SNI %s, %s, Host %s: \"%s\", not \"%s\"",
                  row->sni ? row->sni : "none",
                  row->certificate ? row->certificate : "no certificate", row->host, got,
                  row->expected);
    }
    server_stop();
}

#define CHECK(http, rows) check(http, rows, sizeof(rows) / sizeof *(rows))

Test(gate, each_mode, .timeout = 60)
{
    static const struct gate_row rows[] = {
        {"on.example", "a/client", "on.example", "200 on.example SUCCESS CN=client", false},
        {"on.example", NULL, "on.example", "403 cert_missing", true},
        {"on.example", "b/client", "on.example", "403 issuer_unknown", true},
        {"on.example", "a/rogues/expired", "on.example", "403 cert_expired", true},
        {"on.example", "a/rogues/self-signed", "on.example", "403 self_signed", true},
        {"on.example", "a/rogues/eku-server", "on.example", "403 eku_wrong", true},
        {"optional.example", "a/client", "optional.example",
         "200 optional.example SUCCESS CN=client", false},
        {"optional.example", NULL, "optional.example", "200 optional.example NONE ", false},
        {"optional.example", "b/client", "optional.example", "403 issuer_unknown", true},
        {"no-ca.example", "a/rogues/expired", "no-ca.example", "403 cert_expired", true},
        {"no-ca.example", NULL, "no-ca.example", "200 no-ca.example NONE ", false},
        {"off.example", "a/client", "off.example", "200 off.example NONE ", false},
    };
    CHECK(SERVER("on.example", CA("a") "ssl_verify_client on;")
              SERVER("optional.example", CA("a") "ssl_verify_client optional;")
                  SERVER("no-ca.example", CA("a") "ssl_verify_client optional_no_ca;")
                      SERVER("off.example", ""),
          rows);
}

/* A benign SNI in front of a guarded Host, in every spelling of the names. */
Test(gate, host_and_sni, .timeout = 60)
{
    static const struct gate_row rows[] = {
        {"guarded.example", "a/client", "guarded.example", "200 guarded.example SUCCESS CN=client",
         false},
        {"guarded.example", "a/client", "GUARDED.example.", "200 guarded.example SUCCESS CN=client",
         true},
        {"GUARDED.EXAMPLE", "a/client", "guarded.example", "200 guarded.example SUCCESS CN=client",
         false},
        {"open.example", NULL, "open.example", "200 open.example NONE ", false},
        {"open.example", NULL, "guarded.example", "421 host_not_for_this_connection", true},
        {"open.example", "a/client", "guarded.example", "421 host_not_for_this_connection", true},
        {"open.example", NULL, "Guarded.Example", "421 host_not_for_this_connection", true},
        {"open.example", NULL, "guarded.example.", "421 host_not_for_this_connection", true},
        {"open.example", NULL, "guarded.example:443", "421 host_not_for_this_connection", true},
        {"open.example", NULL, "x.wild.example", "421 host_not_for_this_connection", true},
        {"open.example", NULL, "y.x.wild.example", "421 host_not_for_this_connection", true},
        {"guarded.example", "a/client", "other.example", "421 host_not_for_this_connection", true},
        {"guarded.example", "a/client", "open.example", "200 open.example NONE ", true},
        /* no SNI, or none that fits: the default block shakes hands and asks for nothing */
        {NULL, NULL, "guarded.example", "421 host_not_for_this_connection", true},
        {"nobody.example", "a/client", "guarded.example", "421 host_not_for_this_connection", true},
        {NULL, NULL, "open.example", "200 open.example NONE ", false},
    };
    CHECK(SERVER("default.example", "") SERVER("open.example", "")
              SERVER("guarded.example", CA("a") "ssl_verify_client on;")
                  SERVER("*.wild.example", CA("a") "ssl_verify_client on;")
                      SERVER("other.example", CA("b") "ssl_verify_client on;"),
          rows);
}

Test(gate, a_certificate_counts_under_its_own_cas_alone, .timeout = 60)
{
    static const struct gate_row rows[] = {
        {NULL, "a/client", "default.example", "200 default.example SUCCESS CN=client", false},
        {NULL, "a/client", "same.example", "200 same.example SUCCESS CN=client", false},
        {NULL, NULL, "same.example", "403 cert_missing", true},
        {NULL, "a/client", "deeper.example", "421 host_not_for_this_connection", true},
        {NULL, "a/client", "other.example", "421 host_not_for_this_connection", true},
        {NULL, "b/client", "other.example", "421 host_not_for_this_connection", true},
        {"other.example", "b/client", "other.example", "200 other.example SUCCESS CN=client",
         false},
        {"other.example", "a/client", "other.example", "403 issuer_unknown", true},
        {NULL, "a/client", "open.example", "200 open.example NONE ", true},
        {NULL, "a/client", "nobody.example", "200 default.example SUCCESS CN=client", false},
    };
    CHECK(SERVER("default.example", CA("a") "ssl_verify_client on;")
              SERVER("same.example", CA("a") "ssl_verify_client on;")
                  SERVER("deeper.example", CA("a") "ssl_verify_depth 3; ssl_verify_client on;")
                      SERVER("other.example", CA("b") "ssl_verify_client on;")
                          SERVER("open.example", ""),
          rows);
}

/* The article's block, and pages of one's own: 495, 496 and 403 lead to them, nothing leads on. */
Test(gate, a_refusal_stays_a_refusal, .timeout = 60)
{
    static const struct gate_row rows[] = {
        {"article.example", NULL, "article.example", "403 cert_missing", true},
        {"article.example", "a/client", "article.example", "502", false},
        {"page.example", NULL, "page.example", "403 496 NONE", true},
        {"page.example", "b/client", "page.example", "403 495 FAILED", true},
        {"either.example", NULL, "either.example", "403 own page", true},
        {"code.example", NULL, "code.example", "200 own page", false},
        {"proxied.example", NULL, "proxied.example", "403 cert_missing", true},
        {"named.example", NULL, "named.example", "403 cert_missing", true},
        {"rewritten.example", NULL, "rewritten.example", "403 cert_missing", true},
        {"return.example", NULL, "return.example", "403 cert_missing", true},
        {"url.example", NULL, "url.example", "302 -> https://help.example/?", true},
    };
#define GUARDED(name, more)                                                                       \
    "server { listen LISTEN ssl; server_name " name ";" KEY CA("a") " ssl_verify_client on;" more \
                                                                    "}"
#define UPSTREAM " proxy_pass http://127.0.0.1:1; "
    CHECK(
        GUARDED("article.example",
                "location / { if ($ssl_client_verify != SUCCESS) { return 403; }" UPSTREAM "}")
            GUARDED(
                "page.example",
                "error_page 495 /495; error_page 496 /496; location / {" UPSTREAM "}"
                "location /496 { return 200 \"496 $ssl_client_verify\"; }"
                "location /495 { if ($ssl_client_verify ~ ^(FAILED)) { return 200 \"495 $1\"; } }")
                GUARDED("either.example", "error_page 403 /own; location / {" UPSTREAM
                                          "} location /own { return 200 'own page'; }")
                    GUARDED("code.example", "error_page 496 =200 /own; location / {" UPSTREAM
                                            "} location /own { return 200 'own page'; }")
                        GUARDED(
                            "proxied.example",
                            "error_page 403 495 496 =200 /own; location / {" UPSTREAM
                            "}") GUARDED("named.example",
                                         "error_page 403 495 496 = @app; location / {" UPSTREAM
                                         "} location @app {" UPSTREAM
                                         "}") GUARDED("rewritten.example",
                                                      "error_page 403 /own; location /own { "
                                                      "rewrite ^ /app last; } location / {" UPSTREAM
                                                      "}")
                            GUARDED("return.example", "location / { return 200 open; }") GUARDED(
                                "url.example",
                                "error_page 403 https://help.example/?$args; location / {" UPSTREAM
                                "}"),
        rows);
}

/* By location: what is guarded is so by whatever way it is reached, and nothing of it runs
 * before. */
Test(gate, location_by_location, .timeout = 60)
{
    static const struct {
        const char *sni, *certificate, *host, *path, *expected;
    } rows[] = {
        /* a server that asks nobody, with guarded locations */
        {"some.example", NULL, "some.example", "/", "200 open NONE"},
        {"some.example", "a/client", "some.example", "/", "200 open SUCCESS"},
        {"some.example", "b/client", "some.example", "/", "200 open NONE"},
        {"some.example", NULL, "some.example", "/on", "403 cert_missing"},
        {"some.example", "b/client", "some.example", "/on", "403 issuer_unknown"},
        {"some.example", "a/rogues/expired", "some.example", "/on", "403 cert_expired"},
        {"some.example", "a/client", "some.example", "/on", "200 on SUCCESS"},
        {"some.example", NULL, "some.example", "/on/nested", "403 cert_missing"},
        {"some.example", NULL, "some.example", "/on/open", "200 opened"},
        {"some.example", NULL, "some.example", "/optional", "200 optional NONE"},
        {"some.example", "b/client", "some.example", "/optional", "403 issuer_unknown"},
        {"some.example", "b/client", "some.example", "/no-ca", "200 no-ca FAILED:"},
        {"some.example", NULL, "some.example", "/report", "200 report NONE cert_missing"},
        {"some.example", "b/client", "some.example", "/report",
         "200 report FAILED:unable to verify the first certificate issuer_unknown"},
        {"some.example", "a/client", "some.example", "/report", "200 report SUCCESS "},
        {"some.example", NULL, "some.example", "/limited", "403 cert_missing"},
        /* every way from an open location into a guarded one */
        {"some.example", NULL, "some.example", "/to/on", "403 cert_missing"},
        {"some.example", NULL, "some.example", "//on", "403 cert_missing"},
        {"some.example", NULL, "some.example", "/x/../on", "403 cert_missing"},
        {"some.example", NULL, "some.example", "/%6fn", "403 cert_missing"},
        {"some.example", NULL, "some.example", "/lost", "403 cert_missing"},
        {"some.example", NULL, "some.example", "/named", "403 cert_missing"},
        {"some.example", NULL, "some.example", "/script", "200 script"},
        /* a server that asks everybody, with open locations */
        {"most.example", NULL, "most.example", "/", "403 cert_missing"},
        {"most.example", "a/client", "most.example", "/", "200 closed SUCCESS"},
        {"most.example", NULL, "most.example", "/health", "200 healthy NONE"},
        {"most.example", "a/rogues/expired", "most.example", "/health", "200 healthy NONE"},
        {"most.example", NULL, "most.example", "/health/deep", "200 healthy NONE"},
        {"most.example", NULL, "most.example", "/healthy", "403 cert_missing"},
        /* its own script is behind its own check */
        {"most.example", NULL, "most.example", "/script", "403 cert_missing"},
        {"most.example", NULL, "most.example", "/script-redirect", "403 cert_missing"},
        {"most.example", "a/client", "most.example", "/script", "200 script"},
        {"most.example", NULL, "most.example", "/into", "403 cert_missing"},
        {"most.example", NULL, "most.example", "/out", "200 healthy NONE"},
        /* SNI and Host of different blocks: by the location, too */
        {"open.example", NULL, "some.example", "/", "200 open NONE"},
        {"open.example", "a/client", "some.example", "/on", "421 host_not_for_this_connection"},
        {"open.example", NULL, "some.example", "/on", "421 host_not_for_this_connection"},
        {"some.example", "a/client", "most.example", "/", "421 host_not_for_this_connection"},
        {"some.example", "a/client", "most.example", "/health", "200 healthy NONE"},
        {"open.example", NULL, "SOME.example.", "/on", "421 host_not_for_this_connection"},
        {NULL, NULL, "some.example", "/on", "421 host_not_for_this_connection"},
        {"some.example", "a/client", "open.example", "/", "200 nobody NONE"},
        {"open.example", NULL, "some.example", "/report",
         "200 report NONE host_not_for_this_connection"},
    };
    if (server_is_oracle())
        return;
    server_make_certs(true);
    server_start(
        "server { listen LISTEN ssl default_server; server_name open.example;" KEY
        " location / { return 200 \"nobody $ssl_client_verify\"; } }"
        "server { listen LISTEN ssl; server_name some.example;" KEY CA(
            "a") " error_page 404 /on; if ($uri = /script) { return 200 script; }"
                 "location / { return 200 \"open $ssl_client_verify\"; }"
                 "location /on { ssl_verify_client on; return 200 \"on $ssl_client_verify\";"
                 "  location /on/nested { return 200 nested; }"
                 "  location /on/open { ssl_verify_client off; return 200 opened; } }"
                 "location /optional { ssl_verify_client optional; return 200 \"optional "
                 "$ssl_client_verify\"; }"
                 "location /no-ca { ssl_verify_client optional_no_ca; return 200 \"no-ca "
                 "$ssl_client_verify\"; }"
                 "location /report { ssl_verify_client report; return 200 \"report "
                 "$ssl_client_verify "
                 "$ssl_client_refusal\"; }"
                 "location /limited { ssl_verify_client on; limit_except POST { allow all; } "
                 "return 200 x; }"
                 "location /to/ { rewrite ^/to(/.*) $1 last; }"
                 "location /lost { return 404; } location /named { error_page 410 = @on; return "
                 "410; }"
                 "location @on { ssl_verify_client on; return 200 named; }"
                 "}"
                 "server { listen LISTEN ssl; server_name most.example;" KEY CA(
                     "a") " ssl_verify_client on; if ($uri = /script) { return 200 script; }"
                          "rewrite ^/script-redirect /elsewhere redirect; rewrite ^/into /inner;"
                          "rewrite ^/out /health; location / { return 200 \"closed "
                          "$ssl_client_verify\"; }"
                          "location = /health { ssl_verify_client off; return 200 \"healthy "
                          "$ssl_client_verify\"; }"
                          "location /health/ { ssl_verify_client off; return 200 \"healthy "
                          "$ssl_client_verify\"; } }");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[256];
        snprintf(request, sizeof request, "%s|Host: %s|Accept: application/json", rows[i].path,
                 rows[i].host);
        const char *got = brief(server_ask_tls(rows[i].sni, rows[i].certificate, request));
        size_t length = strlen(rows[i].expected);
        bool is_prefix = rows[i].expected[length - 1] == ':';
        cr_expect(is_prefix ? strncmp(got, rows[i].expected, length) == 0
                            : strcmp(got, rows[i].expected) == 0,
                  "SNI %s, %s, Host %s, %s: \"%s\", not \"%s\"", rows[i].sni ? rows[i].sni : "none",
                  rows[i].certificate ? rows[i].certificate : "no certificate", rows[i].host,
                  rows[i].path, got, rows[i].expected);
    }
    const char *log = server_file("error.log");
    cr_expect(strstr(log, "client certificate would be refused: issuer_unknown: CN="), "%s", log);
    server_stop();
}

Test(gate, a_refusal_explains_itself_and_is_not_kept, .timeout = 60)
{
    if (server_is_oracle())
        return;
    server_make_certs(true);
    server_start(SERVER("on.example", CA("a") "ssl_verify_client on;"));
    const char *answer = server_ask_tls("on.example", NULL,
                                        "/|Host: on.example|Connection: keep-alive");
    cr_expect(strstr(answer, "\r\nConnection: close\r\n") != NULL, "%s", answer);
    cr_expect(strstr(answer, "\r\nCache-Control: no-store\r\n") && strstr(answer, "cert_missing"));
    answer = server_ask_tls("on.example", NULL, "/|Host: on.example|Accept: text/html");
    cr_expect(strstr(answer, "\r\nContent-Type: text/html\r\n") &&
              strstr(answer, "<code>cert_missing</code>"));
    server_ask_tls("on.example", "a/rogues/expired", "/|Host: on.example");
    const char *log = server_file("error.log");
    cr_expect(strstr(log, "[error] ") && strstr(log, "client certificate refused: cert_missing"),
              "%s", log);
    cr_expect(strstr(log, "client certificate refused: cert_expired: CN=") &&
                  strstr(log, ", issuer CN=my-ca, serial "),
              "%s", log);
    cr_expect(strstr(log, ", client: 127.0.0.1, server: on.example, request: \"GET / HTTP/1.1\""),
              "%s", log);
    server_stop();
}

Test(gate, plain_http, .timeout = 60)
{
    server_make_certs(false);
    server_start("server { listen LISTEN ssl; server_name a;" KEY CA(
        "a") "ssl_verify_client on;"
             "error_page 497 =307 https://$host/$is_args; location / { return 200 x; } }");
    cr_expect_str_eq(server_brief(server_ask("/")), "307 -> https://localhost/");
    server_stop();
    server_start("server { listen LISTEN ssl; server_name a;" KEY WHO);
    cr_expect(strstr(server_ask("/"), "400 Bad Request") &&
              strstr(server_ask("/"), "The plain HTTP request was sent to HTTPS port"));
    server_stop();
    server_start("server { listen LISTEN; server_name a;" KEY CA("a") "ssl_verify_client on;" WHO);
    cr_expect_str_eq(server_brief(server_ask("/")), "200 a  ",
                     "without ssl the operator asks for nothing");
    server_stop();
}

Test(gate, variables_of_the_certificate, .timeout = 60)
{
    static const char http[] = "server { listen LISTEN ssl; server_name a.example;" KEY CA(
        "a") "ssl_verify_client on;"
             "ssl_protocols TLSv1.2 TLSv1.3; location = /dn { return 200 "
             "\"$ssl_client_s_dn|$ssl_client_i_dn|$ssl_client_s_dn_legacy|$ssl_client_i_dn_"
             "legacy\"; }"
             "location = /tls { return 200 \"$scheme $https $ssl_protocol $ssl_server_name "
             "$ssl_session_reused\"; }"
             "location = /raw { return 200 \"$ssl_client_raw_cert\"; } location = /cert { return "
             "200 \"$ssl_client_cert\"; }"
             "location = /escaped { return 200 \"$ssl_client_escaped_cert\"; }"
             "location = /hex { return 200 \"$ssl_client_serial $ssl_client_fingerprint\"; }"
             "location = /facts { return 200 \"$ssl_client_cn|$ssl_client_ca|$ssl_client_san_dns|"
             "$ssl_client_proved_at|$ssl_client_x5t_s256|$ssl_client_spki_sha256|\"; }"
             "location = /time { return 200 "
             "\"$ssl_client_v_start|$ssl_client_v_end|$ssl_client_v_remain\"; } }";
    server_make_certs(false);
    server_start(http);
#define ASK(path) server_brief(server_ask_tls("a.example", "a/client", path "|Host: a.example"))
    cr_expect_str_eq(ASK("/dn"), "200 CN=client|CN=my-ca|/CN=client|/CN=my-ca");
    cr_expect_str_eq(ASK("/tls"), "200 https on TLSv1.3 a.example .");
    const char *text = ASK("/raw");
    cr_expect(strncmp(text, "200 -----BEGIN CERTIFICATE-----\nMII", 35) == 0 &&
                  strstr(text, "\n-----END CERTIFICATE-----\n"),
              "%s", text);
    text = ASK("/cert");
    cr_expect(strstr(text, "-----BEGIN CERTIFICATE-----\n\tMII") &&
                  strstr(text, "\n\t-----END CERTIFICATE-----"),
              "%s", text);
    cr_expect(text[strlen(text) - 1] == '-');
    text = ASK("/escaped");
    cr_expect(strstr(text, "-----BEGIN%20CERTIFICATE-----%0AMII") &&
                  strstr(text, "-----END%20CERTIFICATE-----%0A"),
              "%s", text);
    text = ASK("/hex") + 4;
    cr_expect(strspn(text, "0123456789ABCDEF") >= 2 &&
                  strspn(strchr(text, ' ') + 1, "0123456789abcdef") == 40,
              "%s", text);
    text = ASK("/facts");
    cr_expect(strncmp(text, "200 client|CN=my-ca||20", 23) == 0 &&
                  strlen(text) == 4 + 6 + 1 + 8 + 2 + 20 + 1 + 43 + 1 + 64 + 1,
              "%s", text);
    text = ASK("/time");
    cr_expect(strstr(text, " GMT|") && strstr(text, "GMT|36"), "%s", text);
    server_stop();
}
