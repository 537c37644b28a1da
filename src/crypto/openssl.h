/* What the files on libcrypto share. */
#ifndef PORTCULLIS_CRYPTO_OPENSSL_H
#define PORTCULLIS_CRYPTO_OPENSSL_H

#include <assert.h>
#include <openssl/evp.h>

#include "portcullis/crypto/engine.h"

/* Started once; a libcrypto that lacks an algorithm is found by crypto_start, and ends the process
 * where that was not asked. */
void engine_need(void);
EVP_CIPHER *engine_cipher(enum crypto_cipher cipher);

#endif
