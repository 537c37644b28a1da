#include "support.h"

#include <stdio.h>

struct octets from_hex(const char *hex)
{
    static unsigned char rows[16][256];
    static unsigned row;
    unsigned char *out = rows[row++ % 16];
    size_t size = strlen(hex) / 2;
    cr_assert_leq(size, sizeof rows[0]);
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(sscanf(hex + 2 * i, "%2hhx", &out[i]), 1);
    return (struct octets){out, size};
}

uint64_t next_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void fill_random(unsigned char *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (unsigned char)(next_random() >> 24);
}

size_t random_below(size_t limit)
{
    return (size_t)(next_random() >> 16) % limit;
}

void on_each_gcm(void (*check)(void))
{
    for (unsigned i = 0; crypto_gcm_name(i) != NULL; i++) {
        cr_log_info("AES-GCM by %s", crypto_gcm_name(i));
        crypto_gcm_use(i);
        check();
    }
}
