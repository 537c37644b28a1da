/* mbedTLS's GCM_ALT and CHACHAPOLY_ALT by the engine: whole messages as TLS asks for them, and the
 * calls piece by piece with mbedTLS's errors and states. */
#include <mbedtls/build_info.h>

#if defined(MBEDTLS_GCM_ALT)
#include <mbedtls/chachapoly.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>
#include <string.h>

#include "portcullis/crypto/engine.h"

/* mbedTLS allows output to overlap input from before it. */
static const unsigned char *aside(const unsigned char *in, size_t size, unsigned char *out)
{
    if (size == 0 || in == out || out + size <= in || in + size <= out)
        return in;
    memmove(out, in, size);
    return out;
}

/* ---- GCM, NIST SP 800-38D -------------------------------------------------------------------- */

void mbedtls_gcm_init(mbedtls_gcm_context *c)
{
    *c = (mbedtls_gcm_context){0};
}

void mbedtls_gcm_free(mbedtls_gcm_context *c)
{
    if (c == NULL)
        return;
    crypto_aead_free(c->aead);
    *c = (mbedtls_gcm_context){0};
}

int mbedtls_gcm_setkey(mbedtls_gcm_context *c, mbedtls_cipher_id_t cipher, const unsigned char *key,
                       unsigned int keybits)
{
    if (cipher != MBEDTLS_CIPHER_ID_AES || (keybits != 128 && keybits != 192 && keybits != 256))
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    crypto_aead_free(c->aead);
    c->aead = crypto_aead_new(keybits == 128   ? CRYPTO_AES_128_GCM
                              : keybits == 192 ? CRYPTO_AES_192_GCM
                                               : CRYPTO_AES_256_GCM,
                              key);
    return c->aead != NULL ? 0 : MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
}

static const uint64_t GCM_BYTES_MAX = 0xFFFFFFFE0, GCM_AD_BYTES_MAX = UINT64_MAX >> 3;

static bool gcm_refuses(const mbedtls_gcm_context *c, size_t length, size_t iv_len, size_t tag_len)
{
    return c->aead == NULL || iv_len == 0 || iv_len > CRYPTO_IV_MAX || tag_len < 4 ||
           tag_len > CRYPTO_TAG_MAX || length > GCM_BYTES_MAX;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *c, size_t length, const unsigned char *iv,
                             size_t iv_len, const unsigned char *add, size_t add_len,
                             const unsigned char *tag, size_t tag_len, const unsigned char *input,
                             unsigned char *output)
{
    if (gcm_refuses(c, length, iv_len, tag_len))
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    bool good = crypto_aead_open(c->aead, iv, iv_len, add, add_len, tag, tag_len,
                                 aside(input, length, output), length, output);
    return good ? 0 : MBEDTLS_ERR_GCM_AUTH_FAILED;
}

/* With MBEDTLS_GCM_DECRYPT it opens without looking at the tag, and gives the one it should have.
 */
static int gcm_open_unchecked(mbedtls_gcm_context *c, size_t length, const unsigned char *iv,
                              size_t iv_len, const unsigned char *add, size_t add_len,
                              const unsigned char *input, unsigned char *output, size_t tag_len,
                              unsigned char *tag)
{
    bool done = crypto_aead_begin(c->aead, false, iv, iv_len) &&
                crypto_aead_ad(c->aead, add, add_len) &&
                crypto_aead_update(c->aead, aside(input, length, output), length, output) &&
                crypto_aead_finish(c->aead, tag, tag_len);
    return done ? 0 : MBEDTLS_ERR_ERROR_GENERIC_ERROR;
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *c, int mode, size_t length,
                              const unsigned char *iv, size_t iv_len, const unsigned char *add,
                              size_t add_len, const unsigned char *input, unsigned char *output,
                              size_t tag_len, unsigned char *tag)
{
    if (gcm_refuses(c, length, iv_len, tag_len))
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if (mode != MBEDTLS_GCM_ENCRYPT)
        return gcm_open_unchecked(c, length, iv, iv_len, add, add_len, input, output, tag_len, tag);
    bool done = crypto_aead_seal(c->aead, iv, iv_len, add, add_len, aside(input, length, output),
                                 length, output, tag, tag_len);
    return done ? 0 : MBEDTLS_ERR_ERROR_GENERIC_ERROR;
}

int mbedtls_gcm_starts(mbedtls_gcm_context *c, int mode, const unsigned char *iv, size_t iv_len)
{
    if (gcm_refuses(c, 0, iv_len, 16))
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    c->bytes = c->ad_bytes = 0;
    bool done = crypto_aead_begin(c->aead, mode == MBEDTLS_GCM_ENCRYPT, iv, iv_len);
    return done ? 0 : MBEDTLS_ERR_ERROR_GENERIC_ERROR;
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *c, const unsigned char *add, size_t add_len)
{
    if (c->aead == NULL || add_len > GCM_AD_BYTES_MAX - c->ad_bytes)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    c->ad_bytes += add_len;
    return crypto_aead_ad(c->aead, add, add_len) ? 0 : MBEDTLS_ERR_GCM_BAD_INPUT;
}

int mbedtls_gcm_update(mbedtls_gcm_context *c, const unsigned char *input, size_t input_length,
                       unsigned char *output, size_t output_size, size_t *output_length)
{
    if (output_size < input_length)
        return MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL;
    *output_length = input_length;
    if (input_length == 0)
        return 0;
    if (c->aead == NULL || (output > input && (size_t)(output - input) < input_length))
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if (input_length > GCM_BYTES_MAX - c->bytes)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    c->bytes += input_length;
    bool done = crypto_aead_update(c->aead, aside(input, input_length, output), input_length,
                                   output);
    return done ? 0 : MBEDTLS_ERR_ERROR_GENERIC_ERROR;
}

int mbedtls_gcm_finish(mbedtls_gcm_context *c, unsigned char *output, size_t output_size,
                       size_t *output_length, unsigned char *tag, size_t tag_len)
{
    (void)output;
    (void)output_size;
    *output_length = 0;
    if (gcm_refuses(c, 0, 12, tag_len))
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    return crypto_aead_finish(c->aead, tag, tag_len) ? 0 : MBEDTLS_ERR_ERROR_GENERIC_ERROR;
}

/* ---- ChaCha20-Poly1305, RFC 8439 ------------------------------------------------------------- */

enum { NONCE = 12, TAG = 16, IDLE = 0, AAD, TEXT, FINISHED };

void mbedtls_chachapoly_init(mbedtls_chachapoly_context *c)
{
    *c = (mbedtls_chachapoly_context){0};
}

void mbedtls_chachapoly_free(mbedtls_chachapoly_context *c)
{
    if (c == NULL)
        return;
    crypto_aead_free(c->aead);
    *c = (mbedtls_chachapoly_context){0};
}

int mbedtls_chachapoly_setkey(mbedtls_chachapoly_context *c, const unsigned char key[32])
{
    crypto_aead_free(c->aead);
    c->aead = crypto_aead_new(CRYPTO_CHACHA20_POLY1305, key);
    return c->aead != NULL ? 0 : MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
}

int mbedtls_chachapoly_starts(mbedtls_chachapoly_context *c, const unsigned char nonce[12],
                              mbedtls_chachapoly_mode_t mode)
{
    if (c->aead == NULL ||
        !crypto_aead_begin(c->aead, mode == MBEDTLS_CHACHAPOLY_ENCRYPT, nonce, NONCE))
        return MBEDTLS_ERR_CHACHAPOLY_BAD_STATE;
    c->state = AAD;
    return 0;
}

int mbedtls_chachapoly_update_aad(mbedtls_chachapoly_context *c, const unsigned char *aad,
                                  size_t aad_len)
{
    if (c->state != AAD || !crypto_aead_ad(c->aead, aad, aad_len))
        return MBEDTLS_ERR_CHACHAPOLY_BAD_STATE;
    return 0;
}

int mbedtls_chachapoly_update(mbedtls_chachapoly_context *c, size_t len, const unsigned char *input,
                              unsigned char *output)
{
    if (c->state != AAD && c->state != TEXT)
        return MBEDTLS_ERR_CHACHAPOLY_BAD_STATE;
    c->state = TEXT;
    bool done = crypto_aead_update(c->aead, aside(input, len, output), len, output);
    return done ? 0 : MBEDTLS_ERR_CHACHAPOLY_BAD_STATE;
}

int mbedtls_chachapoly_finish(mbedtls_chachapoly_context *c, unsigned char mac[16])
{
    if (c->state != AAD && c->state != TEXT)
        return MBEDTLS_ERR_CHACHAPOLY_BAD_STATE;
    c->state = FINISHED;
    return crypto_aead_finish(c->aead, mac, TAG) ? 0 : MBEDTLS_ERR_CHACHAPOLY_BAD_STATE;
}

int mbedtls_chachapoly_encrypt_and_tag(mbedtls_chachapoly_context *c, size_t length,
                                       const unsigned char nonce[12], const unsigned char *aad,
                                       size_t aad_len, const unsigned char *input,
                                       unsigned char *output, unsigned char tag[16])
{
    bool done = c->aead != NULL &&
                crypto_aead_seal(c->aead, nonce, NONCE, aad, aad_len, aside(input, length, output),
                                 length, output, tag, TAG);
    return done ? 0 : MBEDTLS_ERR_CHACHAPOLY_BAD_STATE;
}

int mbedtls_chachapoly_auth_decrypt(mbedtls_chachapoly_context *c, size_t length,
                                    const unsigned char nonce[12], const unsigned char *aad,
                                    size_t aad_len, const unsigned char tag[16],
                                    const unsigned char *input, unsigned char *output)
{
    if (c->aead == NULL)
        return MBEDTLS_ERR_CHACHAPOLY_BAD_STATE;
    bool good = crypto_aead_open(c->aead, nonce, NONCE, aad, aad_len, tag, TAG,
                                 aside(input, length, output), length, output);
    return good ? 0 : MBEDTLS_ERR_CHACHAPOLY_AUTH_FAILED;
}
#endif
