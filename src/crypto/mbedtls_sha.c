/* mbedTLS's hashes (SHA1_ALT, SHA256_ALT, SHA512_ALT) by the engine. */
#include <mbedtls/build_info.h>

#if defined(MBEDTLS_SHA256_ALT)
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>

#include "portcullis/crypto/engine.h"

/* The same functions three times. */
#define HASH(name, size)                                                                         \
    _Static_assert(sizeof(mbedtls_##name##_context) == sizeof(struct crypto_##name), #name);     \
    static struct crypto_##name *name##_of(mbedtls_##name##_context *c)                          \
    {                                                                                            \
        return (void *)c;                                                                        \
    }                                                                                            \
    void mbedtls_##name##_init(mbedtls_##name##_context *c)                                      \
    {                                                                                            \
        *c = (mbedtls_##name##_context){0};                                                      \
    }                                                                                            \
    void mbedtls_##name##_free(mbedtls_##name##_context *c)                                      \
    {                                                                                            \
        if (c != NULL)                                                                           \
            crypto_wipe(c, sizeof *c);                                                           \
    }                                                                                            \
    void mbedtls_##name##_clone(mbedtls_##name##_context *to, const mbedtls_##name##_context *c) \
    {                                                                                            \
        *to = *c;                                                                                \
    }                                                                                            \
    int mbedtls_##name##_update(mbedtls_##name##_context *c, const unsigned char *in, size_t n)  \
    {                                                                                            \
        crypto_##name##_update(name##_of(c), in, n);                                             \
        return 0;                                                                                \
    }                                                                                            \
    int mbedtls_internal_##name##_process(mbedtls_##name##_context *c,                           \
                                          const unsigned char block[size])                       \
    {                                                                                            \
        crypto_##name##_block(name##_of(c), block);                                              \
        return 0;                                                                                \
    }

HASH(sha1, 64)
HASH(sha256, 64)
HASH(sha512, 128)

int mbedtls_sha1_starts(mbedtls_sha1_context *c)
{
    crypto_sha1_start(sha1_of(c));
    return 0;
}

int mbedtls_sha256_starts(mbedtls_sha256_context *c, int is224)
{
    if (is224 != 0 && is224 != 1)
        return MBEDTLS_ERR_SHA256_BAD_INPUT_DATA;
    crypto_sha256_start(sha256_of(c), is224);
    return 0;
}

int mbedtls_sha512_starts(mbedtls_sha512_context *c, int is384)
{
    if (is384 != 0 && is384 != 1)
        return MBEDTLS_ERR_SHA512_BAD_INPUT_DATA;
    crypto_sha512_start(sha512_of(c), is384);
    return 0;
}

int mbedtls_sha1_finish(mbedtls_sha1_context *c, unsigned char output[20])
{
    crypto_sha1_finish(sha1_of(c), output);
    return 0;
}

int mbedtls_sha256_finish(mbedtls_sha256_context *c, unsigned char *output)
{
    crypto_sha256_finish(sha256_of(c), output);
    return 0;
}

int mbedtls_sha512_finish(mbedtls_sha512_context *c, unsigned char *output)
{
    crypto_sha512_finish(sha512_of(c), output);
    return 0;
}
#endif
