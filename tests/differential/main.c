/* differential [SEED [COUNT]] — judges COUNT worlds made at random (world.h), from SEED on, by our
 * verdict and by OpenSSL's X509_verify_cert as "openssl verify -purpose sslclient -x509_strict
 * -auth_level 2" uses it. Where the two differ, the table explained.c must say why, with the
 * standard's section; else the world is printed and the program fails. With SEED alone: that world.
 *
 * An error of OpenSSL's that the table explains is passed over, so that the next one is seen: what
 * is compared in the end is whether both refuse for what is left. */
#include <inttypes.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explained.h"
#include "portcullis/tls/verify.h"

enum { ROWS_MAX = 64, CLASSES = 5 };

enum agreement { BOTH_ACCEPT, BOTH_REFUSE, EXPLAINED, ONE_PATH, UNEXPLAINED };

static const char *const agreements[CLASSES] = {
    "both accept", "both refuse", "explained by the table",
    "OpenSSL followed another path, and accepts the one that we found", "unexplained"};

struct verdict {
    enum refusal ours;
    int theirs;              /* after what the table passes over */
    struct verify_path path; /* ours */
    int their_path[CERTS_MAX], their_length;
    bool passed_over[ROWS_MAX];
    char detail[512];
};

struct tally {
    unsigned long worlds, agreements[CLASSES], rows[ROWS_MAX];
};

/* ---- ours ------------------------------------------------------------------------------------ */

/* The client's certificates, leaf first, as places in world.certs. */
struct sent {
    const int *certs;
    int count;
    bool is_all; /* what is trusted counts only as far as it is among them */
};

static bool is_trusted(const struct world *w, const struct sent *sent, int i)
{
    bool is_there = !sent->is_all;
    for (int k = 0; k < sent->count; k++)
        is_there |= sent->certs[k] == i;
    return is_there && w->certs[i].is_trusted;
}

static struct trust *trust_of(const struct world *w, const struct sent *sent, const char **problem)
{
    struct trust *t = trust_new();
    bool loaded = true;
    for (int i = 0; i < w->count && loaded; i++)
        loaded = !is_trusted(w, sent, i) || trust_add_ca(t, w->der[i], problem);
    for (int i = 0; i < w->list_count && loaded; i++)
        loaded = trust_add_crl(t, w->crl_der[i], problem);
    trust_finish(t);
    if (loaded)
        return t;
    trust_free(t);
    return NULL;
}

/* The path points into the trust: those of its certificates that the world has, too. */
static void keep_path(const struct world *w, struct verify_path *path)
{
    for (size_t i = 0; i < path->count; i++)
        for (int k = 0; k < w->count; k++)
            if (str_eq(w->der[k], path->der[i]))
                path->der[i] = w->der[k];
}

static void judge_by_us(const struct world *w, const struct sent *sent, struct verdict *v)
{
    const struct verify_rules rules = {.depth = (unsigned)w->depth,
                                       .rsa_bits = 2048,
                                       .partial_chain = w->partial_chain,
                                       .crl_leaf_only = w->crl_leaf_only};
    struct str chain[CERTS_MAX];
    struct buf detail = {0};
    const char *problem = "";
    struct trust *t = trust_of(w, sent, &problem);
    v->ours = (enum refusal)REFUSAL_AT_LOAD;
    if (t == NULL) {
        snprintf(v->detail, sizeof v->detail, "%s", problem);
        return;
    }
    for (int i = 0; i < sent->count; i++)
        chain[i] = w->der[sent->certs[i]];
    v->ours = verify_chain_path(t, chain, (size_t)sent->count, WORLD_NOW, &rules, &detail,
                                &v->path);
    snprintf(v->detail, sizeof v->detail, "%.*s", STR_ARG(buf_str(&detail)));
    keep_path(w, &v->path);
    buf_deinit(&detail);
    trust_free(t);
}

/* ---- theirs ---------------------------------------------------------------------------------- */

struct passing {
    const struct world *w;
    struct verdict *v;
};

static const struct cert_spec *spec_of(const struct world *w, const X509 *x)
{
    for (int i = 0; i < w->count; i++)
        if (x != NULL && X509_cmp(w->x509[i], x) == 0)
            return &w->certs[i];
    return NULL;
}

static void note_their_path(const struct world *w, STACK_OF(X509) * chain, struct verdict *v)
{
    v->their_length = 0;
    for (int i = 0; i < sk_X509_num(chain) && i < CERTS_MAX; i++)
        v->their_path[v->their_length++] = (int)(spec_of(w, sk_X509_value(chain, i)) - w->certs);
}

static const struct list_spec *list_spec_of(const struct world *w, const X509_CRL *x)
{
    for (int i = 0; i < w->list_count; i++)
        if (x != NULL && X509_CRL_match(w->crls[i], x) == 0)
            return &w->lists[i];
    return NULL;
}

static int pass_over_what_is_explained(int ok, X509_STORE_CTX *ctx)
{
    struct passing *p = X509_STORE_CTX_get_app_data(ctx);
    if (ok)
        return 1;
    struct place at = {spec_of(p->w, X509_STORE_CTX_get_current_cert(ctx)),
                       list_spec_of(p->w, X509_STORE_CTX_get0_current_crl(ctx))};
    size_t row = explained_find(p->w, REFUSAL_NONE, X509_STORE_CTX_get_error(ctx), at);
    if (row == explained_count || (explained[row].is_search && p->v->ours != REFUSAL_NONE))
        return 0;
    p->v->passed_over[row] = true;
    return 1;
}

static unsigned long flags_of(const struct world *w)
{
    unsigned long flags = X509_V_FLAG_X509_STRICT | X509_V_FLAG_USE_DELTAS;
    if (w->list_count > 0)
        flags |= X509_V_FLAG_CRL_CHECK | (w->crl_leaf_only ? 0 : X509_V_FLAG_CRL_CHECK_ALL);
    if (w->partial_chain)
        flags |= X509_V_FLAG_PARTIAL_CHAIN;
    return flags;
}

/* untrusted: what else there is. */
static int judge_by_openssl(const struct world *w, X509_STORE *store, STACK_OF(X509) * untrusted,
                            struct verdict *v)
{
    struct passing p = {w, v};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_CTX_init(ctx, store, w->x509[w->leaf], untrusted);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, flags_of(w));
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    X509_VERIFY_PARAM_set_depth(param, w->depth);
    X509_VERIFY_PARAM_set_time(param, WORLD_NOW);
    X509_STORE_CTX_set_app_data(ctx, &p);
    X509_STORE_CTX_set_verify_cb(ctx, pass_over_what_is_explained);
    int error = X509_V_OK;
    if (X509_verify_cert(ctx) != 1) {
        error = X509_STORE_CTX_get_error(ctx);
        error = error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
    }
    note_their_path(w, X509_STORE_CTX_get0_chain(ctx), v);
    X509_STORE_CTX_free(ctx);
    return error;
}

static X509_STORE *store_of(const struct world *w)
{
    X509_STORE *store = X509_STORE_new();
    for (int i = 0; i < w->list_count; i++)
        X509_STORE_add_crl(store, w->crls[i]);
    return store;
}

static void judge_by_them(const struct world *w, struct verdict *v)
{
    X509_STORE *store = store_of(w);
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    for (int i = 0; i < w->count; i++)
        if (w->certs[i].is_trusted)
            X509_STORE_add_cert(store, w->x509[i]);
    for (int i = 1; i < w->sent_count; i++)
        sk_X509_push(untrusted, w->x509[w->sent[i]]);
    v->theirs = judge_by_openssl(w, store, untrusted, v);
    sk_X509_free(untrusted);
    X509_STORE_free(store);
}

/* Do they accept our path when there is no other? */
static bool they_accept_our_path(const struct world *w, struct verdict *v)
{
    X509_STORE *store = store_of(w);
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    for (int i = 0; i < w->count; i++)
        for (size_t k = 0; k < v->path.count; k++)
            if (w->der[i].ptr != v->path.der[k].ptr)
                continue;
            else if (k + 1 == v->path.count)
                X509_STORE_add_cert(store, w->x509[i]);
            else
                sk_X509_push(untrusted, w->x509[i]);
    memset(v->passed_over, 0, sizeof v->passed_over);
    v->theirs = judge_by_openssl(w, store, untrusted, v);
    sk_X509_free(untrusted);
    X509_STORE_free(store);
    return v->theirs == X509_V_OK;
}

/* ---- both ------------------------------------------------------------------------------------ */

static bool any_row(const struct verdict *v)
{
    for (size_t i = 0; i < explained_count; i++)
        if (v->passed_over[i])
            return true;
    return false;
}

/* Of several paths we tell of one: what counts is what we say to theirs. */
static bool refusal_is_explained(const struct world *w, struct verdict *v)
{
    const struct sent theirs = {v->their_path, v->their_length, true};
    judge_by_us(w, &theirs, v);
    memset(v->passed_over, 0, sizeof v->passed_over);
    size_t row = explained_find(w, v->ours, X509_V_OK, (struct place){NULL, NULL});
    if (row == explained_count)
        return false;
    v->passed_over[row] = true;
    return true;
}

static enum agreement compare(const struct world *w, struct verdict *v)
{
    bool we_accept = v->ours == REFUSAL_NONE, they_accept = v->theirs == X509_V_OK;
    if (we_accept && they_accept)
        return any_row(v) ? EXPLAINED : BOTH_ACCEPT;
    if (!we_accept && !they_accept)
        return BOTH_REFUSE;
    if (we_accept)
        return they_accept_our_path(w, v) ? ONE_PATH : UNEXPLAINED;
    return refusal_is_explained(w, v) ? EXPLAINED : UNEXPLAINED;
}

static const char *our_words(enum refusal r)
{
    if (r == (enum refusal)REFUSAL_AT_LOAD)
        return "refused at load";
    if (r == (enum refusal)REFUSAL_ANY)
        return "refused";
    return r == REFUSAL_NONE ? "accepted" : refusal_code(r);
}

static void print_world(uint64_t seed, const struct world *w, const struct verdict *v,
                        enum agreement a)
{
    printf("seed %" PRIu64 ": %s\n  we: %s (%s)\n  OpenSSL: %s\n", seed, agreements[a],
           our_words(v->ours), v->detail, X509_verify_cert_error_string(v->theirs));
    world_print(w);
}

static void judge(uint64_t seed, struct tally *t, bool is_verbose)
{
    struct world w;
    struct verdict v = {.ours = REFUSAL_NONE};
    world_make(&w, seed);
    judge_by_us(&w, &(struct sent){w.sent, w.sent_count, false}, &v);
    judge_by_them(&w, &v);
    enum agreement a = compare(&w, &v);
    t->worlds++;
    t->agreements[a]++;
    for (size_t i = 0; i < explained_count && (a == EXPLAINED || a == ONE_PATH); i++)
        t->rows[i] += v.passed_over[i];
    if (is_verbose || (a == UNEXPLAINED && t->agreements[UNEXPLAINED] <= 20))
        print_world(seed, &w, &v, a);
    world_free(&w);
}

static void print_tally(const struct tally *t)
{
    printf("%lu chains\n", t->worlds);
    for (int i = 0; i < CLASSES; i++)
        printf("%8lu  %s\n", t->agreements[i], agreements[i]);
    printf("\nExplained disagreements:\n");
    for (size_t i = 0; i < explained_count; i++)
        printf("%8lu  we: %s, OpenSSL: %s\n          %s: %s\n", t->rows[i],
               our_words(explained[i].ours), X509_verify_cert_error_string(explained[i].theirs),
               explained[i].section, explained[i].why);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    struct tally t = {0};
    encode_init();
    for (unsigned long i = 0; i < count; i++)
        judge(seed + i, &t, argc == 2);
    encode_deinit();
    print_tally(&t);
    return t.agreements[UNEXPLAINED] == 0 ? 0 : 1;
}
