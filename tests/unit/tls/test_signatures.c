/* What a certificate may be signed by. */
#include <stdio.h>
#include <time.h>

#include "../../../src/tls/cert.h"
#include "support.h"

/* A CA with an RSA key, and a client's certificate that it signs with these options of OpenSSL's.
 */
static void issue(const char *options)
{
    char command[1024];
    snprintf(command, sizeof command,
             "umask 077; printf basicConstraints=CA:FALSE >rsa-client.ext; test -s rsa-ca.crt || "
             "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=rsa-ca -keyout "
             "rsa-ca.key -out rsa-ca.crt 2>/dev/null; openssl x509 -req -in rsa-client.csr -CA "
             "rsa-ca.crt -CAkey rsa-ca.key -set_serial 7 -days 9 -extfile rsa-client.ext -out "
             "rsa-client.crt %s 2>/dev/null",
             options);
    struct buf none = command_output(
        "openssl req -new -key client.key -subj /CN=client -out rsa-client.csr 2>/dev/null");
    buf_deinit(&none);
    none = command_output(command);
    buf_deinit(&none);
}

static enum refusal verdict_on_client(void)
{
    static const struct verify_rules rules = {.depth = 1, .rsa_bits = 2048};
    struct chain c = {.count = 0};
    struct buf detail = {0};
    struct trust *t = trust_of("rsa-ca.crt", NULL);
    chain_add(&c, "rsa-client.crt");
    enum refusal r = verify_chain(t, c.list, c.count, time(NULL), &rules, &detail);
    buf_deinit(&detail);
    chain_free(&c);
    trust_free(t);
    return r;
}

#define PSS "-sigopt rsa_padding_mode:pss "

Test(signatures, rsassa_pss_counts_with_one_good_digest_for_both)
{
    static const struct {
        const char *options;
        enum refusal expected;
    } rows[] = {
        {"-sha256", REFUSAL_NONE},
        {PSS "-sha256 -sigopt rsa_pss_saltlen:32", REFUSAL_NONE},
        {PSS "-sha384 -sigopt rsa_pss_saltlen:48", REFUSAL_NONE},
        {PSS "-sha512 -sigopt rsa_pss_saltlen:20", REFUSAL_NONE},
        {PSS "-sha256 -sigopt rsa_pss_saltlen:0", REFUSAL_NONE},
        {PSS "-sha256 -sigopt rsa_mgf1_md:sha512", REFUSAL_ALG_UNSUPPORTED},
        {PSS "-sha256 -sigopt rsa_mgf1_md:sha1", REFUSAL_ALG_UNSUPPORTED},
        {PSS "-sha224", REFUSAL_ALG_UNSUPPORTED},
        {PSS "-sha1", REFUSAL_ALG_UNSUPPORTED},
        {"-sha1", REFUSAL_ALG_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        issue(rows[i].options);
        enum refusal got = verdict_on_client();
        cr_expect_eq(got, rows[i].expected, "%s: %s", rows[i].options,
                     got == REFUSAL_NONE ? "ok" : refusal_code(got));
    }
}

#define OID_PSS     "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
#define SHA256_ID   "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
#define HASH_SHA256 "\xa0\x0f" SHA256_ID
#define MASK_SHA256 "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" SHA256_ID
#define BOTH        HASH_SHA256 MASK_SHA256 /* 47 octets */

/* RFC 4055, 3.1 */
Test(signatures, parameters_of_rsassa_pss_are_read_to_their_end)
{
    static const struct {
        const char *what;
        struct str identifier;
        bool is_read;
        int salt; /* -1: read, and no algorithm of ours */
    } rows[] = {
        {"defaults: SHA-1", STR_INIT(OID_PSS "\x30\x00"), true, -1},
        {"SHA-256, salt of 20", STR_INIT(OID_PSS "\x30\x2f" BOTH), true, 20},
        {"salt of 32", STR_INIT(OID_PSS "\x30\x34" BOTH "\xa2\x03\x02\x01\x20"), true, 32},
        {"salt of 513", STR_INIT(OID_PSS "\x30\x35" BOTH "\xa2\x04\x02\x02\x02\x01"), true, -1},
        {"trailer 1", STR_INIT(OID_PSS "\x30\x34" BOTH "\xa3\x03\x02\x01\x01"), true, 20},
        {"trailer 2", STR_INIT(OID_PSS "\x30\x34" BOTH "\xa3\x03\x02\x01\x02"), true, -1},
        {"the mask's digest alone", STR_INIT(OID_PSS "\x30\x1e" MASK_SHA256), true, -1},
        {"no parameters", STR_INIT(OID_PSS), false, 0},
        {"NULL", STR_INIT(OID_PSS "\x05\x00"), false, 0},
        {"something behind them", STR_INIT(OID_PSS "\x30\x2f" BOTH "\x05\x00"), false, 0},
        {"something at their end", STR_INIT(OID_PSS "\x30\x31" BOTH "\x05\x00"), false, 0},
        {"out of order", STR_INIT(OID_PSS "\x30\x2f" MASK_SHA256 HASH_SHA256), false, 0},
        {"salt that is no number", STR_INIT(OID_PSS "\x30\x34" BOTH "\xa2\x03\x04\x01\x20"), false,
         0},
        {"negative salt", STR_INIT(OID_PSS "\x30\x34" BOTH "\xa2\x03\x02\x01\xff"), false, 0},
        {"two salts in one", STR_INIT(OID_PSS "\x30\x37" BOTH "\xa2\x06\x02\x01\x20\x02\x01\x20"),
         false, 0},
        {"trailer that is no number", STR_INIT(OID_PSS "\x30\x34" BOTH "\xa3\x03\x04\x01\x01"),
         false, 0},
        {"digest without a name", STR_INIT(OID_PSS "\x30\x22\xa0\x02\x30\x00" MASK_SHA256), false,
         0},
        {"another mask",
         STR_INIT(OID_PSS "\x30\x2f" HASH_SHA256
                          "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x09" SHA256_ID),
         false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct signature_algorithm a;
        bool is_read = signature_algorithm_read(&a, rows[i].identifier);
        cr_expect_eq(is_read, rows[i].is_read, "%s", rows[i].what);
        if (is_read && rows[i].salt == -1)
            cr_expect_eq(a.pk, MBEDTLS_PK_NONE, "%s", rows[i].what);
        else if (is_read)
            cr_expect(a.pk == MBEDTLS_PK_RSASSA_PSS && a.md == MBEDTLS_MD_SHA256 &&
                          a.salt == rows[i].salt,
                      "%s", rows[i].what);
    }
}
