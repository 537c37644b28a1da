#include "crl.h"

#include <stdlib.h>
#include <string.h>

#include "der.h"
#include "name.h"

/* ---- reading --------------------------------------------------------------------------------- */

enum { REMOVE_FROM_CRL = 8 }; /* the reason, RFC 5280, 5.3.1 */

static int compare_entries(const void *a, const void *b)
{
    const struct crl_entry *x = a, *y = b;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->serial, y->serial, x->len);
}

/* reasonCode, invalidityDate (5.3). certificateIssuer is of indirect lists and critical. */
static bool read_entry_extensions(struct crl_entry *entry, struct str list, const char **problem)
{
    static const struct str reason_code = STR_INIT("\x55\x1d\x15");
    static const struct str invalidity_date = STR_INIT("\x55\x1d\x18");
    struct extension e;
    while (extension_next(&list, &e)) {
        struct str value = e.value, code;
        unsigned n;
        if (str_eq(e.oid, reason_code)) {
            if (!der_take(&value, DER_ENUMERATED, &code) || !der_small_integer(code, &n) || n > 10)
                return false;
            entry->cause = (unsigned char)n;
        } else if (e.is_critical && !str_eq(e.oid, invalidity_date)) {
            *problem = "an entry has a critical extension that is not supported (indirect list?)";
            return false;
        }
    }
    return list.len == 0;
}

static bool read_entry(struct crl_entry *entry, struct str *list, const char **problem)
{
    struct str in, serial, extensions;
    time_t date;
    if (!der_take(list, DER_SEQUENCE, &in) || !der_take(&in, DER_INTEGER, &serial) ||
        serial.len == 0 || !der_take_time(&in, &date) ||
        !der_optional(&in, DER_SEQUENCE, &extensions) || in.len > 0)
        return false;
    serial = der_integer_trim(serial);
    if (serial.len > sizeof entry->serial) {
        *problem = "an entry's serial number is longer than 20 octets";
        return false;
    }
    memcpy(entry->serial, serial.ptr, serial.len);
    entry->len = (unsigned char)serial.len;
    entry->date = date;
    return read_entry_extensions(entry, extensions, problem);
}

/* Of one serial number, what removes comes last. */
static int order_entries(const void *a, const void *b)
{
    const struct crl_entry *x = a, *y = b;
    int order = compare_entries(x, y);
    return order != 0 ? order : (x->cause == REMOVE_FROM_CRL) - (y->cause == REMOVE_FROM_CRL);
}

/* Named twice, revoked and removed: it is revoked, whichever entry is found. */
static void settle_contradictions(struct crl *l)
{
    for (size_t i = 1; i < l->count; i++) {
        const struct crl_entry *a = &l->entries[i - 1];
        struct crl_entry *b = &l->entries[i];
        if (compare_entries(a, b) == 0)
            *b = *a;
    }
}

static bool read_entries(struct crl *l, struct arena *a, struct str list, const char **problem)
{
    size_t count = 0;
    struct der_item item;
    for (struct str rest = list; der_next(&rest, &item);)
        count++;
    l->entries = ARENA_ARRAY(a, struct crl_entry, count + 1);
    while (list.len > 0)
        if (l->count == count || !read_entry(&l->entries[l->count++], &list, problem))
            return false;
    qsort(l->entries, l->count, sizeof *l->entries, order_entries);
    settle_contradictions(l);
    return true;
}

static bool read_key_id(struct crl *l, struct str value, const char **problem)
{
    struct str in;
    (void)problem;
    return der_take(&value, DER_SEQUENCE, &in) && der_optional(&in, DER_CONTEXT(0), &l->key_id);
}

/* 5.2.5. What cannot be honoured is refused: ignoring it would call certificates good that the
 * list does not speak of. */
static bool read_distribution_point(struct crl *l, struct str value, const char **problem)
{
    struct str in, point, user, ca, some_reasons, indirect, attributes, name;
    if (!der_take(&value, DER_SEQUENCE, &in) || value.len > 0 ||
        !der_optional(&in, DER_CONTEXT_COMPOUND(0), &point) ||
        !der_optional(&in, DER_CONTEXT(1), &user) || !der_optional(&in, DER_CONTEXT(2), &ca) ||
        !der_optional(&in, DER_CONTEXT(3), &some_reasons) ||
        !der_optional(&in, DER_CONTEXT(4), &indirect) ||
        !der_optional(&in, DER_CONTEXT(5), &attributes) || in.len > 0)
        return false;
    l->only_users = user.len == 1 && user.ptr[0] != 0;
    l->only_cas = ca.len == 1 && ca.ptr[0] != 0;
    *problem = "it lists only some reasons, only attribute certificates, or is an indirect list: "
               "not supported";
    if (some_reasons.ptr != NULL || (indirect.len == 1 && indirect.ptr[0] != 0) ||
        (attributes.len == 1 && attributes.ptr[0] != 0))
        return false;
    if (point.ptr == NULL)
        return true;
    *problem = "its distribution point is named relative to the issuer: not supported";
    if (!der_take(&point, DER_CONTEXT_COMPOUND(0), &name))
        return false;
    l->points = name;
    return true;
}

static bool read_number(struct str value, struct str *number)
{
    if (!der_take(&value, DER_INTEGER, number) || value.len > 0 || number->len == 0)
        return false;
    *number = der_integer_trim(*number);
    return !(number->ptr[0] & 0x80);
}

static bool read_own_number(struct crl *l, struct str value, const char **problem)
{
    (void)problem;
    return read_number(value, &l->number);
}

static bool read_base_number(struct crl *l, struct str value, const char **problem)
{
    (void)problem;
    return read_number(value, &l->base);
}

static const struct {
    struct str oid;
    bool (*read)(struct crl *l, struct str value, const char **problem);
} crl_extensions[] = {
    {STR_INIT("\x55\x1d\x23"), read_key_id},
    {STR_INIT("\x55\x1d\x1c"), read_distribution_point},
    {STR_INIT("\x55\x1d\x14"), read_own_number},
    {STR_INIT("\x55\x1d\x1b"), read_base_number},
};

static bool read_extensions(struct crl *l, struct str list, const char **problem)
{
    struct extension e;
    while (extension_next(&list, &e)) {
        size_t i = 0, count = sizeof crl_extensions / sizeof *crl_extensions;
        while (i < count && !str_eq(crl_extensions[i].oid, e.oid))
            i++;
        *problem = "it has a critical extension that is not supported";
        if (i == count && e.is_critical)
            return false;
        *problem = "an extension of it is malformed";
        if (i < count && !crl_extensions[i].read(l, e.value, problem))
            return false;
    }
    *problem = "its extensions are malformed";
    return list.len == 0;
}

static bool read_tbs(struct crl *l, struct arena *a, struct str tbs, struct str algorithm,
                     const char **problem)
{
    struct der_item signature, issuer;
    struct str version, list = STR_NONE, wrapped, extensions;
    if (!der_optional(&tbs, DER_INTEGER, &version) ||
        !der_take_whole(&tbs, DER_SEQUENCE, &signature) || !str_eq(signature.whole, algorithm) ||
        !der_take_whole(&tbs, DER_SEQUENCE, &issuer) || !der_take_time(&tbs, &l->this_update))
        return false;
    l->issuer = issuer.whole;
    l->has_next_update = der_at(tbs, DER_UTC_TIME) || der_at(tbs, DER_GENERALIZED_TIME);
    if (l->has_next_update && !der_take_time(&tbs, &l->next_update))
        return false;
    if (!der_optional(&tbs, DER_SEQUENCE, &list) ||
        !der_optional(&tbs, DER_CONTEXT_COMPOUND(0), &wrapped) || tbs.len > 0)
        return false;
    *problem = "an entry is malformed";
    if (!read_entries(l, a, list, problem))
        return false;
    if (wrapped.ptr == NULL)
        return true;
    *problem = "its extensions are malformed";
    return der_take(&wrapped, DER_SEQUENCE, &extensions) && wrapped.len == 0 &&
           read_extensions(l, extensions, problem);
}

/* The index has all that is looked up of the rest: a list of a million is not kept twice. */
static void keep_texts(struct crl *l, struct arena *a)
{
    struct str *const texts[] = {&l->issuer, &l->key_id, &l->points,
                                 &l->number, &l->base,   &l->signature};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_str(a, *texts[i]);
}

bool crl_read(struct crl *l, struct arena *a, struct str der, const char **problem)
{
    struct der_item whole, tbs, algorithm;
    struct str bits;
    unsigned unused;
    memset(l, 0, sizeof *l);
    *problem = "it is no certificate revocation list";
    if (!der_take_whole(&der, DER_SEQUENCE, &whole) || der.len > 0 ||
        !der_take_whole(&whole.content, DER_SEQUENCE, &tbs) ||
        !der_take_whole(&whole.content, DER_SEQUENCE, &algorithm) ||
        !der_take(&whole.content, DER_BIT_STRING, &bits) || whole.content.len > 0 ||
        !der_bit_string(bits, &l->signature, &unused) || unused != 0 ||
        !signature_algorithm_read(&l->algorithm, algorithm.content))
        return false;
    if (!read_tbs(l, a, tbs.content, algorithm.whole, problem))
        return false;
    *problem = "it is signed with an algorithm that is not accepted (SHA-1?)";
    if (!signature_digest(&l->algorithm, tbs.whole, l->digest))
        return false;
    keep_texts(l, a);
    return true;
}

/* ---- looking up ------------------------------------------------------------------------------ */

static bool is_signed_by(const struct crl *l, const struct cert *issuer)
{
    if (l->checked_key.ptr != NULL && str_eq(l->checked_key, issuer->spki))
        return true;
    return issuer->key_problem == REFUSAL_NONE &&
           signature_of_digest_is_good(&l->algorithm, &issuer->key, l->digest, l->signature);
}

bool crl_check_signature(struct crl *l, const struct cert *issuer)
{
    if (!name_equal(l->issuer, issuer->subject) || !is_signed_by(l, issuer))
        return false;
    l->checked_key = issuer->spki;
    return true;
}

void crl_compare(const struct crl *from, const struct crl *to, size_t *added, size_t *removed)
{
    size_t i = 0, k = 0, common = 0, old_count = from != NULL ? from->count : 0;
    while (i < old_count && k < to->count) {
        int order = compare_entries(&from->entries[i], &to->entries[k]);
        common += order == 0;
        i += order <= 0;
        k += order >= 0;
    }
    *added = to->count - common;
    *removed = old_count - common;
}

/* Does one GeneralNames share a name with another? */
static bool names_intersect(struct str a, struct str b)
{
    struct der_item x, y;
    while (der_next(&a, &x))
        for (struct str rest = b; der_next(&rest, &y);)
            if (str_eq(x.whole, y.whole))
                return true;
    return false;
}

/* A partitioned list speaks of the certificates that name the same point (RFC 5280, 6.3.3 (b)). */
static bool point_matches(const struct crl *l, const struct cert *c)
{
    struct str point, name, full;
    if (l->points.ptr == NULL)
        return true;
    for (struct str rest = c->crl_points; der_take(&rest, DER_SEQUENCE, &point);)
        if (der_take(&point, DER_CONTEXT_COMPOUND(0), &name) &&
            der_take(&name, DER_CONTEXT_COMPOUND(0), &full) && names_intersect(full, l->points))
            return true;
    return false;
}

static bool is_about(const struct crl *l, const struct cert *c)
{
    if (!name_equal(l->issuer, c->issuer))
        return false;
    if ((l->only_users && c->is_ca) || (l->only_cas && !c->is_ca))
        return false;
    return point_matches(l, c);
}

static bool may_be_signed_by(const struct crl *l, const struct cert *issuer)
{
    if (!name_equal(l->issuer, issuer->subject))
        return false;
    return l->key_id.ptr == NULL || issuer->key_id.ptr == NULL || str_eq(l->key_id, issuer->key_id);
}

bool crl_is_signed_by(const struct crl *l, const struct cert *issuer)
{
    return may_be_signed_by(l, issuer) && is_signed_by(l, issuer);
}

static const struct crl_entry *find_entry(const struct crl *l, struct str serial)
{
    struct crl_entry key = {.len = (unsigned char)serial.len};
    memcpy(key.serial, serial.ptr, serial.len); /* cert.c lets no longer ones in */
    return bsearch(&key, l->entries, l->count, sizeof *l->entries, compare_entries);
}

/* ---- delta lists (RFC 5280, 5.2.4) ----------------------------------------------------------- */

/* Both are not negative and trimmed. */
static int compare_numbers(struct str a, struct str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return str_compare(a, b);
}

static bool same_or_both_none(struct str a, struct str b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && str_eq(a, b);
}

/* Of the same issuer and key, about the same certificates, and numbered. */
static bool is_comparable(const struct crl *delta, const struct crl *l)
{
    return delta->base.ptr != NULL && l->number.ptr != NULL && delta->number.ptr != NULL &&
           name_equal(delta->issuer, l->issuer) && same_or_both_none(delta->key_id, l->key_id) &&
           same_or_both_none(delta->points, l->points) && delta->only_users == l->only_users &&
           delta->only_cas == l->only_cas;
}

/* Does delta say what changed since l? */
static bool is_delta_of(const struct crl *delta, const struct crl *l)
{
    return is_comparable(delta, l) && compare_numbers(l->number, delta->base) >= 0 &&
           compare_numbers(l->number, delta->number) < 0;
}

/* Does a complete list know all that delta does, or more? */
static bool is_superseded(const struct crl *delta, const struct crl *lists, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lists[i].base.ptr == NULL && is_comparable(delta, &lists[i]) &&
            compare_numbers(lists[i].number, delta->number) >= 0)
            return true;
    return false;
}

bool crl_has_base(const struct crl *delta, const struct crl *lists, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lists[i].base.ptr == NULL && is_delta_of(delta, &lists[i]))
            return true;
    return delta->base.ptr == NULL;
}

static bool is_in_force(const struct crl *l, time_t now)
{
    return now >= l->this_update && !(l->has_next_update && now > l->next_update);
}

struct question {
    const struct crl *lists;
    size_t count;
    const struct cert *cert;
    time_t now, grace;
};

/* The entry of l for the certificate, as its deltas have it; NULL: none. The youngest has the last
 * word; of two with one number it is the one that revokes. A delta that is out of date still
 * revokes but clears nobody. */
static const struct crl_entry *entry_of(const struct question *q, const struct crl *l,
                                        const struct cert *issuer)
{
    const struct crl_entry *last = find_entry(l, q->cert->serial);
    struct str number = l->number;
    bool is_removed = false;
    for (size_t i = 0; i < q->count; i++) {
        const struct crl *delta = &q->lists[i];
        int order = is_delta_of(delta, l) ? compare_numbers(delta->number, number) : -1;
        if (order < 0)
            continue;
        const struct crl_entry *e = find_entry(delta, q->cert->serial);
        bool removes = e != NULL && e->cause == REMOVE_FROM_CRL;
        if (order == 0 && (removes || !is_removed))
            continue;
        if (e == NULL || (removes && !is_in_force(delta, q->now)) || !is_signed_by(delta, issuer))
            continue;
        last = e;
        number = delta->number;
        is_removed = removes;
    }
    return is_removed ? NULL : last;
}

/* ---- what a list says ------------------------------------------------------------------------ */

static void append_date(struct buf *out, time_t when)
{
    struct tm tm;
    char text[32];
    gmtime_r(&when, &tm);
    strftime(text, sizeof text, "%Y-%m-%d", &tm);
    buf_append_str(out, str_of(text));
}

/* RFC 5280, 5.3.1 */
static const char *const causes[] = {
    "",
    "key compromise",
    "CA compromise",
    "affiliation changed",
    "superseded",
    "cessation of operation",
    "certificate hold",
    "",
    "removed from the list",
    "privilege withdrawn",
    "attribute authority compromise",
};

static void describe_entry(struct buf *detail, const struct crl_entry *entry)
{
    buf_append_str(detail, STR("revoked "));
    append_date(detail, entry->date);
    if (causes[entry->cause][0] != '\0')
        buf_printf(detail, " (%s)", causes[entry->cause]);
}

/* What one list says; a higher one wins. A list out of date still names those it revoked, but
 * a newer one of the same issuer has the last word. */
enum finding { NOTHING, UNUSABLE, STALE, IN_GRACE, STALE_AND_REVOKED, GOOD, REVOKED };

static enum finding check_list(const struct question *q, const struct crl *l,
                               const struct cert *issuer, struct buf *detail)
{
    if (!is_signed_by(l, issuer)) {
        buf_append_str(detail, STR("has a revocation list whose signature does not verify"));
        return UNUSABLE;
    }
    /* RFC 5280, 6.3.3 (f) */
    if (issuer->has_key_usage && !(issuer->key_usage & KEY_USAGE_CRL_SIGN)) {
        buf_append_str(detail, STR("has an issuer whose key usage lacks cRLSign"));
        return UNUSABLE;
    }
    bool is_stale = l->has_next_update && q->now > l->next_update;
    const struct crl_entry *entry = entry_of(q, l, issuer);
    if (entry != NULL) {
        describe_entry(detail, entry);
        return is_stale ? STALE_AND_REVOKED : REVOKED;
    }
    if (q->now < l->this_update) {
        buf_append_str(detail, STR("has a revocation list that is not valid before "));
        append_date(detail, l->this_update);
        return UNUSABLE;
    }
    if (!is_stale)
        return GOOD;
    if (q->now <= l->next_update + q->grace)
        return IN_GRACE;
    buf_append_str(detail, STR("has a revocation list that expired "));
    append_date(detail, l->next_update);
    return STALE;
}

/* A delta without its base says nothing of those it does not name, and clears nobody; but whom its
 * CA has named there as revoked, that one is. */
static enum finding check_lone_delta(const struct question *q, const struct crl *delta,
                                     const struct cert *issuer, struct buf *detail)
{
    const struct crl_entry *entry = find_entry(delta, q->cert->serial);
    if (entry == NULL || entry->cause == REMOVE_FROM_CRL || !is_signed_by(delta, issuer) ||
        (issuer->has_key_usage && !(issuer->key_usage & KEY_USAGE_CRL_SIGN)) ||
        is_superseded(delta, q->lists, q->count))
        return NOTHING;
    describe_entry(detail, entry);
    return REVOKED;
}

static enum finding check(const struct question *q, const struct crl *l, const struct cert *issuer,
                          struct buf *detail)
{
    if (l->base.ptr == NULL)
        return check_list(q, l, issuer, detail);
    if (crl_has_base(l, q->lists, q->count)) /* it is asked with that */
        return NOTHING;
    return check_lone_delta(q, l, issuer, detail);
}

/* The best finding so far, and its words. */
struct answer {
    enum finding finding;
    struct buf *detail;
};

static void consider(struct answer *a, enum finding f, const struct buf *words)
{
    if (f <= a->finding)
        return;
    a->finding = f;
    buf_clear(a->detail);
    buf_append_str(a->detail, buf_str(words));
}

enum crl_status crl_lookup(const struct crl *lists, size_t count, const struct cert *c,
                           const struct cert *const *issuers, size_t issuer_count, time_t now,
                           time_t grace, struct buf *detail)
{
    static const enum crl_status statuses[] = {
        [NOTHING] = CRL_NONE,   [UNUSABLE] = CRL_UNUSABLE,         [STALE] = CRL_STALE,
        [IN_GRACE] = CRL_GOOD,  [STALE_AND_REVOKED] = CRL_REVOKED, [GOOD] = CRL_GOOD,
        [REVOKED] = CRL_REVOKED};
    const struct question q = {lists, count, c, now, grace};
    struct answer best = {NOTHING, detail};
    struct buf words = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < issuer_count && is_about(&lists[i], c); k++) {
            if (!may_be_signed_by(&lists[i], issuers[k]))
                continue;
            buf_clear(&words);
            consider(&best, check(&q, &lists[i], issuers[k], &words), &words);
        }
    buf_deinit(&words);
    return statuses[best.finding];
}
