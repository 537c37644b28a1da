/* mbedTLS's context of SHA-256 and SHA-224 when the engine computes it: struct crypto_sha256
 * (include/portcullis/crypto/engine.h). */
#ifndef PORTCULLIS_SHA256_ALT_H
#define PORTCULLIS_SHA256_ALT_H

#include <stdint.h>

typedef struct mbedtls_sha256_context {
    uint64_t state[14];
} mbedtls_sha256_context;

#endif
