/* Curves by their low-level calls (deprecated in OpenSSL 3 for EVP_PKEY, which costs three times as
 * much as the arithmetic when a key is used once). What does not depend on a key is made once for
 * each curve and stays: nothing here is used by two threads. A private key is set for one operation
 * and wiped after it. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/objects.h>
#include <string.h>

#include "openssl.h"
#include "portcullis/base/random.h"

struct curve {
    EC_KEY *key; /* its group, and the key of the operation at hand */
    const EC_GROUP *group;
    const BIGNUM *order;
    BIGNUM *x, *y, *secret;
    EC_POINT *point;
    BN_CTX *numbers;
};

static const struct {
    size_t bytes;
    int nid;
} kinds[CRYPTO_CURVES] = {[CRYPTO_P256] = {32, NID_X9_62_prime256v1},
                          [CRYPTO_P384] = {48, NID_secp384r1},
                          [CRYPTO_P521] = {66, NID_secp521r1},
                          [CRYPTO_X25519] = {32, NID_undef}};

size_t crypto_curve_bytes(enum crypto_curve curve)
{
    return kinds[curve].bytes;
}

size_t crypto_point_bytes(enum crypto_curve curve)
{
    return curve == CRYPTO_X25519 ? 32 : 1 + 2 * kinds[curve].bytes;
}

static bool make(struct curve *c, int nid)
{
    c->key = EC_KEY_new_by_curve_name(nid);
    if (c->key == NULL)
        return false;
    c->group = EC_KEY_get0_group(c->key);
    c->order = EC_GROUP_get0_order(c->group);
    c->x = BN_new();
    c->y = BN_new();
    c->secret = BN_secure_new();
    c->point = EC_POINT_new(c->group);
    c->numbers = BN_CTX_new();
    if (c->x == NULL || c->y == NULL || c->secret == NULL || c->point == NULL || c->numbers == NULL)
        return false;
    BN_set_flags(c->secret, BN_FLG_CONSTTIME);
    return true;
}

static struct curve *curve_of(enum crypto_curve curve)
{
    static struct curve curves[CRYPTO_X25519];
    struct curve *c = &curves[curve];
    if (c->numbers != NULL)
        return c;
    engine_need();
    bool made = make(c, kinds[curve].nid);
    assert(made); /* No memory, or a libcrypto without this curve. */
    (void)made;
    return c;
}

/* False: not in 1 .. order - 1. That much may be told of a key. */
static bool take_secret(struct curve *c, const unsigned char *octets, size_t size)
{
    return BN_bin2bn(octets, (int)size, c->secret) != NULL && !BN_is_zero(c->secret) &&
           BN_ucmp(c->secret, c->order) < 0;
}

static void drop_secret(struct curve *c)
{
    BN_clear(c->secret);
}

bool crypto_ecdsa_sign(enum crypto_curve curve, const unsigned char *private_key,
                       const unsigned char *digest, size_t digest_size, unsigned char *r,
                       unsigned char *s)
{
    struct curve *c = curve_of(curve);
    int bytes = (int)kinds[curve].bytes;
    ECDSA_SIG *signature = NULL;
    if (take_secret(c, private_key, kinds[curve].bytes) &&
        EC_KEY_set_private_key(c->key, c->secret))
        signature = ECDSA_do_sign(digest, (int)digest_size, c->key);
    drop_secret(c);
    EC_KEY_set_private_key(c->key, NULL); /* wipes it */
    bool good = signature != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(signature), r, bytes) == bytes &&
                BN_bn2binpad(ECDSA_SIG_get0_s(signature), s, bytes) == bytes;
    ECDSA_SIG_free(signature);
    return good;
}

/* Also checks that it is on the curve. */
static bool take_point(struct curve *c, const unsigned char *x, const unsigned char *y,
                       size_t bytes)
{
    return BN_bin2bn(x, (int)bytes, c->x) != NULL && BN_bin2bn(y, (int)bytes, c->y) != NULL &&
           EC_POINT_set_affine_coordinates(c->group, c->point, c->x, c->y, c->numbers);
}

enum crypto_verdict crypto_ecdsa_verify(enum crypto_curve curve, const unsigned char *x,
                                        const unsigned char *y, const unsigned char *digest,
                                        size_t digest_size, const unsigned char *r,
                                        const unsigned char *s)
{
    struct curve *c = curve_of(curve);
    int bytes = (int)kinds[curve].bytes;
    if (!take_point(c, x, y, kinds[curve].bytes) || !EC_KEY_set_public_key(c->key, c->point))
        return CRYPTO_BAD_KEY;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *number_r = BN_bin2bn(r, bytes, NULL), *number_s = BN_bin2bn(s, bytes, NULL);
    bool good = false;
    if (signature != NULL && number_r != NULL && number_s != NULL) {
        ECDSA_SIG_set0(signature, number_r, number_s);
        good = ECDSA_do_verify(digest, (int)digest_size, signature, c->key) == 1;
    } else {
        BN_free(number_r);
        BN_free(number_s);
    }
    ECDSA_SIG_free(signature);
    return good ? CRYPTO_GOOD : CRYPTO_BAD;
}

/* ---- X25519 ---------------------------------------------------------------------------------- */

static const unsigned char base_point[32] = {9};

#ifdef PC_HAVE_OSSL_X25519
/* libcrypto's own function, which its static archive shows: EVP adds 12 µs to a handshake's 63,
 * most of it for public keys that are not asked for. The build has tried it on RFC 7748's numbers.
 */
int ossl_x25519(uint8_t shared[32], const uint8_t private_key[32], const uint8_t peer[32]);

static bool x25519(const unsigned char *private_key, const unsigned char *peer,
                   unsigned char *shared)
{
    return ossl_x25519(shared, private_key, peer) == 1;
}
#else
static bool x25519(const unsigned char *private_key, const unsigned char *peer,
                   unsigned char *shared)
{
    size_t size = 32;
    engine_need();
    EVP_PKEY *ours = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, private_key, 32);
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, peer, 32);
    EVP_PKEY_CTX *c = ours != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL) : NULL;
    bool good = c != NULL && theirs != NULL && EVP_PKEY_derive_init(c) > 0 &&
                EVP_PKEY_derive_set_peer_ex(c, theirs, 0) > 0 &&
                EVP_PKEY_derive(c, shared, &size) > 0 && size == 32;
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(ours);
    return good;
}
#endif

/* ---- key agreement --------------------------------------------------------------------------- */

static bool write_point(const struct curve *c, size_t bytes, unsigned char *out)
{
    out[0] = 4;
    return EC_POINT_get_affine_coordinates(c->group, c->point, c->x, c->y, c->numbers) &&
           BN_bn2binpad(c->x, out + 1, (int)bytes) > 0 &&
           BN_bn2binpad(c->y, out + 1 + bytes, (int)bytes) > 0;
}

bool crypto_ec_generate(enum crypto_curve curve, unsigned char *private_key, unsigned char *point)
{
    size_t bytes = kinds[curve].bytes;
    engine_need();
    if (curve == CRYPTO_X25519) {
        if (!random_fill(private_key, 32))
            return false;
        private_key[0] &= 0xf8; /* RFC 7748, 5 */
        private_key[31] = (unsigned char)((private_key[31] & 0x7f) | 0x40);
        return x25519(private_key, base_point, point);
    }
    struct curve *c = curve_of(curve);
    bool good;
    do
        good = BN_priv_rand_range_ex(c->secret, c->order, 0, c->numbers);
    while (good && BN_is_zero(c->secret));
    good = good && BN_bn2binpad(c->secret, private_key, (int)bytes) > 0 &&
           EC_POINT_mul(c->group, c->point, c->secret, NULL, NULL, c->numbers) &&
           write_point(c, bytes, point);
    drop_secret(c);
    return good;
}

bool crypto_ec_public(enum crypto_curve curve, const unsigned char *private_key,
                      unsigned char *point)
{
    size_t bytes = kinds[curve].bytes;
    if (curve == CRYPTO_X25519)
        return x25519(private_key, base_point, point);
    struct curve *c = curve_of(curve);
    bool good = take_secret(c, private_key, bytes) &&
                EC_POINT_mul(c->group, c->point, c->secret, NULL, NULL, c->numbers) &&
                write_point(c, bytes, point);
    drop_secret(c);
    return good;
}

bool crypto_ecdh(enum crypto_curve curve, const unsigned char *private_key,
                 const unsigned char *peer_point, unsigned char *shared)
{
    size_t bytes = kinds[curve].bytes;
    if (curve == CRYPTO_X25519)
        return x25519(private_key, peer_point, shared);
    struct curve *c = curve_of(curve);
    bool good = peer_point[0] == 4 &&
                take_point(c, peer_point + 1, peer_point + 1 + bytes, bytes) &&
                take_secret(c, private_key, bytes) &&
                EC_POINT_mul(c->group, c->point, NULL, c->point, c->secret, c->numbers) &&
                EC_POINT_get_affine_coordinates(c->group, c->point, c->x, NULL, c->numbers) &&
                BN_bn2binpad(c->x, shared, (int)bytes) > 0;
    drop_secret(c);
    BN_clear(c->x);
    EC_POINT_set_to_infinity(c->group, c->point);
    return good;
}
