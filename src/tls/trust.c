#include "trust.h"

#include <stdlib.h>
#include <string.h>

#include "memo.h"
#include "name.h"
#include "portcullis/base/memory.h"

struct trust *trust_new(void)
{
    static uint64_t last_number;
    struct trust *t = MEM_NEW(struct trust);
    t->number = ++last_number;
    arena_init(&t->arena, 16384);
    return t;
}

const struct trust *trust_nobody(void)
{
    static const struct trust nobody; /* its number is nobody else's either */
    return &nobody;
}

void trust_free(struct trust *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->cert_count; i++)
        cert_deinit(&t->certs[i].cert);
    mem_free(t->certs);
    mem_free(t->crls);
    arena_deinit(&t->arena);
    mem_free(t);
    memo_wipe(); /* right as it is, but of CAs that may be gone */
}

static struct trust_cert *new_cert(struct trust *t)
{
    if (t->cert_count == t->cert_capacity) {
        t->cert_capacity = t->cert_capacity == 0 ? 8 : t->cert_capacity * 2;
        t->certs = mem_realloc(t->certs, t->cert_capacity * sizeof *t->certs);
    }
    return &t->certs[t->cert_count];
}

static bool add(struct trust *t, struct str der, bool is_of_ca_files, const char **problem)
{
    struct trust_cert *c = new_cert(t);
    if (!cert_read(&c->cert, arena_str(&t->arena, der), problem)) {
        cert_deinit(&c->cert);
        return false;
    }
    c->subject_hash = name_hash(c->cert.subject);
    c->kind = !is_of_ca_files                    ? TRUST_INTERMEDIATE
              : cert_looks_self_signed(&c->cert) ? TRUST_ROOT
                                                 : TRUST_CA;
    t->cert_count++;
    return true;
}

bool trust_borrow(struct trust *t, struct str der, uint32_t subject_hash, enum trust_kind kind)
{
    const char *problem;
    struct trust_cert *c = new_cert(t);
    if (!cert_read(&c->cert, der, &problem)) {
        cert_deinit(&c->cert);
        return false;
    }
    c->subject_hash = subject_hash;
    c->kind = kind;
    t->cert_count++;
    return true;
}

bool trust_add_ca(struct trust *t, struct str der, const char **problem)
{
    return add(t, der, true, problem);
}

bool trust_add_intermediate(struct trust *t, struct str der, const char **problem)
{
    return add(t, der, false, problem);
}

bool trust_add_crl(struct trust *t, struct str der, const char **problem)
{
    if (t->crl_count == t->crl_capacity) {
        t->crl_capacity = t->crl_capacity == 0 ? 4 : t->crl_capacity * 2;
        t->crls = mem_realloc(t->crls, t->crl_capacity * sizeof *t->crls);
    }
    if (!crl_read(&t->crls[t->crl_count], &t->arena, der, problem))
        return false;
    t->crl_count++;
    return true;
}

static int compare_der(struct str a, struct str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return memcmp(a.ptr, b.ptr, a.len);
}

static int compare_certs(const void *a, const void *b)
{
    const struct trust_cert *x = a, *y = b;
    if (x->subject_hash != y->subject_hash)
        return x->subject_hash < y->subject_hash ? -1 : 1;
    int order = compare_der(x->cert.der, y->cert.der);
    return order != 0 ? order : (int)x->kind - (int)y->kind;
}

/* What the CA files hold stays what it is when it is named as an intermediate, too. */
static void drop_twins(struct trust *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->cert_count; i++) {
        if (kept > 0 && str_eq(t->certs[kept - 1].cert.der, t->certs[i].cert.der))
            cert_deinit(&t->certs[i].cert);
        else
            t->certs[kept++] = t->certs[i];
    }
    t->cert_count = kept;
}

void trust_finish(struct trust *t)
{
    if (t->cert_count > 0)
        qsort(t->certs, t->cert_count, sizeof *t->certs, compare_certs);
    drop_twins(t);
    for (size_t i = 0; i < t->crl_count; i++) {
        size_t count;
        const struct trust_cert *issuer = trust_find(t, t->crls[i].issuer, &count);
        while (count-- > 0 && !crl_check_signature(&t->crls[i], &issuer->cert))
            issuer++;
    }
}

size_t trust_anchor_count(const struct trust *t)
{
    size_t count = 0;
    for (size_t i = 0; i < t->cert_count; i++)
        count += t->certs[i].kind == TRUST_ROOT;
    return count;
}

time_t trust_crl_expiry(const struct trust *t)
{
    time_t first = 0;
    for (size_t i = 0; i < t->crl_count; i++) {
        const struct crl *l = &t->crls[i];
        if (l->has_next_update && (first == 0 || l->next_update < first))
            first = l->next_update;
    }
    return first;
}

bool trust_has_lone_delta(const struct trust *t)
{
    for (size_t i = 0; i < t->crl_count; i++)
        if (!crl_has_base(&t->crls[i], t->crls, t->crl_count))
            return true;
    return false;
}

const struct trust_cert *trust_find(const struct trust *t, struct str subject, size_t *count)
{
    uint32_t hash = name_hash(subject);
    size_t low = 0, high = t->cert_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->certs[middle].subject_hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    while (high < t->cert_count && t->certs[high].subject_hash == hash)
        high++;
    *count = high - low;
    return *count > 0 ? t->certs + low : NULL;
}

bool trust_cert_is_anchor(const struct trust_cert *c, const struct verify_rules *rules)
{
    return c->kind == TRUST_ROOT || (c->kind == TRUST_CA && rules->partial_chain);
}

bool trust_is_anchor(const struct trust *t, const struct cert *c, const struct verify_rules *rules)
{
    size_t count;
    const struct trust_cert *found = trust_find(t, c->subject, &count);
    for (; count > 0; count--, found++)
        if (trust_cert_is_anchor(found, rules) && str_eq(found->cert.der, c->der))
            return true;
    return false;
}
