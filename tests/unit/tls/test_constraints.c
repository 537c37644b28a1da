#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

/* OpenSSL's: how names are encoded. */
static const char *string_mask = "utf8only";

/* A CA with these constraints issues a client certificate with these names, through openssl. Tests
 * run beside each other: each in a folder of its own. */
static enum refusal outcome(const char *constraints, const char *alt_names, const char *subject)
{
    static unsigned number;
    char command[2048];
    unsigned n = number++;
    snprintf(
        command, sizeof command,
        "mkdir -p nc-%d; cd nc-%d; printf "
        "'[req]\\nstring_mask=%s\\ndistinguished_name=dir\\n[ca]\\n"
        "basicConstraints="
        "critical,CA:TRUE\\nnameConstraints=%s\\n[leaf]\\nbasicConstraints=CA:FALSE\\n%s%s\\n[dir]"
        "\\nO=Good\\n' >%u.cnf; [ -f leaf.key ] || openssl genpkey -algorithm EC -pkeyopt "
        "ec_paramgen_curve:P-256 -out leaf.key 2>/dev/null; openssl req -config %u.cnf -new -x509 "
        "-key leaf.key -subj /CN=limited -CA ../ca.crt -CAkey ../ca.key -extensions ca -days 2 "
        "-out %u-ca.crt && openssl req -config %u.cnf -new -x509 -key leaf.key -subj '%s' -CA "
        "%u-ca.crt -CAkey leaf.key -extensions leaf -days 2 -out %u.crt",
        (int)getpid(), (int)getpid(), string_mask, constraints,
        alt_names[0] != '\0' ? "subjectAltName=" : "", alt_names, n, n, n, n, subject, n, n);
    struct buf none = command_output(command);
    buf_deinit(&none);
    struct chain c = {.count = 0};
    struct buf detail = {0};
    char name[64];
    snprintf(name, sizeof name, "nc-%d/%u.crt", (int)getpid(), n);
    chain_add(&c, name);
    snprintf(name, sizeof name, "nc-%d/%u-ca.crt", (int)getpid(), n);
    chain_add(&c, name);
    cr_assert_eq(c.count, 2, "%s %s", constraints, alt_names);
    struct trust *t = trust_of("ca.crt", NULL);
    struct verify_rules rules = {.depth = 1, .rsa_bits = 2048};
    enum refusal r = verify_chain(t, c.list, c.count, time(NULL), &rules, &detail);
    trust_free(t);
    chain_free(&c);
    buf_deinit(&detail);
    return r;
}

Test(constraints, of_every_form)
{
    static const struct {
        const char *constraints, *alt_names, *subject;
        bool permitted;
    } cases[] = {
        {"permitted;DNS:example.org", "DNS:example.org", "/CN=x", true},
        {"permitted;DNS:example.org", "DNS:A.Example.ORG", "/CN=x", true},
        {"permitted;DNS:example.org", "DNS:badexample.org", "/CN=x", false},
        {"permitted;DNS:example.org", "DNS:a.example.org,DNS:b.org", "/CN=x", false},
        {"permitted;DNS:.example.org", "DNS:a.example.org", "/CN=x", true},
        {"permitted;DNS:example.org", "email:a@b.org", "/CN=x", true}, /* another form */
        {"excluded;DNS:example.org", "DNS:a.example.org", "/CN=x", false},
        {"excluded;DNS:example.org", "DNS:example.com", "/CN=x", true},
        {"permitted;DNS:org,excluded;DNS:a.org", "DNS:b.a.org", "/CN=x", false},
        {"permitted;DNS:example.org", "", "/CN=evil.com", false}, /* the CN as a host */
        {"permitted;DNS:example.org", "", "/CN=a person", true},
        {"permitted;email:example.org", "email:a@example.org", "/CN=x", true},
        {"permitted;email:example.org", "email:a@b.example.org", "/CN=x", false},
        {"permitted;email:.example.org", "email:a@b.example.org", "/CN=x", true},
        {"permitted;email:a@example.org", "email:a@EXAMPLE.org", "/CN=x", true},
        {"permitted;email:a@example.org", "email:b@example.org", "/CN=x", false},
        {"permitted;email:example.org", "", "/CN=x/emailAddress=a@b.org", false},
        {"permitted;URI:example.org", "URI:https://example.org/x", "/CN=x", true},
        {"permitted;URI:example.org", "URI:https://u@example.org:8/x", "/CN=x", true},
        {"permitted;URI:example.org", "URI:https://a.example.org/", "/CN=x", false},
        {"permitted;URI:.example.org", "URI:spiffe://a.example.org/b", "/CN=x", true},
        {"permitted;URI:example.org", "URI:urn:a:b", "/CN=x", false},
        {"permitted;URI:example.org", "URI:https://192.0.2.1/", "/CN=x", false},
        {"permitted;IP:192.0.2.0/255.255.255.0", "IP:192.0.2.9", "/CN=x", true},
        {"permitted;IP:192.0.2.0/255.255.255.0", "IP:192.0.3.9", "/CN=x", false},
        {"permitted;IP:192.0.2.0/255.255.255.0", "IP:2001:db8::1", "/CN=x", false},
        {"excluded;IP:0.0.0.0/0.0.0.0", "IP:192.0.2.9", "/CN=x", false},
        {"permitted;dirName:dir", "", "/O=good/CN=x", true},
        {"permitted;dirName:dir", "", "/O=Bad/CN=x", false},
        {"permitted;dirName:dir", "", "/CN=x/O=Good", false},
        {"permitted;otherName:1.2.3.4;UTF8:x", "otherName:1.2.3.4;UTF8:x", "/CN=x", false},
        {"permitted;otherName:1.2.3.4;UTF8:x", "DNS:a.org", "/CN=x", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum refusal r = outcome(cases[i].constraints, cases[i].alt_names, cases[i].subject);
        cr_expect_eq(r, cases[i].permitted ? REFUSAL_NONE : REFUSAL_NAME_NOT_PERMITTED,
                     "%s: %s %s: %s", cases[i].constraints, cases[i].alt_names, cases[i].subject,
                     refusal_code(r));
    }
}

/* The characters count, not their octets. */
Test(constraints, of_names_in_wide_characters)
{
    string_mask = "MASK:2048"; /* BMPString */
    cr_expect_eq(outcome("excluded;DNS:example.org", "", "/CN=a.example.org"),
                 REFUSAL_NAME_NOT_PERMITTED);
    cr_expect_eq(outcome("permitted;DNS:example.org", "", "/CN=a.example.com"),
                 REFUSAL_NAME_NOT_PERMITTED);
    cr_expect_eq(outcome("permitted;DNS:example.org", "", "/CN=a.example.org"), REFUSAL_NONE);
}
