#include "portcullis/tls/identity.h"

#include <assert.h>
#include <string.h>

#include <mbedtls/md.h>

#include "identity_internal.h"
#include "name.h"
#include "portcullis/base/base64.h"
#include "portcullis/base/memory.h"
#include "trust.h"

/* ---- life -------------------------------------------------------------------------------------
 */

/* Behind what came before. */
static struct str put(char **to, struct str s)
{
    struct str copy = str_make(memcpy(*to, s.ptr, s.len), s.len);
    *to += s.len;
    return copy;
}

/* One allocation: an idle connection keeps it. */
static void copy_chain(struct identity *i, const struct str *chain, size_t count)
{
    size_t size = sizeof *chain * count + 1;
    for (size_t n = 0; n < count; n++)
        size += chain[n].len;
    i->chain = arena_alloc(&i->arena, size);
    i->count = count;
    char *to = (char *)(i->chain + count);
    for (size_t n = 0; n < count; n++)
        i->chain[n] = put(&to, chain[n]);
}

struct identity *identity_new(const struct str *chain, size_t count)
{
    const char *problem;
    struct identity *i = MEM_NEW(struct identity);
    i->references = 1;
    arena_init(&i->arena, 64); /* most of what it gets stands alone, no larger than it is */
    copy_chain(i, chain, count);
    /* What cannot be read stays empty; the verdict will be cert_malformed. */
    if (count > 0)
        (void)cert_read_texts(&i->cert, i->chain[0], &problem);
    i->refusal = count > 0 ? REFUSAL_INTERNAL : REFUSAL_CERT_MISSING;
    i->verify_text = count > 0 ? STR("FAILED:not checked") : STR("NONE");
    return i;
}

void identity_set_proved_at(struct identity *i, time_t when)
{
    i->proved_at = when;
}

time_t identity_proved_at(const struct identity *i)
{
    return i->proved_at;
}

struct identity *identity_ref(struct identity *i)
{
    i->references++;
    return i;
}

void identity_unref(struct identity *i)
{
    if (i == NULL || --i->references > 0)
        return;
    arena_deinit(&i->arena);
    mem_free(i);
}

/* ---- the verdict ------------------------------------------------------------------------------
 */

static struct str verify_text(struct identity *i)
{
    if (i->count == 0)
        return STR("NONE");
    if (i->refusal == REFUSAL_NONE)
        return STR("SUCCESS");
    const char *words = refusal_openssl_words(i->refusal);
    /* OpenSSL's error 21 instead of 20 when nothing but the client's own certificate was there. */
    if (i->refusal == REFUSAL_ISSUER_UNKNOWN && i->count == 1)
        words = "unable to verify the first certificate";
    return arena_printf(&i->arena, "FAILED:%s", words);
}

/* The client sent most of its path itself. */
static struct str find_sent(const struct identity *i, struct str der)
{
    for (size_t n = 0; n < i->count; n++)
        if (str_eq(i->chain[n], der))
            return i->chain[n];
    return STR_NONE;
}

/* Outlives the trust. */
static void copy_path(struct identity *i, const struct verify_path *path)
{
    size_t size = sizeof *i->path * path->count + 1;
    for (size_t n = 0; n < path->count; n++)
        size += find_sent(i, path->der[n]).ptr == NULL ? path->der[n].len : 0;
    i->path = arena_alloc(&i->arena, size);
    i->path_count = path->count;
    char *to = (char *)(i->path + path->count);
    for (size_t n = 0; n < path->count; n++) {
        i->path[n] = find_sent(i, path->der[n]);
        if (i->path[n].ptr == NULL)
            i->path[n] = put(&to, path->der[n]);
    }
}

static bool same_path(const struct identity *i, const struct verify_path *path)
{
    bool same = i->path_count == path->count;
    for (size_t n = 0; same && n < path->count; n++)
        same = str_eq(i->path[n], path->der[n]);
    return same;
}

/* Outlives the trust. A verdict that has not changed takes no more memory, and leaves what was
 * borrowed of it where it is. */
static void keep_verdict(struct identity *i, enum refusal refusal, const struct verify_path *path,
                         struct str detail)
{
    if (i->judged_at != 0 && i->refusal == refusal && same_path(i, path) &&
        str_eq(i->detail, detail))
        return;
    i->refusal = refusal;
    i->facts[IDENTITY_CA] = i->facts[IDENTITY_PROVED_AT] = STR_NONE;
    copy_path(i, path);
    i->detail = detail.len > 0 ? arena_str(&i->arena, detail)
                               : STR(""); /* an empty one takes a block */
    i->verify_text = verify_text(i);
}

void identity_judge(struct identity *i, const struct trust *t, time_t now,
                    const struct verify_rules *rules)
{
    struct buf detail = {0};
    struct verify_path path;
    enum refusal refusal = verify_chain_path(t, i->chain, i->count, now, rules, &detail, &path);
    keep_verdict(i, refusal, &path, buf_str(&detail));
    i->valid_until = path.count > 0 ? path.valid_until : 0;
    i->judged_by = t->number;
    i->judged_at = now;
    if (i->proved_at == 0)
        i->proved_at = now;
    buf_deinit(&detail);
}

enum refusal identity_verdict(const struct identity *i, const struct trust *t, time_t now,
                              const struct verify_rules *rules)
{
    struct buf detail = {0};
    enum refusal refusal = verify_chain(t, i->chain, i->count, now, rules, &detail);
    buf_deinit(&detail);
    return refusal;
}

bool identity_is_judged(const struct identity *i, const struct trust *t, time_t now, time_t max_age)
{
    bool is_fresh = max_age == 0 || (now >= i->judged_at && now - i->judged_at < max_age);
    return i->judged_at != 0 && i->judged_by == t->number && is_fresh;
}

void identity_trace(const struct identity *i, const struct trust *t, time_t now,
                    const struct verify_rules *rules, struct verify_trace *trace)
{
    struct buf detail = {0};
    (void)verify_chain_trace(t, i->chain, i->count, now, rules, &detail, trace);
    buf_deinit(&detail);
}

bool identity_is_verified(const struct identity *i)
{
    return i->refusal == REFUSAL_NONE && i->count > 0;
}

time_t identity_valid_until(const struct identity *i)
{
    return i->valid_until;
}

enum refusal identity_refusal(const struct identity *i)
{
    return i->refusal;
}

struct str identity_detail(const struct identity *i)
{
    return i->detail;
}

bool identity_has_certificate(const struct identity *i)
{
    return i->count > 0;
}

bool identity_refusal_is_about_issuer(const struct identity *i)
{
    return i->refusal == REFUSAL_ISSUER_UNKNOWN || i->refusal == REFUSAL_SELF_SIGNED ||
           i->refusal == REFUSAL_SELF_SIGNED_CA;
}

struct str identity_public_key(const struct identity *i)
{
    return i->cert.spki;
}

/* ---- texts ------------------------------------------------------------------------------------
 */

struct str identity_verify_text(const struct identity *i)
{
    return i->verify_text;
}

time_t identity_not_after_time(const struct identity *i)
{
    return i->cert.not_after;
}

time_t identity_not_before_time(const struct identity *i)
{
    return i->cert.not_before;
}

void identity_append_pem(struct buf *out, struct str der)
{
    struct buf text = {0};
    base64_append(&text, der);
    struct str rest = buf_str(&text);
    buf_append_str(out, STR("-----BEGIN CERTIFICATE-----\n"));
    for (; rest.len > 0; rest = str_from(rest, 64)) {
        buf_append_str(out, str_upto(rest, 64));
        buf_append_char(out, '\n');
    }
    buf_append_str(out, STR("-----END CERTIFICATE-----"));
    buf_deinit(&text);
}

static void append_pem(struct identity *i, struct buf *out)
{
    identity_append_pem(out, i->chain[0]);
}

static void append_subject(struct identity *i, struct buf *out)
{
    name_append_rfc2253(out, i->cert.subject);
}

static void append_issuer(struct identity *i, struct buf *out)
{
    name_append_rfc2253(out, i->cert.issuer);
}

static void append_subject_legacy(struct identity *i, struct buf *out)
{
    name_append_legacy(out, i->cert.subject);
}

static void append_issuer_legacy(struct identity *i, struct buf *out)
{
    name_append_legacy(out, i->cert.issuer);
}

/* OpenSSL's ASN1_TIME_print: "Nov  4 13:41:30 2026 GMT". */
static void append_time(struct buf *out, time_t when)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    gmtime_r(&when, &tm);
    buf_printf(out, "%s %2d %02d:%02d:%02d %d GMT", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
               tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

static void append_not_before(struct identity *i, struct buf *out)
{
    append_time(out, i->cert.not_before);
}

static void append_not_after(struct identity *i, struct buf *out)
{
    append_time(out, i->cert.not_after);
}

void identity_append_hex(struct buf *out, const unsigned char *octets, size_t count,
                         const char *digits)
{
    for (size_t n = 0; n < count; n++) {
        buf_append_char(out, digits[octets[n] >> 4]);
        buf_append_char(out, digits[octets[n] & 15]);
    }
}

/* OpenSSL's i2a_ASN1_INTEGER: the magnitude, '-' before a negative one. */
static void append_serial(struct identity *i, struct buf *out)
{
    unsigned char magnitude[24];
    struct str serial = i->cert.serial;
    if (serial.len == 0 || serial.len > sizeof magnitude)
        return;
    memcpy(magnitude, serial.ptr, serial.len);
    if (magnitude[0] & 0x80) {
        unsigned carry = 1;
        for (size_t n = serial.len; n-- > 0;) {
            carry += (unsigned char)~magnitude[n];
            magnitude[n] = (unsigned char)carry;
            carry >>= 8;
        }
        buf_append_char(out, '-');
    }
    size_t skip = serial.len > 1 && magnitude[0] == 0 ? 1 : 0;
    identity_append_hex(out, magnitude + skip, serial.len - skip, "0123456789ABCDEF");
}

static void append_digest(struct identity *i, struct buf *out, mbedtls_md_type_t type)
{
    unsigned char digest[64];
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(type);
    struct str der = i->chain[0];
    int rc = mbedtls_md(info, (const unsigned char *)der.ptr, der.len, digest);
    assert(rc == 0);
    (void)rc;
    identity_append_hex(out, digest, mbedtls_md_get_size(info), "0123456789abcdef");
}

static void append_sha1(struct identity *i, struct buf *out)
{
    append_digest(i, out, MBEDTLS_MD_SHA1);
}

static void append_sha256(struct identity *i, struct buf *out)
{
    append_digest(i, out, MBEDTLS_MD_SHA256);
}

static struct str text(struct identity *i, enum text which)
{
    static void (*const append[TEXTS])(struct identity *i, struct buf *out) = {
        [TEXT_PEM] = append_pem,
        [TEXT_SUBJECT] = append_subject,
        [TEXT_ISSUER] = append_issuer,
        [TEXT_SUBJECT_LEGACY] = append_subject_legacy,
        [TEXT_ISSUER_LEGACY] = append_issuer_legacy,
        [TEXT_NOT_BEFORE] = append_not_before,
        [TEXT_NOT_AFTER] = append_not_after,
        [TEXT_SERIAL] = append_serial,
        [TEXT_SHA1] = append_sha1,
        [TEXT_SHA256] = append_sha256,
    };
    if (i->count == 0)
        return STR_NONE;
    if (i->texts[which].ptr == NULL) {
        struct buf out = {0};
        append[which](i, &out);
        i->texts[which] = arena_str(&i->arena, buf_str(&out));
        buf_deinit(&out);
    }
    return i->texts[which];
}

struct str identity_pem(struct identity *i)
{
    return text(i, TEXT_PEM);
}

struct str identity_subject(struct identity *i)
{
    return text(i, TEXT_SUBJECT);
}

struct str identity_issuer(struct identity *i)
{
    return text(i, TEXT_ISSUER);
}

struct str identity_subject_legacy(struct identity *i)
{
    return text(i, TEXT_SUBJECT_LEGACY);
}

struct str identity_issuer_legacy(struct identity *i)
{
    return text(i, TEXT_ISSUER_LEGACY);
}

struct str identity_not_before(struct identity *i)
{
    return text(i, TEXT_NOT_BEFORE);
}

struct str identity_not_after(struct identity *i)
{
    return text(i, TEXT_NOT_AFTER);
}

struct str identity_serial(struct identity *i)
{
    return text(i, TEXT_SERIAL);
}

struct str identity_fingerprint(struct identity *i)
{
    return text(i, TEXT_SHA1);
}

struct str identity_fingerprint_sha256(struct identity *i)
{
    return text(i, TEXT_SHA256);
}
