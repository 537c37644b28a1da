#include <criterion/criterion.h>

#include "../../../src/proxy/access.h"

/* ---- the verdict: mode, identity, SNI and Host ---- */

#define PASS         ACCESS_PASSES, REFUSAL_NONE
#define REFUSED(why) ACCESS_REFUSED, REFUSAL_##why
#define OTHER_HOST   REFUSED(HOST_NOT_FOR_THIS_CONNECTION)

/* What a client is; each is put in front of each mode. */
enum who {
    GOOD,
    NOBODY,
    UNKNOWN_ISSUER,
    EXPIRED,
    EXPIRED_SINCE,
    REVOKED,
    UNPARSABLE,
    UNJUDGED,
    WHO
};

static void set_identity(struct access_facts *f, enum who who)
{
    static const struct {
        bool verified, expired, issuer;
        enum refusal refusal;
    } rows[WHO] = {
        [GOOD] = {.verified = true},
        [NOBODY] = {.refusal = REFUSAL_CERT_MISSING},
        [UNKNOWN_ISSUER] = {.issuer = true, .refusal = REFUSAL_ISSUER_UNKNOWN},
        [EXPIRED] = {.expired = true, .refusal = REFUSAL_CERT_EXPIRED},
        [EXPIRED_SINCE] = {.verified = true, .expired = true},
        [REVOKED] = {.refusal = REFUSAL_CERT_REVOKED},
        [UNPARSABLE] = {.refusal = REFUSAL_CERT_MALFORMED},
        [UNJUDGED] = {.refusal = REFUSAL_NONE},
    };
    f->has_identity = true;
    f->is_verified = rows[who].verified;
    f->has_expired = rows[who].expired;
    f->is_about_issuer = rows[who].issuer;
    f->refusal = rows[who].refusal;
}

static void check(struct access_facts f, enum access_kind kind, enum refusal why, bool counts,
                  const char *what, size_t row)
{
    struct access_verdict v = access_judge(&f);
    cr_expect(v.kind == kind, "%s, row %zu: kind %d, not %d", what, row, v.kind, kind);
    cr_expect(v.refusal == why, "%s, row %zu: %s, not %s", what, row, refusal_code(v.refusal),
              refusal_code(why));
    cr_expect(v.identity_counts == counts, "%s, row %zu: identity_counts", what, row);
}

Test(access, each_mode_with_each_client)
{
    static const struct {
        enum tls_verify_mode mode;
        enum who who;
        enum access_kind kind;
        enum refusal why;
    } rows[] = {
        {TLS_VERIFY_OFF, GOOD, PASS},
        {TLS_VERIFY_OFF, NOBODY, PASS},
        {TLS_VERIFY_OFF, UNKNOWN_ISSUER, PASS},
        {TLS_VERIFY_OFF, EXPIRED_SINCE, PASS},
        {TLS_VERIFY_ON, GOOD, PASS},
        {TLS_VERIFY_ON, NOBODY, REFUSED(CERT_MISSING)},
        {TLS_VERIFY_ON, UNKNOWN_ISSUER, REFUSED(ISSUER_UNKNOWN)},
        {TLS_VERIFY_ON, EXPIRED, REFUSED(CERT_EXPIRED)},
        {TLS_VERIFY_ON, EXPIRED_SINCE, REFUSED(CERT_EXPIRED)},
        {TLS_VERIFY_ON, REVOKED, REFUSED(CERT_REVOKED)},
        {TLS_VERIFY_ON, UNPARSABLE, REFUSED(CERT_MALFORMED)},
        {TLS_VERIFY_ON, UNJUDGED, REFUSED(INTERNAL)},
        {TLS_VERIFY_OPTIONAL, GOOD, PASS},
        {TLS_VERIFY_OPTIONAL, NOBODY, PASS},
        {TLS_VERIFY_OPTIONAL, UNKNOWN_ISSUER, REFUSED(ISSUER_UNKNOWN)},
        {TLS_VERIFY_OPTIONAL, EXPIRED, REFUSED(CERT_EXPIRED)},
        {TLS_VERIFY_OPTIONAL, EXPIRED_SINCE, REFUSED(CERT_EXPIRED)},
        {TLS_VERIFY_OPTIONAL, REVOKED, REFUSED(CERT_REVOKED)},
        {TLS_VERIFY_OPTIONAL, UNPARSABLE, REFUSED(CERT_MALFORMED)},
        {TLS_VERIFY_OPTIONAL, UNJUDGED, REFUSED(INTERNAL)},
        {TLS_VERIFY_OPTIONAL_NO_CA, GOOD, PASS},
        {TLS_VERIFY_OPTIONAL_NO_CA, NOBODY, PASS},
        {TLS_VERIFY_OPTIONAL_NO_CA, UNKNOWN_ISSUER, PASS},
        {TLS_VERIFY_OPTIONAL_NO_CA, EXPIRED, REFUSED(CERT_EXPIRED)},
        {TLS_VERIFY_OPTIONAL_NO_CA, REVOKED, REFUSED(CERT_REVOKED)},
        {TLS_VERIFY_OPTIONAL_NO_CA, UNPARSABLE, REFUSED(CERT_MALFORMED)},
        {TLS_VERIFY_OPTIONAL_NO_CA, UNJUDGED, REFUSED(INTERNAL)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct access_facts f = {
            .address_is_tls = true, .connection_is_tls = true, .same_server = true};
        f.mode = rows[i].mode;
        f.sni_matched = i % 2; /* does not matter when Host names the block that shook hands */
        set_identity(&f, rows[i].who);
        bool counts = rows[i].mode != TLS_VERIFY_OFF || rows[i].who == GOOD;
        check(f, rows[i].kind, rows[i].why, counts, "mode", i);
    }
}

Test(access, without_identity_a_verifying_server_refuses)
{
    static const enum tls_verify_mode modes[] = {TLS_VERIFY_ON, TLS_VERIFY_OPTIONAL,
                                                 TLS_VERIFY_OPTIONAL_NO_CA};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct access_facts f = {
            .address_is_tls = true, .connection_is_tls = true, .same_server = true};
        f.mode = modes[i];
        check(f, REFUSED(INTERNAL), false, "no identity", i);
    }
}

/* Everybody passes, and what is reported is what "on" would have done. */
Test(access, report_says_what_on_would_do)
{
    static const struct {
        enum who who;
        enum refusal reported;
    } rows[] = {
        {GOOD, REFUSAL_NONE},
        {NOBODY, REFUSAL_CERT_MISSING},
        {UNKNOWN_ISSUER, REFUSAL_ISSUER_UNKNOWN},
        {EXPIRED, REFUSAL_CERT_EXPIRED},
        {EXPIRED_SINCE, REFUSAL_CERT_EXPIRED},
        {REVOKED, REFUSAL_CERT_REVOKED},
        {UNPARSABLE, REFUSAL_CERT_MALFORMED},
        {UNJUDGED, REFUSAL_INTERNAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct access_facts f = {.address_is_tls = true,
                                 .connection_is_tls = true,
                                 .same_server = true,
                                 .mode = TLS_VERIFY_REPORT};
        set_identity(&f, rows[i].who);
        check(f, PASS, true, "report", i);
        cr_expect_eq(access_judge(&f).reported, rows[i].reported, "row %zu", i);
        /* Host of another block: what the certificate says counts there no more than else. */
        f.same_server = false;
        f.sni_matched = true;
        check(f, PASS, false, "report, other host", i);
        cr_expect_eq(access_judge(&f).reported, REFUSAL_HOST_NOT_FOR_THIS_CONNECTION);
    }
}

/* "Benign SNI, guarded Host" and "ticket of server A used at B" in what does not need
 * tickets. */
Test(access, host_of_another_server)
{
    static const struct {
        bool sni_matched, same_trust;
        enum tls_verify_mode mode;
        enum who who;
        enum access_kind kind;
        enum refusal why;
        bool counts;
    } rows[] = {
        /* SNI named one block, Host another that verifies: whoever it is */
        {true, false, TLS_VERIFY_ON, GOOD, OTHER_HOST, false},
        {true, true, TLS_VERIFY_ON, GOOD, OTHER_HOST, false},
        {true, true, TLS_VERIFY_ON, NOBODY, OTHER_HOST, false},
        {true, true, TLS_VERIFY_OPTIONAL, GOOD, OTHER_HOST, false},
        {true, true, TLS_VERIFY_OPTIONAL, NOBODY, OTHER_HOST, false},
        {true, true, TLS_VERIFY_OPTIONAL_NO_CA, NOBODY, OTHER_HOST, false},
        /* to one that does not: passes, but what the other's CAs vouch for is not told there */
        {true, false, TLS_VERIFY_OFF, GOOD, PASS, false},
        {false, false, TLS_VERIFY_OFF, GOOD, PASS, false},
        /* no SNI or none that fits: the default block shook hands */
        {false, false, TLS_VERIFY_ON, GOOD, OTHER_HOST, false},
        {false, false, TLS_VERIFY_ON, NOBODY, OTHER_HOST, false},
        {false, false, TLS_VERIFY_OPTIONAL, GOOD, OTHER_HOST, false},
        {false, false, TLS_VERIFY_OPTIONAL, NOBODY, OTHER_HOST, false},
        {false, true, TLS_VERIFY_ON, GOOD, PASS, true},
        {false, true, TLS_VERIFY_ON, NOBODY, REFUSED(CERT_MISSING), true},
        {false, true, TLS_VERIFY_ON, REVOKED, REFUSED(CERT_REVOKED), true},
        {false, true, TLS_VERIFY_OPTIONAL, NOBODY, PASS, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct access_facts f = {.address_is_tls = true, .connection_is_tls = true};
        f.sni_matched = rows[i].sni_matched;
        f.same_trust = rows[i].same_trust;
        f.mode = rows[i].mode;
        set_identity(&f, rows[i].who);
        check(f, rows[i].kind, rows[i].why, rows[i].counts, "host", i);
    }
}

/* Whose server is gone from the configuration is not judged by what was trusted once. */
Test(access, an_orphan_admits_nobody_where_certificates_count)
{
    for (int mode = TLS_VERIFY_OFF; mode <= TLS_VERIFY_REPORT; mode++) {
        struct access_facts f = {.address_is_tls = true,
                                 .connection_is_tls = true,
                                 .same_server = true,
                                 .is_orphan = true,
                                 .mode = (enum tls_verify_mode)mode};
        set_identity(&f, GOOD);
        if (mode == TLS_VERIFY_OFF)
            check(f, PASS, true, "orphan", 0);
        else
            check(f, REFUSED(HOST_NOT_FOR_THIS_CONNECTION), false, "orphan", (size_t)mode);
        f.is_outdated = true;
        check(f, REFUSED(HOST_NOT_FOR_THIS_CONNECTION), false, "outdated", (size_t)mode);
    }
}

Test(access, plain_http)
{
    struct access_facts f = {.address_is_tls = true, .mode = TLS_VERIFY_ON};
    check(f, ACCESS_PLAIN_HTTP, REFUSAL_NONE, false, "on a TLS address", 0);
    f.address_is_tls = false;
    check(f, PASS, false, "on a plain address", 1);
    f.mode = TLS_VERIFY_OFF;
    check(f, PASS, false, "without verification", 2);
}

/* Every combination of facts, in every mode: how each differs from "on". */
Test(access, no_mode_refuses_more_than_on)
{
    for (unsigned bits = 0; bits < 1u << 9; bits++)
        for (int why = REFUSAL_NONE; why < REFUSALS; why++) {
            struct access_facts f = {
                .address_is_tls = true,
                .connection_is_tls = true,
                .same_server = bits & 1,
                .sni_matched = bits & 2,
                .same_trust = bits & 4,
                .mode = TLS_VERIFY_ON,
                .has_identity = bits & 8,
                .is_verified = bits & 16,
                .has_expired = bits & 32,
                .is_about_issuer = bits & 64,
                .refusal = (enum refusal)why,
            };
            struct access_verdict unruled = access_judge(&f);
            f.rules = bits & 256 ? REFUSAL_NOT_PERMITTED : REFUSAL_NONE;
            struct access_verdict on = access_judge(&f);
            f.mode = TLS_VERIFY_OFF;
            struct access_verdict off = access_judge(&f);
            f.mode = TLS_VERIFY_REPORT;
            struct access_verdict report = access_judge(&f);
            f.mode = bits & 128 ? TLS_VERIFY_OPTIONAL : TLS_VERIFY_OPTIONAL_NO_CA;
            struct access_verdict optional = access_judge(&f);
            cr_assert(off.kind == ACCESS_PASSES && off.reported == REFUSAL_NONE);
            cr_assert(report.kind == ACCESS_PASSES && report.reported == on.refusal);
            cr_assert_eq(report.identity_counts, on.identity_counts);
            cr_assert(on.kind == ACCESS_REFUSED || optional.kind == ACCESS_PASSES);
            cr_assert(on.reported == REFUSAL_NONE && optional.reported == REFUSAL_NONE);
            cr_assert(f.rules == REFUSAL_NONE ||
                          (on.kind == ACCESS_REFUSED && optional.kind == ACCESS_REFUSED),
                      "no mode but off and report gets round the rules");
            cr_assert(unruled.kind == ACCESS_PASSES || on.refusal == unruled.refusal,
                      "rules are asked after the certificate");
            cr_assert_eq(on.identity_counts, unruled.identity_counts);
            cr_assert(!off.identity_counts || f.same_server, "the other block's CAs");
            cr_assert(!off.identity_counts || (f.has_identity && f.is_verified && !f.has_expired));
        }
}

Test(access, nothing_but_a_good_certificate_passes_a_server_that_verifies)
{
    /* Every combination of facts: the claim is checked against each. */
    for (unsigned bits = 0; bits < 1u << 7; bits++)
        for (int why = REFUSAL_NONE; why < REFUSALS; why++) {
            struct access_facts f = {
                .address_is_tls = true,
                .connection_is_tls = bits & 1,
                .same_server = bits & 2,
                .sni_matched = bits & 4,
                .same_trust = bits & 8,
                .mode = TLS_VERIFY_ON,
                .has_identity = bits & 16,
                .is_verified = bits & 32,
                .has_expired = bits & 64,
                .refusal = (enum refusal)why,
            };
            bool may_pass = f.connection_is_tls && f.has_identity && f.is_verified &&
                            !f.has_expired && (f.same_server || (!f.sni_matched && f.same_trust));
            struct access_verdict v = access_judge(&f);
            cr_assert((v.kind == ACCESS_PASSES) == may_pass, "facts %x, %s", bits,
                      refusal_code(f.refusal));
            cr_assert(v.kind != ACCESS_REFUSED || v.refusal != REFUSAL_NONE);
            cr_assert(!v.identity_counts || f.same_server || f.same_trust);
        }
}

/* ---- allow and deny ---- */

Test(access, the_first_rule_that_holds_the_address_decides)
{
    static const struct {
        const char *rules; /* +CIDR allows, -CIDR denies */
        const char *from;
        bool passes;
    } rows[] = {
        {"", "192.0.2.1", true},
        {"-192.0.2.1", "192.0.2.1", false},
        {"-192.0.2.1", "192.0.2.2", true},
        {"-192.0.2.1 +192.0.2.0/24 -all", "192.0.2.1", false},
        {"-192.0.2.1 +192.0.2.0/24 -all", "192.0.2.2", true},
        {"-192.0.2.1 +192.0.2.0/24 -all", "198.51.100.1", false},
        {"+2001:db8::/32 -all", "2001:db8::7", true},
        {"+2001:db8::/32 -all", "2001:db9::7", false},
        {"+192.0.2.0/24 -all", "::ffff:192.0.2.9", true},
        {"-all", "::1", false},
        {"+all -all", "::1", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct access_rule list[4];
        struct location_conf loc = {.access_rules = {.items = list}};
        struct str rest = str_of(rows[i].rules);
        while (rest.len) {
            struct str word = str_cut(&rest, ' ');
            struct access_rule *rule = &list[loc.access_rules.count++];
            rule->allow = word.ptr[0] == '+';
            cr_assert(cidr_parse(&rule->block, str_from(word, 1), NULL));
        }
        struct addr from;
        cr_assert(addr_parse_ip(&from, str_of(rows[i].from), 0));
        cr_expect(access_address_passes(&loc, &from) == rows[i].passes, "row %zu", i);
    }
}
