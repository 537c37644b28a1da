#include <stdio.h>
#include <time.h>

#include "support.h"

static const struct verify_rules rules = {.depth = 1, .rsa_bits = 2048};

static const char *code(enum refusal r)
{
    return r == REFUSAL_NONE ? "ok" : refusal_code(r);
}

/* certs/rogues.tsv is the table. */
Test(verify, judges_the_gallery)
{
    struct rogue rogues[128];
    size_t count = read_rogues(rogues, 128);
    cr_assert_gt(count, 30);
    for (size_t i = 0; i < count; i++) {
        struct chain c = {.count = 0};
        struct buf detail = {0};
        struct verify_rules r = {.depth = rogues[i].depth, .rsa_bits = 2048};
        struct trust *t = trust_of("ca.crt", rogues[i].crl[0] != '\0' ? rogues[i].crl : NULL);
        chain_add_rogue(&c, rogues[i].name);
        const char *expected = rogues[i].expected;
        if (strcmp(rogues[i].name, "ed25519") == 0) /* A handshake does not come so far. */
            expected = "alg_unsupported";
        if (strcmp(rogues[i].name, "secp256k1") == 0)
            expected = "alg_unsupported";
        enum refusal got = verify_chain(t, c.list, c.count, time(NULL), &r, &detail);
        cr_expect_str_eq(code(got), expected, "%s %s depth=%u: %s, not %s (%.*s)", rogues[i].name,
                         rogues[i].crl, rogues[i].depth, code(got), expected,
                         STR_ARG(buf_str(&detail)));
        cr_expect_eq(got == REFUSAL_NONE, buf_is_empty(&detail), "%s", rogues[i].name);
        trust_free(t);
        chain_free(&c);
        buf_deinit(&detail);
    }
}

Test(verify, accepts_what_is_sent_in_any_order_and_more_than_needed)
{
    static const char *const extra[] = {"rogues/other-ca.crt", "server.crt", "rogues/v1.crt",
                                        "rogues/good.crt"};
    struct chain sent = {.count = 0}, mixed = {.count = 0};
    struct buf detail = {0};
    chain_add(&mixed, "rogues/intermediate.crt");
    for (size_t i = 0; i < 4; i++)
        chain_add(&mixed, extra[i]);
    chain_add(&sent, "rogues/intermediate.chain.crt");
    mixed.list[mixed.count++] = sent.list[1]; /* the intermediate, last */
    struct trust *t = trust_of("ca.crt", NULL);
    enum refusal got = verify_chain(t, mixed.list, mixed.count, time(NULL), &rules, &detail);
    cr_expect_eq(got, REFUSAL_NONE, "%.*s", STR_ARG(buf_str(&detail)));
    trust_free(t);
    chain_free(&sent);
    chain_free(&mixed);
    buf_deinit(&detail);
}

Test(verify, takes_an_intermediate_of_the_ca_file_but_never_as_an_anchor)
{
    struct chain sent = {.count = 0}, leaf = {.count = 0};
    struct buf detail = {0};
    const char *problem;
    chain_add(&sent, "rogues/intermediate.chain.crt");
    chain_add(&leaf, "rogues/intermediate.crt");
    struct trust *both = trust_of("ca.crt", NULL);
    cr_assert(trust_add_ca(both, sent.list[1], &problem));
    trust_finish(both);
    cr_expect_eq(verify_chain(both, leaf.list, 1, time(NULL), &rules, &detail), REFUSAL_NONE);
    cr_expect_eq(trust_anchor_count(both), 1);
    struct trust *alone = trust_new();
    cr_assert(trust_add_ca(alone, sent.list[1], &problem));
    trust_finish(alone);
    cr_expect_eq(verify_chain(alone, leaf.list, 1, time(NULL), &rules, &detail),
                 REFUSAL_ISSUER_UNKNOWN);
    trust_free(both);
    trust_free(alone);
    chain_free(&sent);
    chain_free(&leaf);
    buf_deinit(&detail);
}

Test(verify, tells_an_untrusted_root_that_was_sent)
{
    struct chain c = {.count = 0};
    struct buf detail = {0};
    chain_add(&c, "client.crt");
    chain_add(&c, "ca.crt");
    struct trust *t = trust_new();
    trust_finish(t);
    cr_expect_eq(verify_chain(t, c.list, 2, time(NULL), &rules, &detail), REFUSAL_SELF_SIGNED_CA);
    cr_expect_eq(verify_chain(t, c.list, 1, time(NULL), &rules, &detail), REFUSAL_ISSUER_UNKNOWN);
    cr_expect_eq(verify_chain(t, c.list, 0, time(NULL), &rules, &detail), REFUSAL_CERT_MISSING);
    trust_free(t);
    chain_free(&c);
    buf_deinit(&detail);
}

Test(verify, dates_are_inclusive_at_both_ends)
{
    struct chain c = {.count = 0};
    struct buf detail = {0};
    chain_add(&c, "rogues/expired.crt"); /* 2019-02-01 00:00:00 to 2020-02-01 00:00:00 */
    struct trust *t = trust_of("ca.crt", NULL);
    /* The CA is younger than that: its own date is what is left to complain about. */
    static const struct {
        time_t now;
        const char *detail_start;
    } cases[] = {
        {1548979199,
         "CN=client expired 2020-02-01 is not valid before 2019-02-01, issuer CN=my-ca"},
        {1548979200, "CN=my-ca is not valid before"},
        {1580515200, "CN=my-ca is not valid before"},
        {1580515201, "CN=client expired 2020-02-01 expired 2020-02-01, issuer CN=my-ca, serial "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        verify_chain(t, c.list, 1, cases[i].now, &rules, &detail);
        cr_expect(str_starts(buf_str(&detail), str_of(cases[i].detail_start)), "%zu: %.*s", i,
                  STR_ARG(buf_str(&detail)));
    }
    trust_free(t);
    chain_free(&c);
    buf_deinit(&detail);
}

Test(verify, refuses_a_chain_cut_or_changed_anywhere)
{
    struct chain c = {.count = 0};
    struct buf detail = {0}, copy = {0};
    chain_add(&c, "client.crt");
    struct trust *t = trust_of("ca.crt", NULL);
    cr_assert_eq(verify_chain(t, c.list, 1, time(NULL), &rules, &detail), REFUSAL_NONE);
    for (size_t at = 0; at < c.list[0].len; at++) {
        struct str cut = str_upto(c.list[0], at);
        cr_expect_eq(verify_chain(t, &cut, 1, time(NULL), &rules, &detail), REFUSAL_CERT_MALFORMED);
        buf_clear(&copy);
        buf_append_str(&copy, c.list[0]);
        copy.data[copy.start + at] ^= 1;
        struct str changed = buf_str(&copy);
        cr_expect_neq(verify_chain(t, &changed, 1, time(NULL), &rules, &detail), REFUSAL_NONE,
                      "octet %zu", at);
    }
    trust_free(t);
    chain_free(&c);
    buf_deinit(&copy);
    buf_deinit(&detail);
}

/* Six CAs of one name, each certified by each other: the search must give up in time. */
Test(verify, works_on_a_budget)
{
    struct buf out = command_output(
        "mkdir web && cd web && exec 2>/dev/null && printf basicConstraints=CA:TRUE >ca.ext && "
        "for i in 1 2 3 4 5 6; do openssl req -x509 -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes -keyout $i.key -subj /CN=web -days 2 -out $i.self && "
        "openssl req -new -key $i.key -subj /CN=web -out $i.csr || exit 1; done && "
        "for i in 1 2 3 4 5 6; do for j in 1 2 3 4 5 6; do [ $i = $j ] || openssl x509 -req -in "
        "$i.csr -CA $j.self -CAkey $j.key -CAcreateserial -extfile ca.ext -days 2 -out $i-$j.crt; "
        "done; done && cat [1-6]-[1-6].crt >all.pem && openssl req -new -key ../client.key -subj "
        "/CN=leaf | openssl x509 -req -CA 1.self -CAkey 1.key -CAcreateserial -days 2 -out "
        "leaf.crt");
    buf_deinit(&out);
    struct chain c = {.count = 0};
    struct buf detail = {0};
    chain_add(&c, "web/leaf.crt");
    chain_add(&c, "web/all.pem");
    cr_assert_geq(c.count, 31);
    struct trust *t = trust_of("ca.crt", NULL);
    struct timespec start, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    enum refusal got = verify_chain(t, c.list, c.count, time(NULL), &rules, &detail);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double ms = (double)(end.tv_sec - start.tv_sec) * 1e3 +
                (double)(end.tv_nsec - start.tv_nsec) / 1e6;
    cr_expect_str_eq(code(got), "chain_too_complex", "%.*s", STR_ARG(buf_str(&detail)));
    cr_expect_lt(ms, 1000.0, "%.1f ms", ms); /* a sanitizer's build included */
    trust_free(t);
    chain_free(&c);
    buf_deinit(&detail);
}

Test(refusal, every_reason_has_its_words)
{
    cr_expect_str_eq(refusal_code(REFUSAL_NONE), "");
    for (enum refusal r = REFUSAL_NONE + 1; r < REFUSALS; r++) {
        cr_expect_gt(strlen(refusal_code(r)), 3);
        cr_expect_gt(strlen(refusal_openssl_words(r)), 3);
        cr_expect_gt(strlen(refusal_cure(r)), 10);
    }
}
