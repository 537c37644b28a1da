/* Appended to mbedtls_config.h where the crypto engine computes (CRYPTO_ENGINE): what src/crypto
 * replaces in mbedTLS. Curves for signatures and TLS 1.2's key exchange are replaced here; TLS 1.3's,
 * which only knows PSA, by the linker (mbedtls.cmake); RSA by a patch (0005). */
#ifndef PORTCULLIS_MBEDTLS_ENGINE_CONFIG_H
#define PORTCULLIS_MBEDTLS_ENGINE_CONFIG_H

#define MBEDTLS_SHA1_ALT
#define MBEDTLS_SHA256_ALT
#define MBEDTLS_SHA512_ALT
#define MBEDTLS_GCM_ALT
#define MBEDTLS_CHACHAPOLY_ALT
#define MBEDTLS_ECDSA_SIGN_ALT
#define MBEDTLS_ECDSA_VERIFY_ALT
#define MBEDTLS_ECDH_GEN_PUBLIC_ALT
#define MBEDTLS_ECDH_COMPUTE_SHARED_ALT
#define PORTCULLIS_CRYPTO_ENGINE

#endif
