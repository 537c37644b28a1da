#include <string.h>
#include <unistd.h>

#include "../../../src/tls/ticket.h"
#include "portcullis/base/clock.h"
#include "support.h"

enum { PERIOD_MS = 60000 };

static void at(int64_t ms)
{
    clock_fix(1800000000000 + ms, TICKETS_START_MS + ms);
}

/* ---- keys ---- */

TestSuite(ticket_keys, .init = tickets_start, .fini = tickets_end);

static void name_of(struct ticket_keys *k, unsigned char out[static TICKET_KEY_NAME])
{
    struct ticket_key *key = ticket_keys_current(k);
    cr_assert_not_null(key);
    memcpy(out, key->name, TICKET_KEY_NAME);
}

Test(ticket_keys, are_the_same_for_all_workers_whenever_they_start)
{
    struct ticket_keys *early = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
    unsigned char first[TICKET_KEY_NAME], other[TICKET_KEY_NAME];
    name_of(early, first);
    for (int64_t ms = 0; ms < 20 * PERIOD_MS; ms += PERIOD_MS / 2) {
        struct ticket_keys *late = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
        at(ms);
        name_of(late, other);
        name_of(early, first);
        cr_expect_arr_eq(first, other, TICKET_KEY_NAME, "after %lld ms", (long long)ms);
        ticket_keys_free(late);
    }
    ticket_keys_free(early);
}

Test(ticket_keys, open_for_one_more_period_and_no_longer)
{
    struct ticket_keys *k = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
    unsigned char first[TICKET_KEY_NAME], second[TICKET_KEY_NAME];
    name_of(k, first);
    at(PERIOD_MS);
    name_of(k, second);
    cr_expect_arr_neq(first, second, TICKET_KEY_NAME);
    cr_expect_not_null(ticket_keys_find(k, first));
    at(2 * PERIOD_MS);
    cr_expect_null(ticket_keys_find(k, first));
    cr_expect_not_null(ticket_keys_find(k, second));
    ticket_keys_free(k);
}

Test(ticket_keys, leave_no_seed_and_no_older_secret_behind)
{
    /* A slot: period, secret, checksum. */
    enum { SLOT = 48, SECRET_AT = 8, SECRET = 32 };
    static const unsigned char nothing[32];
    unsigned char before[TLS_TICKET_ZONE_SIZE];
    struct ticket_keys *k = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
    ticket_keys_current(k);
    cr_expect_arr_eq(ticket_zone.birth->seed, nothing, 32);
    memcpy(before, ticket_zone.memory, sizeof before);
    at(2 * PERIOD_MS);
    ticket_keys_current(k);
    for (size_t slot = 0; slot < 2; slot++)
        for (size_t i = 0; i < SECRET; i += 8)
            cr_expect_null(memmem(ticket_zone.memory, ticket_zone.size,
                                  before + slot * SLOT + SECRET_AT + i, 8),
                           "slot %zu at %zu", slot, i);
    ticket_keys_free(k);
}

Test(ticket_keys, survive_a_worker_that_dies_while_it_writes)
{
    struct ticket_keys *k = ticket_keys_in_zone(&ticket_zone, PERIOD_MS), *late;
    unsigned char expected[TICKET_KEY_NAME], found[TICKET_KEY_NAME];
    ticket_keys_current(k);
    for (size_t slot = 0; slot < 2; slot++) {
        unsigned char kept[TLS_TICKET_ZONE_SIZE];
        memcpy(kept, ticket_zone.memory, sizeof kept);
        ((unsigned char *)ticket_zone.memory)[slot * 48 + 20] ^= 1;
        at(5 * PERIOD_MS);
        late = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
        name_of(late, found);
        name_of(k, expected);
        cr_expect_arr_eq(found, expected, TICKET_KEY_NAME, "slot %zu", slot);
        ticket_keys_free(late);
    }
    /* With nothing left there are no keys, rather than known ones. */
    memset(ticket_zone.memory, 0, ticket_zone.size);
    late = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
    cr_expect_null(ticket_keys_current(late));
    ticket_keys_free(late);
    at(6 * PERIOD_MS);
    cr_expect_null(ticket_keys_current(k), "nor for ever the last ones");
    cr_expect_null(ticket_keys_find(k, expected));
    ticket_keys_free(k);
}

/* Whoever steers one worker writes what he likes: the others go on at once. */
Test(ticket_keys, are_not_kept_busy_by_a_zone_of_any_age, .timeout = 10)
{
    static const int64_t births[] = {INT64_MIN, INT64_MIN + INT64_C(0x1000000000000), -1, 0,
                                     INT64_MAX};
    for (size_t i = 0; i < sizeof births / sizeof *births; i++) {
        struct ticket_keys *k = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
        ticket_zone.birth->at_ms = births[i];
        cr_expect_not_null(ticket_keys_current(k), "row %zu", i);
        ticket_keys_free(k);
    }
}

Test(ticket_keys, of_files_have_one_of_two_sizes_and_the_first_seals)
{
    char octets[80];
    struct ticket_keys *k = ticket_keys_fixed();
    cr_expect_null(ticket_keys_current(k));
    memset(octets, 'a', sizeof octets);
    cr_expect(ticket_keys_add(k, str_make(octets, 80)));
    memset(octets, 'b', sizeof octets);
    cr_expect(ticket_keys_add(k, str_make(octets, 48)));
    for (size_t size = 0; size < 80; size++)
        cr_expect(size == 48 || !ticket_keys_add(k, str_make(octets, size)));
    cr_expect_eq(ticket_keys_current(k)->name[0], 'a');
    cr_expect_not_null(ticket_keys_find(k, (const unsigned char *)"bbbbbbbbbbbbbbbb"));
    ticket_keys_free(k);
}

/* ---- tickets ---- */

TestSuite(ticket, .init = tickets_start, .fini = tickets_end);

static const struct ticket example = {
    .version = 0x0304,
    .suite = 0x1301,
    .flags = 2,
    .age_add = 0xdeadbeef,
    .choice = 77,
    .created_ms = 1800000000123,
    .proved_at = 1799999999,
    .secret = STR_INIT("0123456789abcdef0123456789abcdef"),
    .chain = {STR_INIT("leaf"), STR_INIT("an intermediate")},
    .chain_count = 2,
};

Test(ticket, carries_what_was_put_in)
{
    struct ticket_keys *k = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
    unsigned char sealed[TICKET_SIZE_MAX];
    struct ticket t;
    struct arena a;
    arena_init(&a, 1024);
    size_t size = ticket_seal(&example, ticket_keys_current(k), STR("here"), sealed, sizeof sealed);
    cr_assert(size > 0);
    cr_expect_null(memmem(sealed, size, "leaf", 4));
    cr_assert(ticket_open(&t, k, STR("here"), str_make((char *)sealed, size), &a));
    cr_expect(t.version == example.version && t.suite == example.suite &&
              t.flags == example.flags && t.age_add == example.age_add &&
              t.choice == example.choice && t.created_ms == example.created_ms &&
              t.proved_at == example.proved_at);
    cr_expect(str_eq(t.secret, example.secret));
    cr_assert_eq(t.chain_count, 2);
    cr_expect(str_eq(t.chain[0], example.chain[0]) && str_eq(t.chain[1], example.chain[1]));
    arena_deinit(&a);
    ticket_keys_free(k);
}

Test(ticket, opens_neither_elsewhere_nor_cut_nor_changed)
{
    struct ticket_keys *k = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
    unsigned char sealed[TICKET_SIZE_MAX];
    struct ticket t;
    struct arena a;
    arena_init(&a, 1024);
    size_t size = ticket_seal(&example, ticket_keys_current(k), STR("here"), sealed, sizeof sealed);
    cr_expect_not(ticket_open(&t, k, STR("there"), str_make((char *)sealed, size), &a));
    cr_expect_not(ticket_open(&t, k, STR(""), str_make((char *)sealed, size), &a));
    for (size_t i = 0; i < size; i++)
        cr_expect_not(ticket_open(&t, k, STR("here"), str_make((char *)sealed, i), &a), "%zu", i);
    for (size_t i = 0; i < size; i++) {
        sealed[i] ^= 0x40;
        cr_expect_not(ticket_open(&t, k, STR("here"), str_make((char *)sealed, size), &a), "%zu",
                      i);
        sealed[i] ^= 0x40;
    }
    cr_expect(ticket_open(&t, k, STR("here"), str_make((char *)sealed, size), &a));
    arena_deinit(&a);
    ticket_keys_free(k);
}

Test(ticket, of_another_release_leaves_no_secret_behind)
{
    static const char state[] = "\xff an other format with the 0123456789abcdef secret";
    struct ticket_keys *k = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
    struct ticket_key *key = ticket_keys_current(k);
    unsigned char sealed[28 + sizeof state + 16] = {0};
    struct ticket t;
    struct arena a;
    arena_init(&a, 1024);
    memcpy(sealed, key->name, TICKET_KEY_NAME);
    cr_assert_eq(mbedtls_gcm_crypt_and_tag(&key->gcm, MBEDTLS_GCM_ENCRYPT, sizeof state,
                                           sealed + TICKET_KEY_NAME, 12, NULL, 0,
                                           (const unsigned char *)state, sealed + 28, 16,
                                           sealed + 28 + sizeof state),
                 0);
    const char *before = arena_alloc(&a, 16); /* the state is laid behind it */
    cr_expect_not(ticket_open(&t, k, STR(""), str_make((char *)sealed, sizeof sealed), &a));
    cr_expect_null(memmem(before + 16, sizeof state, "0123456789abcdef", 16));
    arena_deinit(&a);
    ticket_keys_free(k);
}

Test(ticket, that_does_not_fit_is_none)
{
    static char long_name[TICKET_SIZE_MAX];
    struct ticket_keys *k = ticket_keys_in_zone(&ticket_zone, PERIOD_MS);
    unsigned char sealed[2 * TICKET_SIZE_MAX];
    struct ticket t = example;
    size_t size = ticket_seal(&t, ticket_keys_current(k), STR(""), sealed, sizeof sealed);
    cr_expect_eq(ticket_seal(&t, ticket_keys_current(k), STR(""), sealed, size - 1), 0);
    t.chain[1] = str_make(long_name, sizeof long_name);
    cr_expect_eq(ticket_seal(&t, ticket_keys_current(k), STR(""), sealed, sizeof sealed), 0);
    ticket_keys_free(k);
}
