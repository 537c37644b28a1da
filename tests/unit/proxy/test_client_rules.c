#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../../../src/proxy/client_rules.h"
#include "support_server.h"

Test(client_rules, globs)
{
    static const struct {
        const char *pattern, *value;
        bool is_dn, matches;
    } rows[] = {
        {"", "", false, true},
        {"*", "", false, true},
        {"*", "abc", false, true},
        {"*", "a/c", false, false},
        {"**", "a/c", false, true},
        {"a*c", "abbc", false, true},
        {"a*c", "abbcd", false, false},
        {"a*b*c", "abxbyc", false, true},
        {"a*b*c", "ab/c", false, false},
        {"*/*x", "a/bx", false, true},
        {"*/*x", "a/b/x", false, false},
        {"**/x", "a/b/x", false, true},
        {"**/*x", "a/b/cx/dx", false, true},
        {"a/**/b/*/c", "a/q/b/r/b/s/c", false, true},
        {"a/**/b/*/c", "a/q/b/r/s/c", false, false},
        {"**a", "bab", false, false},
        {"*aaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false, true},
        {"spiffe://d/ns/*/sa/*", "spiffe://d/ns/a/sa/b", false, true},
        {"spiffe://d/ns/*/sa/*", "spiffe://d/ns/a/b/sa/c", false, false},
        {"spiffe://d/ns/*/sa/*", "spiffe://d/ns/a/sa/b/c", false, false},
        /* What stands between a DN's values is crossed by no star, what is escaped in one is. */
        {"CN=*,O=x", "CN=a,O=x", true, true},
        {"CN=*,O=x", "CN=a,OU=b,O=x", true, false},
        {"CN=*,O=x", "CN=a+UID=1,O=x", true, false},
        {"CN=*,O=x", "CN=a\\,O=x", true, false},
        {"CN=*,O=x", "CN=a\\,O=x,O=y", true, false},
        {"CN=*,O=x", "CN=a\\,b,O=x", true, true},
        {"CN=*,O=x", "CN=a\\\\,O=x", true, true},
        {"CN=*,O=x", "CN=a/b,O=x", true, true},
        {"**,O=x", "CN=a,OU=b,O=x", true, true},
        {"CN=*\\", "CN=a\\", true, true}, /* of a value that is no DN */
        {"CN=*,O=x", "CN=a\\", true, false},
        {"*/b", "a\\/b", false, true}, /* elsewhere nothing is escaped */
        {"a*/**b", "a/cb", false, true},
        {"a*b/**c", "ab/bb/d", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(
            client_glob_matches(str_of(rows[i].pattern), str_of(rows[i].value), rows[i].is_dn),
            rows[i].matches, "%s, %s", rows[i].pattern, rows[i].value);
}

/* "200", or the reason. */
static const char *brief(const char *answer)
{
    static char text[64];
    const char *at = strstr(answer, "\"reason\":\"");
    if (!at)
        return server_brief(answer);
    snprintf(text, sizeof text, "%.*s", (int)strcspn(at + 10, "\""), at + 10);
    return text;
}

#define NAMES   "a/rogues/many-names"
#define PASS    "200 in"
#define BARRED  "not_permitted"
#define MISSING "cert_missing"
#define BOMB    "^(?:.?){60}[xy]$"

static const struct {
    const char *rules, *certificate, *expected;
} rows[] = {
    {"ssl_client_allow cn client;", "a/client", PASS},
    {"ssl_client_allow cn Client;", "a/client", BARRED},
    {"ssl_client_allow cn other client;", "a/client", PASS},
    {"ssl_client_allow cn clien;", "a/client", BARRED},
    {"ssl_client_allow cn cl*;", "a/client", PASS},
    {"ssl_client_allow cn ~^cl;", "a/client", PASS},
    {"ssl_client_allow cn ~*^CLIENT$;", "a/client", PASS},
    {"ssl_client_allow cn ~^lient;", "a/client", BARRED},
    {"ssl_client_allow any;", "a/client", PASS},
    /* in doubt, beyond the limit of a regex, nobody comes in */
    {"ssl_client_allow cn '~" BOMB "|^client$';", "a/client", BARRED},
    {"ssl_client_deny cn '~" BOMB "|^client$';", "a/client", BARRED},
    /* the first that matches counts; none: by whether there is an allow */
    {"ssl_client_deny cn client; ssl_client_allow any;", "a/client", BARRED},
    {"ssl_client_allow any; ssl_client_deny cn client;", "a/client", PASS},
    {"ssl_client_deny cn other;", "a/client", PASS},
    {"ssl_client_deny any;", "a/client", BARRED},
    {"ssl_client_deny cn other; ssl_client_allow cn another;", "a/client", BARRED},
    /* each kind */
    {"ssl_client_allow ou 'Größe+Länge';", NAMES, PASS},
    {"ssl_client_allow ou Größe;", NAMES, BARRED},
    {"ssl_client_allow o 'Example, \"Inc.\"';", NAMES, PASS},
    {"ssl_client_allow o x;", "a/client", BARRED},
    {"ssl_client_allow dn CN=client;", "a/client", PASS},
    {"ssl_client_allow dn CN=*;", "a/client", PASS},
    {"ssl_client_allow dn **,DC=example,DC=org;", NAMES, PASS},
    {"ssl_client_allow dn *,DC=example,DC=org;", NAMES, BARRED},
    {"ssl_client_allow dn **/many,*,*,DC=example,DC=org;", NAMES, PASS},
    {"ssl_client_allow dn **/many,*,DC=example,DC=org;", NAMES, BARRED},
    {"ssl_client_allow dns CLIENT.example.org.;", NAMES, PASS},
    {"ssl_client_allow dns *.example.org;", NAMES, PASS},
    {"ssl_client_allow dns *.client.example.org.x;", NAMES, BARRED},
    {"ssl_client_allow dns *.ple.org;", NAMES, BARRED},
    {"ssl_client_allow dns client;", "a/client", BARRED}, /* a CN is no DNS name */
    {"ssl_client_allow email client@EXAMPLE.org;", NAMES, PASS},
    {"ssl_client_allow email Client@example.org;", NAMES, BARRED},
    {"ssl_client_allow email *@example.org;", NAMES, PASS},
    {"ssl_client_allow uri spiffe://example.org/client;", NAMES, PASS},
    {"ssl_client_allow uri spiffe://example.org/*;", NAMES, PASS},
    {"ssl_client_allow uri spiffe://example.org/client/*;", NAMES, BARRED},
    {"ssl_client_allow ip 192.0.2.0/24;", NAMES, PASS},
    {"ssl_client_allow ip 198.51.100.0/24 2001:db8::/32;", NAMES, PASS},
    {"ssl_client_allow ip 198.51.100.0/24;", NAMES, BARRED},
    {"ssl_client_allow serial 7F:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff;",
     "a/rogues/long-serial", PASS},
    {"ssl_client_allow serial 0x1;", "a/client", BARRED},
    {"ssl_client_allow issuer CN=my-ca;", "a/client", PASS},
    {"ssl_client_allow issuer CN=other;", "a/client", BARRED},
    {"ssl_client_allow ca my-ca;", "a/client", PASS},
    {"ssl_client_allow ca CN=my-ca;", "a/client", PASS},
    /* who has shown nothing good is refused for that, whatever the rules */
    {"ssl_client_allow any;", NULL, MISSING},
    {"ssl_client_allow any;", "a/rogues/expired", "cert_expired"},
    {"ssl_client_allow cn client;", "b/client", "issuer_unknown"},
    {"ssl_client_deny cn client;", "b/client", "issuer_unknown"},
    /* optional: nobody in particular is let in by no allow, and kept out by deny any */
    {"ssl_verify_client optional; ssl_client_allow any;", NULL, MISSING},
    {"ssl_verify_client optional; ssl_client_allow any;", "a/client", PASS},
    {"ssl_verify_client optional; ssl_client_deny cn client;", NULL, PASS},
    {"ssl_verify_client optional; ssl_client_deny cn client;", "a/client", BARRED},
    {"ssl_verify_client optional; ssl_client_deny any;", NULL, BARRED},
    /* optional_no_ca: names that no CA vouches for let nobody in */
    {"ssl_verify_client optional_no_ca; ssl_client_allow cn client;", "b/client", "issuer_unknown"},
    {"ssl_verify_client optional_no_ca; ssl_client_allow any;", "b/client", "issuer_unknown"},
    {"ssl_verify_client optional_no_ca; ssl_client_deny cn client;", "b/client", BARRED},
    {"ssl_verify_client optional_no_ca; ssl_client_deny cn x;", "b/client", PASS},
    /* off: open; report: told */
    {"ssl_verify_client off; ssl_client_deny any;", NULL, PASS},
    {"ssl_verify_client report; ssl_client_deny any;", "a/client", "200 in not_permitted"},
    {"ssl_verify_client report; ssl_client_allow cn client;", "a/client", PASS},
    /* the server's, where a location has none */
    {"", "a/client", PASS},
    {"", NAMES, BARRED},
};
enum { ROWS = sizeof rows / sizeof *rows };

Test(client_rules, each, .timeout = 60)
{
    static char http[32768];
    size_t len = 0;
    if (server_is_oracle())
        return;
#define ADD(...) len += (size_t)snprintf(http + len, sizeof http - len, __VA_ARGS__)
    ADD("server { listen LISTEN ssl; server_name a.example; ssl_certificate CERTS/a/server.crt; "
        "ssl_certificate_key CERTS/a/server.key; ssl_client_certificate CERTS/a/ca.crt; "
        "ssl_verify_client on; ssl_client_allow cn client;\n");
    for (int i = 0; i < ROWS; i++)
        ADD("location /%d/ { %s return 200 \"in $ssl_client_refusal\"; }\n", i, rows[i].rules);
    ADD("}");
    cr_assert_lt(len, sizeof http);
    server_make_certs(true);
    server_start(http);
    for (int i = 0; i < ROWS; i++) {
        char request[128], expected[64];
        snprintf(request, sizeof request, "/%d/|Host: a.example|Accept: application/json", i);
        const char *got = brief(server_ask_tls("a.example", rows[i].certificate, request));
        snprintf(expected, sizeof expected, "%s%s", rows[i].expected,
                 strcmp(rows[i].expected, PASS) == 0 ? " " : "");
        cr_expect_str_eq(got, expected, "%s %s: \"%s\", not \"%s\"", rows[i].rules,
                         rows[i].certificate ? rows[i].certificate : "nobody", got, expected);
    }
    const char *log = server_file("error.log");
    cr_expect(strstr(log, "client certificate refused: not_permitted: CN=client, issuer CN=my-ca, "
                          "serial "),
              "%s", log);
    cr_expect(strstr(log, ", by no ssl_client_allow (the last in /tmp/"), "%s", log);
    server_stop();
}
