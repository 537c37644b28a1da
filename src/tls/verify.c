/* The verdict on a chain, RFC 5280, 6.1, in two parts:
 *
 *   search   a path of names, key identifiers and good signatures from the client's certificate
 *            to an anchor, through what the client sent (in any order) and what the CA files hold
 *   judge    each complete path, certificate by certificate; the first good one is the verdict
 *
 * When none is good, the failure that says most is reported: that of a complete path before that
 * of one that led nowhere. Both parts work on a budget. */
#include "portcullis/tls/verify.h"

#include <string.h>

#include "constraints.h"
#include "der.h"
#include "memo.h"
#include "name.h"
#include "portcullis/base/memory.h"
#include "trust.h"
#include "verify_trace.h"

enum {
    SENT_MAX = 64, /* certificates that a client may send */
    PATH_MAX_LENGTH = VERIFY_PATH_MAX,
    SIGNATURES_MAX = 32, /* checks for one verdict */
    PATHS_MAX = 64,      /* complete paths judged, and dead ends */
};

/* How much a failure says; the highest is reported, of equals the first. */
enum rank {
    RANK_NONE,
    RANK_ISSUER_UNKNOWN,
    RANK_MALFORMED, /* one of the client's other certificates */
    RANK_SELF_SIGNED,
    RANK_SIGNATURE_BAD,
    RANK_UNSUPPORTED,
    RANK_BUDGET,
    RANK_COMPLETE_PATH,
};

struct search {
    const struct trust *trust;
    const struct verify_rules *rules;
    time_t now;

    struct cert *sent;
    size_t sent_count;

    const struct cert *path[PATH_MAX_LENGTH]; /* the leaf first */
    size_t length;
    unsigned signatures_left, paths_left;

    enum rank rank; /* of the failure below */
    enum refusal refusal;
    struct buf *detail;
    struct verify_path *good;   /* may be NULL */
    struct verify_trace *trace; /* may be NULL */
};

/* ---- failures ---------------------------------------------------------------------------------
 */

static void append_serial(struct buf *out, struct str serial)
{
    for (size_t i = 0; i < serial.len; i++)
        buf_printf(out, "%02X", (unsigned char)serial.ptr[i]);
}

/* "CN=client expired 2020-02-01, issuer CN=my-ca, serial 0A1B" */
static void describe(struct search *s, const struct cert *c, struct str words)
{
    buf_clear(s->detail);
    if (c->subject.ptr == NULL)
        buf_append_str(s->detail, STR("the certificate"));
    else if (name_is_empty(c->subject))
        buf_append_str(s->detail, STR("(no subject)"));
    else
        name_append_rfc2253(s->detail, c->subject);
    buf_printf(s->detail, " %.*s", STR_ARG(words));
    if (c->issuer.ptr != NULL) {
        buf_append_str(s->detail, STR(", issuer "));
        name_append_rfc2253(s->detail, c->issuer);
        buf_append_str(s->detail, STR(", serial "));
        append_serial(s->detail, c->serial);
    }
    if (c != s->path[0] && s->path[0] != NULL && s->path[0]->subject.ptr != NULL) {
        buf_append_str(s->detail, STR(", in the chain of "));
        name_append_rfc2253(s->detail, s->path[0]->subject);
    }
}

static void note_path(const struct search *s, bool is_complete)
{
    if (s->trace != NULL)
        trace_path(s->trace, s->path, s->length, s->sent, s->sent_count, is_complete);
}

/* True: this is the one to be reported so far. */
static bool fail(struct search *s, enum rank rank, enum refusal refusal, const struct cert *c,
                 struct str words)
{
    if (rank <= s->rank)
        return false;
    s->rank = rank;
    s->refusal = refusal;
    describe(s, c, words);
    note_path(s, rank == RANK_COMPLETE_PATH);
    if (s->trace != NULL)
        trace_subject(s->trace, c);
    return true;
}

/* ---- judging a complete path ------------------------------------------------------------------
 */

/* A check says what is wrong and with which certificate; words has room for its words. */
struct finding {
    const struct cert *cert;
    struct buf words;
};

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

static enum refusal check_extensions(const struct search *s, struct finding *f)
{
    for (size_t i = 0; i < s->length; i++) {
        if (!s->path[i]->has_unknown_critical)
            continue;
        found(f, REFUSAL_NONE, s->path[i], STR("has the unknown critical extension "));
        buf_append_str(&f->words, str_of(s->path[i]->unknown_critical));
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

static enum refusal check_key(const struct search *s, const struct cert *c, struct finding *f)
{
    if (c->key_problem != REFUSAL_NONE)
        return found(f, c->key_problem, c, STR("has a key of a kind that is not supported"));
    if (mbedtls_pk_get_type(&c->key) == MBEDTLS_PK_RSA) {
        size_t bits = mbedtls_pk_get_bitlen(&c->key);
        if (bits >= s->rules->rsa_bits)
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

static enum refusal check_keys(const struct search *s, struct finding *f)
{
    enum refusal r = REFUSAL_NONE;
    for (size_t i = 0; i < s->length && r == REFUSAL_NONE; i++)
        r = check_key(s, s->path[i], f);
    return r;
}

/* RFC 5280, 6.1.4 (k) to (n). at: its place in the path, not 0. */
static enum refusal check_issuer(const struct search *s, size_t at, struct finding *f)
{
    const struct cert *c = s->path[at];
    bool is_anchor = at + 1 == s->length;
    /* Version 1 has no way to say so; as an anchor the operator's word is enough. */
    if (!c->is_ca && (c->version == 3 || !is_anchor))
        return found(f, REFUSAL_NOT_A_CA, c, STR("is no CA and issued another certificate"));
    if (c->has_key_usage && !(c->key_usage & KEY_USAGE_CERT_SIGN))
        return found(f, REFUSAL_KEY_USAGE_WRONG, c,
                     STR("may not sign certificates (its key usage lacks keyCertSign)"));
    int below = 0;
    for (size_t i = 1; i < at; i++)
        below += !cert_is_self_issued(s->path[i]);
    if (c->path_length >= 0 && below > c->path_length)
        return found(f, REFUSAL_CHAIN_TOO_LONG, c,
                     STR("has a pathLenConstraint that allows fewer CAs below it"));
    return REFUSAL_NONE;
}

static enum refusal check_issuers(const struct search *s, struct finding *f)
{
    enum refusal r = REFUSAL_NONE;
    for (size_t i = 1; i < s->length && r == REFUSAL_NONE; i++)
        r = check_issuer(s, i, f);
    return r;
}

/* OpenSSL's count: neither the client's certificate nor the anchor takes part
 * (X509_VERIFY_PARAM_set_depth). */
static enum refusal check_depth(const struct search *s, struct finding *f)
{
    if (s->length < 3 || s->length - 2 <= s->rules->depth)
        return REFUSAL_NONE;
    found(f, REFUSAL_NONE, s->path[0], STR(""));
    buf_printf(&f->words, "has %zu intermediates above it (ssl_verify_depth is %u)", s->length - 2,
               s->rules->depth);
    return REFUSAL_CHAIN_TOO_LONG;
}

static enum refusal check_dates(const struct search *s, struct finding *f)
{
    for (size_t i = 0; i < s->length; i++) {
        const struct cert *c = s->path[i];
        if (s->now > c->not_after + s->rules->clock_skew)
            return found_date(f, REFUSAL_CERT_EXPIRED, c, "expired", c->not_after);
        if (s->now < c->not_before - s->rules->clock_skew)
            return found_date(f, REFUSAL_CERT_NOT_YET_VALID, c, "is not valid before",
                              c->not_before);
    }
    return REFUSAL_NONE;
}

static enum refusal check_leaf(const struct search *s, struct finding *f)
{
    const struct cert *c = s->path[0];
    /* A path of one certificate is an anchor that the operator listed, as in nginx. */
    if (c->is_ca && s->length > 1)
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
static enum refusal check_purposes(const struct search *s, struct finding *f)
{
    for (size_t i = 0; i < s->length; i++) {
        const struct cert *c = s->path[i];
        if (c->has_purposes && !c->purpose_any && !c->purpose_client)
            return found(f, REFUSAL_EKU_WRONG, c,
                         STR("has an extended key usage without clientAuth"));
    }
    return REFUSAL_NONE;
}

/* RFC 5280, 6.1.3 (b) and (c): self-issued ones are exempt, the leaf never. */
static enum refusal check_names(const struct search *s, struct finding *f)
{
    for (size_t ca = 1; ca < s->length; ca++) {
        if (s->path[ca]->name_constraints.ptr == NULL)
            continue;
        for (size_t i = 0; i < ca; i++) {
            if (i > 0 && cert_is_self_issued(s->path[i]))
                continue;
            enum refusal r = constraints_check(s->path[ca]->name_constraints, s->path[i], i == 0);
            if (r == REFUSAL_NONE)
                continue;
            found(f, r, s->path[i], STR("has a name outside what may be certified by "));
            name_append_rfc2253(&f->words, s->path[ca]->subject);
            return r;
        }
    }
    return REFUSAL_NONE;
}

/* How many of the path, from the leaf on, are looked up. The issuer of an anchor that is no root is
 * not known. */
static size_t revocable(const struct search *s)
{
    if (s->trust->crl_count == 0)
        return 0;
    size_t known = s->length - !cert_is_self_issued(s->path[s->length - 1]);
    return s->rules->crl_leaf_only && known > 0 ? 1 : known;
}

/* As nginx with ssl_crl: every certificate, the anchor with its own list. One that is revoked
 * says more than a list that is missing. */
static enum refusal check_revocation(const struct search *s, struct finding *f)
{
    static const enum refusal refusals[] = {[CRL_GOOD] = REFUSAL_NONE,
                                            [CRL_REVOKED] = REFUSAL_CERT_REVOKED,
                                            [CRL_NONE] = REFUSAL_CRL_MISSING,
                                            [CRL_STALE] = REFUSAL_CRL_EXPIRED,
                                            [CRL_UNUSABLE] = REFUSAL_CRL_INVALID};
    enum refusal first = REFUSAL_NONE;
    struct buf words = {0};
    for (size_t i = 0; i < revocable(s); i++) {
        size_t above = i + 1 < s->length ? i + 1 : i;
        buf_clear(&words);
        buf_append_str(&words, STR("has an issuer of whom there is no revocation list"));
        enum refusal r =
            refusals[crl_lookup(s->trust->crls, s->trust->crl_count, s->path[i], s->path + above,
                                s->length - above, s->now, s->rules->crl_grace, &words)];
        if (r == REFUSAL_CRL_MISSING && s->rules->crl_may_miss)
            continue;
        if (r != REFUSAL_NONE && (first == REFUSAL_NONE || r == REFUSAL_CERT_REVOKED))
            first = found(f, r, s->path[i], buf_str(&words));
        if (r == REFUSAL_CERT_REVOKED)
            break;
    }
    buf_deinit(&words);
    return first;
}

static const struct {
    const char *name;
    enum refusal (*ask)(const struct search *s, struct finding *f);
} checks[] = {
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
enum { CHECKS = sizeof checks / sizeof *checks };

/* The verdict stops at the first objection; an explanation has them all. */
static void note_checks(const struct search *s)
{
    struct finding f = {0};
    for (size_t i = 0; s->trace != NULL && i < CHECKS; i++) {
        enum refusal r = checks[i].ask(s, &f);
        trace_check(s->trace, checks[i].name, r, f.cert, buf_str(&f.words));
    }
    buf_deinit(&f.words);
}

static void keep_path(const struct search *s)
{
    struct verify_path *p = s->good;
    for (size_t i = 0; p != NULL && i < s->length; i++) {
        time_t end = s->path[i]->not_after + s->rules->clock_skew;
        if (i == 0 || end < p->valid_until)
            p->valid_until = end;
        p->der[p->count++] = s->path[i]->der;
    }
}

/* True: this path is good. */
static bool judge(struct search *s)
{
    struct finding f = {0};
    enum refusal r = REFUSAL_NONE;
    for (size_t i = 0; i < CHECKS && r == REFUSAL_NONE; i++)
        r = checks[i].ask(s, &f);
    if (r == REFUSAL_NONE) {
        keep_path(s);
        note_path(s, true);
    }
    if (r == REFUSAL_NONE || fail(s, RANK_COMPLETE_PATH, r, f.cert, buf_str(&f.words)))
        note_checks(s);
    buf_deinit(&f.words);
    return r == REFUSAL_NONE;
}

/* ---- searching --------------------------------------------------------------------------------
 */

static bool extend(struct search *s);

/* The same name and key twice leads in circles (RFC 5280, 6.1: no certificate twice). */
static bool is_in_path(const struct search *s, const struct cert *c)
{
    for (size_t i = 0; i < s->length; i++)
        if (str_eq(s->path[i]->spki, c->spki) && str_eq(s->path[i]->subject, c->subject))
            return true;
    return false;
}

static bool is_out_of_budget(const struct search *s)
{
    return s->signatures_left == 0 || s->paths_left == 0;
}

static bool was_sent(const struct search *s, const struct cert *c)
{
    return c >= s->sent && c < s->sent + s->sent_count;
}

/* A remembered signature counts as one that is checked: the verdict does not depend on the past. */
static bool signature_checks_out(struct search *s, const struct cert *c, const struct cert *issuer)
{
    if (s->signatures_left == 0)
        return false;
    s->signatures_left--;
    if (!was_sent(s, issuer))
        return memo_signature_is_good(c, issuer);
    return signature_is_good(&c->algorithm, &issuer->key, c->tbs, c->signature);
}

/* What the candidates of one step amounted to. */
struct step {
    bool any, unsupported, forged, signed_by_one;
};

/* True: a good path leads through this issuer. */
static bool try_issuer(struct search *s, struct step *step, const struct cert *issuer)
{
    const struct cert *c = s->path[s->length - 1];
    if (is_out_of_budget(s) || is_in_path(s, issuer) || !cert_may_be_issued_by(c, issuer))
        return false;
    step->any = true;
    if (c->algorithm.pk == MBEDTLS_PK_NONE || issuer->key_problem != REFUSAL_NONE) {
        step->unsupported = true;
        return false;
    }
    if (!signature_checks_out(s, c, issuer)) {
        step->forged = true;
        return false;
    }
    step->signed_by_one = true;
    s->path[s->length++] = issuer;
    bool good = extend(s);
    s->length--;
    return good;
}

static bool try_issuers(struct search *s, struct step *step)
{
    size_t count;
    struct str name = s->path[s->length - 1]->issuer;
    const struct trust_cert *known = trust_find(s->trust, name, &count);
    for (size_t i = 0; i < count; i++)
        if (trust_cert_is_anchor(&known[i], s->rules) && try_issuer(s, step, &known[i].cert))
            return true;
    for (size_t i = 0; i < count; i++)
        if (!trust_cert_is_anchor(&known[i], s->rules) && try_issuer(s, step, &known[i].cert))
            return true;
    for (size_t i = 1; i < s->sent_count; i++)
        if (try_issuer(s, step, &s->sent[i]))
            return true;
    return false;
}

/* No anchor was found. The dates are looked at all the same, as OpenSSL does: optional_no_ca lets
 * an unknown issuer pass, an expired certificate not. */
static void fail_unanchored(struct search *s, enum rank rank, enum refusal refusal,
                            const struct cert *c, struct str words)
{
    struct finding f = {0};
    enum refusal dates = check_dates(s, &f);
    if (dates == REFUSAL_NONE)
        fail(s, rank, refusal, c, words);
    else
        fail(s, rank, dates, f.cert, buf_str(&f.words));
    buf_deinit(&f.words);
}

static void dead_end(struct search *s, const struct step *step)
{
    const struct cert *c = s->path[s->length - 1];
    if (s->paths_left > 0)
        s->paths_left--;
    if (is_out_of_budget(s))
        fail(s, RANK_BUDGET, REFUSAL_CHAIN_TOO_COMPLEX, c, STR("takes too much work to check"));
    else if (step->signed_by_one)
        return; /* What went wrong further up has been told. */
    else if (step->unsupported)
        fail(s, RANK_UNSUPPORTED, REFUSAL_ALG_UNSUPPORTED, c,
             STR("is signed in a way that is not accepted"));
    else if (step->forged)
        fail(s, RANK_SIGNATURE_BAD, REFUSAL_SIGNATURE_BAD, c,
             STR("has a signature that does not verify"));
    else if (!step->any)
        fail_unanchored(s, RANK_ISSUER_UNKNOWN, REFUSAL_ISSUER_UNKNOWN, c,
                        STR("has an unknown issuer"));
}

/* True: the path so far can be made a good one. */
static bool extend(struct search *s)
{
    const struct cert *c = s->path[s->length - 1];
    if (trust_is_anchor(s->trust, c, s->rules)) {
        if (s->paths_left > 0)
            s->paths_left--;
        return judge(s);
    }
    if (s->length == PATH_MAX_LENGTH) {
        fail(s, RANK_BUDGET, REFUSAL_CHAIN_TOO_COMPLEX, c, STR("is too far from the client's"));
        return false;
    }
    if (cert_looks_self_signed(c) &&
        (c->algorithm.pk == MBEDTLS_PK_NONE || signature_checks_out(s, c, c))) {
        bool is_leaf = s->length == 1;
        fail_unanchored(
            s, RANK_SELF_SIGNED, is_leaf ? REFUSAL_SELF_SIGNED : REFUSAL_SELF_SIGNED_CA, c,
            is_leaf ? STR("is self-signed") : STR("is self-signed and not trusted here"));
        return false;
    }
    struct step step = {0};
    if (try_issuers(s, &step))
        return true;
    dead_end(s, &step);
    return false;
}

/* The leaf must be readable; of the others the readable ones are used, each once. */
static bool read_sent(struct search *s, const struct str *chain_der, size_t count)
{
    const char *problem;
    for (size_t i = 0; i < count; i++) {
        struct cert *c = &s->sent[s->sent_count];
        bool readable = cert_read(c, chain_der[i], &problem);
        bool again = false;
        for (size_t j = 0; j < s->sent_count; j++)
            again |= str_eq(s->sent[j].der, c->der);
        if (readable && !again) {
            s->sent_count++;
            continue;
        }
        if (!readable) {
            struct buf words = {0};
            buf_printf(&words, "is malformed: %s", problem);
            if (i > 0)
                s->path[0] = &s->sent[0];
            fail(s, RANK_MALFORMED, REFUSAL_CERT_MALFORMED, c, buf_str(&words));
            buf_deinit(&words);
        }
        cert_deinit(c);
        if (i == 0)
            return false;
    }
    return true;
}

/* Of the search, what the caller knows: trust, rules, now, detail, and where to tell more. */
static enum refusal verify(struct search *s, const struct str *chain_der, size_t count)
{
    struct buf *detail = s->detail;
    buf_clear(detail);
    if (count == 0) {
        buf_append_str(detail, STR("the client sent no certificate"));
        return REFUSAL_CERT_MISSING;
    }
    if (count > SENT_MAX) {
        buf_printf(detail, "the client sent %zu certificates", count);
        return REFUSAL_CHAIN_TOO_COMPLEX;
    }
    s->sent = mem_zalloc(count * sizeof(struct cert));
    s->signatures_left = SIGNATURES_MAX;
    s->paths_left = PATHS_MAX;
    s->refusal = REFUSAL_INTERNAL;
    bool good = false;
    if (read_sent(s, chain_der, count)) {
        s->path[0] = &s->sent[0];
        s->length = 1;
        good = extend(s);
    }
    if (good)
        buf_clear(detail);
    for (size_t i = 0; i < s->sent_count; i++)
        cert_deinit(&s->sent[i]);
    mem_free(s->sent);
    return good ? REFUSAL_NONE : s->refusal;
}

enum refusal verify_chain_path(const struct trust *t, const struct str *chain_der, size_t count,
                               time_t now, const struct verify_rules *rules, struct buf *detail,
                               struct verify_path *path)
{
    struct search s = {.trust = t, .rules = rules, .now = now, .detail = detail, .good = path};
    if (path != NULL)
        path->count = 0;
    return verify(&s, chain_der, count);
}

enum refusal verify_chain_trace(const struct trust *t, const struct str *chain_der, size_t count,
                                time_t now, const struct verify_rules *rules, struct buf *detail,
                                struct verify_trace *trace)
{
    struct search s = {.trust = t, .rules = rules, .now = now, .detail = detail, .trace = trace};
    *trace = (struct verify_trace){.arena = trace->arena};
    return verify(&s, chain_der, count);
}

enum refusal verify_chain(const struct trust *t, const struct str *chain_der, size_t count,
                          time_t now, const struct verify_rules *rules, struct buf *detail)
{
    return verify_chain_path(t, chain_der, count, now, rules, detail, NULL);
}
