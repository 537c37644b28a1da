/* Own keys come from a ratchet: the secret of a period is a hash of the one before, so whoever
 * starts with any of them finds the same ones by the clock alone, without a lock, and none leads
 * back. The zone holds two secrets, the present period's and the last one's:
 *
 *      birth's seed ──▶ secret p ──▶ secret p+1 ──▶ …        slot p&1: period, secret, checksum
 *
 * A worker that is killed in the middle of a slot leaves a wrong checksum, and the other slot leads
 * on. */
#include "ticket_keys.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include <mbedtls/sha256.h>

#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "portcullis/tls/settings.h"

enum { SECRET = 32, CHECK = 8 };

/* As it lies in the zone (ZONE_LAYOUT). */
struct slot {
    uint64_t period; /* since the zone's birth; the first is 1 */
    unsigned char secret[SECRET], check[CHECK];
};

struct ticket_zone {
    struct slot slots[2];
};

static_assert(sizeof(struct ticket_zone) <= TLS_TICKET_ZONE_SIZE, "the zone holds its slots");

struct ticket_keys {
    struct ticket_key *keys; /* own ones: the present period's, then the last one's */
    size_t count;
    const struct zone *zone; /* NULL: fixed keys */
    int64_t period_ms;
    uint64_t period; /* of keys[0]; 0: none yet */
};

/* ---- derivation ------------------------------------------------------------------------------ */

static void derive(const char *label, struct str secret, unsigned char out[static SECRET])
{
    mbedtls_sha256_context sha;
    mbedtls_sha256_init(&sha);
    int rc = mbedtls_sha256_starts(&sha, 0);
    rc |= mbedtls_sha256_update(&sha, (const unsigned char *)label, strlen(label) + 1);
    rc |= mbedtls_sha256_update(&sha, (const unsigned char *)secret.ptr, secret.len);
    rc |= mbedtls_sha256_finish(&sha, out);
    assert(rc == 0);
    (void)rc;
    mbedtls_sha256_free(&sha);
}

static void set_key(struct ticket_key *key, struct str secret)
{
    unsigned char aes[SECRET];
    derive("portcullis ticket seal", secret, aes);
    mbedtls_gcm_free(&key->gcm);
    mbedtls_gcm_init(&key->gcm);
    key->is_set = mbedtls_gcm_setkey(&key->gcm, MBEDTLS_CIPHER_ID_AES, aes, 256) == 0;
    mem_wipe(aes, sizeof aes);
}

/* ---- the ratchet ----------------------------------------------------------------------------- */

static void check_of(const struct slot *s, unsigned char out[static SECRET])
{
    struct slot bare = {.period = s->period};
    memcpy(bare.secret, s->secret, SECRET);
    derive("portcullis ticket check", str_make((char *)&bare, offsetof(struct slot, check)), out);
    mem_wipe(&bare, sizeof bare);
}

static bool is_whole(const struct slot *s)
{
    unsigned char check[SECRET];
    check_of(s, check);
    return s->period > 0 && memcmp(check, s->check, CHECK) == 0;
}

static struct slot begin(uint64_t period, struct str secret)
{
    struct slot s = {.period = period};
    derive("portcullis ticket secret", secret, s.secret);
    return s;
}

static struct slot advance(struct slot s, uint64_t period)
{
    while (s.period < period)
        s = begin(s.period + 1, str_make((char *)s.secret, SECRET));
    return s;
}

static void store(struct ticket_zone *zone, struct slot s)
{
    unsigned char check[SECRET];
    check_of(&s, check);
    memcpy(s.check, check, CHECK);
    zone->slots[s.period & 1] = s;
}

/* The older of those in the zone. The seed is read before the slots, and wiped after they are
 * written: when there are none it was still there. */
static bool oldest(const struct zone *z, struct slot *out)
{
    const struct ticket_zone *zone = z->memory;
    struct zone_birth birth = *z->birth;
    bool found = false;
    atomic_thread_fence(memory_order_seq_cst);
    for (size_t i = 0; i < 2; i++) {
        struct slot s = zone->slots[i];
        if (!is_whole(&s) || (found && s.period > out->period))
            continue;
        *out = s;
        found = true;
    }
    static const struct zone_birth nothing;
    if (!found && memcmp(birth.seed, nothing.seed, sizeof birth.seed) != 0) {
        *out = begin(1, str_make((char *)birth.seed, sizeof birth.seed));
        found = true;
    }
    mem_wipe(&birth, sizeof birth);
    return found;
}

static void take_period(struct ticket_keys *k, struct slot last, struct slot present)
{
    const struct slot *slots[] = {&present, &last};
    for (size_t i = 0; i < 2; i++) {
        struct str secret = str_make((char *)slots[i]->secret, SECRET);
        unsigned char name[SECRET];
        derive("portcullis ticket name", secret, name);
        memcpy(k->keys[i].name, name, TICKET_KEY_NAME);
        set_key(&k->keys[i], secret);
    }
    k->period = present.period;
}

static void turn(struct ticket_keys *k, uint64_t period)
{
    struct slot last;
    if (!oldest(k->zone, &last)) {
        /* Those of a period that is over seal nothing more. */
        k->keys[0].is_set = k->keys[1].is_set = false;
        return;
    }
    last = advance(last, period - 1);
    struct slot present = advance(last, period);
    take_period(k, last, present);
    store(k->zone->memory, last);
    store(k->zone->memory, present);
    atomic_thread_fence(memory_order_seq_cst);
    mem_wipe(k->zone->birth->seed, sizeof k->zone->birth->seed);
    mem_wipe(&last, sizeof last);
    mem_wipe(&present, sizeof present);
}

/* The first period has one before it, too. */
static void look_at_clock(struct ticket_keys *k)
{
    if (k->zone == NULL || k->zone->memory == NULL)
        return;
    /* One before the machine's start is nobody's, and millions of periods would have to be made up
     * for. */
    int64_t now = clock_monotonic_ms(), born = k->zone->birth->at_ms;
    int64_t age = born < 0 || born > now ? 0 : now - born;
    uint64_t period = 2 + (uint64_t)age / (uint64_t)k->period_ms;
    if (period > k->period)
        turn(k, period);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct ticket_keys *ticket_keys_fixed(void)
{
    return MEM_NEW(struct ticket_keys);
}

static struct ticket_key *add_key(struct ticket_keys *k)
{
    k->keys = mem_realloc(k->keys, sizeof *k->keys * (k->count + 1));
    struct ticket_key *key = &k->keys[k->count++];
    *key = (struct ticket_key){.is_set = false};
    mbedtls_gcm_init(&key->gcm);
    return key;
}

struct ticket_keys *ticket_keys_in_zone(const struct zone *zone, int64_t period_ms)
{
    struct ticket_keys *k = ticket_keys_fixed();
    k->zone = zone;
    k->period_ms = period_ms;
    add_key(k);
    add_key(k);
    return k;
}

bool ticket_keys_add(struct ticket_keys *k, struct str file)
{
    if (file.len != 48 && file.len != 80)
        return false;
    struct ticket_key *key = add_key(k);
    memcpy(key->name, file.ptr, TICKET_KEY_NAME);
    derive("file", file, key->digest);
    set_key(key, file);
    return true;
}

bool ticket_keys_agree(const struct ticket_keys *a, const struct ticket_keys *b, size_t n)
{
    return memcmp(a->keys[n].digest, b->keys[n].digest, sizeof a->keys[n].digest) == 0;
}

void ticket_keys_free(struct ticket_keys *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->count; i++)
        mbedtls_gcm_free(&k->keys[i].gcm);
    mem_free(k->keys);
    mem_free(k);
}

/* ---- use ------------------------------------------------------------------------------------- */

struct ticket_key *ticket_keys_current(struct ticket_keys *k)
{
    look_at_clock(k);
    return k->count > 0 && k->keys[0].is_set ? &k->keys[0] : NULL;
}

struct ticket_key *ticket_keys_find(struct ticket_keys *k, const unsigned char *name)
{
    look_at_clock(k);
    for (size_t i = 0; i < k->count; i++)
        if (k->keys[i].is_set && memcmp(k->keys[i].name, name, TICKET_KEY_NAME) == 0)
            return &k->keys[i];
    return NULL;
}
