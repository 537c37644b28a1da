/* What a process needs for mbedTLS: its primitives, and base/random's randomness. */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mbedtls/build_info.h>
#include <mbedtls/sha256.h>
#include <psa/crypto.h>

#if defined(PORTCULLIS_CRYPTO_ENGINE)
#include "portcullis/crypto/engine.h"
#else
/* mbedTLS computes by itself. */
static bool crypto_start(void)
{
    return true;
}
#endif
#include "portcullis/base/random.h"
#include "portcullis/tls/context.h"
#include "random.h"

int random_for_mbedtls(void *unused, unsigned char *out, size_t size)
{
    (void)unused;
    return random_fill(out, size) ? 0 : -1;
}

/* The PSA layer, which TLS 1.3 uses, takes its randomness here (MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG).
 */
psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context,
                                             uint8_t *output, size_t output_size,
                                             size_t *output_length)
{
    (void)context;
    if (!random_fill(output, output_size))
        return PSA_ERROR_INSUFFICIENT_ENTROPY;
    *output_length = output_size;
    return PSA_SUCCESS;
}

uint64_t tls_tag(const unsigned char seed[static 32], struct str s)
{
    unsigned char digest[32];
    uint64_t tag;
    mbedtls_sha256_context sha;
    mbedtls_sha256_init(&sha);
    int rc = mbedtls_sha256_starts(&sha, 0);
    rc |= mbedtls_sha256_update(&sha, seed, 32);
    rc |= mbedtls_sha256_update(&sha, (const unsigned char *)s.ptr, s.len);
    rc |= mbedtls_sha256_finish(&sha, digest);
    assert(rc == 0);
    (void)rc;
    mbedtls_sha256_free(&sha);
    memcpy(&tag, digest, sizeof tag);
    return tag != 0 ? tag : 1;
}

void tls_random(void *out, size_t size)
{
    bool done = random_fill(out, size);
    assert(done); /* tls_process_start has seen that the generator works. */
    (void)done;
}

bool tls_process_start(void)
{
    unsigned char probe[16];
    return random_fill(probe, sizeof probe) && crypto_start() && psa_crypto_init() == PSA_SUCCESS;
}

const char *tls_library_version(void)
{
#if defined(PORTCULLIS_CRYPTO_ENGINE)
    static char text[192];
    snprintf(text, sizeof text, "mbedTLS " MBEDTLS_VERSION_STRING ", %s", crypto_version());
    return text;
#else
    return "mbedTLS " MBEDTLS_VERSION_STRING;
#endif
}
