/* Paths of which only what a check reads is filled in, changed at one place each. */
#include <time.h>

#include "../../../src/tls/trust.h"
#include "../../../src/tls/verify_checks.h"
#include "support.h"

/* CN=x, one letter. */
#define NAME(letter) STR("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" letter)
/* excludes example and all below it; a name that is */
#define EXCLUDES_EXAMPLE           \
    STR("\xa1\x0b\x30\x09\x82\x07" \
        "example")
#define A_EXAMPLE  \
    STR("\x82\x09" \
        "a.example")

enum { FROM = 1000, UNTIL = 2000, NOW = 1500, SKEW = 10 };

static const struct verify_rules rules = {.depth = 1, .rsa_bits = 2048, .clock_skew = SKEW};

static void make_good(struct cert c[static 3])
{
    static const struct {
        struct str subject, issuer;
    } names[] = {{NAME("l"), NAME("i")}, {NAME("i"), NAME("r")}, {NAME("r"), NAME("r")}};
    for (size_t i = 0; i < 3; i++)
        c[i] = (struct cert){.version = 3,
                             .is_ca = i > 0,
                             .path_length = -1,
                             .subject = names[i].subject,
                             .issuer = names[i].issuer,
                             .not_before = FROM,
                             .not_after = UNTIL};
}

static void expect(const struct cert *c, size_t length, const struct verify_rules *r, time_t now,
                   const char *check, enum refusal expected, int line)
{
    const struct trust trust = {0};
    struct path p = {.trust = &trust, .rules = r, .now = now, .length = length};
    struct finding f = {0};
    size_t row = 0;
    for (size_t i = 0; i < length; i++)
        p.certs[i] = &c[i];
    while (row < CHECKS && strcmp(checks[row].name, check) != 0)
        row++;
    cr_assert(row < CHECKS, "%s", check);
    enum refusal got = checks[row].ask(&p, &f);
    cr_expect_eq(got, expected, "line %d: %s, not %s", line, refusal_code(got),
                 refusal_code(expected));
    cr_expect_eq(got == REFUSAL_NONE, buf_is_empty(&f.words), "line %d", line);
    buf_deinit(&f.words);
}

/* A good path of this length, but for the change. */
#define EXPECT(check, length, change, expected)                              \
    do {                                                                     \
        struct cert c[3];                                                    \
        make_good(c);                                                        \
        change;                                                              \
        expect(c, length, &rules, NOW, check, REFUSAL_##expected, __LINE__); \
    } while (0)

Test(verify_checks, knows_every_critical_extension_of_the_path)
{
    EXPECT("critical_extensions", 3, , NONE);
    for (size_t i = 0; i < 3; i++)
        EXPECT("critical_extensions", 3, c[i].has_unknown_critical = true, CRITICAL_UNKNOWN);
}

Test(verify_checks, an_issuer_is_a_ca_that_may_sign_certificates)
{
    EXPECT("issuers_may_issue", 3, , NONE);
    EXPECT("issuers_may_issue", 1, , NONE);
    for (size_t i = 1; i < 3; i++) {
        EXPECT("issuers_may_issue", 3, c[i].is_ca = false, NOT_A_CA);
        EXPECT("issuers_may_issue", 3, c[i].has_key_usage = true, KEY_USAGE_WRONG);
        EXPECT("issuers_may_issue", 3,
               (c[i].has_key_usage = true, c[i].key_usage = KEY_USAGE_CERT_SIGN), NONE);
        EXPECT("issuers_may_issue", 3,
               (c[i].has_key_usage = true, c[i].key_usage = ~KEY_USAGE_CERT_SIGN & 0x1ffu),
               KEY_USAGE_WRONG);
    }
    EXPECT("issuers_may_issue", 3, c[0].has_key_usage = true, NONE);
    /* Version 1: the anchor alone. */
    EXPECT("issuers_may_issue", 3, (c[1].version = 1, c[1].is_ca = false), NOT_A_CA);
    EXPECT("issuers_may_issue", 3, (c[2].version = 1, c[2].is_ca = false), NONE);
}

Test(verify_checks, path_lengths_count_the_cas_below_but_no_self_issued_one)
{
    EXPECT("issuers_may_issue", 3, c[1].path_length = 0, NONE);
    EXPECT("issuers_may_issue", 3, c[2].path_length = 1, NONE);
    EXPECT("issuers_may_issue", 3, c[2].path_length = 0, CHAIN_TOO_LONG);
    EXPECT("issuers_may_issue", 3, (c[2].path_length = 0, c[1].subject = c[1].issuer), NONE);
    EXPECT("issuers_may_issue", 2, c[1].path_length = 0, NONE);
}

Test(verify_checks, depth_counts_what_is_between_client_and_anchor)
{
    const struct verify_rules none = {.depth = 0};
    struct cert c[3];
    make_good(c);
    for (size_t length = 1; length <= 3; length++) {
        expect(c, length, &rules, NOW, "path_length", REFUSAL_NONE, __LINE__);
        expect(c, length, &none, NOW, "path_length",
               length == 3 ? REFUSAL_CHAIN_TOO_LONG : REFUSAL_NONE, __LINE__);
    }
}

Test(verify_checks, every_date_of_the_path_holds_to_the_second)
{
    for (size_t i = 0; i < 3; i++) {
        struct cert c[3];
        make_good(c);
        for (size_t k = 0; k < 3; k++)
            if (k != i)
                c[k].not_before = 0, c[k].not_after = 3 * UNTIL;
        expect(c, 3, &rules, FROM - SKEW, "dates", REFUSAL_NONE, __LINE__);
        expect(c, 3, &rules, FROM - SKEW - 1, "dates", REFUSAL_CERT_NOT_YET_VALID, __LINE__);
        expect(c, 3, &rules, UNTIL + SKEW, "dates", REFUSAL_NONE, __LINE__);
        expect(c, 3, &rules, UNTIL + SKEW + 1, "dates", REFUSAL_CERT_EXPIRED, __LINE__);
    }
}

Test(verify_checks, a_client_is_no_ca_and_may_sign_as_a_client)
{
    EXPECT("client_key_usage", 3, , NONE);
    EXPECT("client_key_usage", 2, c[0].is_ca = true, CA_AS_CLIENT);
    EXPECT("client_key_usage", 1, c[0].is_ca = true, NONE); /* the operator listed it */
    EXPECT("client_key_usage", 3, c[0].has_key_usage = true, KEY_USAGE_WRONG);
    EXPECT("client_key_usage", 3,
           (c[0].has_key_usage = true, c[0].key_usage = KEY_USAGE_DIGITAL_SIGNATURE), NONE);
    EXPECT("client_key_usage", 3,
           (c[0].has_key_usage = true, c[0].key_usage = ~KEY_USAGE_DIGITAL_SIGNATURE & 0x1ffu),
           KEY_USAGE_WRONG);
    EXPECT("client_key_usage", 3, c[0].has_netscape_type = true, EKU_WRONG);
    EXPECT("client_key_usage", 3, (c[0].has_netscape_type = true, c[0].netscape_client = true),
           NONE);
    EXPECT("client_key_usage", 3, (c[1].has_key_usage = true, c[1].has_netscape_type = true), NONE);
}

Test(verify_checks, each_extended_key_usage_of_the_path_is_for_clients)
{
    EXPECT("purposes", 3, , NONE);
    for (size_t i = 0; i < 3; i++) {
        EXPECT("purposes", 3, c[i].has_purposes = true, EKU_WRONG);
        EXPECT("purposes", 3, (c[i].has_purposes = true, c[i].purpose_any = true), NONE);
        EXPECT("purposes", 3, (c[i].has_purposes = true, c[i].purpose_client = true), NONE);
    }
}

Test(verify_checks, name_constraints_hold_for_all_below_but_self_issued_cas)
{
    static const struct {
        size_t constrained, named;
        enum refusal expected;
    } rows[] = {
        {0, 0, REFUSAL_NONE}, /* no CA */
        {1, 0, REFUSAL_NAME_NOT_PERMITTED},
        {2, 0, REFUSAL_NAME_NOT_PERMITTED},
        {1, 1, REFUSAL_NONE},
        {2, 1, REFUSAL_NAME_NOT_PERMITTED},
        {1, 2, REFUSAL_NONE},
        {2, 2, REFUSAL_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cert c[3];
        make_good(c);
        c[rows[i].constrained].name_constraints = EXCLUDES_EXAMPLE;
        c[rows[i].named].alt_names = A_EXAMPLE;
        expect(c, 3, &rules, NOW, "name_constraints", rows[i].expected, (int)i);
        c[1].subject = c[1].issuer; /* self-issued, exempt */
        expect(c, 3, &rules, NOW, "name_constraints",
               rows[i].named == 1 ? REFUSAL_NONE : rows[i].expected, (int)i);
        c[0].subject = c[0].issuer; /* the leaf never is */
        expect(c, 3, &rules, NOW, "name_constraints",
               rows[i].named == 1 ? REFUSAL_NONE : rows[i].expected, (int)i);
    }
    EXPECT("name_constraints", 3, c[1].name_constraints = STR("\xa1"), CERT_MALFORMED);
}

Test(verify_checks, a_key_is_of_a_kind_and_size_that_counts)
{
    static const struct {
        const char *file;
        unsigned rsa_bits;
        enum refusal expected;
    } rows[] = {
        {"rogues/weak-rsa.crt", 1024, REFUSAL_NONE},
        {"rogues/weak-rsa.crt", 1025, REFUSAL_KEY_WEAK},
        {"rogues/p521.crt", 2048, REFUSAL_NONE},
        {"rogues/ed25519.crt", 2048, REFUSAL_ALG_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verify_rules r = {.rsa_bits = rows[i].rsa_bits};
        struct chain chain = {.count = 0};
        struct cert c;
        struct finding f = {0};
        const char *problem;
        chain_add(&chain, rows[i].file);
        cr_assert(cert_read(&c, chain.list[0], &problem), "%s", problem);
        cr_expect_eq(check_key(&c, &r, &f), rows[i].expected, "%s", rows[i].file);
        c.key_problem = REFUSAL_CERT_MALFORMED;
        cr_expect_eq(check_key(&c, &r, &f), REFUSAL_CERT_MALFORMED, "%s", rows[i].file);
        cert_deinit(&c);
        buf_deinit(&f.words);
        chain_free(&chain);
    }
}
