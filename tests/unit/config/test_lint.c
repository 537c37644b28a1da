#include <stdio.h>
#include <time.h>

#include "portcullis/config/lint.h"
#include "support_tls.h"

TestSuite(lint, .init = config_make_rogues, .fini = config_remove_certs);

static void note(void *owner, enum log_level level, struct str message)
{
    buf_printf(owner, "[%s] %.*s\n", log_level_name(level), STR_ARG(message));
}

/* What is found `days` from now; the text lives until the next call. */
static const char *lint(const char *text, int days)
{
    static struct buf found;
    struct loaded c = config_of_tls(text);
    buf_clear(&found);
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    config_lint(c.s, time(NULL) + (time_t)days * 86400, note, &found);
    buf_append_char(&found, '\0');
    config_end(&c);
    return buf_str(&found).ptr;
}

struct lint_row {
    const char *text, *finding; /* NULL: none at all */
    int days;
};

static void check(const struct lint_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *found = lint(rows[i].text, rows[i].days);
        if (rows[i].finding == NULL)
            cr_expect_str_empty(found, "row %zu", i);
        else
            cr_expect(strstr(found, rows[i].finding) != NULL, "row %zu: %s", i, found);
    }
}
#define CHECK(rows) check((rows), sizeof(rows) / sizeof *(rows))

#define TLS         "listen 8443 ssl; % ^ "
#define PASS        "proxy_pass http://127.0.0.1:9;"

Test(lint, article_block_has_one_note_and_no_warning)
{
    const char *found = lint("server { " TLS "ssl_verify_client on; location / { "
                             "if ($ssl_client_verify != SUCCESS) { return 403; } " PASS " } }",
                             0);
    cr_expect(strstr(found, "[notice] \"if ($ssl_client_verify ...)\" decides nothing") != NULL,
              "%s", found);
    cr_expect(strstr(found, "[warn]") == NULL, "%s", found);
}

Test(lint, files_that_nobody_is_shown)
{
    static const struct lint_row rows[] = {
        {"server { " TLS "root /srv; location / { " PASS " } location /static/ { } }",
         "[warn] location \"/static/\" answers 404, whatever is in its root \"/srv\", in ", 0},
        {"server { " TLS "location / { " PASS " } location = /404.html { internal; root /a; } }",
         "location \"/404.html\" answers 404", 0},
        {"server { " TLS "server_name a; root /srv; location /api { " PASS " } }",
         "[warn] outside its locations server \"a\" answers 404", 0},
        {"server { " TLS "root /srv; location / { " PASS " } location ~ /[.] { deny all; } "
         "location /a { return 200; } location /b { rewrite . /a last; } }",
         NULL, 0},
        {"server { " TLS "root /srv; return 301 https://a/; location /static/ { } }", NULL, 0},
        {"server { " TLS "location / { " PASS " } location /static/ { } }", NULL, 0},
    };
    CHECK(rows);
}

Test(lint, optional_without_a_look_at_the_client)
{
    static const struct lint_row rows[] = {
        {"server { " TLS "ssl_verify_client optional; location /a { " PASS " } }",
         "[warn] \"ssl_verify_client optional\" lets in who has no certificate, and nothing in "
         "location \"/a\"",
         0},
        {"server { " TLS "location /a { ssl_verify_client optional_no_ca; " PASS " } }",
         "\"ssl_verify_client optional_no_ca\"", 0},
        {"server { " TLS "ssl_verify_client optional; location / { return 200; } }", NULL, 0},
        {"server { " TLS "ssl_verify_client optional; location / { ssl_client_allow cn x; " PASS
         " } }",
         NULL, 0},
        {"server { " TLS "ssl_verify_client optional; location / { "
         "proxy_set_header X-V $ssl_client_verify; " PASS " } }",
         NULL, 0},
        {"server { " TLS "ssl_verify_client optional; location / { "
         "proxy_client_identity rfc9440; " PASS " } }",
         NULL, 0},
        {"map $ssl_client_verify $bad { default 1; SUCCESS 0; } server { " TLS
         "ssl_verify_client optional; if ($bad) { return 403; } location / { " PASS " } }",
         NULL, 0},
    };
    CHECK(rows);
}

#define NO_CA "server { " TLS "ssl_verify_client optional_no_ca; "
#define DN    "proxy_set_header X-DN $ssl_client_s_dn; "

Test(lint, names_that_no_known_ca_vouches_for)
{
    static const struct lint_row rows[] = {
        {NO_CA "location /a { " DN PASS " } }",
         "[warn] \"X-DN\" tells the upstream what any certificate claims: \"ssl_verify_client "
         "optional_no_ca\" passes those of unknown CAs, in ",
         0},
        {"server { " TLS "ssl_verify_client report; location /a { " DN PASS " } }",
         "\"ssl_verify_client report\" passes", 0},
        {"server { " TLS "ssl_verify_client report; location /a { ssl_client_allow cn x; " DN PASS
         " } }",
         "\"ssl_verify_client report\" passes", 0},
        {"map $ssl_client_s_dn $u { ~CN=(?<n>[a-z]+) $n; } " NO_CA
         "location /a { proxy_set_header X-User $u; " PASS " } }",
         "\"X-User\" tells", 0},
        {"map $ssl_client_s_dn $bad { default 1; CN=x 0; } " NO_CA
         "location /a { if ($bad) { return 403; } " DN PASS " } }",
         "\"X-DN\" tells", 0},
        {"map $ssl_client_verify:$ssl_client_s_dn $u { ~SUCCESS:(?<n>.+) $n; } " NO_CA
         "location /a { proxy_set_header X-User $u; " PASS " } }",
         NULL, 0},
        {NO_CA "location /a { " DN "proxy_set_header X-V $ssl_client_verify; " PASS " } }", NULL,
         0},
        {NO_CA "location /a { ssl_client_allow cn x; " DN PASS " } }", NULL, 0},
        {NO_CA "if ($ssl_client_verify != SUCCESS) { return 403; } location /a { " DN PASS " } }",
         NULL, 0},
        {NO_CA "location /a { proxy_set_header X-Cert $ssl_client_escaped_cert; " PASS " } }", NULL,
         0},
        {NO_CA "location /a { proxy_set_header X-F $ssl_client_fingerprint; " PASS " } }", NULL, 0},
        {"server { " TLS "ssl_verify_client optional; location /a { " DN PASS " } }", NULL, 0},
        {"server { " TLS "ssl_verify_client on; location /a { " DN PASS " } }", NULL, 0},
    };
    CHECK(rows);
}

Test(lint, header_that_can_never_be_sent_is_told_once)
{
    const char *found = lint("server { " TLS "ssl_verify_client on; proxy_set_header X-Cert "
                             "$ssl_client_raw_cert; location /a { " PASS " } location /b { " PASS
                             " } }",
                             0);
    const char *first = strstr(found, "[warn] \"X-Cert\" is never sent");
    cr_assert(first != NULL, "%s", found);
    cr_expect(strstr(first + 1, "[warn]") == NULL, "%s", found);
    cr_expect(strstr(found, "use $ssl_client_escaped_cert") != NULL, "%s", found);
    cr_expect_str_empty(lint("server { " TLS "ssl_verify_client on; location / { proxy_set_header "
                             "X-Cert $ssl_client_escaped_cert; " PASS " } }",
                             0));
}

Test(lint, listener_without_tls_beside_a_guarded_one)
{
    static const struct lint_row rows[] = {
        {"server { " TLS "ssl_verify_client on; location /x { " PASS " } } "
         "server { listen 8080; location /y { " PASS " } }",
         "[warn] clients reach \"127.0.0.1:9\" without TLS, though location \"/x\"", 0},
        {"server { listen 8080; " TLS "ssl_verify_client on; location /x { " PASS " } }",
         "without TLS, though location", 0},
        {"server { listen 8080; " TLS "ssl_verify_client on; location /x { "
         "if ($ssl_client_verify != SUCCESS) { return 403; } " PASS " } }",
         NULL, 0},
        {"server { " TLS "ssl_verify_client on; location / { " PASS " } } "
         "server { listen 8080; location / { proxy_pass http://127.0.0.1:10; } }",
         NULL, 0},
        {"server { " TLS "ssl_verify_client on; location / { " PASS " } } "
         "server { listen 8080; return 301 https://x; }",
         NULL, 0},
    };
    CHECK(rows);
}

#define NAMED                                                                                    \
    "server { listen 8443 ssl; server_name strict; % ^ ssl_verify_client on; location / { " PASS \
    " } }"

Test(lint, default_server_weaker_than_a_named_one)
{
    static const struct lint_row rows[] = {
        {"server { listen 8443 ssl; % location / { proxy_pass http://127.0.0.1:10; } } " NAMED,
         "[warn] the default server of 0.0.0.0:8443 passes clients on without a certificate, and "
         "\"strict\"",
         0},
        {"server { listen 8443 ssl; % return 444; } " NAMED, NULL, 0},
        {"server { listen 8443 ssl; ssl_reject_handshake on; } " NAMED, NULL, 0},
    };
    CHECK(rows);
}

Test(lint, files_that_end_or_are_not_what_they_should_be)
{
    static const struct lint_row rows[] = {
        {"server { " TLS "ssl_verify_client on; }", NULL, 300},
        {"server { " TLS "ssl_verify_client on; }",
         "[warn] the server's certificate \"/tmp/portcullis-certs-", 350},
        {"server { " TLS "ssl_verify_client on; }", "the CA CN=my-ca ends in 14 days", 350},
        {"server { " TLS "ssl_verify_client on; }",
         "the CA CN=my-ca has expired: its clients are refused in ", 400},
        {"server { " TLS "ssl_verify_client on; }", "the CA CN=my-ca is not valid before ", -2},
        {"server { " TLS "ssl_verify_client on; }", "(CN=localhost) is not valid before ", -2},
        {"server { listen 8443 ssl; ^ ssl_verify_client on; ssl_certificate @/rogues/weak-rsa.crt; "
         "ssl_certificate_key @/rogues/weak-rsa.key; }",
         "has an RSA key of 1024 bits: clients refuse it in ", 0},
        {"server { listen 8443 ssl; ^ ssl_verify_client on; ssl_certificate @/rogues/sha1.crt; "
         "ssl_certificate_key @/rogues/sha1.key; }",
         "is signed with SHA-1: clients refuse it in ", 0},
        {"server { " TLS "ssl_trusted_certificate @/client.crt; ssl_verify_client on; }",
         "[warn] CN=client is among the CA certificates and is none: nobody is verified by it", 0},
        {"server { " TLS
         "ssl_trusted_certificate @/rogues/self-signed.crt; ssl_verify_client on; }",
         "is none: it lets in a client that shows this very certificate", 0},
        {"server { " TLS "ssl_trusted_certificate @/rogues/ed25519.crt; ssl_verify_client on; }",
         "[warn] the CA CN=client ed25519 has a key of a kind that is not supported: its clients "
         "are refused in ",
         0},
        {"server { " TLS "ssl_trusted_certificate @/rogues/weak-rsa.crt; ssl_verify_client on; }",
         "has an RSA key of 1024 bits: its clients are refused in ", 0},
        {"server { " TLS "ssl_trusted_certificate @/rogues/weak-rsa.crt; ssl_verify_client on; }",
         "; use RSA of 2048 to 8192 bits with a public exponent of no more than 64 bits, or ECDSA",
         0},
    };
    CHECK(rows);
}

Test(lint, lists_that_end_soon_or_do_not_cover_every_ca)
{
    static const struct lint_row rows[] = {
        {"server { " TLS "ssl_verify_client on; ssl_crl @/rogues/crl.pem; }", NULL, 0},
        {"server { " TLS "ssl_verify_client on; ssl_crl @/rogues/crl.pem; }",
         "[warn] the revocation list of CN=my-ca ends in ", 340},
        {"server { " TLS "ssl_verify_client on; ssl_crl @/rogues/crl-other-ca.pem; }",
         "[warn] there is no revocation list of CN=my-ca", 0},
        {"server { " TLS "ssl_verify_client on; ssl_crl @/rogues/crl-bad-signature.pem; }",
         "[warn] the revocation list of CN=my-ca is not signed by that CA: without another one its "
         "clients are refused (crl_invalid) in ",
         0},
        {"server { " TLS "ssl_verify_client on; ssl_crl @/rogues/crl-other-ca.pem; "
         "ssl_crl_missing allow; }",
         NULL, 0},
    };
    CHECK(rows);
}

Test(lint, servers_that_share_their_files_are_told_of_once)
{
    const char *found = lint("% ^ ssl_verify_client on; server { listen 8443 ssl; server_name a; } "
                             "server { listen 8443 ssl; server_name b; }",
                             350);
    const char *first = strstr(found, "the CA CN=my-ca");
    cr_assert(first != NULL, "%s", found);
    cr_expect(strstr(first + 1, "the CA CN=my-ca") == NULL, "%s", found);
}

/* What is told each day: dates, and nothing else. */
Test(lint, reminds_of_what_ends_and_has_ended)
{
    static const struct lint_row rows[] = {
        {"crl.pem; ssl_trusted_certificate @/client.crt", NULL, 0},
        {"crl.pem", "the revocation list of CN=my-ca ends in ", 340},
        {"crl-expired.pem; ssl_crl_grace 9000d", "days ago: it counts until ssl_crl_grace is over",
         0},
        {"crl-expired.pem", "days ago: its clients are refused", 0},
        {"crl-empty.pem", "the CA CN=my-ca has expired", 400},
        {"crl-empty.pem", "the server's certificate", 350},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "server { %s ssl_verify_client on; ssl_crl @/rogues/%s; }", TLS,
                       rows[i].text);
        struct loaded c = config_of_tls(text);
        struct buf found = {0};
        cr_assert(c.s != NULL, "%s", config_problems(&c));
        config_remind(c.s, time(NULL) + (time_t)rows[i].days * 86400, false, note, &found);
        buf_append_char(&found, '\0');
        const char *told = buf_str(&found).ptr;
        cr_expect(rows[i].finding ? strstr(told, rows[i].finding) != NULL : *told == '\0',
                  "row %zu: %s", i, told);
        buf_deinit(&found);
        config_end(&c);
    }
}
