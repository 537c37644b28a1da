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

#include "memo.h"
#include "name.h"
#include "portcullis/base/memory.h"
#include "trust.h"
#include "verify_checks.h"
#include "verify_trace.h"

enum {
    SENT_MAX = 64, /* certificates that a client may send */
    PATH_MAX_LENGTH = VERIFY_PATH_MAX,
    WORK_MAX = 32, /* of one verdict, in checks of a signature by P-256 or RSA-4096 */
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
    struct cert *sent;
    size_t sent_count;

    struct path path;   /* as far as it has come */
    unsigned work_left; /* each step of a path costs some */

    enum rank rank; /* of the failure below */
    enum refusal refusal;
    struct buf *detail;
    struct verify_path *good;   /* may be NULL */
    struct verify_trace *trace; /* may be NULL */
};

/* ---- failures -------------------------------------------------------------------------------- */

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
        buf_append_hex(s->detail, c->serial.ptr, c->serial.len, ASCII_HEX_UPPER);
    }
    if (c != s->path.certs[0] && s->path.certs[0] != NULL &&
        s->path.certs[0]->subject.ptr != NULL) {
        buf_append_str(s->detail, STR(", in the chain of "));
        name_append_rfc2253(s->detail, s->path.certs[0]->subject);
    }
}

static void note_path(const struct search *s, bool is_complete)
{
    if (s->trace != NULL)
        trace_path(s->trace, s->path.certs, s->path.length, s->sent, s->sent_count, is_complete);
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

/* ---- judging a complete path ----------------------------------------------------------------- */

/* The verdict stops at the first objection; an explanation has them all. */
static void note_checks(const struct search *s)
{
    struct finding f = {0};
    for (size_t i = 0; s->trace != NULL && i < CHECKS; i++) {
        enum refusal r = checks[i].ask(&s->path, &f);
        trace_check(s->trace, checks[i].name, r, f.cert, buf_str(&f.words));
    }
    buf_deinit(&f.words);
}

static void keep_path(const struct search *s)
{
    struct verify_path *p = s->good;
    for (size_t i = 0; p != NULL && i < s->path.length; i++) {
        time_t end = s->path.certs[i]->not_after + s->path.rules->clock_skew;
        if (i == 0 || end < p->valid_until)
            p->valid_until = end;
        p->der[p->count++] = s->path.certs[i]->der;
    }
}

/* True: this path is good. */
static bool judge(struct search *s)
{
    struct finding f = {0};
    enum refusal r = REFUSAL_NONE;
    for (size_t i = 0; i < CHECKS && r == REFUSAL_NONE; i++)
        r = checks[i].ask(&s->path, &f);
    if (r == REFUSAL_NONE) {
        keep_path(s);
        note_path(s, true);
    }
    if (r == REFUSAL_NONE || fail(s, RANK_COMPLETE_PATH, r, f.cert, buf_str(&f.words)))
        note_checks(s);
    buf_deinit(&f.words);
    return r == REFUSAL_NONE;
}

/* ---- searching ------------------------------------------------------------------------------- */

static bool extend(struct search *s);

/* The same name and key twice leads in circles (RFC 5280, 6.1: no certificate twice). */
static bool is_in_path(const struct search *s, const struct cert *c)
{
    for (size_t i = 0; i < s->path.length; i++)
        if (str_eq(s->path.certs[i]->spki, c->spki) &&
            str_eq(s->path.certs[i]->subject, c->subject))
            return true;
    return false;
}

static bool is_out_of_budget(const struct search *s)
{
    return s->work_left == 0;
}

static bool was_sent(const struct search *s, const struct cert *c)
{
    return c >= s->sent && c < s->sent + s->sent_count;
}

/* False: that much may not be done any more, and nothing else. */
static bool may_work(struct search *s, unsigned work)
{
    bool may = s->work_left >= work;
    s->work_left = may ? s->work_left - work : 0;
    return may;
}

/* Of those sent, keys are read when it is their turn: a compressed point costs as much as a check.
 */
static bool may_read_key(struct search *s, const struct cert *c)
{
    if (c->key_is_read || !was_sent(s, c))
        return true;
    if (!may_work(s, 1))
        return false;
    cert_read_key(&s->sent[c - s->sent]);
    return true;
}

/* P-384, P-521 and RSA-8192 take 0.7 ms and more, the others no more than 0.1 to 0.3. */
static unsigned work_by(const mbedtls_pk_context *key)
{
    size_t usual = mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA ? 4096 : 256;
    return mbedtls_pk_get_bitlen(key) > usual ? 4 : 1;
}

/* A remembered signature counts as one that is checked: the verdict does not depend on the past. */
static bool signature_checks_out(struct search *s, const struct cert *c, const struct cert *issuer)
{
    if (!may_work(s, work_by(&issuer->key)))
        return false;
    if (!was_sent(s, issuer))
        return memo_signature_is_good(c, issuer);
    return signature_is_good(&c->algorithm, &issuer->key, c->tbs, c->signature);
}

/* What the candidates of one step amounted to. */
struct step {
    bool forged, signed_by_one;
    const struct cert *unsupported; /* whose signature or key it is; NULL: nobody's */
};

/* True: a good path leads through this issuer. */
static bool try_issuer(struct search *s, struct step *step, const struct cert *issuer)
{
    const struct cert *c = s->path.certs[s->path.length - 1];
    if (is_out_of_budget(s) || is_in_path(s, issuer) || !cert_may_be_issued_by(c, issuer) ||
        !may_read_key(s, issuer))
        return false;
    if (c->algorithm.pk == MBEDTLS_PK_NONE || issuer->key_problem != REFUSAL_NONE) {
        step->unsupported = c->algorithm.pk == MBEDTLS_PK_NONE ? c : issuer;
        return false;
    }
    if (!signature_checks_out(s, c, issuer)) {
        step->forged = true;
        return false;
    }
    step->signed_by_one = true;
    s->path.certs[s->path.length++] = issuer;
    bool good = extend(s);
    s->path.length--;
    return good;
}

static bool try_issuers(struct search *s, struct step *step)
{
    size_t count;
    struct str name = s->path.certs[s->path.length - 1]->issuer;
    const struct trust_cert *known = trust_find(s->path.trust, name, &count);
    for (size_t i = 0; i < count; i++)
        if (trust_cert_is_anchor(&known[i], s->path.rules) && try_issuer(s, step, &known[i].cert))
            return true;
    for (size_t i = 0; i < count; i++)
        if (!trust_cert_is_anchor(&known[i], s->path.rules) && try_issuer(s, step, &known[i].cert))
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
    enum refusal dates = check_dates(&s->path, &f);
    if (dates == REFUSAL_NONE)
        fail(s, rank, refusal, c, words);
    else
        fail(s, rank, dates, f.cert, buf_str(&f.words));
    buf_deinit(&f.words);
}

/* CAs that are called alike, or one that changed its key, puzzle whoever reads names alone. */
static struct str unknown_issuer(const struct search *s, const struct cert *c)
{
    size_t count;
    const struct trust_cert *known = trust_find(s->path.trust, c->issuer, &count);
    for (size_t i = 0; i < count; i++)
        if (name_equal(known[i].cert.subject, c->issuer))
            return STR("has an issuer with a known CA's name and another key");
    return STR("has an unknown issuer");
}

static void dead_end(struct search *s, const struct step *step)
{
    const struct cert *c = s->path.certs[s->path.length - 1];
    if (is_out_of_budget(s))
        fail(s, RANK_BUDGET, REFUSAL_CHAIN_TOO_COMPLEX, c, STR("takes too much work to check"));
    else if (step->signed_by_one)
        return; /* What went wrong further up has been told. */
    else if (step->unsupported != NULL)
        fail(s, RANK_UNSUPPORTED, REFUSAL_ALG_UNSUPPORTED, step->unsupported,
             step->unsupported == c ? STR("is signed in a way that is not accepted")
                                    : STR("has a key of a kind that is not supported"));
    else if (step->forged)
        fail(s, RANK_SIGNATURE_BAD, REFUSAL_SIGNATURE_BAD, c,
             STR("has a signature that does not verify"));
    else
        fail_unanchored(s, RANK_ISSUER_UNKNOWN, REFUSAL_ISSUER_UNKNOWN, c, unknown_issuer(s, c));
}

/* True: the path so far can be made a good one. */
static bool extend(struct search *s)
{
    const struct cert *c = s->path.certs[s->path.length - 1];
    if (trust_is_anchor(s->path.trust, c, s->path.rules))
        return judge(s);
    if (s->path.length == PATH_MAX_LENGTH) {
        fail(s, RANK_BUDGET, REFUSAL_CHAIN_TOO_COMPLEX, c, STR("is too far from the client's"));
        return false;
    }
    if (cert_looks_self_signed(c) &&
        (c->algorithm.pk == MBEDTLS_PK_NONE || signature_checks_out(s, c, c))) {
        bool is_leaf = s->path.length == 1;
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
        bool readable = (i == 0 ? cert_read : cert_read_texts)(c, chain_der[i], &problem);
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
                s->path.certs[0] = &s->sent[0];
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
    s->work_left = WORK_MAX;
    s->refusal = REFUSAL_INTERNAL;
    bool good = false;
    if (read_sent(s, chain_der, count)) {
        s->path.certs[0] = &s->sent[0];
        s->path.length = 1;
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
    struct search s = {
        .path = {.trust = t, .rules = rules, .now = now}, .detail = detail, .good = path};
    if (path != NULL)
        path->count = 0;
    return verify(&s, chain_der, count);
}

enum refusal verify_chain_trace(const struct trust *t, const struct str *chain_der, size_t count,
                                time_t now, const struct verify_rules *rules, struct buf *detail,
                                struct verify_trace *trace)
{
    struct search s = {
        .path = {.trust = t, .rules = rules, .now = now}, .detail = detail, .trace = trace};
    *trace = (struct verify_trace){.arena = trace->arena};
    return verify(&s, chain_der, count);
}

enum refusal verify_chain(const struct trust *t, const struct str *chain_der, size_t count,
                          time_t now, const struct verify_rules *rules, struct buf *detail)
{
    return verify_chain_path(t, chain_der, count, now, rules, detail, NULL);
}
