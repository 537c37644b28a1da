/* One EVP context for each key, made when the key is set and used for each record: a new message is
 * a new nonce in it. */
#include <openssl/crypto.h>
#include <string.h>

#include "openssl.h"

enum {
    PIECE_MAX = 1 << 30, /* EVP counts in int. */
    SCRATCH = 1024,
};

struct crypto_aead {
    enum crypto_cipher cipher;
    EVP_CIPHER_CTX
    *one; /* both directions of whole messages, and of pieces what gives the output */
    size_t one_iv_size;
    /* Opening piece by piece: EVP gives no tag when it decrypts. What it would encrypt to has the
     * same tag, so the opened octets are sealed again here. */
    EVP_CIPHER_CTX *again;
    size_t again_iv_size;
    bool seals;
};

struct crypto_aead *crypto_aead_new(enum crypto_cipher cipher, const unsigned char *key)
{
    struct crypto_aead *a = OPENSSL_zalloc(sizeof *a);
    if (a == NULL)
        return NULL;
    a->cipher = cipher;
    a->one_iv_size = 12;
    a->one = EVP_CIPHER_CTX_new();
    if (a->one != NULL && EVP_CipherInit_ex(a->one, engine_cipher(cipher), NULL, key, NULL, 1))
        return a;
    crypto_aead_free(a);
    return NULL;
}

void crypto_aead_free(struct crypto_aead *a)
{
    if (a == NULL)
        return;
    EVP_CIPHER_CTX_free(a->one);
    EVP_CIPHER_CTX_free(a->again);
    OPENSSL_free(a);
}

static bool begin(EVP_CIPHER_CTX *c, size_t *set_size, bool seal, const unsigned char *iv,
                  size_t iv_size)
{
    if (iv_size == 0 || iv_size > CRYPTO_IV_MAX)
        return false;
    if (iv_size != *set_size) {
        if (!EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, (int)iv_size, NULL))
            return false;
        *set_size = iv_size;
    }
    return EVP_CipherInit_ex(c, NULL, NULL, NULL, iv, seal);
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

bool crypto_aead_seal(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                      const unsigned char *ad, size_t ad_size, const unsigned char *in, size_t size,
                      unsigned char *out, unsigned char *tag, size_t tag_size)
{
    return tag_size <= CRYPTO_TAG_MAX && begin(a->one, &a->one_iv_size, true, iv, iv_size) &&
           feed(a->one, ad, ad_size, NULL) && feed(a->one, in, size, out) &&
           get_tag(a->one, tag, tag_size);
}

bool crypto_aead_open(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                      const unsigned char *ad, size_t ad_size, const unsigned char *tag,
                      size_t tag_size, const unsigned char *in, size_t size, unsigned char *out)
{
    bool good = tag_size <= CRYPTO_TAG_MAX && begin(a->one, &a->one_iv_size, false, iv, iv_size) &&
                EVP_CIPHER_CTX_ctrl(a->one, EVP_CTRL_AEAD_SET_TAG, (int)tag_size, (void *)tag) >
                    0 &&
                feed(a->one, ad, ad_size, NULL) && feed(a->one, in, size, out) && end(a->one);
    if (!good && size > 0)
        OPENSSL_cleanse(out, size);
    return good;
}

static bool make_again(struct crypto_aead *a)
{
    if (a->again != NULL)
        return true;
    a->again = EVP_CIPHER_CTX_new();
    a->again_iv_size = a->one_iv_size;
    return a->again != NULL && EVP_CIPHER_CTX_copy(a->again, a->one);
}

bool crypto_aead_begin(struct crypto_aead *a, bool seal, const unsigned char *iv, size_t iv_size)
{
    a->seals = seal;
    if (!seal && (!make_again(a) || !begin(a->again, &a->again_iv_size, true, iv, iv_size)))
        return false;
    return begin(a->one, &a->one_iv_size, seal, iv, iv_size);
}

bool crypto_aead_ad(struct crypto_aead *a, const unsigned char *ad, size_t size)
{
    return feed(a->one, ad, size, NULL) && (a->seals || feed(a->again, ad, size, NULL));
}

bool crypto_aead_update(struct crypto_aead *a, const unsigned char *in, size_t size,
                        unsigned char *out)
{
    if (!feed(a->one, in, size, out))
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
    return tag_size <= CRYPTO_TAG_MAX && get_tag(a->seals ? a->one : a->again, tag, tag_size);
}
