/* The primitives under mbedTLS, by libcrypto: hashes, AEAD, ECDSA, key agreement, RSA; AES-GCM by
 * ipsec-mb where it can be. Nothing here knows mbedTLS: src/crypto/mbedtls_*.c stand between the
 * two (and are all that a later mbedTLS changes). Numbers are big-endian octets of the size of
 * their curve or modulus, X25519's as in RFC 7748. A function that can fail says so by false; what
 * it would have written is then undefined.
 *
 * All randomness is base/random's: no generator's state is in the process. Keys, secrets and what
 * was derived from them are wiped here and by libcrypto before their memory is given back. */
#ifndef PORTCULLIS_CRYPTO_ENGINE_H
#define PORTCULLIS_CRYPTO_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks up in libcrypto what is used later. Every function below does so by itself: this is for
 * having it done before processes are forked. False: libcrypto lacks something. */
bool crypto_start(void);
/* "OpenSSL 3.0.19 3 Feb 2026, AES-GCM by ipsec-mb 1.3.0 (VAES and AVX-512)", the latter where it is
 * built in and this CPU has what it needs. */
const char *crypto_version(void);
/* In constant time. */
bool crypto_equal(const void *a, const void *b, size_t size);
void crypto_wipe(void *p, size_t size);

/* ---- hashes, FIPS 180-4. A context is copied by assignment. ---------------------------------- */
/* start, any number of updates, finish. _block: the compression function alone, on one block. */

struct crypto_sha1 {
    uint64_t state[12];
};
void crypto_sha1_start(struct crypto_sha1 *s);
void crypto_sha1_update(struct crypto_sha1 *s, const void *data, size_t size);
void crypto_sha1_finish(struct crypto_sha1 *s, unsigned char out[static 20]);
void crypto_sha1_block(struct crypto_sha1 *s, const unsigned char block[static 64]);

struct crypto_sha256 {
    uint64_t state[14];
};
void crypto_sha256_start(struct crypto_sha256 *s, bool is_224);
void crypto_sha256_update(struct crypto_sha256 *s, const void *data, size_t size);
void crypto_sha256_finish(struct crypto_sha256 *s, unsigned char *out); /* 32, or 28 */
void crypto_sha256_block(struct crypto_sha256 *s, const unsigned char block[static 64]);

struct crypto_sha512 {
    uint64_t state[27];
};
void crypto_sha512_start(struct crypto_sha512 *s, bool is_384);
void crypto_sha512_update(struct crypto_sha512 *s, const void *data, size_t size);
void crypto_sha512_finish(struct crypto_sha512 *s, unsigned char *out); /* 64, or 48 */
void crypto_sha512_block(struct crypto_sha512 *s, const unsigned char block[static 128]);

/* ---- AEAD (RFC 5116): one key, one message at a time ----------------------------------------- */

/* GCM: NIST SP 800-38D; ChaCha20-Poly1305: RFC 8439. */
enum crypto_cipher {
    CRYPTO_AES_128_GCM,
    CRYPTO_AES_192_GCM,
    CRYPTO_AES_256_GCM,
    CRYPTO_CHACHA20_POLY1305, /* nonces of 12, tags of 16 octets */
};
enum {
    CRYPTO_TAG_MAX = 16,
    CRYPTO_IV_MAX = 128, /* libcrypto's limit; TLS has 12 */
};

/* AES-128-GCM and AES-256-GCM have implementations: the i-th that this CPU runs, the best first,
 * libcrypto's last; NULL: there are no more. The best is used. */
const char *crypto_gcm_name(unsigned i);
/* Another one from now on, for tests and comparisons. There must be no keys. */
void crypto_gcm_use(unsigned i);

struct crypto_aead;
/* key: of the cipher's size, 16, 24 or 32 octets. NULL: no memory. */
struct crypto_aead *crypto_aead_new(enum crypto_cipher cipher, const unsigned char *key);
void crypto_aead_free(struct crypto_aead *a); /* NULL is fine */

/* size octets to as many; out may be in, or must not overlap it. False: the IV's or the tag's size
 * is none of this cipher. */
bool crypto_aead_seal(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                      const unsigned char *ad, size_t ad_size, const unsigned char *in, size_t size,
                      unsigned char *out, unsigned char *tag, size_t tag_size);
/* False: the tag is wrong, and out was wiped. */
bool crypto_aead_open(struct crypto_aead *a, const unsigned char *iv, size_t iv_size,
                      const unsigned char *ad, size_t ad_size, const unsigned char *tag,
                      size_t tag_size, const unsigned char *in, size_t size, unsigned char *out);

/* Piece by piece: begin, any number of _ad, any number of _update, finish. finish gives the tag in
 * both directions; comparing it is the caller's. Slower than the calls above. */
bool crypto_aead_begin(struct crypto_aead *a, bool seal, const unsigned char *iv, size_t iv_size);
bool crypto_aead_ad(struct crypto_aead *a, const unsigned char *ad, size_t size);
bool crypto_aead_update(struct crypto_aead *a, const unsigned char *in, size_t size,
                        unsigned char *out);
bool crypto_aead_finish(struct crypto_aead *a, unsigned char *tag, size_t tag_size);

/* ---- elliptic curves: ECDSA (FIPS 186-5, 6), key agreement (SEC 1, 3.3.1; RFC 7748) ---------- */

enum crypto_curve {
    CRYPTO_P256,
    CRYPTO_P384,
    CRYPTO_P521,
    CRYPTO_X25519, /* for key agreement alone */
    CRYPTO_CURVES
};
enum {
    CRYPTO_CURVE_BYTES_MAX = 66,
    CRYPTO_POINT_MAX = 1 + 2 * CRYPTO_CURVE_BYTES_MAX,
};
size_t crypto_curve_bytes(enum crypto_curve curve);
/* 32, or 1 + 2 * crypto_curve_bytes: 04, x, y (SEC 1, 2.3.3). */
size_t crypto_point_bytes(enum crypto_curve curve);

/* Private keys, coordinates, r and s are of crypto_curve_bytes each, points of crypto_point_bytes.
 * private_key 0 or not below the curve's order: false. */
bool crypto_ecdsa_sign(enum crypto_curve curve, const unsigned char *private_key,
                       const unsigned char *digest, size_t digest_size, unsigned char *r,
                       unsigned char *s);
enum crypto_verdict { CRYPTO_GOOD, CRYPTO_BAD, CRYPTO_BAD_KEY };
enum crypto_verdict crypto_ecdsa_verify(enum crypto_curve curve, const unsigned char *x,
                                        const unsigned char *y, const unsigned char *digest,
                                        size_t digest_size, const unsigned char *r,
                                        const unsigned char *s);

bool crypto_ec_generate(enum crypto_curve curve, unsigned char *private_key, unsigned char *point);
bool crypto_ec_public(enum crypto_curve curve, const unsigned char *private_key,
                      unsigned char *point);
/* The shared x. False: the peer's point is not one, or the secret would be zero (RFC 7748, 6.1). */
bool crypto_ecdh(enum crypto_curve curve, const unsigned char *private_key,
                 const unsigned char *peer_point, unsigned char *shared);

/* ---- RSA without padding (RFC 8017, 5) ------------------------------------------------------- */

struct crypto_number {
    const unsigned char *octets;
    size_t size;
};
/* All of them, or n and e alone (the others' size is 0). */
struct crypto_rsa_numbers {
    struct crypto_number n, e, d, p, q, dp, dq, qp;
};
struct crypto_rsa;
struct crypto_rsa *crypto_rsa_new(const struct crypto_rsa_numbers *numbers);
void crypto_rsa_free(struct crypto_rsa *r); /* NULL is fine */
/* size: n's. False: in is not below n. */
bool crypto_rsa_public(struct crypto_rsa *r, const unsigned char *in, unsigned char *out,
                       size_t size);
/* Blinded, by the CRT, and checked by the public operation before it is given out. */
bool crypto_rsa_private(struct crypto_rsa *r, const unsigned char *in, unsigned char *out,
                        size_t size);

#endif
