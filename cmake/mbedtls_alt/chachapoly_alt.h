/* mbedTLS's context of ChaCha20-Poly1305 when the engine computes it. */
#ifndef PORTCULLIS_CHACHAPOLY_ALT_H
#define PORTCULLIS_CHACHAPOLY_ALT_H

struct crypto_aead;

typedef struct mbedtls_chachapoly_context {
    struct crypto_aead *aead;
    int state;
} mbedtls_chachapoly_context;

#endif
