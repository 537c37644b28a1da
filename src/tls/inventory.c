#include "portcullis/tls/inventory.h"

#include "context_internal.h"
#include "name.h"
#include "portcullis/tls/identity.h"
#include "trust.h"
#include "verify_checks.h"

static bool has_list(const struct trust *t, struct str subject)
{
    for (size_t i = 0; i < t->crl_count; i++)
        if (name_equal(t->crls[i].issuer, subject))
            return true;
    return false;
}

static struct str key_problem_of(const struct cert *c, const struct verify_rules *rules,
                                 struct arena *a)
{
    struct finding f = {0};
    (void)check_key(c, rules, &f);
    struct str words = arena_str(a, buf_str(&f.words));
    buf_deinit(&f.words);
    return words;
}

static void add_ca(const struct tls_context *owner, const struct trust_cert *c, struct arena *a,
                   struct tls_inventory *out)
{
    *VEC_PUSH(a, &out->cas) = (struct tls_ca){
        .subject = name_text(a, c->cert.subject),
        .not_before = c->cert.not_before,
        .not_after = c->cert.not_after,
        .is_root = c->kind == TRUST_ROOT,
        .is_intermediate = c->kind == TRUST_INTERMEDIATE,
        .is_ca = c->cert.is_ca || c->cert.version != 3,
        .has_list = has_list(owner->trust, c->cert.subject),
        .key_problem = key_problem_of(&c->cert, &owner->rules, a),
    };
}

/* An issuer whose certificate clients send is not known here. */
static bool is_forged(const struct trust *t, const struct crl *l)
{
    size_t count;
    const struct trust_cert *issuers = trust_find(t, l->issuer, &count);
    bool is_known = false;
    for (size_t i = 0; i < count; i++) {
        is_known |= name_equal(issuers[i].cert.subject, l->issuer);
        if (crl_is_signed_by(l, &issuers[i].cert))
            return false;
    }
    return is_known;
}

static void add_list(const struct trust *t, const struct crl *l, struct arena *a,
                     struct tls_inventory *out)
{
    *VEC_PUSH(a, &out->lists) = (struct tls_list){
        .issuer = name_text(a, l->issuer),
        .entries = l->count,
        .this_update = l->this_update,
        .next_update = l->has_next_update ? l->next_update : 0,
        .is_forged = is_forged(t, l),
    };
}

/* What clients ask of a server's certificate is what is asked of theirs here. */
static struct str own_problem_of(const mbedtls_x509_crt *crt, struct str der,
                                 const struct verify_rules *rules, struct arena *a)
{
    struct cert c;
    const char *ignored;
    struct str problem = STR_NONE;
    if (cert_read(&c, der, &ignored))
        problem = key_problem_of(&c, rules, a);
    if (problem.len == 0 && crt->MBEDTLS_PRIVATE(sig_md) == MBEDTLS_MD_SHA1 &&
        !cert_looks_self_signed(&c))
        problem = STR("is signed with SHA-1");
    cert_deinit(&c);
    return problem;
}

static void add_own(const struct tls_context *owner, const struct key_pair *pair, struct arena *a,
                    struct tls_inventory *out)
{
    struct str der = {(const char *)pair->chain.raw.p, pair->chain.raw.len};
    struct identity *i = identity_new(&der, 1);
    *VEC_PUSH(a, &out->own) = (struct tls_own){
        .path = arena_str(a, pair->certificate_path),
        .subject = arena_str(a, identity_fact(i, IDENTITY_SUBJECT)),
        .not_before = identity_not_before_time(i),
        .not_after = identity_not_after_time(i),
        .is_shown = key_pair_is_for_servers(pair),
        .problem = own_problem_of(&pair->chain, der, &owner->rules, a),
    };
    identity_unref(i);
}

void tls_context_inventory(const struct tls_context *c, struct arena *a, struct tls_inventory *out)
{
    *out = (struct tls_inventory){0};
    for (size_t i = 0; i < c->trust->cert_count; i++)
        add_ca(c, &c->trust->certs[i], a, out);
    for (size_t i = 0; i < c->trust->crl_count; i++)
        add_list(c->trust, &c->trust->crls[i], a, out);
    for (size_t i = 0; i < c->pair_count; i++)
        add_own(c, c->pairs[i], a, out);
}
