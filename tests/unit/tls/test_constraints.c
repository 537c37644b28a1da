#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/tls/cert.h"
#include "../../../src/tls/constraints.h"
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

/* ---- put together here, octet by octet: what no CA would write, too ---- */

static void append(struct buf *out, unsigned tag, struct str content)
{
    const char head[] = {(char)tag, (char)0x82, (char)(content.len >> 8), (char)content.len};
    if (content.len < 128) {
        buf_append_str(out, str_make((char[]){(char)tag, (char)content.len}, 2));
    } else {
        buf_append_str(out, str_make(head, sizeof head));
    }
    buf_append_str(out, content);
}

static void wrap(struct buf *b, unsigned tag)
{
    struct buf inner = *b;
    *b = (struct buf){0};
    append(b, tag, buf_str(&inner));
    buf_deinit(&inner);
}

/* "dns=a.org uri=https://b.org/": GeneralNames' content. ip= takes letters for octets. */
static struct buf names(const char *text, bool as_subtrees)
{
    static const struct {
        struct str form;
        unsigned tag;
    } forms[] = {{STR_INIT("other"), 0xa0}, {STR_INIT("email"), 0x81}, {STR_INIT("dns"), 0x82},
                 {STR_INIT("dir"), 0xa4},   {STR_INIT("uri"), 0x86},   {STR_INIT("ip"), 0x87}};
    struct buf out = {0};
    struct str rest = str_of(text);
    while (rest.len > 0) {
        struct str value = str_cut(&rest, ' '), form = str_cut(&value, '=');
        struct buf name = {0};
        size_t i = 0;
        while (i < 5 && !str_eq(forms[i].form, form))
            i++;
        append(&name, forms[i].tag, value);
        if (as_subtrees)
            wrap(&name, 0x30);
        buf_append_str(&out, buf_str(&name));
        buf_deinit(&name);
    }
    return out;
}

/* A Name of one attribute of this OID; none without a value. */
static struct buf subject(struct str oid, const char *value)
{
    struct buf out = {0};
    if (value[0] != '\0') {
        append(&out, 0x06, oid);
        append(&out, 0x0c, str_of(value));
        wrap(&out, 0x30);
        wrap(&out, 0x31);
    }
    wrap(&out, 0x30);
    return out;
}

#define COMMON_NAME STR("\x55\x04\x03")
#define EMAIL       STR("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01")

static enum refusal ask(const char *permitted, const char *excluded, const char *alt_names,
                        struct str oid, const char *value, bool is_leaf)
{
    struct buf lists[] = {names(permitted, true), names(excluded, true)};
    struct buf all = {0}, alt = names(alt_names, false), name = subject(oid, value);
    for (unsigned i = 0; i < 2; i++)
        if (!buf_is_empty(&lists[i]))
            append(&all, 0xa0 + i, buf_str(&lists[i]));
    struct cert c = {.subject = buf_str(&name), .alt_names = buf_str(&alt)};
    enum refusal r = constraints_check(buf_str(&all), &c, is_leaf);
    for (unsigned i = 0; i < 2; i++)
        buf_deinit(&lists[i]);
    buf_deinit(&all);
    buf_deinit(&alt);
    buf_deinit(&name);
    return r;
}

#define MATCHES   REFUSAL_NONE, REFUSAL_NAME_NOT_PERMITTED
#define DIFFERS   REFUSAL_NAME_NOT_PERMITTED, REFUSAL_NONE
#define UNDECIDED REFUSAL_NAME_NOT_PERMITTED, REFUSAL_NAME_NOT_PERMITTED

/* Whether a name is within a constraint, each asked as the only one permitted and as excluded. */
Test(constraints, match_as_rfc_5280_says_and_refuse_what_cannot_be_decided)
{
    static const struct {
        const char *base, *name;
        enum refusal permitted, excluded;
    } rows[] = {
        {"dns=", "dns=a.org", MATCHES},
        {"dns=a.org", "dns=a.org", MATCHES},
        {"dns=a.org", "dns=a.org.", MATCHES},
        {"dns=a.org.", "dns=b.a.org", MATCHES},
        {"dns=.a.org", "dns=b.a.org", MATCHES},
        {"dns=.a.org", "dns=a.org", DIFFERS},
        {"dns=a.org", "dns=ba.org", DIFFERS},
        {"dns=a.org", "dns=org", DIFFERS},
        {"dns=a.org", "dns=a.com", DIFFERS},
        {"dns=a.org", "dns=.", DIFFERS},
        {"dns=a.org", "dns=", DIFFERS},
        {"email=", "email=x@a.org", MATCHES},
        {"email=a.org", "email=x@A.org", MATCHES},
        {"email=a.org", "email=x@y@a.org", MATCHES},
        {"email=a.org", "email=x@b.a.org", DIFFERS},
        {"email=.a.org", "email=x@b.a.org", MATCHES},
        {"email=.a.org", "email=x@a.org", DIFFERS},
        {"email=.a.org", "email=x@b.b.org", DIFFERS},
        {"email=.a.org", "email=x@.a.org", DIFFERS},
        {"email=x@a.org", "email=x@A.org", MATCHES},
        {"email=x@a.org", "email=X@a.org", DIFFERS},
        {"email=x@a.org", "email=x@b.org", DIFFERS},
        {"email=a.org", "email=a.org", UNDECIDED},
        {"email=a.org", "email=@a.org", UNDECIDED},
        {"email=a.org", "email=x@", UNDECIDED},
        {"email=", "email=x@", UNDECIDED},
        {"uri=", "uri=https://a.org/", MATCHES},
        {"uri=a.org", "uri=https://a.org", MATCHES},
        {"uri=a.org", "uri=https://a.org?x", MATCHES},
        {"uri=a.org", "uri=https://a.org#x", MATCHES},
        {"uri=a.org", "uri=https://a.org/@b.org", MATCHES},
        {"uri=a.org", "uri=https://x@y@a.org:1/", MATCHES},
        {"uri=a.org", "uri=https://a.org@b.org/", DIFFERS},
        {"uri=a.org", "uri=https://b.org/a.org", DIFFERS},
        {"uri=.a.org", "uri=https://b.a.org/", MATCHES},
        {"uri=.a.org", "uri=https://.a.org/", DIFFERS},
        {"uri=.a.org", "uri=https://b.b.org/", DIFFERS},
        {"uri=1.2.3.4a", "uri=x://1.2.3.4a", MATCHES},
        {"uri=a.org", "uri=x://1.2.3.4", UNDECIDED},
        {"uri=a.org", "uri=x://[::1]", UNDECIDED},
        {"uri=a.org", "uri=x://u@[::1]:1", UNDECIDED},
        {"uri=a.org", "uri=x:///a.org", UNDECIDED},
        {"uri=a.org", "uri=x://:1/", UNDECIDED},
        {"uri=", "uri=x:a.org", UNDECIDED},
        {"uri=a.org", "uri=a.org", UNDECIDED},
        {"uri=a.org", "uri=//a.org/", UNDECIDED},
        {"ip=AAAA\xff\xff\xff\x01", "ip=AAAC", MATCHES},
        {"ip=AAAA\xff\xff\xff\x02", "ip=AAAC", DIFFERS},
        {"ip=AAAA\xff\xff\xff\xff", "ip=BAAA", DIFFERS},
        {"ip=AAAA\xff\xff\xff\xff", "ip=AAAAAAAAAAAAAAAA", DIFFERS},
        {"ip=AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB", "ip=AAAAAAAAAAAAAAAA", MATCHES},
        {"ip=AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB", "ip=AAAAAAAAAAAAAAAB", DIFFERS},
        {"ip=AAAA", "ip=AA", UNDECIDED},
        {"ip=AAAABBBBB", "ip=AAAA", UNDECIDED},
        {"dir=x", "dir=\x30", UNDECIDED},
        {"other=x", "other=x", UNDECIDED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum refusal p = ask(rows[i].base, "", rows[i].name, COMMON_NAME, "", true);
        enum refusal e = ask("", rows[i].base, rows[i].name, COMMON_NAME, "", true);
        cr_expect_eq(p, rows[i].permitted, "%s of %s: %s", rows[i].name, rows[i].base,
                     refusal_code(p));
        cr_expect_eq(e, rows[i].excluded, "%s but %s: %s", rows[i].name, rows[i].base,
                     refusal_code(e));
    }
}

Test(constraints, any_permitted_one_is_enough_and_any_excluded_one_too_much)
{
    static const struct {
        const char *permitted, *excluded, *names;
        enum refusal expected;
    } rows[] = {
        {"dns=b.org dns=a.org", "", "dns=a.org", REFUSAL_NONE},
        {"dns=a.org dns=b.org", "", "dns=a.org", REFUSAL_NONE},
        {"uri=a.org dns=b.org", "", "dns=a.org", REFUSAL_NAME_NOT_PERMITTED},
        {"uri=a.org", "", "dns=a.org", REFUSAL_NONE},
        {"dns=a.org", "dns=c.org dns=b.a.org", "dns=b.a.org", REFUSAL_NAME_NOT_PERMITTED},
        {"dns=a.org", "dns=b.a.org", "dns=c.a.org", REFUSAL_NONE},
        {"dns=a.org", "", "dns=a.org dns=b.org", REFUSAL_NAME_NOT_PERMITTED},
        {"dns=a.org", "", "uri=x dns=b.org", REFUSAL_NAME_NOT_PERMITTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum refusal r = ask(rows[i].permitted, rows[i].excluded, rows[i].names, COMMON_NAME, "",
                             true);
        cr_expect_eq(r, rows[i].expected, "row %zu: %s", i, refusal_code(r));
    }
}

/* A client's common name is a host where it looks like one and no dNSName says it better. */
Test(constraints, hold_for_what_of_the_subject_is_a_name)
{
    static const struct {
        const char *alt_names, *common_name;
        bool is_leaf, passes;
    } rows[] = {
        {"", "b.org", true, false},
        {"", "b.org", false, true},
        {"dns=x.a.org", "b.org", true, true},
        {"uri=x", "b.org", true, false},
        {"", "x.a.org", true, true},
        {"", "b", true, true},
        {"", "b..org", true, true},
        {"", ".org", true, true},
        {"", "b.", true, true},
        {"", "b c.org", true, true},
        {"", "b_c.org", true, false},
        {"", "b-c.org", true, false},
        {"", "*.org", true, false},
        {"", "1.b", true, false},
        {"", "", true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum refusal r = ask("dns=a.org", "", rows[i].alt_names, COMMON_NAME, rows[i].common_name,
                             rows[i].is_leaf);
        cr_expect_eq(r, rows[i].passes ? REFUSAL_NONE : REFUSAL_NAME_NOT_PERMITTED, "%s: %s",
                     rows[i].common_name, refusal_code(r));
    }
    cr_expect_eq(ask("email=a.org", "", "", EMAIL, "x@b.org", false), REFUSAL_NAME_NOT_PERMITTED);
    cr_expect_eq(ask("email=a.org", "", "", EMAIL, "x@a.org", true), REFUSAL_NONE);
    cr_expect_eq(ask("dir=x", "", "", COMMON_NAME, "", true), REFUSAL_NONE);
    cr_expect_eq(ask("dir=x", "", "", COMMON_NAME, "c", true), REFUSAL_NAME_NOT_PERMITTED);
}

Test(constraints, that_say_more_than_is_understood_refuse)
{
    static const struct {
        struct str octets;
        enum refusal expected;
    } rows[] = {
        {STR_INIT("\xa1\x05\x30\x03\x82\x01"
                  "b"),
         REFUSAL_NONE},
        {STR_INIT("\xa1\x08\x30\x06\x82\x01"
                  "b\x81\x01\x01"),
         REFUSAL_CRITICAL_UNKNOWN}, /* maximum */
        {STR_INIT("\xa1\x05\x31\x03\x82\x01"
                  "b"),
         REFUSAL_CRITICAL_UNKNOWN},
        {STR_INIT("\xa1\x02\x30\x00"), REFUSAL_CRITICAL_UNKNOWN},
        {STR_INIT("\xa1\x05\x30\x03\x82\x01"
                  "b\x05\x00"),
         REFUSAL_CERT_MALFORMED},
        {STR_INIT("\xa1\x05"), REFUSAL_CERT_MALFORMED},
        {STR_INIT("\xa0"), REFUSAL_CERT_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cert c = {.subject = STR("\x30\x00"),
                         .alt_names = STR("\x82\x01"
                                          "a")};
        enum refusal r = constraints_check(rows[i].octets, &c, true);
        cr_expect_eq(r, rows[i].expected, "row %zu: %s", i, refusal_code(r));
    }
}

/* 64 names by 64 constraints, and one more. */
Test(constraints, cost_no_more_than_a_certificate_may)
{
    char bases[1024] = "", alt[1024] = "";
    for (size_t i = 0; i < 64; i++) {
        strcat(bases, &" dns=b"[i == 0]);
        strcat(alt, &" dns=a"[i == 0]);
    }
    cr_expect_eq(ask("", bases, alt, COMMON_NAME, "", true), REFUSAL_NONE);
    cr_expect_eq(ask("uri=b", bases, alt, COMMON_NAME, "", true), REFUSAL_CHAIN_TOO_COMPLEX);
}
