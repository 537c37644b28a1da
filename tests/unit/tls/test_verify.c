#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/tls/cert.h"
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
        if (rogues[i].is_of_proxy)
            continue;
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

/* The first check of a trace that objects; before the path is complete there are none. */
static enum refusal first_objection(const struct verify_trace *t)
{
    enum refusal r = REFUSAL_NONE;
    for (size_t i = 0; i < t->check_count && r == REFUSAL_NONE; i++) {
        r = t->checks[i].refusal;
        cr_expect(r == REFUSAL_NONE || (t->checks[i].at < t->length && t->checks[i].words.len > 0));
    }
    return r;
}

Test(verify, explains_the_gallery_as_it_judges_it)
{
    struct rogue rogues[128];
    size_t count = read_rogues(rogues, 128), complete = 0;
    for (size_t i = 0; i < count; i++) {
        struct chain c = {.count = 0};
        struct arena arena;
        struct buf detail = {0}, again = {0};
        struct verify_rules r = {.depth = rogues[i].depth, .rsa_bits = 2048};
        struct trust *t = trust_of("ca.crt", rogues[i].crl[0] != '\0' ? rogues[i].crl : NULL);
        arena_init(&arena, 4096);
        struct verify_trace trace = {.arena = &arena};
        chain_add_rogue(&c, rogues[i].name);
        time_t now = time(NULL);
        enum refusal got = verify_chain(t, c.list, c.count, now, &r, &detail);
        enum refusal told = verify_chain_trace(t, c.list, c.count, now, &r, &again, &trace);
        cr_expect_eq(got, told, "%s: %s, told as %s", rogues[i].name, code(got), code(told));
        cr_expect(str_eq(buf_str(&detail), buf_str(&again)), "%s", rogues[i].name);
        if (trace.is_complete) {
            complete++;
            cr_expect_eq(first_objection(&trace), got, "%s: a check says %s", rogues[i].name,
                         code(first_objection(&trace)));
            cr_expect_eq(trace.path[trace.length - 1].source, VERIFY_ANCHOR, "%s", rogues[i].name);
        }
        cr_expect(got != REFUSAL_NONE || trace.is_complete, "%s", rogues[i].name);
        cr_expect(got == REFUSAL_NONE || got == REFUSAL_CERT_MALFORMED || trace.subject.len > 0,
                  "%s: about nobody", rogues[i].name);
        cr_expect(trace.length == 0 || str_eq(trace.path[0].der, c.list[0]), "%s", rogues[i].name);
        arena_deinit(&arena);
        trust_free(t);
        chain_free(&c);
        buf_deinit(&detail);
        buf_deinit(&again);
    }
    cr_expect_gt(complete, 20);
}

Test(verify, tells_where_each_certificate_of_a_path_came_from)
{
    struct chain sent = {.count = 0}, known = {.count = 0};
    struct arena arena;
    struct buf detail = {0};
    const char *problem;
    struct trust *t = trust_new();
    chain_add(&known, "ca.crt");
    chain_add(&sent, "rogues/intermediate.chain.crt");
    cr_assert(trust_add_ca(t, known.list[0], &problem));
    cr_assert(trust_add_intermediate(t, sent.list[1], &problem));
    trust_finish(t);
    arena_init(&arena, 4096);
    struct verify_trace trace = {.arena = &arena};
    cr_expect_eq(verify_chain_trace(t, sent.list, 1, time(NULL), &rules, &detail, &trace),
                 REFUSAL_NONE);
    cr_assert_eq(trace.length, 3);
    cr_expect(trace.path[0].source == VERIFY_SENT && trace.path[1].source == VERIFY_KNOWN &&
              trace.path[2].source == VERIFY_ANCHOR);
    arena_deinit(&arena);
    trust_free(t);
    chain_free(&known);
    chain_free(&sent);
    buf_deinit(&detail);
}

/* But for a bug's, to which no certificate leads. */
Test(refusal, every_reason_has_a_row_in_the_gallery)
{
    struct rogue rogues[128];
    size_t count = read_rogues(rogues, 128);
    for (enum refusal r = REFUSAL_NONE + 1; r < REFUSALS; r++) {
        size_t i = 0;
        while (i < count && strcmp(rogues[i].expected, refusal_code(r)) != 0)
            i++;
        cr_expect(i < count || r == REFUSAL_INTERNAL, "%s", refusal_code(r));
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

/* A client of a CA called twin, sent with so many others of that name first, whose keys are of this
 * kind (openssl req's words). No key identifier tells them apart. */
static const char *verdict_among_twins(const char *kind, unsigned count, struct buf *detail)
{
    char command[1024], folder[32], sent[64];
    struct chain c = {.count = 0};
    snprintf(folder, sizeof folder, "twins-%d", (int)getpid()); /* tests run beside each other */
    snprintf(sent, sizeof sent, "%s/all.pem", folder);
    snprintf(command, sizeof command,
             "rm -rf %s && mkdir %s && cd %s && exec 2>/dev/null && "
             "printf basicConstraints=CA:TRUE >ca.ext && "
             "printf authorityKeyIdentifier=none >leaf.ext && key=\"-newkey %s -nodes -keyout\" && "
             "openssl req -new $key ca.key -subj /CN=twin | openssl x509 -req -CA ../ca.crt "
             "-CAkey ../ca.key -set_serial 77 -extfile ca.ext -days 2 -out ca.crt && "
             "openssl req -new -key ../client.key -subj /CN=leaf | openssl x509 -req -CA ca.crt "
             "-CAkey ca.key -set_serial 78 -extfile leaf.ext -days 2 -out leaf.crt && "
             "for i in $(seq %u); do openssl req -x509 $key $i.key -subj /CN=twin -days 2; done "
             ">others.pem && cat leaf.crt others.pem ca.crt >all.pem",
             folder, folder, folder, kind, count);
    struct buf out = command_output(command);
    chain_add(&c, sent);
    cr_assert_eq(c.count, count + 2);
    struct trust *t = trust_of("ca.crt", NULL);
    const char *got = code(verify_chain(t, c.list, c.count, time(NULL), &rules, detail));
    trust_free(t);
    chain_free(&c);
    buf_deinit(&out);
    return got;
}

/* A check by P-384 takes as long as ten by P-256. */
Test(verify, spends_its_budget_by_the_size_of_keys)
{
#define EC(curve) "ec -pkeyopt ec_paramgen_curve:" curve
    struct buf detail = {0};
    cr_expect_str_eq(verdict_among_twins(EC("P-256"), 8, &detail), "ok");
    cr_expect_str_eq(verdict_among_twins(EC("P-256"), 20, &detail), "chain_too_complex");
    cr_expect_str_eq(verdict_among_twins(EC("P-384"), 4, &detail), "ok");
    cr_expect_str_eq(verdict_among_twins(EC("P-384"), 8, &detail), "chain_too_complex");
    cr_expect_str_eq(verdict_among_twins(EC("P-521"), 8, &detail), "chain_too_complex");
    buf_deinit(&detail);
#undef EC
}

/* A key that takes as long to check as to sign by is nobody's, and the CA that has it is named. */
Test(verify, takes_public_exponents_of_64_bits_and_no_more)
{
#define RSA(exponent) "rsa:2048 -pkeyopt rsa_keygen_pubexp:" exponent
    struct buf detail = {0};
    cr_expect_str_eq(verdict_among_twins(RSA("18446744073709551557"), 0, &detail), "ok");
    cr_expect_str_eq(verdict_among_twins(RSA("18446744073709551629"), 0, &detail),
                     "alg_unsupported");
    cr_expect(
        str_starts(buf_str(&detail), STR("CN=twin has a key of a kind that is not supported, ")),
        "%.*s", STR_ARG(buf_str(&detail)));
    buf_deinit(&detail);
#undef RSA
}

/* No key identifiers tell which certificate is whose. */
static void expect_chain(const char *name, unsigned depth, enum refusal expected)
{
    const struct verify_rules r = {.depth = depth, .rsa_bits = 2048};
    struct chain c = {.count = 0};
    struct buf detail = {0};
    struct trust *t = trust_of("ca.crt", NULL);
    chain_add(&c, name);
    enum refusal got = verify_chain(t, c.list, c.count, time(NULL), &r, &detail);
    cr_expect_eq(got, expected, "%s: %s (%.*s)", name, code(got), STR_ARG(buf_str(&detail)));
    trust_free(t);
    chain_free(&c);
    buf_deinit(&detail);
}

Test(verify, follows_new_keys_and_shared_ones_and_goes_in_no_circles)
{
    /* issue NAME SUBJECT KEY ISSUER ISSUER_KEY */
    struct buf out = command_output(
        "exec 2>/dev/null; mkdir ways && cd ways && "
        "printf 'subjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n' >leaf.ext && "
        "(cat leaf.ext; echo basicConstraints=CA:TRUE) >ca.ext && "
        "for k in a b c; do openssl ecparam -name prime256v1 -genkey -noout -out $k.key; done; "
        "issue() { openssl req -new -key $3.key -subj /CN=$2 | openssl x509 -req -CA $4.crt "
        "-CAkey $5.key -set_serial 9 -extfile ${6:-ca}.ext -days 2 -out $1.crt; }; "
        "issue new my-ca a ../ca ../ca && issue n leaf c new a leaf && cat n.crt new.crt >roll.pem;"
        "issue one one a ../ca ../ca && issue two two a one a && issue n leaf c two a leaf && "
        "cat n.crt two.crt one.crt >shared.pem; "
        "openssl req -x509 -key b.key -subj /CN=y -days 2 -out y.crt && issue x x a y b && "
        "issue y y b x a && issue n leaf c x a leaf && cat n.crt x.crt y.crt >circle.pem; "
        "openssl req -x509 -key b.key -subj /CN=my-ca -days 2 -out fake.crt && "
        "issue n leaf c fake b leaf && cat n.crt fake.crt >fake.pem; "
        "openssl req -x509 -newkey ed25519 -nodes -keyout d.key -subj /CN=d -days 2 -out d.crt");
    expect_chain("ways/roll.pem", 1, REFUSAL_NONE);
    expect_chain("ways/shared.pem", 2, REFUSAL_NONE);
    expect_chain("ways/circle.pem", 9, REFUSAL_ISSUER_UNKNOWN);
    /* The known CA of that name did not sign it, but what is wrong is further up. */
    expect_chain("ways/fake.pem", 1, REFUSAL_SELF_SIGNED_CA);
    expect_chain("ways/d.crt", 1, REFUSAL_SELF_SIGNED); /* by an algorithm that we do not know */
    buf_deinit(&out);
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

/* ---- what the operator may change ---- */

static void expect_verdict(const struct trust *t, const struct chain *c, time_t when,
                           const struct verify_rules *r, enum refusal expected)
{
    struct buf detail = {0};
    enum refusal got = verify_chain(t, c->list, c->count, when, r, &detail);
    cr_expect_eq(got, expected, "%s, not %s (%.*s)", code(got), code(expected),
                 STR_ARG(buf_str(&detail)));
    buf_deinit(&detail);
}

Test(verify, takes_what_is_named_as_an_intermediate_but_trusts_no_root_there)
{
    struct chain sent = {.count = 0}, leaf = {.count = 0}, ca = {.count = 0};
    const char *problem;
    const struct verify_rules partial = {.depth = 1, .rsa_bits = 2048, .partial_chain = true};
    chain_add(&sent, "rogues/intermediate.chain.crt");
    chain_add(&leaf, "rogues/intermediate.crt");
    chain_add(&ca, "ca.crt");
    struct trust *t = trust_of("ca.crt", NULL), *rootless = trust_new();
    cr_assert(trust_add_intermediate(t, sent.list[1], &problem));
    trust_finish(t);
    expect_verdict(t, &leaf, time(NULL), &rules, REFUSAL_NONE);
    cr_assert(trust_add_intermediate(rootless, sent.list[1], &problem));
    cr_assert(trust_add_intermediate(rootless, ca.list[0], &problem));
    trust_finish(rootless);
    expect_verdict(rootless, &leaf, time(NULL), &partial, REFUSAL_SELF_SIGNED_CA);
    cr_expect_eq(trust_anchor_count(rootless), 0);
    trust_free(t);
    trust_free(rootless);
    chain_free(&sent);
    chain_free(&leaf);
    chain_free(&ca);
}

Test(verify, may_end_a_chain_at_any_certificate_of_the_ca_file)
{
    struct chain sent = {.count = 0}, pinned = {.count = 0};
    const char *problem;
    struct verify_rules partial = {.depth = 0, .rsa_bits = 2048, .partial_chain = true};
    chain_add(&sent, "rogues/intermediate.chain.crt");
    chain_add(&pinned, "rogues/good.crt");
    struct trust *t = trust_new();
    cr_assert(trust_add_ca(t, sent.list[1], &problem));
    cr_assert(trust_add_ca(t, pinned.list[0], &problem));
    trust_finish(t);
    sent.count = 1;
    expect_verdict(t, &sent, time(NULL), &partial, REFUSAL_NONE);
    expect_verdict(t, &sent, time(NULL), &rules, REFUSAL_ISSUER_UNKNOWN);
    expect_verdict(t, &pinned, time(NULL), &partial, REFUSAL_NONE); /* byte for byte */
    sent.count = 2;
    trust_free(t);
    chain_free(&sent);
    chain_free(&pinned);
}

/* Who issued it is not known, so no list can be asked. */
Test(verify, looks_up_no_anchor_of_a_partial_chain)
{
    static const struct verify_rules both[] = {
        {.rsa_bits = 2048, .partial_chain = true},
        {.rsa_bits = 2048, .partial_chain = true, .crl_leaf_only = true},
    };
    struct chain pinned = {.count = 0};
    const char *problem;
    chain_add(&pinned, "rogues/good.crt");
    struct trust *t = trust_of("ca.crt", "rogues/crl-other-ca.pem");
    cr_assert(trust_add_ca(t, pinned.list[0], &problem));
    trust_finish(t);
    for (size_t i = 0; i < 2; i++)
        expect_verdict(t, &pinned, time(NULL), &both[i], REFUSAL_NONE);
    trust_free(t);
    chain_free(&pinned);
}

Test(verify, widens_both_ends_by_the_clock_skew)
{
    struct chain c = {.count = 0};
    struct cert cert;
    const char *problem;
    struct verify_rules r = {.depth = 1, .rsa_bits = 2048, .clock_skew = 60};
    chain_add(&c, "client.crt");
    cr_assert(cert_read(&cert, c.list[0], &problem));
    time_t from = cert.not_before, until = cert.not_after;
    cert_deinit(&cert);
    struct trust *t = trust_of("ca.crt", NULL);
    struct verify_path path;
    struct buf detail = {0};
    cr_expect_eq(verify_chain_path(t, c.list, 1, time(NULL), &r, &detail, &path), REFUSAL_NONE);
    cr_expect_leq(path.valid_until, until + 60);
    cr_expect_gt(path.valid_until, time(NULL));
    expect_verdict(t, &c, from - 61, &r, REFUSAL_CERT_NOT_YET_VALID);
    expect_verdict(t, &c, until + 61, &r, REFUSAL_CERT_EXPIRED);
    expect_verdict(t, &c, from - 60, &r, REFUSAL_NONE); /* made with its CA, at the same time */
    expect_verdict(t, &c, from - 60, &rules, REFUSAL_CERT_NOT_YET_VALID);
    trust_free(t);
    chain_free(&c);
    buf_deinit(&detail);
}

/* Until then what is open may go on without being judged again. */
Test(verify, keeps_the_good_path_until_the_first_of_it_ends)
{
    struct buf out = command_output(
        "exec 2>/dev/null; mkdir ends && cd ends && printf basicConstraints=CA:TRUE >ca.ext && "
        "openssl req -new -key ../client.key -subj /CN=ends | openssl x509 -req -CA ../ca.crt "
        "-CAkey ../ca.key -set_serial 1 -extfile ca.ext -days 2 -out ca.crt && for days in 1 3; do "
        "openssl req -new -key ../server.key -subj /CN=leaf | openssl x509 -req -CA ca.crt -CAkey "
        "../client.key -set_serial 2 -days $days -out $days.crt; cat ca.crt >>$days.crt; done");
    const char *const files[] = {"ends/1.crt", "ends/3.crt"};
    const struct verify_rules r = {.depth = 1, .rsa_bits = 2048, .clock_skew = 60};
    struct trust *t = trust_of("ca.crt", NULL);
    for (size_t first = 0; first < 2; first++) {
        struct chain c = {.count = 0};
        struct buf detail = {0};
        struct verify_path path;
        struct cert cert;
        const char *problem;
        chain_add(&c, files[first]);
        cr_assert(cert_read(&cert, c.list[first], &problem));
        cr_expect_eq(verify_chain_path(t, c.list, 2, time(NULL), &r, &detail, &path), REFUSAL_NONE,
                     "%.*s", STR_ARG(buf_str(&detail)));
        cr_expect_eq(path.valid_until, cert.not_after + 60);
        cr_assert_eq(path.count, 3);
        cr_expect(str_eq(path.der[0], c.list[0]) && str_eq(path.der[1], c.list[1]));
        cert_deinit(&cert);
        chain_free(&c);
        buf_deinit(&detail);
    }
    trust_free(t);
    buf_deinit(&out);
}

Test(verify, asks_revocation_lists_as_far_as_the_rules_say)
{
    static const struct {
        const char *client, *crl;
        struct verify_rules rules;
        enum refusal expected;
    } rows[] = {
        {"good", "rogues/crl-other-ca.pem", {.crl_may_miss = true}, REFUSAL_NONE},
        {"good", "rogues/crl-other-ca.pem", {.crl_leaf_only = true}, REFUSAL_CRL_MISSING},
        {"revoked", "rogues/crl.pem", {.crl_may_miss = true}, REFUSAL_CERT_REVOKED},
        {"revoked", "rogues/crl.pem", {.crl_leaf_only = true}, REFUSAL_CERT_REVOKED},
        {"good", "rogues/crl-expired.pem", {.crl_may_miss = true}, REFUSAL_CRL_EXPIRED},
        {"good", "rogues/crl-expired.pem", {.crl_grace = 1000000000}, REFUSAL_NONE},
        {"good", "rogues/crl-expired.pem", {.crl_grace = 1}, REFUSAL_CRL_EXPIRED},
        {"intermediate", "rogues/crl-intermediate.pem", {.crl_leaf_only = true}, REFUSAL_NONE},
        {"intermediate",
         "rogues/crl-intermediate.pem",
         {.crl_may_miss = true},
         REFUSAL_CERT_REVOKED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chain c = {.count = 0};
        struct verify_rules r = rows[i].rules;
        r.depth = 1;
        r.rsa_bits = 2048;
        chain_add_rogue(&c, rows[i].client);
        struct trust *t = trust_of("ca.crt", rows[i].crl);
        expect_verdict(t, &c, time(NULL), &r, rows[i].expected);
        cr_expect_neq(trust_crl_expiry(t), 0);
        trust_free(t);
        chain_free(&c);
    }
}
