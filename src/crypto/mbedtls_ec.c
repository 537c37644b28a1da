/* mbedTLS's curves by the engine: ECDSA_SIGN_ALT, ECDSA_VERIFY_ALT, ECDH_GEN_PUBLIC_ALT and
 * ECDH_COMPUTE_SHARED_ALT, which TLS 1.2 and X.509 use, and what TLS 1.3's key exchange calls
 * through PSA, past those: the linker turns the calls of three functions here (--wrap,
 * cmake/mbedtls.cmake). The random generator in the arguments is not asked: the engine has the
 * kernel's. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/build_info.h>

#if defined(MBEDTLS_ECDSA_SIGN_ALT)
#include <mbedtls/ecdh.h>
#include <mbedtls/ecdsa.h>
#include <psa/crypto.h>
#include <string.h>

#include "portcullis/crypto/engine.h"

static bool curve_from_group(mbedtls_ecp_group_id id, enum crypto_curve *curve)
{
    static const struct {
        mbedtls_ecp_group_id id;
        enum crypto_curve curve;
    } rows[] = {{MBEDTLS_ECP_DP_SECP256R1, CRYPTO_P256},
                {MBEDTLS_ECP_DP_SECP384R1, CRYPTO_P384},
                {MBEDTLS_ECP_DP_SECP521R1, CRYPTO_P521},
                {MBEDTLS_ECP_DP_CURVE25519, CRYPTO_X25519}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        *curve = rows[i].curve;
        if (rows[i].id == id)
            return true;
    }
    return false;
}

static bool curve_that_signs(const mbedtls_ecp_group *grp, enum crypto_curve *curve)
{
    return curve_from_group(grp->id, curve) && *curve != CRYPTO_X25519;
}

static int write_number(const mbedtls_mpi *n, enum crypto_curve curve, unsigned char *out)
{
    return curve == CRYPTO_X25519 ? mbedtls_mpi_write_binary_le(n, out, 32)
                                  : mbedtls_mpi_write_binary(n, out, crypto_curve_bytes(curve));
}

static int read_number(mbedtls_mpi *n, enum crypto_curve curve, const unsigned char *octets)
{
    return curve == CRYPTO_X25519 ? mbedtls_mpi_read_binary_le(n, octets, 32)
                                  : mbedtls_mpi_read_binary(n, octets, crypto_curve_bytes(curve));
}

/* ---- ECDSA ----------------------------------------------------------------------------------- */

int mbedtls_ecdsa_sign(mbedtls_ecp_group *grp, mbedtls_mpi *r, mbedtls_mpi *s, const mbedtls_mpi *d,
                       const unsigned char *buf, size_t blen,
                       int (*f_rng)(void *, unsigned char *, size_t), void *p_rng)
{
    enum crypto_curve curve;
    unsigned char key[CRYPTO_CURVE_BYTES_MAX];
    unsigned char out_r[CRYPTO_CURVE_BYTES_MAX], out_s[CRYPTO_CURVE_BYTES_MAX];
    (void)f_rng;
    (void)p_rng;
    if (!curve_that_signs(grp, &curve))
        return MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
    if (mbedtls_mpi_cmp_int(d, 1) < 0 || mbedtls_mpi_cmp_mpi(d, &grp->N) >= 0)
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    int rc = write_number(d, curve, key);
    if (rc == 0 && !crypto_ecdsa_sign(curve, key, buf, blen, out_r, out_s))
        rc = MBEDTLS_ERR_ECP_RANDOM_FAILED;
    crypto_wipe(key, sizeof key);
    if (rc == 0)
        rc = read_number(r, curve, out_r);
    return rc != 0 ? rc : read_number(s, curve, out_s);
}

int mbedtls_ecdsa_verify(mbedtls_ecp_group *grp, const unsigned char *buf, size_t blen,
                         const mbedtls_ecp_point *Q, const mbedtls_mpi *r, const mbedtls_mpi *s)
{
    enum crypto_curve curve;
    unsigned char x[CRYPTO_CURVE_BYTES_MAX], y[CRYPTO_CURVE_BYTES_MAX];
    unsigned char in_r[CRYPTO_CURVE_BYTES_MAX], in_s[CRYPTO_CURVE_BYTES_MAX];
    if (!curve_that_signs(grp, &curve))
        return MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
    /* Numbers that do not fit are not below the order; the rest libcrypto looks at. */
    if (mbedtls_mpi_cmp_int(r, 1) < 0 || mbedtls_mpi_cmp_int(s, 1) < 0 ||
        write_number(r, curve, in_r) != 0 || write_number(s, curve, in_s) != 0)
        return MBEDTLS_ERR_ECP_VERIFY_FAILED;
    if (mbedtls_mpi_cmp_int(&Q->Z, 1) != 0 || mbedtls_mpi_cmp_int(&Q->X, 0) < 0 ||
        mbedtls_mpi_cmp_int(&Q->Y, 0) < 0 || write_number(&Q->X, curve, x) != 0 ||
        write_number(&Q->Y, curve, y) != 0)
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    switch (crypto_ecdsa_verify(curve, x, y, buf, blen, in_r, in_s)) {
    case CRYPTO_GOOD:
        return 0;
    case CRYPTO_BAD_KEY:
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    default:
        return MBEDTLS_ERR_ECP_VERIFY_FAILED;
    }
}

/* ---- key agreement: TLS 1.2 ------------------------------------------------------------------ */

static int read_point(mbedtls_ecp_point *Q, enum crypto_curve curve, const unsigned char *point)
{
    size_t bytes = crypto_curve_bytes(curve);
    bool is_x_alone = curve == CRYPTO_X25519;
    int rc = read_number(&Q->X, curve, is_x_alone ? point : point + 1);
    if (rc == 0 && !is_x_alone)
        rc = read_number(&Q->Y, curve, point + 1 + bytes);
    if (rc == 0 && is_x_alone)
        mbedtls_mpi_free(&Q->Y);
    return rc != 0 ? rc : mbedtls_mpi_lset(&Q->Z, 1);
}

static int write_point(const mbedtls_ecp_point *Q, enum crypto_curve curve, unsigned char *point)
{
    if (curve == CRYPTO_X25519)
        return write_number(&Q->X, curve, point);
    point[0] = 4;
    int rc = write_number(&Q->X, curve, point + 1);
    return rc != 0 ? rc : write_number(&Q->Y, curve, point + 1 + crypto_curve_bytes(curve));
}

int mbedtls_ecdh_gen_public(mbedtls_ecp_group *grp, mbedtls_mpi *d, mbedtls_ecp_point *Q,
                            int (*f_rng)(void *, unsigned char *, size_t), void *p_rng)
{
    enum crypto_curve curve;
    unsigned char key[CRYPTO_CURVE_BYTES_MAX], point[CRYPTO_POINT_MAX];
    (void)f_rng;
    (void)p_rng;
    if (!curve_from_group(grp->id, &curve))
        return MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE;
    int rc = crypto_ec_generate(curve, key, point) ? 0 : MBEDTLS_ERR_ECP_RANDOM_FAILED;
    if (rc == 0)
        rc = read_number(d, curve, key);
    crypto_wipe(key, sizeof key);
    return rc != 0 ? rc : read_point(Q, curve, point);
}

int mbedtls_ecdh_compute_shared(mbedtls_ecp_group *grp, mbedtls_mpi *z, const mbedtls_ecp_point *Q,
                                const mbedtls_mpi *d, int (*f_rng)(void *, unsigned char *, size_t),
                                void *p_rng)
{
    enum crypto_curve curve;
    unsigned char key[CRYPTO_CURVE_BYTES_MAX], point[CRYPTO_POINT_MAX];
    unsigned char shared[CRYPTO_CURVE_BYTES_MAX];
    (void)f_rng;
    (void)p_rng;
    if (!curve_from_group(grp->id, &curve))
        return MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE;
    if (mbedtls_mpi_cmp_int(&Q->Z, 1) != 0 || write_point(Q, curve, point) != 0)
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    int rc = write_number(d, curve, key);
    if (rc == 0 && !crypto_ecdh(curve, key, point, shared))
        rc = MBEDTLS_ERR_ECP_INVALID_KEY;
    if (rc == 0)
        rc = read_number(z, curve, shared);
    crypto_wipe(key, sizeof key);
    crypto_wipe(shared, sizeof shared);
    return rc;
}

/* ---- key agreement: TLS 1.3, by PSA ---------------------------------------------------------- */

/* What the linker puts in the place of mbedTLS's functions, and those themselves. */
#define WRAPPED(name) __wrap_##name
#define REAL(name)    __real_##name

psa_status_t REAL(mbedtls_psa_ecp_generate_key)(const psa_key_attributes_t *attributes,
                                                uint8_t *key, size_t key_size, size_t *key_length);
psa_status_t WRAPPED(mbedtls_psa_ecp_generate_key)(const psa_key_attributes_t *attributes,
                                                   uint8_t *key, size_t key_size,
                                                   size_t *key_length);
psa_status_t REAL(mbedtls_psa_ecp_export_public_key)(const psa_key_attributes_t *attributes,
                                                     const uint8_t *key, size_t key_size,
                                                     uint8_t *out, size_t out_size,
                                                     size_t *out_length);
psa_status_t WRAPPED(mbedtls_psa_ecp_export_public_key)(const psa_key_attributes_t *attributes,
                                                        const uint8_t *key, size_t key_size,
                                                        uint8_t *out, size_t out_size,
                                                        size_t *out_length);
psa_status_t REAL(mbedtls_psa_key_agreement_ecdh)(const psa_key_attributes_t *attributes,
                                                  const uint8_t *key, size_t key_size,
                                                  psa_algorithm_t alg, const uint8_t *peer,
                                                  size_t peer_length, uint8_t *shared,
                                                  size_t shared_size, size_t *shared_length);
psa_status_t WRAPPED(mbedtls_psa_key_agreement_ecdh)(const psa_key_attributes_t *attributes,
                                                     const uint8_t *key, size_t key_size,
                                                     psa_algorithm_t alg, const uint8_t *peer,
                                                     size_t peer_length, uint8_t *shared,
                                                     size_t shared_size, size_t *shared_length);

/* The public key of the key pair that was made last: PSA asks for it next, from the private key
 * alone. It is known again by the private key's hash, so that the key itself does not stay. */
static struct {
    unsigned char of[32];
    unsigned char point[CRYPTO_POINT_MAX];
    enum crypto_curve curve;
    bool is_set;
} last_made;

static void hash_key(const uint8_t *key, size_t size, unsigned char out[static 32])
{
    struct crypto_sha256 s;
    crypto_sha256_start(&s, false);
    crypto_sha256_update(&s, key, size);
    crypto_sha256_finish(&s, out);
    crypto_wipe(&s, sizeof s);
}

static bool curve_from_pair(const psa_key_attributes_t *attributes, enum crypto_curve *curve)
{
    static const struct {
        psa_key_type_t type;
        size_t bits;
    } rows[CRYPTO_CURVES] = {
        [CRYPTO_P256] = {PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1), 256},
        [CRYPTO_P384] = {PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1), 384},
        [CRYPTO_P521] = {PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1), 521},
        [CRYPTO_X25519] = {PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_MONTGOMERY), 255}};
    for (*curve = 0; *curve < CRYPTO_CURVES; ++*curve)
        if (rows[*curve].type == psa_get_key_type(attributes) &&
            rows[*curve].bits == psa_get_key_bits(attributes))
            return true;
    return false;
}

psa_status_t WRAPPED(mbedtls_psa_ecp_generate_key)(const psa_key_attributes_t *attributes,
                                                   uint8_t *key, size_t key_size,
                                                   size_t *key_length)
{
    enum crypto_curve curve;
    if (!curve_from_pair(attributes, &curve))
        return REAL(mbedtls_psa_ecp_generate_key)(attributes, key, key_size, key_length);
    size_t bytes = crypto_curve_bytes(curve);
    if (key_size < bytes)
        return PSA_ERROR_BUFFER_TOO_SMALL;
    if (!crypto_ec_generate(curve, key, last_made.point))
        return PSA_ERROR_INSUFFICIENT_ENTROPY;
    *key_length = bytes;
    hash_key(key, bytes, last_made.of);
    last_made.curve = curve;
    last_made.is_set = true;
    return PSA_SUCCESS;
}

psa_status_t WRAPPED(mbedtls_psa_ecp_export_public_key)(const psa_key_attributes_t *attributes,
                                                        const uint8_t *key, size_t key_size,
                                                        uint8_t *out, size_t out_size,
                                                        size_t *out_length)
{
    enum crypto_curve curve;
    if (!curve_from_pair(attributes, &curve) || key_size != crypto_curve_bytes(curve))
        return REAL(mbedtls_psa_ecp_export_public_key)(attributes, key, key_size, out, out_size,
                                                       out_length);
    size_t bytes = crypto_point_bytes(curve);
    if (out_size < bytes)
        return PSA_ERROR_BUFFER_TOO_SMALL;
    *out_length = bytes;
    if (last_made.is_set && last_made.curve == curve) {
        unsigned char of[32];
        hash_key(key, key_size, of);
        if (crypto_equal(of, last_made.of, sizeof of)) {
            memcpy(out, last_made.point, bytes);
            return PSA_SUCCESS;
        }
    }
    return crypto_ec_public(curve, key, out) ? PSA_SUCCESS : PSA_ERROR_INVALID_ARGUMENT;
}

psa_status_t WRAPPED(mbedtls_psa_key_agreement_ecdh)(const psa_key_attributes_t *attributes,
                                                     const uint8_t *key, size_t key_size,
                                                     psa_algorithm_t alg, const uint8_t *peer,
                                                     size_t peer_length, uint8_t *shared,
                                                     size_t shared_size, size_t *shared_length)
{
    enum crypto_curve curve;
    if (!PSA_ALG_IS_ECDH(alg) || !curve_from_pair(attributes, &curve) ||
        key_size != crypto_curve_bytes(curve))
        return REAL(mbedtls_psa_key_agreement_ecdh)(
            attributes, key, key_size, alg, peer, peer_length, shared, shared_size, shared_length);
    if (peer_length != crypto_point_bytes(curve))
        return PSA_ERROR_INVALID_ARGUMENT;
    if (shared_size < key_size)
        return PSA_ERROR_BUFFER_TOO_SMALL;
    if (!crypto_ecdh(curve, key, peer, shared)) {
        crypto_wipe(shared, shared_size);
        return PSA_ERROR_INVALID_ARGUMENT;
    }
    *shared_length = key_size;
    return PSA_SUCCESS;
}
#endif
