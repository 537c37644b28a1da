#ifndef TESTS_UNIT_CRYPTO_SUPPORT_H
#define TESTS_UNIT_CRYPTO_SUPPORT_H

#include <criterion/criterion.h>
#include <string.h>

#include "portcullis/crypto/engine.h"

/* Into a buffer that lives until sixteen calls later. */
struct octets {
    const unsigned char *at;
    size_t size;
};
struct octets from_hex(const char *hex);

/* A generator with a seed: the same in each run, named in what a test says. */
uint64_t next_random(void);
void fill_random(unsigned char *out, size_t size);
size_t random_below(size_t limit);

/* Each implementation of AES-GCM that this CPU runs, in turn. */
void on_each_gcm(void (*check)(void));

#endif
