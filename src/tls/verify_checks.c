#include "verify_checks.h"

#include "constraints.h"
#include "name.h"
#include "trust.h"

static enum refusal found(struct finding *f, enum refusal r, const struct cert *c, struct str words)
{
    f->cert = c;
    buf_clear(&f->words);
    buf_append_str(&f->words, words);
    return r;
}

static enum refusal found_date(struct finding *f, enum refusal r, const struct cert *c,
                               const char *words, time_t when)
{
    struct tm tm;
    gmtime_r(&when, &tm);
    f->cert = c;
    buf_clear(&f->words);
    buf_printf(&f->words, "%s %04d-%02d-%02d", words, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    return r;
}

static enum refusal check_extensions(const struct path *p, struct finding *f)
{
    for (size_t i = 0; i < p->length; i++) {
        if (!p->certs[i]->has_unknown_critical)
            continue;
        found(f, REFUSAL_NONE, p->certs[i], STR("has the unknown critical extension "));
        buf_append_str(&f->words, str_of(p->certs[i]->unknown_critical));
        return REFUSAL_CRITICAL_UNKNOWN;
    }
    return REFUSAL_NONE;
}

static bool curve_is_listed(const mbedtls_pk_context *key)
{
    mbedtls_ecp_group_id id = mbedtls_pk_ec(*key)->MBEDTLS_PRIVATE(grp).id;
    return id == MBEDTLS_ECP_DP_SECP256R1 || id == MBEDTLS_ECP_DP_SECP384R1 ||
           id == MBEDTLS_ECP_DP_SECP521R1;
}

enum refusal check_key(const struct cert *c, const struct verify_rules *rules, struct finding *f)
{
    if (c->key_problem != REFUSAL_NONE)
        return found(f, c->key_problem, c, STR("has a key of a kind that is not supported"));
    if (mbedtls_pk_get_type(&c->key) == MBEDTLS_PK_RSA) {
        size_t bits = mbedtls_pk_get_bitlen(&c->key);
        if (bits >= rules->rsa_bits)
            return REFUSAL_NONE;
        found(f, REFUSAL_NONE, c, STR(""));
        buf_printf(&f->words, "has an RSA key of %zu bits", bits);
        return REFUSAL_KEY_WEAK;
    }
    if (!mbedtls_pk_can_do(&c->key, MBEDTLS_PK_ECDSA) || !curve_is_listed(&c->key))
        return found(f, REFUSAL_ALG_UNSUPPORTED, c,
                     STR("has a key of a kind that is not supported"));
    return REFUSAL_NONE;
}

static enum refusal check_keys(const struct path *p, struct finding *f)
{
    enum refusal r = REFUSAL_NONE;
    for (size_t i = 0; i < p->length && r == REFUSAL_NONE; i++)
        r = check_key(p->certs[i], p->rules, f);
    return r;
}

/* RFC 5280, 6.1.4 (k) to (n). at: its place in the path, not 0. */
static enum refusal check_issuer(const struct path *p, size_t at, struct finding *f)
{
    const struct cert *c = p->certs[at];
    bool is_anchor = at + 1 == p->length;
    /* Version 1 has no way to say so; as an anchor the operator's word is enough. */
    if (!c->is_ca && (c->version == 3 || !is_anchor))
        return found(f, REFUSAL_NOT_A_CA, c, STR("is no CA and issued another certificate"));
    if (c->has_key_usage && !(c->key_usage & KEY_USAGE_CERT_SIGN))
        return found(f, REFUSAL_KEY_USAGE_WRONG, c,
                     STR("may not sign certificates (its key usage lacks keyCertSign)"));
    int below = 0;
    for (size_t i = 1; i < at; i++)
        below += !cert_is_self_issued(p->certs[i]);
    if (c->path_length >= 0 && below > c->path_length)
        return found(f, REFUSAL_CHAIN_TOO_LONG, c,
                     STR("has a pathLenConstraint that allows fewer CAs below it"));
    return REFUSAL_NONE;
}

static enum refusal check_issuers(const struct path *p, struct finding *f)
{
    enum refusal r = REFUSAL_NONE;
    for (size_t i = 1; i < p->length && r == REFUSAL_NONE; i++)
        r = check_issuer(p, i, f);
    return r;
}

/* OpenSSL's count: neither the client's certificate nor the anchor takes part
 * (X509_VERIFY_PARAM_set_depth). */
static enum refusal check_depth(const struct path *p, struct finding *f)
{
    if (p->length < 3 || p->length - 2 <= p->rules->depth)
        return REFUSAL_NONE;
    found(f, REFUSAL_NONE, p->certs[0], STR(""));
    buf_printf(&f->words, "has %zu intermediates above it (ssl_verify_depth is %u)", p->length - 2,
               p->rules->depth);
    return REFUSAL_CHAIN_TOO_LONG;
}

enum refusal check_dates(const struct path *p, struct finding *f)
{
    for (size_t i = 0; i < p->length; i++) {
        const struct cert *c = p->certs[i];
        if (p->now > c->not_after + p->rules->clock_skew)
            return found_date(f, REFUSAL_CERT_EXPIRED, c, "expired", c->not_after);
        if (p->now < c->not_before - p->rules->clock_skew)
            return found_date(f, REFUSAL_CERT_NOT_YET_VALID, c, "is not valid before",
                              c->not_before);
    }
    return REFUSAL_NONE;
}

static enum refusal check_leaf(const struct path *p, struct finding *f)
{
    const struct cert *c = p->certs[0];
    /* A path of one certificate is an anchor that the operator listed, as in nginx. */
    if (c->is_ca && p->length > 1)
        return found(f, REFUSAL_CA_AS_CLIENT, c, STR("is a CA"));
    if (c->has_key_usage && !(c->key_usage & KEY_USAGE_DIGITAL_SIGNATURE))
        return found(f, REFUSAL_KEY_USAGE_WRONG, c,
                     STR("has a key usage without digitalSignature"));
    if (c->has_netscape_type && !c->netscape_client)
        return found(f, REFUSAL_EKU_WRONG, c, STR("has a Netscape type other than SSL client"));
    return REFUSAL_NONE;
}

/* An extended key usage in a CA limits what it issues: not in RFC 5280, but everybody's practice.
 */
static enum refusal check_purposes(const struct path *p, struct finding *f)
{
    for (size_t i = 0; i < p->length; i++) {
        const struct cert *c = p->certs[i];
        if (c->has_purposes && !c->purpose_any && !c->purpose_client)
            return found(f, REFUSAL_EKU_WRONG, c,
                         STR("has an extended key usage without clientAuth"));
    }
    return REFUSAL_NONE;
}

/* RFC 5280, 6.1.3 (b) and (c): self-issued ones are exempt, the leaf never. */
static enum refusal check_names(const struct path *p, struct finding *f)
{
    for (size_t ca = 1; ca < p->length; ca++) {
        if (p->certs[ca]->name_constraints.ptr == NULL)
            continue;
        for (size_t i = 0; i < ca; i++) {
            if (i > 0 && cert_is_self_issued(p->certs[i]))
                continue;
            enum refusal r = constraints_check(p->certs[ca]->name_constraints, p->certs[i], i == 0);
            if (r == REFUSAL_NONE)
                continue;
            found(f, r, p->certs[i], STR("has a name outside what may be certified by "));
            name_append_rfc2253(&f->words, p->certs[ca]->subject);
            return r;
        }
    }
    return REFUSAL_NONE;
}

/* How many of the path, from the leaf on, are looked up. The issuer of an anchor that is no root is
 * not known. */
static size_t revocable(const struct path *p)
{
    if (p->trust->crl_count == 0)
        return 0;
    size_t known = p->length - !cert_is_self_issued(p->certs[p->length - 1]);
    return p->rules->crl_leaf_only && known > 0 ? 1 : known;
}

/* As nginx with ssl_crl: every certificate, the anchor with its own list. One that is revoked
 * says more than a list that is missing. */
static enum refusal check_revocation(const struct path *p, struct finding *f)
{
    static const enum refusal refusals[] = {[CRL_GOOD] = REFUSAL_NONE,
                                            [CRL_REVOKED] = REFUSAL_CERT_REVOKED,
                                            [CRL_NONE] = REFUSAL_CRL_MISSING,
                                            [CRL_STALE] = REFUSAL_CRL_EXPIRED,
                                            [CRL_UNUSABLE] = REFUSAL_CRL_INVALID};
    enum refusal first = REFUSAL_NONE;
    struct buf words = {0};
    for (size_t i = 0; i < revocable(p); i++) {
        size_t above = i + 1 < p->length ? i + 1 : i;
        buf_clear(&words);
        buf_append_str(&words, STR("has an issuer of whom there is no revocation list"));
        enum refusal r =
            refusals[crl_lookup(p->trust->crls, p->trust->crl_count, p->certs[i], p->certs + above,
                                p->length - above, p->now, p->rules->crl_grace, &words)];
        if (r == REFUSAL_CRL_MISSING && p->rules->crl_may_miss)
            continue;
        if (r != REFUSAL_NONE && (first == REFUSAL_NONE || r == REFUSAL_CERT_REVOKED))
            first = found(f, r, p->certs[i], buf_str(&words));
        if (r == REFUSAL_CERT_REVOKED)
            break;
    }
    buf_deinit(&words);
    return first;
}

const struct check checks[CHECKS] = {
    {"critical_extensions", check_extensions},
    {"keys", check_keys},
    {"issuers_may_issue", check_issuers},
    {"path_length", check_depth},
    {"dates", check_dates},
    {"client_key_usage", check_leaf},
    {"purposes", check_purposes},
    {"name_constraints", check_names},
    {"revocation", check_revocation},
};
