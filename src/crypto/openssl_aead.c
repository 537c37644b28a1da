/* An EVP context takes 1.2 KB, a key of ipsec-mb's 1 KB, and most keys are idle, so contexts are
 * lent: each cipher has a few, and a key that finds its own taken gets the one that was not used
 * for longest. Setting a key costs no more than encrypting a small record. A message that comes
 * piece by piece has its own. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "ipsec_mb.h"
#include "openssl.h"

enum {
    PIECE_MAX = 1 << 30, /* EVP counts in int. */
    SCRATCH = 1024,
    LENT = 256, /* contexts of a cipher */
    KEY_MAX = 32,
    IV_USUAL = 12, /* what a new context expects */
    CIPHERS = CRYPTO_CHACHA20_POLY1305 + 1,
};

/* A context, libcrypto's or ipsec-mb's, and for what it is set up. */
struct lent {
    EVP_CIPHER_CTX *context;
    struct mb_key *ready;
    const struct crypto_aead *holder; /* whose key it has; NULL: nobody's */
    size_t iv_size;
    bool is_recent;
};

struct crypto_aead {
    enum crypto_cipher cipher;
    unsigned char key[KEY_MAX];
    struct lent *lent; /* maybe somebody else's by now */

    /* Piece by piece. EVP gives no tag when it decrypts; what it would encrypt to has the same tag,
     * so the opened octets are sealed again. */
    EVP_CIPHER_CTX *pieces, *again;
    bool seals;
};

/* ---- contexts, lent -------------------------------------------------------------------------- */

static struct cache {
    struct lent lent[LENT];
    size_t hand;
} caches[CIPHERS];

/* The hand passes over those that were used since it came by last. */
static struct lent *least_used(struct cache *cache)
{
    for (;;) {
        struct lent *l = &cache->lent[cache->hand++ % LENT];
        if (l->holder == NULL || !l->is_recent)
            return l;
        l->is_recent = false;
    }
}

/* cipher NULL: it has one. */
static bool set_key(EVP_CIPHER_CTX *c, const EVP_CIPHER *cipher, const struct crypto_aead *a)
{
    return EVP_CipherInit_ex(c, cipher, NULL, a->key, NULL, 1);
}

static bool prepare_context(struct lent *l, const struct crypto_aead *a)
{
    if (l->context == NULL && (l->context = EVP_CIPHER_CTX_new()) == NULL)
        return false;
    bool is_new = EVP_CIPHER_CTX_get0_cipher(l->context) == NULL;
    if (is_new)
        l->iv_size = IV_USUAL;
    return set_key(l->context, is_new ? engine_cipher(a->cipher) : NULL, a);
}

static bool prepare_ready(struct lent *l, const struct crypto_aead *a)
{
    if (l->ready == NULL && (l->ready = aligned_alloc(64, sizeof *l->ready)) == NULL)
        return false;
    mb_set_key(l->ready, a->cipher, a->key);
    return true;
}

static struct lent *lend(struct crypto_aead *a)
{
    struct lent *l = least_used(&caches[a->cipher]);
    l->holder = NULL;
    if (!(mb_has(a->cipher) ? prepare_ready(l, a) : prepare_context(l, a)))
        return NULL;
    l->holder = a;
    a->lent = l;
    return l;
}

static struct lent *context_of(struct crypto_aead *a)
{
    struct lent *l = a->lent;
    if (l == NULL || l->holder != a)
        l = lend(a);
    if (l != NULL)
        l->is_recent = true;
    return l;
}

/* ---- keys ------------------------------------------------------------------------------------ */

struct crypto_aead *crypto_aead_new(enum crypto_cipher cipher, const unsigned char *key)
{
    struct crypto_aead *a = OPENSSL_zalloc(sizeof *a);
    if (a == NULL)
        return NULL;
    int key_size = EVP_CIPHER_get_key_length(engine_cipher(cipher));
    assert(key_size > 0 && key_size <= KEY_MAX);
    a->cipher = cipher;
    memcpy(a->key, key, (size_t)key_size);
    return a;
}

static void forget(struct lent *l)
{
    l->holder = NULL;
    if (l->context != NULL)
        (void)EVP_CIPHER_CTX_reset(l->context); /* wipes it, too */
    if (l->ready != NULL)
        crypto_wipe(l->ready, sizeof *l->ready);
}

void crypto_aead_free(struct crypto_aead *a)
{
    if (a == NULL)
        return;
    if (a->lent != NULL && a->lent->holder == a)
        forget(a->lent);
    EVP_CIPHER_CTX_free(a->pieces);
    EVP_CIPHER_CTX_free(a->again);
    OPENSSL_clear_free(a, sizeof *a);
}

/* ---- messages -------------------------------------------------------------------------------- */

static bool set_iv_size(EVP_CIPHER_CTX *c, size_t size)
{
    return size > 0 && size <= CRYPTO_IV_MAX &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, (int)size, NULL);
}

static bool set_iv(EVP_CIPHER_CTX *c, bool seal, const unsigned char *iv)
{
    return EVP_CipherInit_ex(c, NULL, NULL, NULL, iv, seal);
}

/* The context for one whole message, or NULL. */
static EVP_CIPHER_CTX *begin(struct crypto_aead *a, bool seal, const unsigned char *iv,
                             size_t iv_size)
{
    struct lent *l = context_of(a);
    if (l == NULL || (iv_size != l->iv_size && !set_iv_size(l->context, iv_size)))
        return NULL;
    l->iv_size = iv_size;
    return set_iv(l->context, seal, iv) ? l->context : NULL;
}

/* out NULL: additional data. */
static bool feed(EVP_CIPHER_CTX *c, const unsigned char *in, size_t size, unsigned char *out)
{
    while (size > 0) {
        int piece = size < PIECE_MAX ? (int)size : PIECE_MAX, done;
        if (!EVP_CipherUpdate(c, out, &done, in, piece) || done != piece)
            return false;
        in += piece;
        size -= (size_t)piece;
        if (out != NULL)
            out += piece;
    }
    return true;
}

static bool end(EVP_CIPHER_CTX *c)
{
    unsigned char none[EVP_MAX_BLOCK_LENGTH];
    int done;
    return EVP_CipherFinal_ex(c, none, &done) && done == 0;
}

static bool get_tag(EVP_CIPHER_CTX *c, unsigned char *tag, size_t tag_size)
{
    return end(c) && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, (int)tag_size, tag) > 0;
}

static bool seal_by_context(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                            const unsigned char *ad, size_t ad_size, const unsigned char *in,
                            size_t size, unsigned char *out, unsigned char *tag, size_t tag_size)
{
    EVP_CIPHER_CTX *c = begin(a, true, iv, iv_size);
    return c != NULL && feed(c, ad, ad_size, NULL) && feed(c, in, size, out) &&
           get_tag(c, tag, tag_size);
}

static bool open_by_context(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                            const unsigned char *ad, size_t ad_size, const unsigned char *tag,
                            size_t tag_size, const unsigned char *in, size_t size,
                            unsigned char *out)
{
    EVP_CIPHER_CTX *c = begin(a, false, iv, iv_size);
    return c != NULL &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)tag_size, (void *)tag) > 0 &&
           feed(c, ad, ad_size, NULL) && feed(c, in, size, out) && end(c);
}

/* By ipsec-mb, or, with a nonce that it has no use for, piece by piece. tag: the whole of it. */
static bool pass_ready(struct crypto_aead *a, bool seal, const unsigned char *iv, size_t iv_size,
                       const unsigned char *ad, size_t ad_size, const unsigned char *in,
                       size_t size, unsigned char *out, unsigned char tag[CRYPTO_TAG_MAX])
{
    if (iv_size != MB_IV)
        return crypto_aead_begin(a, seal, iv, iv_size) && crypto_aead_ad(a, ad, ad_size) &&
               crypto_aead_update(a, in, size, out) && crypto_aead_finish(a, tag, CRYPTO_TAG_MAX);
    struct lent *l = context_of(a);
    if (l == NULL)
        return false;
    mb_pass(l->ready, a->cipher, seal, iv, ad, ad_size, in, size, out, tag);
    return true;
}

static bool open_ready(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                       const unsigned char *ad, size_t ad_size, const unsigned char *tag,
                       size_t tag_size, const unsigned char *in, size_t size, unsigned char *out)
{
    unsigned char right[CRYPTO_TAG_MAX];
    bool good = pass_ready(a, false, iv, iv_size, ad, ad_size, in, size, out, right) &&
                crypto_equal(right, tag, tag_size);
    crypto_wipe(right, sizeof right);
    return good;
}

static bool is_tag_size(size_t size)
{
    return size > 0 && size <= CRYPTO_TAG_MAX;
}

bool crypto_aead_seal(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                      const unsigned char *ad, size_t ad_size, const unsigned char *in, size_t size,
                      unsigned char *out, unsigned char *tag, size_t tag_size)
{
    unsigned char whole[CRYPTO_TAG_MAX];
    if (!is_tag_size(tag_size))
        return false;
    if (!mb_has(a->cipher))
        return seal_by_context(a, iv, iv_size, ad, ad_size, in, size, out, tag, tag_size);
    if (!pass_ready(a, true, iv, iv_size, ad, ad_size, in, size, out, whole))
        return false;
    memcpy(tag, whole, tag_size);
    return true;
}

bool crypto_aead_open(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                      const unsigned char *ad, size_t ad_size, const unsigned char *tag,
                      size_t tag_size, const unsigned char *in, size_t size, unsigned char *out)
{
    bool good = is_tag_size(tag_size) &&
                (mb_has(a->cipher) ? open_ready : open_by_context)(a, iv, iv_size, ad, ad_size, tag,
                                                                   tag_size, in, size, out);
    if (!good && size > 0)
        OPENSSL_cleanse(out, size);
    return good;
}

/* ---- messages that come piece by piece ------------------------------------------------------- */

static bool begin_pieces(EVP_CIPHER_CTX **c, const struct crypto_aead *a, bool seal,
                         const unsigned char *iv, size_t iv_size)
{
    if (*c == NULL && (*c = EVP_CIPHER_CTX_new()) == NULL)
        return false;
    return set_key(*c, engine_cipher(a->cipher), a) && set_iv_size(*c, iv_size) &&
           set_iv(*c, seal, iv);
}

bool crypto_aead_begin(struct crypto_aead *a, bool seal, const unsigned char *iv, size_t iv_size)
{
    a->seals = seal;
    return begin_pieces(&a->pieces, a, seal, iv, iv_size) &&
           (seal || begin_pieces(&a->again, a, true, iv, iv_size));
}

bool crypto_aead_ad(struct crypto_aead *a, const unsigned char *ad, size_t size)
{
    return feed(a->pieces, ad, size, NULL) && (a->seals || feed(a->again, ad, size, NULL));
}

bool crypto_aead_update(struct crypto_aead *a, const unsigned char *in, size_t size,
                        unsigned char *out)
{
    if (!feed(a->pieces, in, size, out))
        return false;
    if (a->seals)
        return true;
    unsigned char scratch[SCRATCH];
    bool fed = true;
    for (size_t at = 0; at < size && fed; at += SCRATCH)
        fed = feed(a->again, out + at, size - at < SCRATCH ? size - at : SCRATCH, scratch);
    return fed;
}

bool crypto_aead_finish(struct crypto_aead *a, unsigned char *tag, size_t tag_size)
{
    return tag_size <= CRYPTO_TAG_MAX && get_tag(a->seals ? a->pieces : a->again, tag, tag_size);
}
