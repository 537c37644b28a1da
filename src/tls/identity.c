#include "portcullis/tls/identity.h"

#include <assert.h>
#include <string.h>

#include "identity_internal.h"
#include "portcullis/base/memory.h"
#include "trust.h"

/* ---- life ------------------------------------------------------------------------------------ */

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

/* ---- the verdict ----------------------------------------------------------------------------- */

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

/* ---- values ---------------------------------------------------------------------------------- */

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
