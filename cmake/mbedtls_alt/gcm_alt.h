/* mbedTLS's context of GCM when the engine computes it. */
#ifndef PORTCULLIS_GCM_ALT_H
#define PORTCULLIS_GCM_ALT_H

#include <stdint.h>

struct crypto_aead;

typedef struct mbedtls_gcm_context {
    struct crypto_aead *aead;
    uint64_t bytes, ad_bytes; /* of the message so far */
} mbedtls_gcm_context;

#endif
