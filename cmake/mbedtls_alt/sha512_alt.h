/* mbedTLS's context of SHA-512 and SHA-384 when the engine computes it: struct crypto_sha512
 * (include/portcullis/crypto/engine.h). */
#ifndef PORTCULLIS_SHA512_ALT_H
#define PORTCULLIS_SHA512_ALT_H

#include <stdint.h>

typedef struct mbedtls_sha512_context {
    uint64_t state[27];
} mbedtls_sha512_context;

#endif
