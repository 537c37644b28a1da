/* AES-GCM by Intel's ipsec-mb, where it is built in and the CPU has what it needs: whole messages
 * with nonces of 12 octets and tags of 16, as TLS has them. What it does not do is libcrypto's. */
#ifndef PORTCULLIS_CRYPTO_IPSEC_MB_H
#define PORTCULLIS_CRYPTO_IPSEC_MB_H

#include "portcullis/crypto/engine.h"

/* A key ready for use: round keys and powers of the hash's key. */
struct mb_key {
    _Alignas(64) unsigned char octets[1024];
};

enum { MB_IV = 12, MB_TAG = 16 };

/* The i-th implementation that this CPU runs and that gives the standard's answer, from the best
 * on, as "ipsec-mb 1.3.0 (VAES and AVX-512)"; NULL: there are no more. */
const char *mb_name(unsigned i);
/* That one from now on; one that there is not: none. */
void mb_use(unsigned i);
bool mb_has(enum crypto_cipher cipher);

/* For a cipher that mb_has. */
void mb_set_key(struct mb_key *k, enum crypto_cipher cipher, const unsigned char *key);
/* Seals or opens; the tag is the one that the message is to have: comparing it is the caller's. */
void mb_pass(const struct mb_key *k, enum crypto_cipher cipher, bool seal,
             const unsigned char iv[MB_IV], const unsigned char *ad, size_t ad_size,
             const unsigned char *in, size_t size, unsigned char *out, unsigned char tag[MB_TAG]);

#endif
