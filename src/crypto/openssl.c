/* libcrypto started: no configuration file, no exit handler, randomness from the kernel.
 * RAND_METHOD is deprecated in OpenSSL 3 for providers, which would bring back a generator with a
 * state. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "openssl.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "ipsec_mb.h"
#include "portcullis/base/random.h"

static EVP_CIPHER *ciphers[CRYPTO_CHACHA20_POLY1305 + 1];

static int random_bytes(unsigned char *out, int size)
{
    return size >= 0 && random_fill(out, (size_t)size);
}

static int random_status(void)
{
    return 1;
}

static bool start(void)
{
    static const char *const names[] = {[CRYPTO_AES_128_GCM] = "AES-128-GCM",
                                        [CRYPTO_AES_192_GCM] = "AES-192-GCM",
                                        [CRYPTO_AES_256_GCM] = "AES-256-GCM",
                                        [CRYPTO_CHACHA20_POLY1305] = "ChaCha20-Poly1305"};
    static const RAND_METHOD kernel = {
        .bytes = random_bytes, .pseudorand = random_bytes, .status = random_status};
    if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
                                 OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS,
                             NULL) ||
        !RAND_set_rand_method(&kernel))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ciphers[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
        if (ciphers[i] == NULL)
            return false;
    }
    mb_use(0);
    return true;
}

bool crypto_start(void)
{
    static enum { NEW, STARTED, FAILED } state = NEW;
    if (state == NEW)
        state = start() ? STARTED : FAILED;
    return state == STARTED;
}

void engine_need(void)
{
    bool started = crypto_start();
    assert(started);
    (void)started;
}

EVP_CIPHER *engine_cipher(enum crypto_cipher cipher)
{
    engine_need();
    return ciphers[cipher];
}

const char *crypto_version(void)
{
    static char text[128];
    const char *gcm = mb_name(0);
    snprintf(text, sizeof text, "%s%s%s", OpenSSL_version(OPENSSL_VERSION),
             gcm != NULL ? ", AES-GCM by " : "", gcm != NULL ? gcm : "");
    return text;
}

const char *crypto_gcm_name(unsigned i)
{
    const char *name = mb_name(i);
    if (name == NULL && (i == 0 || mb_name(i - 1) != NULL))
        return "libcrypto";
    return name;
}

void crypto_gcm_use(unsigned i)
{
    engine_need();
    mb_use(i);
}

bool crypto_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void crypto_wipe(void *p, size_t size)
{
    OPENSSL_cleanse(p, size);
}
