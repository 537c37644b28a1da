/* What verify.c and verify_checks.c say of a refusal, as the log has it. */
#include <ctype.h>
#include <time.h>

#include "support.h"

static const struct verify_rules rules = {.depth = 1, .rsa_bits = 2048};

/* What the log says, but for the serial number, which is random: '#'. */
static struct buf words_without_serial(struct str detail)
{
    struct buf out = {0};
    size_t i = 0;
    while (i < detail.len && !str_starts(str_from(detail, i), STR(", serial ")))
        i++;
    buf_append_str(&out, str_upto(detail, i));
    if (i == detail.len)
        return out;
    i += STR(", serial ").len;
    size_t digits = i;
    while (i < detail.len && isxdigit((unsigned char)detail.ptr[i]))
        i++;
    cr_expect(i > digits && (i - digits) % 2 == 0, "%.*s", STR_ARG(detail));
    buf_printf(&out, ", serial #%.*s", STR_ARG(str_from(detail, i)));
    return out;
}

static void expect_words(struct str detail, const char *expected)
{
    struct buf words = words_without_serial(detail);
    cr_expect(str_eq(buf_str(&words), str_of(expected)), "%.*s\nnot %s", STR_ARG(buf_str(&words)),
              expected);
    buf_deinit(&words);
}

Test(verify_words, says_whose_fault_it_is_and_which)
{
    static const struct {
        const char *name, *words;
    } rows[] = {
        {"expired", "CN=client expired 2020-02-01 expired 2020-02-01, issuer CN=my-ca, serial #"},
        {"intermediate-expired",
         "CN=my-old-intermediate expired 2020-02-01, issuer CN=my-ca, serial #, in the chain of "
         "CN=client intermediate-expired"},
        {"not-yet-valid",
         "CN=client not-yet-valid is not valid before 2090-01-01, issuer CN=my-ca, serial #"},
        {"other-ca", "CN=client other-ca has an unknown issuer, issuer CN=other-ca, serial #"},
        {"false-ca", "CN=client false-ca has an issuer with a known CA's name and another key, "
                     "issuer CN=my-ca, serial #"},
        {"false-ca-no-key-id", "CN=client false-ca-no-key-id has a signature that does not verify, "
                               "issuer CN=my-ca, serial #"},
        {"self-signed",
         "CN=client self-signed is self-signed, issuer CN=client self-signed, serial #"},
        {"self-signed-expired", "CN=client self-signed-expired expired 2020-02-01, issuer "
                                "CN=client self-signed-expired, serial #"},
        {"other-ca-sent", "CN=other-ca is self-signed and not trusted here, issuer CN=other-ca, "
                          "serial #, in the chain of CN=client other-ca-sent"},
        {"eku-server", "CN=client eku-server has an extended key usage without clientAuth, issuer "
                       "CN=my-ca, serial #"},
        {"key-usage", "CN=client key-usage has a key usage without digitalSignature, issuer "
                      "CN=my-ca, serial #"},
        {"issuer-key-usage",
         "CN=my-no-cert-sign may not sign certificates (its key usage lacks keyCertSign), issuer "
         "CN=my-ca, serial #, in the chain of CN=client issuer-key-usage"},
        {"ca-as-client", "CN=client ca-as-client is a CA, issuer CN=my-ca, serial #"},
        {"not-a-ca", "CN=my-leaf is no CA and issued another certificate, issuer CN=my-ca, "
                     "serial #, in the chain of CN=client not-a-ca"},
        {"chain-too-long",
         "CN=client chain-too-long has 2 intermediates above it (ssl_verify_depth is 1), issuer "
         "CN=my-second-intermediate, serial #"},
        {"name-not-permitted", "CN=client name-not-permitted has a name outside what may be "
                               "certified by CN=my-constrained, issuer CN=my-constrained, "
                               "serial #"},
        {"unknown-critical", "CN=client unknown-critical has the unknown critical extension "
                             "1.3.6.1.4.1.32473.1, issuer CN=my-ca, serial #"},
        {"nul-in-name", "CN=client nul-in-name is malformed: an extension is malformed, issuer "
                        "CN=my-ca, serial #"},
        {"weak-rsa", "CN=client weak-rsa has an RSA key of 1024 bits, issuer CN=my-ca, serial #"},
        {"ed25519-issuer", "CN=client ed25519-issuer is signed in a way that is not accepted, "
                           "issuer CN=my-ed25519-ca, serial #"},
        {"ed25519", "CN=client ed25519 has a key of a kind that is not supported, issuer "
                    "CN=my-ca, serial #"},
        {"chain-too-complex", "CN=my-deep-2 is too far from the client's, issuer CN=my-deep-1, "
                              "serial #, in the chain of CN=client chain-too-complex"},
    };
    struct trust *t = trust_of("ca.crt", NULL);
    struct buf detail = {0}; /* of one verdict after the other */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chain c = {.count = 0};
        chain_add_rogue(&c, rows[i].name);
        verify_chain(t, c.list, c.count, time(NULL), &rules, &detail);
        expect_words(buf_str(&detail), rows[i].words);
        chain_free(&c);
    }
    trust_free(t);
    buf_deinit(&detail);
}

/* Of several without a list the first; one that is revoked before all of them. */
Test(verify_words, says_of_which_certificate_there_is_no_revocation_list)
{
    struct chain c = {.count = 0};
    struct buf detail = {0};
    chain_add_rogue(&c, "intermediate");
    struct trust *none = trust_of("ca.crt", "rogues/crl-other-ca.pem");
    verify_chain(none, c.list, c.count, time(NULL), &rules, &detail);
    expect_words(buf_str(&detail), "CN=client intermediate has an issuer of whom there is no "
                                   "revocation list, issuer CN=my-intermediate, serial #");
    struct buf out = command_output("openssl crl -in rogues/crl-intermediate.pem -out first.pem");
    struct trust *of_the_ca = trust_of("ca.crt", "first.pem"); /* its list alone */
    verify_chain(of_the_ca, c.list, c.count, time(NULL), &rules, &detail);
    cr_expect(str_starts(buf_str(&detail), STR("CN=my-intermediate revoked ")), "%.*s",
              STR_ARG(buf_str(&detail)));
    trust_free(none);
    trust_free(of_the_ca);
    buf_deinit(&out);
    chain_free(&c);
    buf_deinit(&detail);
}

Test(verify_words, says_what_of_a_chain_cannot_be_read)
{
    struct chain c = {.count = 0}, twin = {.count = 0};
    struct buf detail = {0};
    struct trust *t = trust_of("ca.crt", NULL);
    chain_add(&c, "rogues/other-ca.crt");
    chain_add(&twin, "rogues/false-ca-no-key-id.crt");
    const struct str odd = STR("no certificate"), beside[] = {c.list[0], odd};
    struct str many[65];
    for (size_t i = 0; i < 65; i++)
        many[i] = c.list[0];
    cr_expect_eq(verify_chain(t, &odd, 1, time(NULL), &rules, &detail), REFUSAL_CERT_MALFORMED);
    expect_words(buf_str(&detail), "the certificate is malformed: it is no certificate in DER");
    cr_expect_eq(verify_chain(t, beside, 2, time(NULL), &rules, &detail), REFUSAL_CERT_MALFORMED);
    expect_words(buf_str(&detail),
                 "the certificate is malformed: it is no certificate in DER, in the "
                 "chain of CN=client other-ca");
    const struct str forged[] = {twin.list[0], odd};
    cr_expect_eq(verify_chain(t, forged, 2, time(NULL), &rules, &detail), REFUSAL_SIGNATURE_BAD);
    expect_words(buf_str(&detail), "CN=client false-ca-no-key-id has a signature that does not "
                                   "verify, issuer CN=my-ca, serial #"); /* says more */
    cr_expect_eq(verify_chain(t, many, 65, time(NULL), &rules, &detail), REFUSAL_CHAIN_TOO_COMPLEX);
    expect_words(buf_str(&detail), "the client sent 65 certificates");
    cr_expect_eq(verify_chain(t, many, 64, time(NULL), &rules, &detail), REFUSAL_ISSUER_UNKNOWN);
    cr_expect_eq(verify_chain(t, many, 0, time(NULL), &rules, &detail), REFUSAL_CERT_MISSING);
    expect_words(buf_str(&detail), "the client sent no certificate");
    trust_free(t);
    chain_free(&twin);
    chain_free(&c);
    buf_deinit(&detail);
}
