/* crypto ECDSA_DIR RSA_DIR — what cryptography costs: µs of CPU for each primitive as mbedTLS calls
 * it, for records, and for the server's side of whole handshakes in memory, with client certificate
 * and verdict; beside them OpenSSL's libssl as the server. OpenSSL is the client of both. The
 * folders are certs/make's. Figures are the least of several rounds' means.
 *
 * Built and run by tests/bench/crypto, once for each engine. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/chachapoly.h>
#include <mbedtls/ecdh.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/gcm.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/sha256.h>
#include <openssl/ssl.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "portcullis/base/clock.h"
#include "portcullis/crypto/engine.h"
#include "portcullis/tls/session.h"

enum { ROUNDS = 7 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench crypto: %s\n", what);
    exit(1);
}

static void must(bool good, const char *what)
{
    if (!good)
        fail(what);
}

static int random_octets(void *unused, unsigned char *out, size_t size)
{
    (void)unused;
    tls_random(out, size);
    return 0;
}

/* ---- primitives ------------------------------------------------------------------------------ */

/* Rounds last about 20 ms. */
static void measure(const char *name, void (*once)(void))
{
    double best = 1e9, start = now_us();
    size_t count = 0;
    while (now_us() - start < 20000) {
        once();
        count++;
    }
    for (int round = 0; round < ROUNDS; round++) {
        start = now_us();
        for (size_t i = 0; i < count; i++)
            once();
        double us = (now_us() - start) / (double)count;
        best = us < best ? us : best;
    }
    printf("%-36s %9.2f\n", name, best);
    fflush(stdout);
}

static unsigned char data[16384], digest[64], tag[16], iv[12], key[32];
static size_t size;
static mbedtls_gcm_context gcm;
static mbedtls_chachapoly_context chacha;
static mbedtls_ecdsa_context ec;
static mbedtls_mpi r, s;
static mbedtls_pk_context rsa;
static unsigned char signature[512];
static psa_key_attributes_t attributes;
static unsigned char peer[133];
static size_t peer_size;

static void hash(void)
{
    mbedtls_sha256(data, size, digest, 0);
}

static void gcm_seal(void)
{
    mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, size, iv, 12, data, 13, data, data, 16,
                              tag);
}

static void gcm_open(void)
{
    mbedtls_gcm_auth_decrypt(&gcm, size, iv, 12, data, 13, tag, 16, data, data);
}

static void chacha_seal(void)
{
    mbedtls_chachapoly_encrypt_and_tag(&chacha, size, iv, data, 13, data, data, tag);
}

static void ecdsa_sign(void)
{
    must(mbedtls_ecdsa_sign(&ec.grp, &r, &s, &ec.d, digest, 32, random_octets, NULL) == 0, "sign");
}

static void ecdsa_verify(void)
{
    must(mbedtls_ecdsa_verify(&ec.grp, digest, 32, &ec.Q, &r, &s) == 0, "verify");
}

static void rsa_sign(void)
{
    must(mbedtls_rsa_pkcs1_sign(mbedtls_pk_rsa(rsa), random_octets, NULL, MBEDTLS_MD_SHA256, 32,
                                digest, signature) == 0,
         "RSA sign");
}

static void rsa_verify(void)
{
    must(mbedtls_rsa_pkcs1_verify(mbedtls_pk_rsa(rsa), MBEDTLS_MD_SHA256, 32, digest, signature) ==
             0,
         "RSA verify");
}

/* As a TLS 1.3 server does it: a key, its public half, the secret. */
static void agreement(void)
{
    psa_key_id_t id;
    unsigned char point[133], shared[66];
    size_t n;
    must(psa_generate_key(&attributes, &id) == PSA_SUCCESS &&
             psa_export_public_key(id, point, sizeof point, &n) == PSA_SUCCESS &&
             psa_raw_key_agreement(PSA_ALG_ECDH, id, peer, peer_size, shared, sizeof shared, &n) ==
                 PSA_SUCCESS,
         "key agreement");
    psa_destroy_key(id);
}

static void measure_agreement(const char *name, psa_ecc_family_t family, size_t bits)
{
    psa_key_id_t id;
    attributes = psa_key_attributes_init();
    psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_KEY_PAIR(family));
    psa_set_key_bits(&attributes, bits);
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_DERIVE);
    psa_set_key_algorithm(&attributes, PSA_ALG_ECDH);
    must(psa_generate_key(&attributes, &id) == PSA_SUCCESS &&
             psa_export_public_key(id, peer, sizeof peer, &peer_size) == PSA_SUCCESS,
         "key agreement");
    measure(name, agreement);
    psa_destroy_key(id);
}

static void measure_sizes(const char *name, void (*once)(void))
{
    static const size_t sizes[] = {64, 256, 1024, 16384};
    for (int i = 0; i < 4; i++) {
        char text[64];
        size = sizes[i];
        snprintf(text, sizeof text, "%s, %zu octets", name, size);
        measure(text, once);
    }
}

static void measure_gcm(void)
{
    mbedtls_gcm_init(&gcm);
    mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 128);
    measure_sizes("AES-128-GCM seal", gcm_seal);
    measure_sizes("AES-128-GCM open (refused)", gcm_open);
    mbedtls_gcm_free(&gcm);
}

static void measure_each_gcm(void)
{
#ifdef PORTCULLIS_CRYPTO_ENGINE
    for (unsigned i = 0; crypto_gcm_name(i) != NULL; i++) {
        printf("AES-GCM by %s:\n", crypto_gcm_name(i));
        crypto_gcm_use(i);
        measure_gcm();
    }
    crypto_gcm_use(0);
#else
    measure_gcm();
#endif
}

static void measure_primitives(const char *rsa_dir)
{
    char path[512];
    measure_sizes("SHA-256", hash);
    measure_each_gcm();
    mbedtls_chachapoly_init(&chacha);
    mbedtls_chachapoly_setkey(&chacha, key);
    measure_sizes("ChaCha20-Poly1305 seal", chacha_seal);
    mbedtls_ecdsa_init(&ec);
    must(mbedtls_ecdsa_genkey(&ec, MBEDTLS_ECP_DP_SECP256R1, random_octets, NULL) == 0, "genkey");
    measure("ECDSA P-256 sign", ecdsa_sign);
    measure("ECDSA P-256 verify", ecdsa_verify);
    snprintf(path, sizeof path, "%s/server.key", rsa_dir);
    mbedtls_pk_init(&rsa);
    must(mbedtls_pk_parse_keyfile(&rsa, path, NULL, random_octets, NULL) == 0, path);
    measure("RSA-2048 sign", rsa_sign);
    measure("RSA-2048 verify", rsa_verify);
    measure_agreement("X25519, both halves", PSA_ECC_FAMILY_MONTGOMERY, 255);
    measure_agreement("P-256 ECDH, both halves", PSA_ECC_FAMILY_SECP_R1, 256);
    measure_agreement("P-384 ECDH, both halves", PSA_ECC_FAMILY_SECP_R1, 384);
}

/* ---- handshakes: OpenSSL the client; the server ours or OpenSSL's ---------------------------- */

struct end {
    const struct tls_context *ours; /* or */
    SSL_CTX *theirs;
    double us; /* of the server, so far */
};

static const struct tls_context *choose(void *owner, const struct client_hello *hello)
{
    (void)hello;
    return owner;
}

static SSL_CTX *openssl_context(const char *dir, const char *name, bool server, bool tls13)
{
    char path[512];
    SSL_CTX *c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    snprintf(path, sizeof path, "%s/%s.crt", dir, name);
    must(SSL_CTX_use_certificate_file(c, path, SSL_FILETYPE_PEM) == 1, path);
    snprintf(path, sizeof path, "%s/%s.key", dir, name);
    must(SSL_CTX_use_PrivateKey_file(c, path, SSL_FILETYPE_PEM) == 1, path);
    snprintf(path, sizeof path, "%s/ca.crt", dir);
    must(SSL_CTX_load_verify_locations(c, path, NULL) == 1, path);
    int version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_min_proto_version(c, version);
    SSL_CTX_set_max_proto_version(c, version);
    SSL_CTX_set1_groups_list(c, tls13 ? "X25519" : "P-256");
    SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256");
    SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(c, 0);
    if (server)
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return c;
}

static void report(void *owner, enum log_level level, const char *message)
{
    (void)owner;
    (void)level;
    fprintf(stderr, "bench crypto: %s\n", message);
}

static const struct tls_context *our_context(const char *dir)
{
    static char paths[8][512];
    static int used;
    char **p = (char *[]){paths[used], paths[used + 1], paths[used + 2]};
    used += 3;
    snprintf(p[0], 512, "%s/server.crt", dir);
    snprintf(p[1], 512, "%s/server.key", dir);
    snprintf(p[2], 512, "%s/ca.crt", dir);
    struct tls_settings settings = {.verify = TLS_VERIFY_ON,
                                    .verify_depth = 1,
                                    .protocols = TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3,
                                    .ciphers = STR("HIGH:!aNULL:!MD5"),
                                    .ecdh_curve = STR("auto"),
                                    .buffer_size = 16384,
                                    .client_certificate = str_of(p[2])};
    static struct arena arena;
    if (used == 3)
        arena_init(&arena, 4096);
    *VEC_PUSH(&arena, &settings.certificates) = str_of(p[0]);
    *VEC_PUSH(&arena, &settings.certificate_keys) = str_of(p[1]);
    struct tls_context *c = tls_context_new(tls_pool_new(), &settings,
                                            (struct tls_report){report, NULL});
    must(c != NULL, dir);
    return c;
}

/* The client's side of the wire. */
struct client {
    SSL *ssl;
    BIO *in, *out;
};

static void client_start(struct client *c, SSL_CTX *context)
{
    c->ssl = SSL_new(context);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
}

static void handshake_ours(struct end *e, SSL_CTX *client_context)
{
    struct client c;
    struct buf in = {0}, out = {0}, plain = {0};
    client_start(&c, client_context);
    double start = now_us();
    struct tls_session *session = tls_session_new(
        (struct tls_session_hooks){.choose = choose, .owner = (void *)(uintptr_t)e->ours});
    e->us += now_us() - start;
    enum tls_status status = TLS_HANDSHAKING;
    while (status == TLS_HANDSHAKING) {
        char *from;
        SSL_do_handshake(c.ssl);
        long n = BIO_get_mem_data(c.out, &from);
        must(n > 0, "the client is stuck");
        buf_append(&in, from, (size_t)n);
        (void)BIO_reset(c.out);
        start = now_us();
        status = tls_session_receive(session, &in, &plain, 65536, &out);
        e->us += now_us() - start;
        BIO_write(c.in, buf_str(&out).ptr, (int)buf_len(&out));
        buf_clear(&out);
    }
    must(status == TLS_OPEN, tls_session_problem(session));
    must(identity_refusal(tls_session_identity(session)) == REFUSAL_NONE, "refused");
    SSL_do_handshake(c.ssl);
    start = now_us();
    tls_session_free(session);
    e->us += now_us() - start;
    SSL_free(c.ssl);
    buf_deinit(&in);
    buf_deinit(&out);
    buf_deinit(&plain);
}

static void handshake_theirs(struct end *e, SSL_CTX *client_context)
{
    struct client c;
    client_start(&c, client_context);
    double start = now_us();
    SSL *ssl = SSL_new(e->theirs);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_accept_state(ssl);
    e->us += now_us() - start;
    while (!SSL_is_init_finished(ssl)) {
        char *from;
        SSL_do_handshake(c.ssl);
        long n = BIO_get_mem_data(c.out, &from);
        must(n > 0, "the client is stuck");
        BIO_write(in, from, (int)n);
        (void)BIO_reset(c.out);
        start = now_us();
        SSL_do_handshake(ssl);
        e->us += now_us() - start;
        n = BIO_get_mem_data(out, &from);
        BIO_write(c.in, from, (int)n);
        (void)BIO_reset(out);
    }
    must(SSL_get_verify_result(ssl) == X509_V_OK, "refused");
    start = now_us();
    SSL_free(ssl);
    e->us += now_us() - start;
    SSL_free(c.ssl);
}

static void measure_handshake(const char *name, struct end *e, SSL_CTX *client)
{
    double best = 1e9;
    for (int round = 0; round <= ROUNDS; round++) {
        enum { COUNT = 100 };
        e->us = 0;
        for (int i = 0; i < COUNT; i++) {
            if (e->ours != NULL)
                handshake_ours(e, client);
            else
                handshake_theirs(e, client);
        }
        if (round > 0 && e->us / COUNT < best)
            best = e->us / COUNT;
    }
    printf("%-36s %9.1f\n", name, best);
    fflush(stdout);
}

static void measure_handshakes(const char *kind, const char *dir)
{
    const struct tls_context *ours = our_context(dir);
    for (int tls13 = 1; tls13 >= 0; tls13--) {
        char name[64];
        const char *version = tls13 ? "TLS 1.3" : "TLS 1.2";
        SSL_CTX *client = openssl_context(dir, "client", false, tls13);
        struct end e = {.ours = ours},
                   libssl = {.theirs = openssl_context(dir, "server", true, tls13)};
        snprintf(name, sizeof name, "%s handshake, %s: ours", version, kind);
        measure_handshake(name, &e, client);
        snprintf(name, sizeof name, "%s handshake, %s: libssl", version, kind);
        measure_handshake(name, &libssl, client);
        SSL_CTX_free(libssl.theirs);
        SSL_CTX_free(client);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        fail("usage: crypto ECDSA_DIR RSA_DIR [handshakes]");
    clock_update();
    must(tls_process_start(), "no random octets");
    printf("%s; libssl of %s\n%-36s %9s\n", tls_library_version(), OpenSSL_version(OPENSSL_VERSION),
           "", "µs");
    if (argc == 3)
        measure_primitives(argv[2]);
    measure_handshakes("ECDSA P-256", argv[1]);
    measure_handshakes("RSA-2048", argv[2]);
    return 0;
}
