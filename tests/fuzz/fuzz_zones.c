/* What workers share, in whatever state a worker left it that was killed, or is not ours any more:
 * the input is the octets of a zone, in pairs of where and what, and it is used then. Who reads it
 * stays inside it; what is put there now is found there. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/proxy/limit_table.h"
#include "../../src/tls/session_cache.h"
#include "../../src/tls/ticket_keys.h"
#include "portcullis/base/clock.h"
#include "portcullis/tls/context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_MS = 1000000, PERIOD_MS = 60000 };

/* In memory of its size, so that a sanitizer sees who leaves it. */
static struct zone spoiled_zone(size_t size, struct str how)
{
    static struct zone_birth birth;
    memset(&birth, 1, sizeof birth);
    birth.at_ms = NOW_MS / 2;
    struct zone z = {.name = STR("fuzz"), .size = size, .birth = &birth};
    z.memory = aligned_alloc(64, size);
    assert(z.memory != NULL);
    memset(z.memory, 0, size);
    for (; how.len >= 3; how = str_from(how, 3)) {
        size_t at = ((size_t)(unsigned char)how.ptr[0] << 8 | (unsigned char)how.ptr[1]) % size;
        ((unsigned char *)z.memory)[at] = (unsigned char)how.ptr[2];
    }
    return z;
}

static void use_cache(struct str how)
{
    struct zone z = spoiled_zone(8192, str_from(how, SESSION_ID));
    const unsigned char *id = (const unsigned char *)how.ptr;
    struct arena a;
    arena_init(&a, 1024);
    (void)session_cache_get(&z, id, &a);
    session_cache_put(&z, id, how);
    struct str found = session_cache_get(&z, id, &a);
    assert(found.len == 0 || found.len < z.size);
    assert(how.len >= SESSION_ID + 3 || str_eq(found, how));
    arena_deinit(&a);
    free(z.memory);
}

static void use_tickets(struct str how)
{
    struct zone z = spoiled_zone(TLS_TICKET_ZONE_SIZE, how);
    struct ticket_keys *one = ticket_keys_in_zone(&z, PERIOD_MS);
    struct ticket_key *key = ticket_keys_current(one);
    assert(key != NULL && key->is_set && ticket_keys_find(one, key->name) == key);
    struct ticket_keys *other = ticket_keys_in_zone(&z, PERIOD_MS);
    assert(ticket_keys_find(other, key->name) != NULL);
    ticket_keys_free(one);
    ticket_keys_free(other);
    free(z.memory);
}

static void use_rates(struct str how)
{
    static const struct rate rate = {.interval_ns = 100000000, .burst = 5000};
    struct zone z = spoiled_zone(4096, how);
    uint64_t excess;
    for (uint64_t tag = 1; tag < 20; tag++) {
        (void)rate_look(&z, tag, &rate, NOW_MS, &excess);
        if (rate_take(&z, tag, &rate, NOW_MS, &excess) == RATE_PASSES)
            assert(excess <= rate.burst);
    }
    free(z.memory);
}

static void use_counts(struct str how)
{
    struct zone z = spoiled_zone(16384, how);
    bool is_full;
    unsigned worker = count_join(&z, NOW_MS);
    if (worker > 0) {
        struct count_entry *e = count_take(&z, worker, 77, 2, NOW_MS, &is_full);
        if (e != NULL)
            count_release(e, worker, 77);
        count_renew(&z, worker, NOW_MS);
        count_leave(&z, worker);
    }
    free(z.memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const uses[])(struct str how) = {use_cache, use_tickets, use_rates, use_counts};
    if (size < 1 + SESSION_ID)
        return 0;
    bool started = tls_process_start();
    assert(started);
    (void)started;
    clock_fix((int64_t)NOW_MS * 1000, NOW_MS);
    uses[data[0] % 4](str_make((const char *)data + 1, size - 1));
    clock_unfix();
    return 0;
}
