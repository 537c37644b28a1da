/* The low-level calls, deprecated in OpenSSL 3 but a seventh of the price of an EVP context for
 * what a handshake hashes: they need no allocation and no lookup. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "portcullis/crypto/engine.h"

_Static_assert(sizeof(SHA_CTX) <= sizeof(struct crypto_sha1), "grow crypto_sha1");
_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct crypto_sha256), "grow crypto_sha256");
_Static_assert(sizeof(SHA512_CTX) <= sizeof(struct crypto_sha512), "grow crypto_sha512");

static SHA_CTX *sha1_of(struct crypto_sha1 *s)
{
    return (void *)s;
}

static SHA256_CTX *sha256_of(struct crypto_sha256 *s)
{
    return (void *)s;
}

static SHA512_CTX *sha512_of(struct crypto_sha512 *s)
{
    return (void *)s;
}

void crypto_sha1_start(struct crypto_sha1 *s)
{
    SHA1_Init(sha1_of(s));
}

void crypto_sha1_update(struct crypto_sha1 *s, const void *data, size_t size)
{
    SHA1_Update(sha1_of(s), data, size);
}

void crypto_sha1_finish(struct crypto_sha1 *s, unsigned char out[static 20])
{
    SHA1_Final(out, sha1_of(s));
}

void crypto_sha1_block(struct crypto_sha1 *s, const unsigned char block[static 64])
{
    SHA1_Transform(sha1_of(s), block);
}

void crypto_sha256_start(struct crypto_sha256 *s, bool is_224)
{
    (is_224 ? SHA224_Init : SHA256_Init)(sha256_of(s));
}

void crypto_sha256_update(struct crypto_sha256 *s, const void *data, size_t size)
{
    SHA256_Update(sha256_of(s), data, size);
}

void crypto_sha256_finish(struct crypto_sha256 *s, unsigned char *out)
{
    SHA256_Final(out, sha256_of(s)); /* 28 octets of SHA-224: the context knows. */
}

void crypto_sha256_block(struct crypto_sha256 *s, const unsigned char block[static 64])
{
    SHA256_Transform(sha256_of(s), block);
}

void crypto_sha512_start(struct crypto_sha512 *s, bool is_384)
{
    (is_384 ? SHA384_Init : SHA512_Init)(sha512_of(s));
}

void crypto_sha512_update(struct crypto_sha512 *s, const void *data, size_t size)
{
    SHA512_Update(sha512_of(s), data, size);
}

void crypto_sha512_finish(struct crypto_sha512 *s, unsigned char *out)
{
    SHA512_Final(out, sha512_of(s));
}

void crypto_sha512_block(struct crypto_sha512 *s, const unsigned char block[static 128])
{
    SHA512_Transform(sha512_of(s), block);
}
