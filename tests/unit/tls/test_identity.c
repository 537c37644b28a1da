#include <stdio.h>
#include <time.h>

#include "support.h"

static struct identity *identity_of(const char *name)
{
    struct chain c = {.count = 0};
    chain_add(&c, name);
    struct identity *i = identity_new(c.list, c.count);
    chain_free(&c);
    return i;
}

static struct str first_line(struct buf *b)
{
    struct str s = buf_str(b);
    return str_cut(&s, '\n');
}

/* openssl prints "subject=CN=…"; the oracle for each text is a command's output after its '='. */
static void expect_as_openssl(const char *file, const char *options, struct str got)
{
    char command[512];
    snprintf(command, sizeof command, "openssl x509 -noout -in %s %s", file, options);
    struct buf out = command_output(command);
    struct str line = first_line(&out);
    size_t equals = str_find(line, '=');
    cr_assert_neq(equals, SIZE_MAX);
    cr_expect(str_eq(str_from(line, equals + 1), got), "%s: %s\n%.*s\n%.*s", file, options,
              STR_ARG(line), STR_ARG(got));
    buf_deinit(&out);
}

/* A fingerprint of openssl's without its colons, in lower case. */
static void expect_fingerprint(const char *file, const char *digest, struct str got)
{
    char command[512];
    snprintf(command, sizeof command,
             "openssl x509 -noout -in %s -fingerprint -%s | tr -d : | tr A-F a-f", file, digest);
    struct buf out = command_output(command);
    struct str line = first_line(&out);
    cr_expect(str_eq(str_from(line, str_find(line, '=') + 1), got));
    buf_deinit(&out);
}

Test(identity, texts_are_those_of_openssl)
{
    static const char *const files[] = {
        "client.crt",
        "ca.crt",
        "rogues/many-names.crt",
        "rogues/long-serial.crt",
        "rogues/v1.crt",
        "rogues/expired.crt",
    };
    for (size_t n = 0; n < sizeof files / sizeof *files; n++) {
        struct identity *i = identity_of(files[n]);
        expect_as_openssl(files[n], "-subject -nameopt RFC2253",
                          identity_fact(i, IDENTITY_SUBJECT));
        expect_as_openssl(files[n], "-issuer -nameopt RFC2253", identity_fact(i, IDENTITY_ISSUER));
        expect_as_openssl(files[n], "-serial", identity_fact(i, IDENTITY_SERIAL));
        expect_as_openssl(files[n], "-startdate", identity_fact(i, IDENTITY_NOT_BEFORE));
        expect_as_openssl(files[n], "-enddate", identity_fact(i, IDENTITY_NOT_AFTER));
        expect_fingerprint(files[n], "sha1", identity_fact(i, IDENTITY_SHA1));
        expect_fingerprint(files[n], "sha256", identity_fact(i, IDENTITY_SHA256));
        char command[300];
        snprintf(command, sizeof command, "openssl x509 -in %s", files[n]);
        struct buf pem = command_output(command);
        cr_expect(
            str_eq(str_upto(buf_str(&pem), buf_len(&pem) - 1), identity_fact(i, IDENTITY_PEM)));
        buf_deinit(&pem);
        identity_unref(i);
    }
}

/* Names of every kind and with everything that is escaped. */
Test(identity, odd_names_are_those_of_openssl)
{
    static const char *const subjects[] = {
        "/CN= leading and trailing ",
        "/CN=#hash/O=a,b\\+c\\\"d<e>f;g\\\\h",
        "/C=DE/ST=Bayern/L=München/O=Größe & Söhne/OU=x/CN=a=b",
        "/DC=org/DC=example/UID=42/emailAddress=a@b.org/CN=x",
        "/O=multi+OU=valued+CN=one/CN=two",
        "/CN=\xe4\xbd\xa0\xe5\xa5\xbd\xf0\x9f\x98\x80",
        "/GN=a/SN=b/initials=c/title=d/serialNumber=1/street=e/postalCode=9/pseudonym=f/name=g/"
        "generationQualifier=h/dnQualifier=i/businessCategory=j/description=k",
        "/odd=unknown/CN=x",
        "/CN=tab\there",
    };
    for (size_t n = 0; n < sizeof subjects / sizeof *subjects; n++)
        for (int utf8 = 0; utf8 < 2; utf8++) {
            char command[1024];
            snprintf(command, sizeof command,
                     "printf "
                     "'oid_section=o\\n[o]\\nodd=1.2.3.4\\n[req]\\ndistinguished_name=s\\nstring_"
                     "mask=%s\\n[s]\\n' >odd.cnf && openssl "
                     "req -config odd.cnf -new -x509 -key client.key %s -multivalue-rdn -subj '%s' "
                     "-out odd.crt -days 2 2>/dev/null",
                     utf8 ? "utf8only" : "default", utf8 ? "-utf8" : "", subjects[n]);
            struct buf none = command_output(command);
            buf_deinit(&none);
            struct identity *i = identity_of("odd.crt");
            expect_as_openssl("odd.crt", "-subject -nameopt RFC2253",
                              identity_fact(i, IDENTITY_SUBJECT));
            identity_unref(i);
        }
}

Test(identity, legacy_names_are_those_of_x509_name_oneline)
{
    static const struct {
        const char *subject, *text;
    } cases[] = {
        {"/C=DE/O=A, B/CN=client", "/C=DE/O=A, B/CN=client"},
        {"/O=a\\/b/CN=\xc3\xa4", "/O=a\\/b/CN=\\xC3\\xA4"},
        {"/odd=v/CN=x", "/1.2.3.4=v/CN=x"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        char command[512];
        snprintf(command, sizeof command,
                 "printf "
                 "'oid_section=o\\n[o]\\nodd=1.2.3.4\\n[req]\\ndistinguished_name=s\\nstring_mask="
                 "utf8only\\n[s]\\n' >legacy.cnf && "
                 "openssl req -config legacy.cnf -new -x509 -key client.key -utf8 -subj '%s' -out "
                 "legacy.crt -days 2",
                 cases[n].subject);
        struct buf none = command_output(command);
        buf_deinit(&none);
        struct identity *i = identity_of("legacy.crt");
        cr_expect(str_eq_z(identity_fact(i, IDENTITY_SUBJECT_LEGACY), cases[n].text),
                  "%.*s, not %s", STR_ARG(identity_fact(i, IDENTITY_SUBJECT_LEGACY)),
                  cases[n].text);
        identity_unref(i);
    }
}

static const struct verify_rules rules = {.depth = 1, .rsa_bits = 2048};

Test(identity, is_refused_until_judged)
{
    struct identity *i = identity_of("client.crt");
    cr_expect_not(identity_is_verified(i));
    cr_expect(identity_has_certificate(i));
    struct trust *t = trust_of("ca.crt", NULL);
    identity_judge(i, t, time(NULL), &rules);
    cr_expect(identity_is_verified(i));
    cr_expect(str_eq_z(identity_verify_text(i), "SUCCESS"));
    cr_expect_eq(identity_detail(i).len, 0);
    /* The trust changes: the same identity, judged again. */
    struct trust *none = trust_of(NULL, NULL);
    identity_judge(i, none, time(NULL), &rules);
    cr_expect_not(identity_is_verified(i));
    trust_free(t);
    trust_free(none);
    identity_unref(i);
}

Test(identity, says_why_in_words_of_openssl_and_in_a_line_for_the_log)
{
    static const struct {
        const char *file, *verify, *detail;
    } cases[] = {
        {"rogues/expired.crt", "FAILED:certificate has expired",
         "CN=client expired 2020-02-01 expired 2020-02-01, issuer CN=my-ca, serial "},
        {"rogues/other-ca.crt", "FAILED:unable to verify the first certificate",
         "CN=client other-ca has an unknown issuer, issuer CN=other-ca, serial "},
        {"rogues/self-signed.crt", "FAILED:self-signed certificate",
         "CN=client self-signed is self-signed, issuer CN=client self-signed, serial "},
        {"rogues/chain-too-long.chain.crt", "FAILED:certificate chain too long",
         "CN=client chain-too-long has 2 intermediates above it (ssl_verify_depth is 1), issuer "},
        {"rogues/issuer-eku.chain.crt", "FAILED:unsuitable certificate purpose",
         "CN=my-server-only-ca has an extended key usage without clientAuth, issuer CN=my-ca, "
         "serial "},
        {"rogues/false-ca.crt", "FAILED:unable to verify the first certificate",
         "CN=client false-ca has an issuer with a known CA's name and another key, issuer "
         "CN=my-ca, "
         "serial "},
    };
    struct trust *t = trust_of("ca.crt", NULL);
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        struct identity *i = identity_of(cases[n].file);
        identity_judge(i, t, time(NULL), &rules);
        cr_expect(str_eq_z(identity_verify_text(i), cases[n].verify), "%.*s",
                  STR_ARG(identity_verify_text(i)));
        cr_expect(str_starts(identity_detail(i), str_of(cases[n].detail)), "%.*s",
                  STR_ARG(identity_detail(i)));
        bool about_issuer = n == 1 || n == 2 || n == 5;
        cr_expect_eq(identity_refusal_is_about_issuer(i), about_issuer);
        identity_unref(i);
    }
    trust_free(t);
}

Test(identity, says_when_and_why_it_was_revoked)
{
    struct identity *i = identity_of("rogues/revoked.crt");
    struct trust *t = trust_of("ca.crt", "rogues/crl.pem");
    identity_judge(i, t, time(NULL), &rules);
    cr_expect_eq(identity_refusal(i), REFUSAL_CERT_REVOKED);
    cr_expect(str_starts(identity_detail(i), STR("CN=client revoked revoked 2")), "%.*s",
              STR_ARG(identity_detail(i)));
    trust_free(t);
    identity_unref(i);
}

Test(identity, without_a_certificate_has_no_texts)
{
    struct identity *i = identity_ref(identity_new(NULL, 0));
    cr_expect_eq(identity_fact(i, IDENTITY_SUBJECT).len + identity_fact(i, IDENTITY_PEM).len +
                     identity_fact(i, IDENTITY_SERIAL).len + identity_fact(i, IDENTITY_SHA1).len +
                     identity_fact(i, IDENTITY_NOT_AFTER).len,
                 0);
    cr_expect(str_eq_z(identity_verify_text(i), "NONE"));
    identity_unref(i);
    identity_unref(i);
    identity_unref(NULL);
}

Test(identity, of_octets_that_are_no_certificate_is_refused)
{
    struct str junk[] = {STR_INIT("\x30\x03\x02\x01\x01"), STR_INIT("")};
    struct trust *t = trust_of("ca.crt", NULL);
    for (size_t n = 0; n < 2; n++) {
        struct identity *i = identity_new(&junk[n], 1);
        identity_judge(i, t, time(NULL), &rules);
        cr_expect_eq(identity_refusal(i), REFUSAL_CERT_MALFORMED);
        cr_expect_eq(identity_fact(i, IDENTITY_SUBJECT).len, 0);
        identity_unref(i);
    }
    trust_free(t);
}
