/* mbedTLS's context of SHA-1 when the engine computes it: struct crypto_sha1
 * (include/portcullis/crypto/engine.h). */
#ifndef PORTCULLIS_SHA1_ALT_H
#define PORTCULLIS_SHA1_ALT_H

#include <stdint.h>

typedef struct mbedtls_sha1_context {
    uint64_t state[12];
} mbedtls_sha1_context;

#endif
