/* Project Wycheproof's vectors for each primitive that TLS uses, by the calls of mbedTLS that reach
 * the crypto engine (or, in a build without one, mbedTLS's own arithmetic). wycheproof/make has
 * written the files and says what their lines are. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/base64.h>
#include <mbedtls/chachapoly.h>
#include <mbedtls/ecdh.h>
#include <mbedtls/gcm.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "portcullis/crypto/engine.h"
#include "support.h"

static int random_octets(void *unused, unsigned char *out, size_t size)
{
    (void)unused;
    tls_random(out, size);
    return 0;
}

enum outcome { REFUSED, ACCEPTED, WRONG };
static const char *const outcome_names[] = {"refused", "accepted", "wrong"};

/* What is right where the vectors leave it open: the first row whose flag a case has. */
static const struct {
    const char *flag;
    enum outcome outcome;
} decisions[] = {
    /* RFC 7748, 6.1; RFC 8446, 7.4.2: the other side must not choose the secret. */
    {"ZeroSharedSecret", REFUSED},
    /* RFC 7748, 5: the top bit is masked, numbers of p and more are reduced, the twist is secure.
     */
    {"NonCanonicalPublic", ACCEPTED},
    {"Twist", ACCEPTED},
    /* RFC 8422, 5.4.1; RFC 8446, 4.2.8.2: points are uncompressed. */
    {"CompressedPoint", REFUSED},
    /* ITU-T X.690, 8.3.3: what begins with 1 is a negative number. */
    {"MissingZero", REFUSED},
    /* RFC 8017, 9.2, 1: parameters are NULL. (RFC 4055, 5 would have one accept none.) */
    {"MissingNull", REFUSED},
    /* e is 3; RFC 8017 allows it, and with the padding compared whole nothing is known against it.
     */
    {"SmallPublicKey", ACCEPTED},
    /* NIST SP 800-38D, 5.2.1.1 allows 1 octet and more. TLS has 12. */
    {"SmallIv", ACCEPTED},
};

static enum outcome expected(const char *result)
{
    if (strcmp(result, "valid") == 0 || strcmp(result, "invalid") == 0)
        return *result == 'v' ? ACCEPTED : REFUSED;
    for (size_t i = 0; i < sizeof decisions / sizeof *decisions; i++)
        if (strstr(result, decisions[i].flag) != NULL)
            return decisions[i].outcome;
    cr_assert_fail("nobody decided about %s", result);
    return WRONG;
}

/* ---- the files ------------------------------------------------------------------------------- */

enum { WORDS = 6, OCTETS_MAX = 1024 };

struct octets {
    unsigned char at[OCTETS_MAX];
    size_t size;
};

struct vector {
    char group[WORDS][2 * OCTETS_MAX];
    struct octets input[WORDS];
};

static void read_octets(const char *word, struct octets *out)
{
    if (strcmp(word, "=") == 0)
        return;
    out->size = 0;
    if (strcmp(word, "-") != 0)
        cr_assert_eq(mbedtls_base64_decode(out->at, sizeof out->at, &out->size,
                                           (const unsigned char *)word, strlen(word)),
                     0, "%s", word);
}

static void read_group(char *words, struct vector *v)
{
    char *word = strtok(words, " ");
    for (size_t i = 0; word != NULL; word = strtok(NULL, " "), i++) {
        cr_assert(i < WORDS && strlen(word) < sizeof v->group[i]);
        strcpy(v->group[i], word);
    }
}

static bool case_is_right(const char *file, char *line, struct vector *v,
                          enum outcome (*try_it)(struct vector *))
{
    const char *id = strtok(line, " "), *result = strtok(NULL, " "), *word;
    for (size_t i = 0; (word = strtok(NULL, " ")) != NULL; i++) {
        cr_assert_lt(i, WORDS);
        read_octets(word, &v->input[i]);
    }
    enum outcome is = try_it(v), right = expected(result);
    cr_expect_eq(is, right, "%s, case %s (%s): %s", file, id, result, outcome_names[is]);
    return is == right;
}

/* All cases of a file, of which there are count. */
static void run(const char *name, size_t count, enum outcome (*try_it)(struct vector *))
{
    static struct vector v;
    char path[512], source[64] = "", *line = NULL;
    size_t size = 0, right = 0;
    snprintf(path, sizeof path, "%s/unit/tls/wycheproof/%s.txt", PC_TESTS_DIR, name);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    cr_assert(tls_process_start());
    while (getline(&line, &size, f) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "file ", 5) == 0)
            snprintf(source, sizeof source, "%s", line + 5);
        else if (strncmp(line, "group", 5) == 0)
            read_group(line + 5, &v);
        else if (*line != '#')
            right += case_is_right(source, line, &v, try_it);
    }
    cr_expect_eq(right, count, "%s: %zu of %zu are right", name, right, count);
    free(line);
    fclose(f);
}

static bool same(const struct octets *o, const unsigned char *at, size_t size)
{
    return size == o->size && memcmp(at, o->at, size) == 0;
}

static bool is_zero(const unsigned char *at, size_t size)
{
    size_t i = 0;
    while (i < size && at[i] == 0)
        i++;
    return i == size;
}

/* ---- AEAD: each case is sealed, too, whole and in pieces ------------------------------------- */

enum { KEY, IV, AD, TEXT, SEALED, TAG }; /* of a case */

static bool gcm_seals(mbedtls_gcm_context *c, struct octets *in)
{
    unsigned char out[OCTETS_MAX], tag[16];
    return mbedtls_gcm_crypt_and_tag(c, MBEDTLS_GCM_ENCRYPT, in[TEXT].size, in[IV].at, in[IV].size,
                                     in[AD].at, in[AD].size, in[TEXT].at, out, 16, tag) == 0 &&
           same(&in[SEALED], out, in[TEXT].size) && same(&in[TAG], tag, 16);
}

static bool gcm_is_right_in_pieces(mbedtls_gcm_context *c, int mode, struct octets *in)
{
    unsigned char out[OCTETS_MAX], tag[16];
    const struct octets *from = &in[mode == MBEDTLS_GCM_ENCRYPT ? TEXT : SEALED];
    const struct octets *to = &in[mode == MBEDTLS_GCM_ENCRYPT ? SEALED : TEXT];
    size_t half = from->size / 2, n, done = 0;
    bool good = mbedtls_gcm_starts(c, mode, in[IV].at, in[IV].size) == 0 &&
                mbedtls_gcm_update_ad(c, in[AD].at, in[AD].size) == 0 &&
                mbedtls_gcm_update(c, from->at, half, out, sizeof out, &n) == 0;
    done = n;
    good = good && mbedtls_gcm_update(c, from->at + half, from->size - half, out + done,
                                      sizeof out - done, &n) == 0;
    done += n;
    good = good && mbedtls_gcm_finish(c, out + done, sizeof out - done, &n, tag, 16) == 0;
    return good && same(to, out, done + n) && same(&in[TAG], tag, 16);
}

static enum outcome try_gcm(struct vector *v)
{
    struct octets *in = v->input;
    unsigned char out[OCTETS_MAX];
    mbedtls_gcm_context c;
    mbedtls_gcm_init(&c);
    cr_assert_eq(
        mbedtls_gcm_setkey(&c, MBEDTLS_CIPHER_ID_AES, in[KEY].at, 8 * (unsigned)in[KEY].size), 0);
    memset(out, 0xa5, sizeof out);
    bool opened = mbedtls_gcm_auth_decrypt(&c, in[SEALED].size, in[IV].at, in[IV].size, in[AD].at,
                                           in[AD].size, in[TAG].at, in[TAG].size, in[SEALED].at,
                                           out) == 0;
    enum outcome is = opened ? ACCEPTED : REFUSED;
    if (opened && !same(&in[TEXT], out, in[SEALED].size))
        is = WRONG;
    if (!opened && in[IV].size > 0 && !is_zero(out, in[SEALED].size))
        is = WRONG;
    if (gcm_seals(&c, in) != opened ||
        (in[IV].size > 0 && (gcm_is_right_in_pieces(&c, MBEDTLS_GCM_ENCRYPT, in) != opened ||
                             gcm_is_right_in_pieces(&c, MBEDTLS_GCM_DECRYPT, in) != opened)))
        is = WRONG;
    mbedtls_gcm_free(&c);
    return is;
}

Test(wycheproof, aes_gcm)
{
#if defined(PORTCULLIS_CRYPTO_ENGINE)
    cr_assert_not_null(crypto_gcm_name(0));
    for (unsigned i = 0; crypto_gcm_name(i) != NULL; i++) {
        crypto_gcm_use(i);
        run("gcm", 171, try_gcm);
    }
#else
    run("gcm", 171, try_gcm);
#endif
}

static bool chachapoly_seals(mbedtls_chachapoly_context *c, struct octets *in)
{
    unsigned char out[OCTETS_MAX], tag[16];
    return mbedtls_chachapoly_encrypt_and_tag(c, in[TEXT].size, in[IV].at, in[AD].at, in[AD].size,
                                              in[TEXT].at, out, tag) == 0 &&
           same(&in[SEALED], out, in[TEXT].size) && same(&in[TAG], tag, 16);
}

static bool chachapoly_is_right_in_pieces(mbedtls_chachapoly_context *c,
                                          mbedtls_chachapoly_mode_t mode, struct octets *in)
{
    unsigned char out[OCTETS_MAX], tag[16];
    const struct octets *from = &in[mode == MBEDTLS_CHACHAPOLY_ENCRYPT ? TEXT : SEALED];
    const struct octets *to = &in[mode == MBEDTLS_CHACHAPOLY_ENCRYPT ? SEALED : TEXT];
    size_t half = from->size / 2;
    return mbedtls_chachapoly_starts(c, in[IV].at, mode) == 0 &&
           mbedtls_chachapoly_update_aad(c, in[AD].at, in[AD].size) == 0 &&
           mbedtls_chachapoly_update(c, half, from->at, out) == 0 &&
           mbedtls_chachapoly_update(c, from->size - half, from->at + half, out + half) == 0 &&
           mbedtls_chachapoly_finish(c, tag) == 0 && same(to, out, from->size) &&
           same(&in[TAG], tag, 16);
}

static enum outcome try_chachapoly(struct vector *v)
{
    struct octets *in = v->input;
    unsigned char out[OCTETS_MAX];
    mbedtls_chachapoly_context c;
    mbedtls_chachapoly_init(&c);
    cr_assert_eq(mbedtls_chachapoly_setkey(&c, in[KEY].at), 0);
    memset(out, 0xa5, sizeof out);
    bool opened = mbedtls_chachapoly_auth_decrypt(&c, in[SEALED].size, in[IV].at, in[AD].at,
                                                  in[AD].size, in[TAG].at, in[SEALED].at, out) == 0;
    enum outcome is = opened ? ACCEPTED : REFUSED;
    if (opened ? !same(&in[TEXT], out, in[SEALED].size) : !is_zero(out, in[SEALED].size))
        is = WRONG;
    if (chachapoly_seals(&c, in) != opened ||
        chachapoly_is_right_in_pieces(&c, MBEDTLS_CHACHAPOLY_ENCRYPT, in) != opened ||
        chachapoly_is_right_in_pieces(&c, MBEDTLS_CHACHAPOLY_DECRYPT, in) != opened)
        is = WRONG;
    mbedtls_chachapoly_free(&c);
    return is;
}

Test(wycheproof, chacha20_poly1305)
{
    run("chachapoly", 293, try_chachapoly);
}

/* ---- key agreement --------------------------------------------------------------------------- */

enum { PRIVATE, PUBLIC, SHARED }; /* of a case */

static const struct curve {
    const char *name;
    mbedtls_ecp_group_id id;
    psa_ecc_family_t family;
    size_t bits, bytes;
} curves[] = {
    {"secp256r1", MBEDTLS_ECP_DP_SECP256R1, PSA_ECC_FAMILY_SECP_R1, 256, 32},
    {"secp384r1", MBEDTLS_ECP_DP_SECP384R1, PSA_ECC_FAMILY_SECP_R1, 384, 48},
    {"secp521r1", MBEDTLS_ECP_DP_SECP521R1, PSA_ECC_FAMILY_SECP_R1, 521, 66},
    {"curve25519", MBEDTLS_ECP_DP_CURVE25519, PSA_ECC_FAMILY_MONTGOMERY, 255, 32},
};

static const struct curve *curve_named(const char *name)
{
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        if (strcmp(curves[i].name, name) == 0)
            return &curves[i];
    cr_assert_fail("%s", name);
    return NULL;
}

/* As TLS 1.2 does it; 0 where it is refused. */
static size_t agree_by_ecdh(const struct curve *curve, const struct octets *in, unsigned char *out)
{
    mbedtls_ecp_keypair ours;
    mbedtls_ecdh_context c;
    unsigned char public[1 + OCTETS_MAX];
    size_t size = 0;
    mbedtls_ecp_keypair_init(&ours);
    mbedtls_ecdh_init(&c);
    cr_assert_eq(mbedtls_ecp_read_key(curve->id, &ours, in[PRIVATE].at, in[PRIVATE].size), 0);
    cr_assert_eq(mbedtls_ecdh_get_params(&c, &ours, MBEDTLS_ECDH_OURS), 0);
    public[0] = (unsigned char)in[PUBLIC].size;
    memcpy(public + 1, in[PUBLIC].at, in[PUBLIC].size);
    if (mbedtls_ecdh_read_public(&c, public, 1 + in[PUBLIC].size) != 0 ||
        mbedtls_ecdh_calc_secret(&c, &size, out, OCTETS_MAX, random_octets, NULL) != 0)
        size = 0;
    mbedtls_ecdh_free(&c);
    mbedtls_ecp_keypair_free(&ours);
    return size;
}

/* PSA's keys have the size of their curve. */
static psa_key_id_t import_key(const struct curve *curve, const struct octets *key)
{
    psa_key_attributes_t attributes = psa_key_attributes_init();
    psa_key_id_t id;
    unsigned char octets[OCTETS_MAX] = {0};
    size_t more = key->size > curve->bytes ? key->size - curve->bytes : 0;
    memcpy(octets + (curve->bytes + more - key->size), key->at + more, key->size - more);
    psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_KEY_PAIR(curve->family));
    psa_set_key_bits(&attributes, curve->bits);
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_DERIVE);
    psa_set_key_algorithm(&attributes, PSA_ALG_ECDH);
    cr_assert_eq(psa_import_key(&attributes, octets, curve->bytes, &id), PSA_SUCCESS);
    return id;
}

/* As TLS 1.3 does it. */
static size_t agree_by_psa(const struct curve *curve, const struct octets *in, unsigned char *out)
{
    size_t size;
    psa_key_id_t key = import_key(curve, &in[PRIVATE]);
    psa_status_t status = psa_raw_key_agreement(PSA_ALG_ECDH, key, in[PUBLIC].at, in[PUBLIC].size,
                                                out, OCTETS_MAX, &size);
    psa_destroy_key(key);
    return status == PSA_SUCCESS ? size : 0;
}

static enum outcome try_agreement(struct vector *v)
{
    const struct curve *curve = curve_named(v->group[0]);
    unsigned char out[OCTETS_MAX], again[OCTETS_MAX];
    size_t size = agree_by_ecdh(curve, v->input, out), psa = agree_by_psa(curve, v->input, again);
    if (size != psa || (size > 0 && (!same(&v->input[SHARED], out, size) ||
                                     !same(&v->input[SHARED], again, size))))
        return WRONG;
    return size > 0 ? ACCEPTED : REFUSED;
}

Test(wycheproof, key_agreement)
{
    run("agreement", 1153, try_agreement);
}

/* ---- signatures ------------------------------------------------------------------------------ */

enum { MESSAGE, SIGNATURE }; /* of a case */

struct digest {
    mbedtls_md_type_t md;
    unsigned char octets[64];
    size_t size;
};

static struct digest digest_of(const char *hash, const struct octets *message)
{
    struct digest d = {.md = strcmp(hash, "sha256") == 0   ? MBEDTLS_MD_SHA256
                             : strcmp(hash, "sha384") == 0 ? MBEDTLS_MD_SHA384
                                                           : MBEDTLS_MD_SHA512};
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(d.md);
    d.size = mbedtls_md_get_size(info);
    cr_assert_eq(mbedtls_md(info, message->at, message->size, d.octets), 0);
    return d;
}

static enum outcome verify(mbedtls_pk_context *pk, mbedtls_pk_type_t type,
                           const mbedtls_pk_rsassa_pss_options *pss, const struct digest *d,
                           const struct octets *signature)
{
    bool good = mbedtls_pk_verify_ext(type, pss, pk, d->md, d->octets, d->size, signature->at,
                                      signature->size) == 0;
    mbedtls_pk_free(pk);
    return good ? ACCEPTED : REFUSED;
}

static enum outcome try_ecdsa(struct vector *v)
{
    struct digest d = digest_of(v->group[1], &v->input[MESSAGE]);
    struct octets point;
    mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    cr_assert_eq(mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    mbedtls_ecp_keypair *key = mbedtls_pk_ec(pk);
    read_octets(v->group[2], &point);
    cr_assert_eq(mbedtls_ecp_group_load(&key->grp, curve_named(v->group[0])->id), 0);
    cr_assert_eq(mbedtls_ecp_point_read_binary(&key->grp, &key->Q, point.at, point.size), 0);
    return verify(&pk, MBEDTLS_PK_ECDSA, NULL, &d, &v->input[SIGNATURE]);
}

Test(wycheproof, ecdsa)
{
    run("ecdsa", 2145, try_ecdsa);
}

enum { HASH, SALT, N, E, D }; /* of a group */

/* has_d: with the private half. */
static void make_rsa(mbedtls_pk_context *pk, struct vector *v, bool has_d)
{
    struct octets n, e, d;
    read_octets(v->group[N], &n);
    read_octets(v->group[E], &e);
    if (has_d)
        read_octets(v->group[D], &d);
    mbedtls_pk_init(pk);
    cr_assert_eq(mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)), 0);
    mbedtls_rsa_context *rsa = mbedtls_pk_rsa(*pk);
    cr_assert_eq(mbedtls_rsa_import_raw(rsa, n.at, n.size, NULL, 0, NULL, 0, has_d ? d.at : NULL,
                                        has_d ? d.size : 0, e.at, e.size),
                 0);
    cr_assert_eq(mbedtls_rsa_complete(rsa), 0);
}

static enum outcome try_pkcs1(struct vector *v)
{
    struct digest d = digest_of(v->group[HASH], &v->input[MESSAGE]);
    mbedtls_pk_context pk;
    make_rsa(&pk, v, false);
    return verify(&pk, MBEDTLS_PK_RSA, NULL, &d, &v->input[SIGNATURE]);
}

Test(wycheproof, rsa_pkcs1)
{
    run("rsa_pkcs1", 718, try_pkcs1);
}

static enum outcome try_pss(struct vector *v)
{
    struct digest d = digest_of(v->group[HASH], &v->input[MESSAGE]);
    mbedtls_pk_rsassa_pss_options pss = {.mgf1_hash_id = d.md,
                                         .expected_salt_len = atoi(v->group[SALT])};
    mbedtls_pk_context pk;
    make_rsa(&pk, v, false);
    return verify(&pk, MBEDTLS_PK_RSASSA_PSS, &pss, &d, &v->input[SIGNATURE]);
}

Test(wycheproof, rsa_pss)
{
    run("rsa_pss", 495, try_pss);
}

static enum outcome try_rsa_sign(struct vector *v)
{
    struct digest d = digest_of(v->group[HASH], &v->input[MESSAGE]);
    unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
    size_t size;
    mbedtls_pk_context pk;
    make_rsa(&pk, v, true);
    cr_assert_eq(mbedtls_pk_sign(&pk, d.md, d.octets, d.size, signature, sizeof signature, &size,
                                 random_octets, NULL),
                 0);
    bool is_right = same(&v->input[SIGNATURE], signature, size);
    return verify(&pk, MBEDTLS_PK_RSA, NULL, &d, &v->input[SIGNATURE]) == ACCEPTED && is_right
               ? ACCEPTED
               : WRONG;
}

Test(wycheproof, rsa_signs)
{
    run("rsa_sign", 77, try_rsa_sign);
}
