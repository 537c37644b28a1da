#include "../../../src/tls/memo.h"
#include "support.h"

/* A certificate by a CA, both read; what may be altered is a copy. */
struct link {
    struct chain ca_chain, chain;
    struct cert ca, leaf;
    char signature[600];
};

static void open_link(struct link *l, const char *ca, const char *leaf)
{
    const char *problem;
    *l = (struct link){.chain.count = 0};
    chain_add(&l->ca_chain, ca);
    chain_add(&l->chain, leaf);
    cr_assert(cert_read(&l->ca, l->ca_chain.list[0], &problem), "%s", problem);
    cr_assert(cert_read(&l->leaf, l->chain.list[0], &problem), "%s", problem);
    memcpy(l->signature, l->leaf.signature.ptr, l->leaf.signature.len);
    l->leaf.signature.ptr = l->signature;
}

static void close_link(struct link *l)
{
    cert_deinit(&l->ca);
    cert_deinit(&l->leaf);
    chain_free(&l->ca_chain);
    chain_free(&l->chain);
}

static void expect(struct link *l, bool good, size_t known, const char *what)
{
    cr_expect_eq(memo_signature_is_good(&l->leaf, &l->ca), good, "%s", what);
    cr_expect_eq(memo_count(), known, "%s: %zu are known", what, memo_count());
}

Test(memo, a_good_signature_is_remembered_once)
{
    struct link l;
    open_link(&l, "ca.crt", "client.crt");
    cr_assert_eq(memo_count(), 0);
    expect(&l, true, 1, "first");
    expect(&l, true, 1, "again");
    close_link(&l);
}

/* Without the key, only the memo can have said so. */
Test(memo, what_is_remembered_is_not_computed_again)
{
    struct link l;
    open_link(&l, "ca.crt", "client.crt");
    expect(&l, true, 1, "first");
    mbedtls_pk_free(&l.ca.key);
    mbedtls_pk_init(&l.ca.key);
    expect(&l, true, 1, "remembered");
    memo_wipe();
    expect(&l, false, 0, "wiped");
    close_link(&l);
}

Test(memo, a_wrong_signature_is_never_remembered)
{
    struct link l;
    open_link(&l, "ca.crt", "client.crt");
    for (size_t i = 0; i < l.leaf.signature.len; i++) {
        l.signature[i] ^= 1;
        expect(&l, false, 0, "altered");
        expect(&l, false, 0, "altered, again");
        l.signature[i] ^= 1;
    }
    expect(&l, true, 1, "as it was");
    for (size_t i = 0; i < l.leaf.signature.len; i++) {
        l.signature[i] ^= 1;
        expect(&l, false, 1, "altered after the good one");
        l.signature[i] ^= 1;
    }
    l.leaf.signature.len--;
    expect(&l, false, 1, "cut");
    close_link(&l);
}

Test(memo, it_depends_on_all_that_was_signed_and_on_who_signed)
{
    struct link l, other;
    struct buf made = command_output(
        "openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-keyout memo.key -subj /CN=my-ca -out memo.crt 2>&1");
    buf_deinit(&made);
    open_link(&l, "ca.crt", "client.crt");
    open_link(&other, "memo.crt", "client.crt");
    expect(&l, true, 1, "good");
    expect(&other, false, 1, "another CA's key");

    struct str tbs = l.leaf.tbs;
    char changed[4096];
    cr_assert_leq(tbs.len, sizeof changed);
    memcpy(changed, tbs.ptr, tbs.len);
    changed[tbs.len - 1] ^= 1;
    l.leaf.tbs.ptr = changed;
    expect(&l, false, 1, "other content");
    l.leaf.tbs = tbs;

    mbedtls_md_type_t md = l.leaf.algorithm.md;
    l.leaf.algorithm.md = md == MBEDTLS_MD_SHA256 ? MBEDTLS_MD_SHA384 : MBEDTLS_MD_SHA256;
    expect(&l, false, 1, "another hash");
    l.leaf.algorithm.md = md;
    l.leaf.algorithm.pk = MBEDTLS_PK_NONE;
    expect(&l, false, 1, "no way that is accepted");
    close_link(&l);
    close_link(&other);
}

static enum refusal verdict(const struct trust *t, const struct chain *c)
{
    static const struct verify_rules rules = {.depth = 3, .rsa_bits = 2048};
    struct buf detail = {0};
    enum refusal r = verify_chain(t, c->list, c->count, time(NULL), &rules, &detail);
    buf_deinit(&detail);
    return r;
}

/* Whoever signs by himself could have us remember as much as he likes. */
Test(memo, what_a_client_signed_with_its_own_ca_is_not_remembered)
{
    static const char *const chains[] = {"self-signed", "other-ca", "bad-signature"};
    struct trust *t = trust_of("ca.crt", NULL);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        struct chain c = {.count = 0};
        chain_add_rogue(&c, chains[i]);
        cr_expect_neq(verdict(t, &c), REFUSAL_NONE);
        cr_expect_eq(memo_count(), 0, "%s", chains[i]);
        chain_free(&c);
    }
    struct chain good = {.count = 0};
    chain_add(&good, "client.crt");
    cr_expect_eq(verdict(t, &good), REFUSAL_NONE);
    cr_expect_eq(memo_count(), 1);
    chain_free(&good);
    trust_free(t);
    cr_expect_eq(memo_count(), 0, "it ends with the trust");
}

/* The gallery is judged the same with everything that can be known and with nothing. */
Test(memo, verdicts_do_not_depend_on_what_is_remembered)
{
    struct rogue rogues[128];
    size_t count = read_rogues(rogues, 128);
    struct trust *t = trust_of("ca.crt", NULL);
    for (size_t i = 0; i < count; i++) {
        struct chain c = {.count = 0};
        chain_add_rogue(&c, rogues[i].name);
        memo_wipe();
        enum refusal first = verdict(t, &c);
        cr_expect_eq(verdict(t, &c), first, "%s", rogues[i].name);
        chain_free(&c);
    }
    trust_free(t);
}

static struct memo_name number(unsigned n)
{
    struct memo_name name = {{1}};
    memcpy(name.octets, &n, sizeof n);
    name.octets[31] = 1;
    return name;
}

Test(memo, is_bounded_and_keeps_what_is_asked_for)
{
    struct memo_name liked = number(7);
    memo_add(&liked);
    for (unsigned i = 1000; i < 1000 + 10 * MEMO_SIZE; i++) {
        struct memo_name n = number(i);
        cr_assert_not(memo_has(&n));
        memo_add(&n);
        cr_assert(memo_has(&n));
        cr_assert(memo_has(&liked));
    }
    struct memo_name old = number(1000);
    cr_expect_not(memo_has(&old));
    cr_expect_eq(memo_count(), MEMO_SIZE);
}
