#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

/* A certificate for the client's key with this extension line; "" without. */
static struct identity *identity_with(const char *subject, const char *extension)
{
    char command[1024], file[32]; /* its own: tests run beside each other */
    snprintf(file, sizeof file, "fact-%d.crt", (int)getpid());
    snprintf(command, sizeof command,
             "printf '[req]\\ndistinguished_name=s\\nstring_mask=utf8only\\n[s]\\n[x]\\n%s\\n' "
             ">%s.cnf && openssl req -config %s.cnf -new -x509 -key client.key -utf8 -subj "
             "'%s' -extensions x -days 2 -out %s",
             extension, file, file, subject, file);
    struct buf none = command_output(command);
    buf_deinit(&none);
    struct chain c = {.count = 0};
    chain_add(&c, file);
    struct identity *i = identity_new(c.list, c.count);
    chain_free(&c);
    return i;
}

static struct identity *identity_of(const char *name)
{
    struct chain c = {.count = 0};
    chain_add(&c, name);
    struct identity *i = identity_new(c.list, c.count);
    chain_free(&c);
    return i;
}

static void expect(struct identity *i, enum identity_fact fact, const char *text)
{
    struct str got = identity_fact(i, fact);
    cr_expect(str_eq_z(got, text), "fact %d: %.*s, not %s", fact, STR_ARG(got), text);
}

Test(identity_facts, names)
{
    static const struct {
        const char *subject, *extension;
        enum identity_fact fact;
        const char *text;
    } rows[] = {
        {"/CN=one", "", IDENTITY_CN, "one"},
        {"/CN=one/O=x/CN=two", "", IDENTITY_CN, "two"},
        {"/O=x", "", IDENTITY_CN, ""},
        {"/CN=a, b", "", IDENTITY_CN, "a, b"},
        {"/CN=Größe", "", IDENTITY_CN, "Gr\\C3\\B6\\C3\\9Fe"},
        {"/CN=back\\\\slash", "", IDENTITY_CN, "back\\5Cslash"},
        {"/CN=x", "", IDENTITY_SAN_DNS, ""},
        {"/CN=x", "subjectAltName=DNS:a.org,URI:u:1,DNS:*.b.org", IDENTITY_SAN_DNS,
         "a.org,*.b.org"},
        {"/CN=x", "subjectAltName=DNS:a.org,email:a@b.org,email:c@d", IDENTITY_SAN_EMAIL,
         "a@b.org,c@d"},
        {"/CN=x", "subjectAltName=URI:https://a/?b,URI:u:1", IDENTITY_SAN_URI, "https://a/?b,u:1"},
        {"/CN=x", "subjectAltName=IP:192.0.2.1,IP:2001:db8::1", IDENTITY_SAN_IP,
         "192.0.2.1,2001:db8::1"},
        /* What a list is joined by cannot be forged inside a value: dNSName "a,b". */
        {"/CN=x", "subjectAltName=DER:30:05:82:03:61:2c:62", IDENTITY_SAN_DNS, "a\\2Cb"},
        {"/CN=x", "subjectAltName=DER:30:05:86:03:61:0a:62", IDENTITY_SAN_URI, "a\\0Ab"},
    };
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        struct identity *i = identity_with(rows[n].subject, rows[n].extension);
        expect(i, rows[n].fact, rows[n].text);
        identity_unref(i);
    }
}

Test(identity_facts, spiffe_id)
{
    static const struct {
        const char *names;
        const char *id;
    } rows[] = {
        {"URI:spiffe://example.org/ns/a/sa/b", "spiffe://example.org/ns/a/sa/b"},
        {"URI:spiffe://example.org", "spiffe://example.org"},
        {"URI:spiffe://example.org/a,DNS:b", "spiffe://example.org/a"},
        {"URI:spiffe://example.org/a,URI:spiffe://example.org/b", ""},
        {"URI:spiffe://example.org/a,URI:https://b", ""},
        {"URI:https://example.org/a", ""},
        {"URI:SPIFFE://example.org/a", ""},
        {"URI:spiffe://Example.org/a", ""},
        {"URI:spiffe://example.org/a?b", ""},
        {"URI:spiffe://example.org/a%%20b", ""},
        {"URI:spiffe://example.org:80/a", ""},
        {"URI:spiffe://user@example.org/a", ""},
        {"URI:spiffe://example.org/", ""},
        {"URI:spiffe://example.org/a/", ""},
        {"URI:spiffe://example.org/a//b", ""},
        {"URI:spiffe://example.org/a/../b", ""},
        {"URI:spiffe:///a", ""},
        {"DNS:a", ""},
    };
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        char extension[256];
        snprintf(extension, sizeof extension, "subjectAltName=%s", rows[n].names);
        struct identity *i = identity_with("/CN=x", extension);
        expect(i, IDENTITY_SPIFFE_ID, rows[n].id);
        identity_unref(i);
    }
}

static void expect_command(struct identity *i, enum identity_fact fact, const char *command)
{
    struct buf out = command_output(command);
    struct str line = buf_str(&out);
    cr_expect(str_eq(str_cut(&line, '\n'), identity_fact(i, fact)), "%s", command);
    buf_deinit(&out);
}

Test(identity_facts, digests_are_those_of_openssl)
{
    struct identity *i = identity_of("client.crt");
    expect_command(i, IDENTITY_SPKI_SHA256,
                   "openssl x509 -in client.crt -noout -pubkey | openssl pkey -pubin -outform DER "
                   "| openssl dgst -sha256 -r | cut -d ' ' -f 1");
    expect_command(i, IDENTITY_X5T_S256,
                   "openssl x509 -in client.crt -outform DER | openssl dgst -sha256 -binary | "
                   "base64 | tr +/ -_ | tr -d =");
    identity_unref(i);
}

Test(identity_facts, chain_and_ca)
{
    static const struct verify_rules rules = {.depth = 1, .rsa_bits = 2048};
    struct chain c = {.count = 0};
    struct trust *t = trust_of("ca.crt", NULL), *none = trust_of(NULL, NULL);
    const struct str *path;
    chain_add_rogue(&c, "intermediate");
    struct identity *i = identity_new(c.list, c.count);
    expect(i, IDENTITY_PROVED_AT, "");
    identity_judge(i, t, time(NULL), &rules);
    struct str chain = identity_fact(i, IDENTITY_CHAIN);
    cr_expect(str_starts(chain, STR("-----BEGIN%20CERTIFICATE-----%0AMII")) &&
              str_ends(chain, STR("-----END%20CERTIFICATE-----%0A")));
    expect(i, IDENTITY_CA, "CN=my-ca");
    cr_expect_eq(identity_fact(i, IDENTITY_PROVED_AT).len, 20);
    cr_assert_eq(identity_path(i, &path), 3);
    cr_expect(str_eq(path[0], c.list[0]) && str_eq(path[1], c.list[1]));
    /* Judged again, and not good any more: nobody vouches for it. */
    identity_judge(i, none, time(NULL) + 1000, &rules);
    expect(i, IDENTITY_CA, "");
    cr_expect_eq(identity_path(i, &path), 0);
    identity_unref(i);
    chain_free(&c);
    trust_free(t);
    trust_free(none);
}

Test(identity_facts, of_nobody_are_none)
{
    struct identity *i = identity_new(NULL, 0);
    for (int fact = 0; fact < IDENTITY_FACTS; fact++)
        cr_expect_eq(identity_fact(i, (enum identity_fact)fact).len, 0);
    identity_unref(i);
}
