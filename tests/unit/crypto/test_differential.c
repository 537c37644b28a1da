/* The engine, as mbedTLS calls it, against mbedTLS's own arithmetic, which is still there below
 * what was replaced: curves, numbers, AES, ChaCha20, Poly1305. Random inputs from one seed. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/aes.h>
#include <mbedtls/chacha20.h>
#include <mbedtls/chachapoly.h>
#include <mbedtls/ecdh.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/gcm.h>
#include <mbedtls/poly1305.h>
#include <mbedtls/rsa.h>
#include <psa/crypto.h>

#include "portcullis/base/random.h"
#include "support.h"

static int seeded(void *unused, unsigned char *out, size_t size)
{
    (void)unused;
    fill_random(out, size);
    return 0;
}

/* What linking without tls/ asks for. */
psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context,
                                             uint8_t *output, size_t size, size_t *length)
{
    (void)context;
    *length = size;
    return random_fill(output, size) ? PSA_SUCCESS : PSA_ERROR_INSUFFICIENT_ENTROPY;
}

/* ---- GCM by the book: SP 800-38D, 6.3 to 7.1 ------------------------------------------------- */

static void times_h(unsigned char y[16], const unsigned char h[16])
{
    unsigned char z[16] = {0}, v[16];
    memcpy(v, h, 16);
    for (int bit = 0; bit < 128; bit++) {
        for (int i = 0; (y[bit / 8] >> (7 - bit % 8) & 1) && i < 16; i++)
            z[i] ^= v[i];
        int carry = v[15] & 1;
        for (int i = 15; i > 0; i--)
            v[i] = (unsigned char)(v[i] >> 1 | v[i - 1] << 7);
        v[0] = (unsigned char)(v[0] >> 1 ^ (carry ? 0xe1 : 0));
    }
    memcpy(y, z, 16);
}

static void hash_padded(unsigned char y[16], const unsigned char h[16], const unsigned char *data,
                        size_t size)
{
    for (size_t at = 0; at < size; at += 16) {
        for (size_t i = 0; i < 16 && at + i < size; i++)
            y[i] ^= data[at + i];
        times_h(y, h);
    }
}

static void hash_sizes(unsigned char y[16], const unsigned char h[16], uint64_t a, uint64_t b)
{
    unsigned char block[16];
    for (int i = 0; i < 8; i++) {
        block[i] = (unsigned char)(a * 8 >> (56 - 8 * i));
        block[8 + i] = (unsigned char)(b * 8 >> (56 - 8 * i));
    }
    hash_padded(y, h, block, 16);
}

static void count(unsigned char counter[16])
{
    for (int i = 15; i >= 12 && ++counter[i] == 0; i--)
        ;
}

struct message {
    unsigned char key[32], iv[64], ad[64], plain[600], sealed[600], tag[16];
    size_t key_size, iv_size, ad_size, size;
};

static void seal_by_the_book(struct message *m)
{
    mbedtls_aes_context aes;
    unsigned char h[16] = {0}, first[16] = {0}, counter[16], pad[16], y[16] = {0};
    mbedtls_aes_init(&aes);
    mbedtls_aes_setkey_enc(&aes, m->key, (unsigned)m->key_size * 8);
    mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, h, h);
    if (m->iv_size == 12) {
        memcpy(first, m->iv, 12);
        first[15] = 1;
    } else {
        hash_padded(first, h, m->iv, m->iv_size);
        hash_sizes(first, h, 0, m->iv_size);
    }
    memcpy(counter, first, 16);
    for (size_t i = 0; i < m->size; i++) {
        if (i % 16 == 0) {
            count(counter);
            mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, counter, pad);
        }
        m->sealed[i] = m->plain[i] ^ pad[i % 16];
    }
    hash_padded(y, h, m->ad, m->ad_size);
    hash_padded(y, h, m->sealed, m->size);
    hash_sizes(y, h, m->ad_size, m->size);
    mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, first, pad);
    for (int i = 0; i < 16; i++)
        m->tag[i] = y[i] ^ pad[i];
    mbedtls_aes_free(&aes);
}

static void random_message(struct message *m, size_t iv_size)
{
    m->key_size = 16 + 8 * random_below(3);
    m->iv_size = iv_size;
    m->ad_size = random_below(sizeof m->ad + 1);
    m->size = random_below(sizeof m->plain + 1);
    fill_random(m->key, sizeof m->key);
    fill_random(m->iv, sizeof m->iv);
    fill_random(m->ad, sizeof m->ad);
    fill_random(m->plain, sizeof m->plain);
}

static void gcm_in_pieces(mbedtls_gcm_context *c, int mode, const struct message *m)
{
    bool seals = mode == MBEDTLS_GCM_ENCRYPT;
    unsigned char out[sizeof m->plain], tag[16];
    size_t done;
    cr_assert_eq(mbedtls_gcm_starts(c, mode, m->iv, m->iv_size), 0);
    cr_assert_eq(mbedtls_gcm_update_ad(c, m->ad, m->ad_size), 0);
    memcpy(out, seals ? m->plain : m->sealed, m->size);
    for (size_t at = 0, size; at < m->size; at += size) {
        size = 1 + random_below(m->size - at);
        cr_assert_eq(mbedtls_gcm_update(c, out + at, size, out + at, size, &done), 0);
        cr_assert_eq(done, size);
    }
    cr_assert_eq(mbedtls_gcm_finish(c, NULL, 0, &done, tag, 16), 0);
    cr_assert_arr_eq(out, seals ? m->sealed : m->plain, m->size);
    cr_assert_arr_eq(tag, m->tag, 16);
}

static void check_gcm(void)
{
    static struct message m;
    for (int round = 0; round < 400; round++) {
        unsigned char out[sizeof m.plain], tag[16];
        mbedtls_gcm_context c;
        random_message(&m, round % 2 ? 12 : 1 + random_below(64));
        seal_by_the_book(&m);
        mbedtls_gcm_init(&c);
        cr_assert_eq(mbedtls_gcm_setkey(&c, MBEDTLS_CIPHER_ID_AES, m.key, (unsigned)m.key_size * 8),
                     0);
        for (size_t tag_size = 4; tag_size <= 16; tag_size++) {
            cr_assert_eq(mbedtls_gcm_crypt_and_tag(&c, MBEDTLS_GCM_ENCRYPT, m.size, m.iv, m.iv_size,
                                                   m.ad, m.ad_size, m.plain, out, tag_size, tag),
                         0);
            cr_assert_arr_eq(out, m.sealed, m.size, "round %d", round);
            cr_assert_arr_eq(tag, m.tag, tag_size, "round %d", round);
            cr_assert_eq(mbedtls_gcm_auth_decrypt(&c, m.size, m.iv, m.iv_size, m.ad, m.ad_size, tag,
                                                  tag_size, out, out),
                         0);
            cr_assert_arr_eq(out, m.plain, m.size);
        }
        gcm_in_pieces(&c, MBEDTLS_GCM_ENCRYPT, &m);
        gcm_in_pieces(&c, MBEDTLS_GCM_DECRYPT, &m);
        cr_assert_eq(mbedtls_gcm_crypt_and_tag(&c, MBEDTLS_GCM_DECRYPT, m.size, m.iv, m.iv_size,
                                               m.ad, m.ad_size, m.sealed, out, 16, tag),
                     0);
        cr_assert_arr_eq(out, m.plain, m.size);
        cr_assert_arr_eq(tag, m.tag, 16);
        mbedtls_gcm_free(&c);
    }
}

Test(differential, gcm)
{
    on_each_gcm(check_gcm);
}

/* mbedTLS lets output lie before input and overlap it. */
static void check_moves(void)
{
    static struct message m;
    random_message(&m, 12);
    m.size = 300;
    seal_by_the_book(&m);
    mbedtls_gcm_context c;
    unsigned char room[400], tag[16];
    mbedtls_gcm_init(&c);
    mbedtls_gcm_setkey(&c, MBEDTLS_CIPHER_ID_AES, m.key, (unsigned)m.key_size * 8);
    for (size_t by = 1; by < 64; by++) {
        memcpy(room + by, m.plain, m.size);
        cr_assert_eq(mbedtls_gcm_crypt_and_tag(&c, MBEDTLS_GCM_ENCRYPT, m.size, m.iv, 12, m.ad,
                                               m.ad_size, room + by, room, 16, tag),
                     0);
        cr_assert_arr_eq(room, m.sealed, m.size);
        cr_assert_arr_eq(tag, m.tag, 16);
    }
    mbedtls_gcm_free(&c);
}

Test(differential, gcm_moves_what_it_seals)
{
    on_each_gcm(check_moves);
}

/* RFC 8439, 2.8, from its two halves. */
static void chacha_by_the_book(struct message *m)
{
    static const unsigned char zeros[64];
    unsigned char mac_key[64], sizes[16] = {0};
    mbedtls_poly1305_context mac;
    mbedtls_chacha20_crypt(m->key, m->iv, 0, 64, zeros, mac_key);
    mbedtls_chacha20_crypt(m->key, m->iv, 1, m->size, m->plain, m->sealed);
    mbedtls_poly1305_init(&mac);
    mbedtls_poly1305_starts(&mac, mac_key);
    mbedtls_poly1305_update(&mac, m->ad, m->ad_size);
    mbedtls_poly1305_update(&mac, zeros, (16 - m->ad_size % 16) % 16);
    mbedtls_poly1305_update(&mac, m->sealed, m->size);
    mbedtls_poly1305_update(&mac, zeros, (16 - m->size % 16) % 16);
    for (int i = 0; i < 8; i++) {
        sizes[i] = (unsigned char)((uint64_t)m->ad_size >> 8 * i);
        sizes[8 + i] = (unsigned char)((uint64_t)m->size >> 8 * i);
    }
    mbedtls_poly1305_update(&mac, sizes, 16);
    mbedtls_poly1305_finish(&mac, m->tag);
    mbedtls_poly1305_free(&mac);
}

static void chacha_in_pieces(mbedtls_chachapoly_context *c, bool seals, const struct message *m)
{
    unsigned char out[sizeof m->plain], tag[16];
    cr_assert_eq(mbedtls_chachapoly_starts(
                     c, m->iv, seals ? MBEDTLS_CHACHAPOLY_ENCRYPT : MBEDTLS_CHACHAPOLY_DECRYPT),
                 0);
    cr_assert_eq(mbedtls_chachapoly_update_aad(c, m->ad, m->ad_size), 0);
    memcpy(out, seals ? m->plain : m->sealed, m->size);
    for (size_t at = 0, size; at < m->size; at += size) {
        size = 1 + random_below(m->size - at);
        cr_assert_eq(mbedtls_chachapoly_update(c, size, out + at, out + at), 0);
    }
    cr_assert_eq(mbedtls_chachapoly_finish(c, tag), 0);
    cr_assert_arr_eq(out, seals ? m->sealed : m->plain, m->size);
    cr_assert_arr_eq(tag, m->tag, 16);
}

Test(differential, chacha20_poly1305)
{
    static struct message m;
    for (int round = 0; round < 400; round++) {
        unsigned char out[sizeof m.plain], tag[16];
        mbedtls_chachapoly_context c;
        random_message(&m, 12);
        chacha_by_the_book(&m);
        mbedtls_chachapoly_init(&c);
        cr_assert_eq(mbedtls_chachapoly_setkey(&c, m.key), 0);
        cr_assert_eq(mbedtls_chachapoly_encrypt_and_tag(&c, m.size, m.iv, m.ad, m.ad_size, m.plain,
                                                        out, tag),
                     0);
        cr_assert_arr_eq(out, m.sealed, m.size);
        cr_assert_arr_eq(tag, m.tag, 16);
        cr_assert_eq(
            mbedtls_chachapoly_auth_decrypt(&c, m.size, m.iv, m.ad, m.ad_size, tag, out, out), 0);
        cr_assert_arr_eq(out, m.plain, m.size);
        chacha_in_pieces(&c, true, &m);
        chacha_in_pieces(&c, false, &m);
        mbedtls_chachapoly_free(&c);
    }
}

/* ---- curves ---------------------------------------------------------------------------------- */

static const mbedtls_ecp_group_id groups[] = {MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_SECP384R1,
                                              MBEDTLS_ECP_DP_SECP521R1, MBEDTLS_ECP_DP_CURVE25519};
enum { GROUPS = sizeof groups / sizeof *groups };

Test(differential, key_agreement)
{
    for (int round = 0; round < 10 * GROUPS; round++) {
        mbedtls_ecp_group g;
        mbedtls_ecp_point ours, theirs, product;
        mbedtls_mpi d, their_d, shared, their_shared;
        mbedtls_ecp_group_init(&g);
        mbedtls_ecp_point_init(&ours);
        mbedtls_ecp_point_init(&theirs);
        mbedtls_ecp_point_init(&product);
        mbedtls_mpi_init(&d);
        mbedtls_mpi_init(&their_d);
        mbedtls_mpi_init(&shared);
        mbedtls_mpi_init(&their_shared);
        cr_assert_eq(mbedtls_ecp_group_load(&g, groups[round % GROUPS]), 0);

        cr_assert_eq(mbedtls_ecdh_gen_public(&g, &d, &ours, seeded, NULL), 0);
        cr_assert_eq(mbedtls_ecp_check_privkey(&g, &d), 0);
        cr_assert_eq(mbedtls_ecp_mul(&g, &product, &d, &g.G, seeded, NULL), 0);
        cr_assert_eq(mbedtls_mpi_cmp_mpi(&product.X, &ours.X), 0);
        cr_assert_eq(mbedtls_mpi_cmp_mpi(&product.Y, &ours.Y), 0);

        cr_assert_eq(mbedtls_ecp_gen_keypair(&g, &their_d, &theirs, seeded, NULL), 0);
        cr_assert_eq(mbedtls_ecdh_compute_shared(&g, &shared, &theirs, &d, seeded, NULL), 0);
        cr_assert_eq(mbedtls_ecp_mul(&g, &product, &their_d, &ours, seeded, NULL), 0);
        cr_assert_eq(mbedtls_mpi_cmp_mpi(&product.X, &shared), 0);
        cr_assert_eq(mbedtls_ecdh_compute_shared(&g, &their_shared, &ours, &their_d, seeded, NULL),
                     0);
        cr_assert_eq(mbedtls_mpi_cmp_mpi(&shared, &their_shared), 0);

        mbedtls_mpi_free(&d);
        mbedtls_mpi_free(&their_d);
        mbedtls_mpi_free(&shared);
        mbedtls_mpi_free(&their_shared);
        mbedtls_ecp_point_free(&ours);
        mbedtls_ecp_point_free(&theirs);
        mbedtls_ecp_point_free(&product);
        mbedtls_ecp_group_free(&g);
    }
}

/* SEC 1, 4.1.4 */
static bool verifies(mbedtls_ecp_group *g, const unsigned char *digest, size_t size,
                     const mbedtls_ecp_point *q, const mbedtls_mpi *r, const mbedtls_mpi *s)
{
    mbedtls_mpi e, u1, u2, inverse;
    mbedtls_ecp_point point;
    size_t bytes = (g->nbits + 7) / 8;
    mbedtls_mpi_init(&e);
    mbedtls_mpi_init(&u1);
    mbedtls_mpi_init(&u2);
    mbedtls_mpi_init(&inverse);
    mbedtls_ecp_point_init(&point);
    mbedtls_mpi_read_binary(&e, digest, size < bytes ? size : bytes);
    if (size * 8 > g->nbits && g->nbits % 8 != 0)
        mbedtls_mpi_shift_r(&e, 8 - g->nbits % 8);
    mbedtls_mpi_inv_mod(&inverse, s, &g->N);
    mbedtls_mpi_mul_mpi(&u1, &e, &inverse);
    mbedtls_mpi_mod_mpi(&u1, &u1, &g->N);
    mbedtls_mpi_mul_mpi(&u2, r, &inverse);
    mbedtls_mpi_mod_mpi(&u2, &u2, &g->N);
    mbedtls_ecp_muladd(g, &point, &u1, &g->G, &u2, q);
    mbedtls_mpi_mod_mpi(&point.X, &point.X, &g->N);
    bool good = mbedtls_mpi_cmp_mpi(&point.X, r) == 0;
    mbedtls_mpi_free(&e);
    mbedtls_mpi_free(&u1);
    mbedtls_mpi_free(&u2);
    mbedtls_mpi_free(&inverse);
    mbedtls_ecp_point_free(&point);
    return good;
}

Test(differential, ecdsa)
{
    for (int round = 0; round < 60; round++) {
        mbedtls_ecdsa_context key;
        mbedtls_mpi r, s;
        unsigned char digest[64];
        size_t size = 20 + random_below(45);
        fill_random(digest, sizeof digest);
        mbedtls_ecdsa_init(&key);
        mbedtls_mpi_init(&r);
        mbedtls_mpi_init(&s);
        cr_assert_eq(mbedtls_ecdsa_genkey(&key, groups[round % 3], seeded, NULL), 0);
        cr_assert_eq(mbedtls_ecdsa_sign(&key.grp, &r, &s, &key.d, digest, size, seeded, NULL), 0);
        cr_assert(verifies(&key.grp, digest, size, &key.Q, &r, &s), "round %d", round);
        cr_assert_eq(mbedtls_ecdsa_verify(&key.grp, digest, size, &key.Q, &r, &s), 0);
        digest[random_below(16)] ^= 1;
        cr_assert_not(verifies(&key.grp, digest, size, &key.Q, &r, &s));
        cr_assert_eq(mbedtls_ecdsa_verify(&key.grp, digest, size, &key.Q, &r, &s),
                     MBEDTLS_ERR_ECP_VERIFY_FAILED);
        mbedtls_mpi_free(&r);
        mbedtls_mpi_free(&s);
        mbedtls_ecdsa_free(&key);
    }
}

/* PSA, as TLS 1.3 calls it: the wrapped functions. */
Test(differential, psa_key_agreement)
{
    static const struct {
        psa_ecc_family_t family;
        size_t bits;
    } kinds[] = {{PSA_ECC_FAMILY_SECP_R1, 256},
                 {PSA_ECC_FAMILY_SECP_R1, 384},
                 {PSA_ECC_FAMILY_SECP_R1, 521},
                 {PSA_ECC_FAMILY_MONTGOMERY, 255}};
    cr_assert_eq(psa_crypto_init(), PSA_SUCCESS);
    for (size_t i = 0; i < 4; i++) {
        psa_key_attributes_t attributes = psa_key_attributes_init();
        psa_key_id_t keys[2];
        unsigned char point[2][CRYPTO_POINT_MAX], again[CRYPTO_POINT_MAX], shared[2][66];
        size_t size[2], n;
        psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_KEY_PAIR(kinds[i].family));
        psa_set_key_bits(&attributes, kinds[i].bits);
        psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_DERIVE);
        psa_set_key_algorithm(&attributes, PSA_ALG_ECDH);
        for (int k = 0; k < 2; k++) {
            cr_assert_eq(psa_generate_key(&attributes, &keys[k]), PSA_SUCCESS);
            cr_assert_eq(psa_export_public_key(keys[k], point[k], sizeof point[k], &size[k]),
                         PSA_SUCCESS);
        }
        /* Not the one that was made last: computed, not remembered. */
        cr_assert_eq(psa_export_public_key(keys[0], again, sizeof again, &n), PSA_SUCCESS);
        cr_expect(n == size[0] && memcmp(again, point[0], n) == 0);
        for (int k = 0; k < 2; k++)
            cr_assert_eq(psa_raw_key_agreement(PSA_ALG_ECDH, keys[k], point[1 - k], size[1 - k],
                                               shared[k], sizeof shared[k], &n),
                         PSA_SUCCESS);
        cr_expect_arr_eq(shared[0], shared[1], n);
        point[0][0] ^= 0xff;
        if (kinds[i].family != PSA_ECC_FAMILY_MONTGOMERY)
            cr_expect_neq(psa_raw_key_agreement(PSA_ALG_ECDH, keys[1], point[0], size[0], shared[0],
                                                sizeof shared[0], &n),
                          PSA_SUCCESS);
        cr_expect_neq(psa_raw_key_agreement(PSA_ALG_ECDH, keys[1], point[1], size[1] - 1, shared[0],
                                            sizeof shared[0], &n),
                      PSA_SUCCESS);
        psa_destroy_key(keys[0]);
        psa_destroy_key(keys[1]);
    }
    mbedtls_psa_crypto_free();
}

/* ---- RSA ------------------------------------------------------------------------------------- */

static void random_prime(mbedtls_mpi *p, size_t bytes, const mbedtls_mpi *e)
{
    unsigned char octets[128];
    mbedtls_mpi one_less, gcd;
    mbedtls_mpi_init(&one_less);
    mbedtls_mpi_init(&gcd);
    do {
        fill_random(octets, bytes);
        octets[0] |= 0xc0;
        octets[bytes - 1] |= 1;
        mbedtls_mpi_read_binary(p, octets, bytes);
        mbedtls_mpi_sub_int(&one_less, p, 1);
        mbedtls_mpi_gcd(&gcd, &one_less, e);
        /* Fermat's test is enough for a test. */
        mbedtls_mpi_lset(&gcd, 3);
        mbedtls_mpi_exp_mod(&gcd, &gcd, &one_less, p, NULL);
    } while (mbedtls_mpi_cmp_int(&gcd, 1) != 0);
    mbedtls_mpi_free(&one_less);
    mbedtls_mpi_free(&gcd);
}

static void random_key(mbedtls_rsa_context *c, size_t bytes)
{
    mbedtls_mpi p, q, e;
    mbedtls_mpi_init(&p);
    mbedtls_mpi_init(&q);
    mbedtls_mpi_init(&e);
    mbedtls_mpi_lset(&e, 65537);
    random_prime(&p, bytes / 2, &e);
    random_prime(&q, bytes / 2, &e);
    cr_assert_eq(mbedtls_rsa_import(c, NULL, &p, &q, NULL, &e), 0);
    cr_assert_eq(mbedtls_rsa_complete(c), 0);
    mbedtls_mpi_free(&p);
    mbedtls_mpi_free(&q);
    mbedtls_mpi_free(&e);
}

static void expect_power(const mbedtls_rsa_context *c, const mbedtls_mpi *exponent,
                         const unsigned char *in, const unsigned char *out)
{
    unsigned char expected[256];
    mbedtls_mpi n;
    mbedtls_mpi_init(&n);
    mbedtls_mpi_read_binary(&n, in, c->len);
    cr_assert_eq(mbedtls_mpi_exp_mod(&n, &n, exponent, &c->N, NULL), 0);
    mbedtls_mpi_write_binary(&n, expected, c->len);
    cr_assert_arr_eq(out, expected, c->len);
    mbedtls_mpi_free(&n);
}

Test(differential, rsa)
{
    mbedtls_rsa_context c, copy;
    mbedtls_rsa_init(&c);
    mbedtls_rsa_init(&copy);
    for (int key = 0; key < 4; key++) {
        unsigned char in[256], out[256];
        size_t bytes = key < 3 ? 128 : 256;
        random_key(&c, bytes); /* The same context with another key: the engine's must go. */
        cr_assert_eq(mbedtls_rsa_copy(&copy, &c), 0);
        for (int round = 0; round < 5; round++) {
            fill_random(in, sizeof in);
            in[0] &= 0x3f;
            cr_assert_eq(mbedtls_rsa_public(&c, in, out), 0);
            expect_power(&c, &c.E, in, out);
            cr_assert_eq(mbedtls_rsa_private(&c, seeded, NULL, in, out), 0);
            expect_power(&c, &c.D, in, out);
            cr_assert_eq(mbedtls_rsa_private(&copy, seeded, NULL, in, out), 0);
            expect_power(&c, &c.D, in, out);
        }
        memset(in, 0xff, sizeof in);
        cr_expect_eq(mbedtls_rsa_public(&c, in, out),
                     MBEDTLS_ERR_RSA_PUBLIC_FAILED + MBEDTLS_ERR_MPI_BAD_INPUT_DATA);
        cr_expect_neq(mbedtls_rsa_private(&c, seeded, NULL, in, out), 0);
    }
    mbedtls_rsa_free(&copy);
    mbedtls_rsa_free(&c);
}

Test(differential, rsa_signatures)
{
    static const mbedtls_md_type_t hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384,
                                               MBEDTLS_MD_SHA512};
    static const unsigned sizes[] = {32, 48, 64};
    mbedtls_rsa_context c;
    mbedtls_rsa_init(&c);
    random_key(&c, 256);
    for (int padding = MBEDTLS_RSA_PKCS_V15; padding <= MBEDTLS_RSA_PKCS_V21; padding++) {
        for (int i = 0; i < 3; i++) {
            unsigned char digest[64], signature[256];
            fill_random(digest, sizeof digest);
            cr_assert_eq(mbedtls_rsa_set_padding(&c, padding, hashes[i]), 0);
            cr_assert_eq(
                mbedtls_rsa_pkcs1_sign(&c, seeded, NULL, hashes[i], sizes[i], digest, signature),
                0);
            cr_expect_eq(mbedtls_rsa_pkcs1_verify(&c, hashes[i], sizes[i], digest, signature), 0);
            digest[3] ^= 4;
            cr_expect_neq(mbedtls_rsa_pkcs1_verify(&c, hashes[i], sizes[i], digest, signature), 0);
            digest[3] ^= 4;
            signature[100] ^= 4;
            cr_expect_neq(mbedtls_rsa_pkcs1_verify(&c, hashes[i], sizes[i], digest, signature), 0);
        }
    }
    mbedtls_rsa_free(&c);
}
