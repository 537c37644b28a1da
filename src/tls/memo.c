/* Rows of eight names in the order of their last use; a name is a hash of everything that the
 * check depends on. */
#include "memo.h"

#include <assert.h>
#include <string.h>

#include <mbedtls/sha256.h>

#include "portcullis/base/memory.h"

enum { WAYS = 8, ROWS = MEMO_SIZE / WAYS };

static_assert((ROWS & (ROWS - 1)) == 0, "a row is some bits of a name");

/* Nobody's hash is nothing but zeros. */
static struct memo_name rows[ROWS][WAYS];
static bool is_used; /* else its memory was never touched */

/* ---- names ----------------------------------------------------------------------------------- */

static int add(mbedtls_sha256_context *sha, const void *data, size_t size)
{
    uint64_t length = size; /* so that no part can pass for the end of another */
    return mbedtls_sha256_update(sha, (const unsigned char *)&length, sizeof length) |
           mbedtls_sha256_update(sha, data, size);
}

static bool name_of(const struct cert *c, const struct cert *issuer, const unsigned char *digest,
                    struct memo_name *out)
{
    const struct signature_algorithm *a = &c->algorithm;
    const int how[] = {(int)a->pk, (int)a->md, a->salt};
    mbedtls_sha256_context sha;
    mbedtls_sha256_init(&sha);
    int rc = mbedtls_sha256_starts(&sha, 0);
    rc |= add(&sha, issuer->spki.ptr, issuer->spki.len);
    rc |= add(&sha, how, sizeof how);
    rc |= add(&sha, digest, mbedtls_md_get_size(mbedtls_md_info_from_type(a->md)));
    rc |= add(&sha, c->signature.ptr, c->signature.len);
    rc |= mbedtls_sha256_finish(&sha, out->octets);
    mbedtls_sha256_free(&sha);
    return rc == 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct memo_name *row_of(const struct memo_name *n)
{
    return rows[(n->octets[0] | (unsigned)n->octets[1] << 8) & (ROWS - 1)];
}

static bool same(const struct memo_name *a, const struct memo_name *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void put_first(struct memo_name *row, size_t from, const struct memo_name *n)
{
    memmove(row + 1, row, from * sizeof *row);
    row[0] = *n;
}

bool memo_has(const struct memo_name *n)
{
    struct memo_name *row = row_of(n);
    for (size_t i = 0; i < WAYS; i++) {
        if (!same(&row[i], n))
            continue;
        put_first(row, i, n);
        return true;
    }
    return false;
}

void memo_add(const struct memo_name *n)
{
    is_used = true;
    put_first(row_of(n), WAYS - 1, n); /* the row's oldest falls out */
}

/* ---- use ------------------------------------------------------------------------------------- */

bool memo_signature_is_good(const struct cert *c, const struct cert *issuer)
{
    unsigned char digest[64];
    struct memo_name name;
    if (!signature_digest(&c->algorithm, c->tbs, digest))
        return false;
    bool has_name = name_of(c, issuer, digest, &name);
    if (has_name && memo_has(&name))
        return true;
    if (!signature_of_digest_is_good(&c->algorithm, &issuer->key, digest, c->signature))
        return false;
    if (has_name)
        memo_add(&name);
    return true;
}

void memo_wipe(void)
{
    if (is_used)
        mem_wipe(rows, sizeof rows);
    is_used = false;
}

size_t memo_count(void)
{
    static const struct memo_name nobody;
    size_t count = 0;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < WAYS; i++)
            count += !same(&rows[r][i], &nobody);
    return count;
}
