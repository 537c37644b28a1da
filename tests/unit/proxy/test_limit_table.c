#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/proxy/limit_table.h"
#include "portcullis/base/clock.h"

static struct zone zone;
static int64_t start_ms;

static void make_zone(void)
{
    zone = (struct zone){.name = STR("z"), .size = 32768};
    int fd = zone_create(zone.size);
    cr_assert(fd != -1 && zone_map(&zone, fd));
    close(fd);
    start_ms = zone.birth->at_ms + 1000;
}

static void drop_zone(void)
{
    zone_unmap(&zone);
}

/* ---- rates ---- */

TestSuite(rate, .init = make_zone, .fini = drop_zone);

static const struct rate ten_a_second = {.interval_ns = 100000000};

Test(rate, lets_one_pass_in_each_interval)
{
    uint64_t excess;
    for (int64_t ms = 0; ms < 1000; ms += 10)
        cr_expect_eq(rate_take(&zone, 7, &ten_a_second, start_ms + ms, &excess),
                     ms % 100 == 0 ? RATE_PASSES : RATE_TOO_MANY, "at %d ms", (int)ms);
}

Test(rate, lets_a_burst_be_early_and_says_by_how_much)
{
    struct rate r = ten_a_second;
    uint64_t excess;
    r.burst = 3000;
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(rate_look(&zone, 7, &r, start_ms, &excess), RATE_PASSES);
        cr_expect_eq(rate_take(&zone, 7, &r, start_ms, &excess), RATE_PASSES);
        cr_expect_eq(excess, i * 1000);
    }
    cr_expect_eq(rate_look(&zone, 7, &r, start_ms, &excess), RATE_TOO_MANY);
    cr_expect_eq(rate_take(&zone, 7, &r, start_ms, &excess), RATE_TOO_MANY);
    cr_expect_eq(excess, 4000);
    cr_expect_eq(rate_take(&zone, 7, &r, start_ms + 150, &excess), RATE_PASSES);
    cr_expect_eq(excess, 2500);
}

/* All of a zone's keys at once, however they are spread. */
Test(rate, forgets_no_key_that_is_busy_and_says_when_there_is_no_room)
{
    enum { KEYS = 4000 };
    static enum rate_verdict first[KEYS];
    uint64_t excess;
    unsigned kept = 0;
    for (uint64_t i = 0; i < KEYS; i++) {
        first[i] = rate_take(&zone, i * UINT64_C(11400714819323198485), &ten_a_second, start_ms,
                             &excess);
        cr_expect_neq(first[i], RATE_TOO_MANY);
        kept += first[i] == RATE_PASSES;
    }
    /* 32 KB of 16 octets each */
    cr_expect(kept <= 2048 && kept >= 1900, "%u", kept);
    for (uint64_t i = 0; i < KEYS; i++) {
        enum rate_verdict again = rate_take(&zone, i * UINT64_C(11400714819323198485),
                                            &ten_a_second, start_ms, &excess);
        cr_expect_eq(again, first[i] == RATE_PASSES ? RATE_TOO_MANY : RATE_NO_ROOM);
    }
}

Test(rate, has_room_for_new_keys_when_old_ones_are_idle_again)
{
    uint64_t excess;
    for (uint64_t turn = 0; turn < 10; turn++)
        for (uint64_t i = 0; i < 1000; i++)
            cr_expect_eq(rate_take(&zone, (turn << 32 | i) * UINT64_C(11400714819323198485),
                                   &ten_a_second, start_ms + (int64_t)turn * 100, &excess),
                         RATE_PASSES);
}

struct takers {
    atomic_uint taken;
};

static void *take_many(void *owner)
{
    struct takers *t = owner;
    struct rate r = ten_a_second;
    uint64_t excess;
    r.burst = 99000;
    for (int i = 0; i < 1000; i++)
        if (rate_take(&zone, 7, &r, start_ms, &excess) == RATE_PASSES)
            atomic_fetch_add(&t->taken, 1);
    return NULL;
}

Test(rate, lets_no_more_pass_when_workers_ask_at_once)
{
    struct takers t = {0};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, take_many, &t), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(t.taken, 100);
}

/* ---- counts ---- */

TestSuite(count, .init = make_zone, .fini = drop_zone);

Test(count, is_one_for_all_workers)
{
    bool is_full;
    unsigned a = count_join(&zone, start_ms), b = count_join(&zone, start_ms);
    cr_expect(a != 0 && b != 0 && a != b);
    struct count_entry *first = count_take(&zone, a, 7, 2, start_ms, &is_full);
    cr_expect_not_null(first);
    cr_expect_not_null(count_take(&zone, b, 7, 2, start_ms, &is_full));
    cr_expect_null(count_take(&zone, a, 7, 2, start_ms, &is_full));
    cr_expect_not(is_full);
    cr_expect_null(count_take(&zone, b, 7, 2, start_ms, &is_full));
    cr_expect_not_null(count_take(&zone, b, 8, 2, start_ms, &is_full));
    count_release(first, a, 7);
    cr_expect_not_null(count_take(&zone, b, 7, 2, start_ms, &is_full));
}

Test(count, of_a_dead_worker_ends_with_its_lease)
{
    bool is_full;
    unsigned dead = count_join(&zone, start_ms), alive = count_join(&zone, start_ms);
    cr_expect_not_null(count_take(&zone, dead, 7, 1, start_ms, &is_full));
    int64_t later = start_ms + COUNT_LEASE_MS / 2;
    count_renew(&zone, alive, later);
    cr_expect_null(count_take(&zone, alive, 7, 1, later, &is_full));
    later = start_ms + COUNT_LEASE_MS;
    cr_expect_not_null(count_take(&zone, alive, 7, 1, later, &is_full));
    /* Its number is given to another, who begins with nothing. */
    cr_expect_eq(count_join(&zone, later), dead);
    cr_expect_null(count_take(&zone, dead, 7, 1, later, &is_full));
    cr_expect_not_null(count_take(&zone, dead, 7, 2, later, &is_full));
}

/* Stopped, or on a machine that was: its requests end after others have taken its places. */
Test(count, of_a_worker_that_slept_takes_nothing_from_others)
{
    bool is_full;
    unsigned slow = count_join(&zone, start_ms), other = count_join(&zone, start_ms);
    struct count_entry *lost = count_take(&zone, slow, 7, 2, start_ms, &is_full);
    struct count_entry *freed = count_take(&zone, slow, 600, 2, start_ms, &is_full);
    int64_t later = start_ms + COUNT_LEASE_MS;
    count_renew(&zone, other, later);
    struct count_entry *taken = count_take(&zone, other, 7, 1, later, &is_full);
    cr_assert_not_null(taken);
    cr_expect_eq(count_join(&zone, later), slow); /* and one that begins with its number */
    count_release(lost, slow, 7);
    count_release(freed, slow, 600);
    cr_expect_null(count_take(&zone, slow, 7, 1, later, &is_full));
    count_release(taken, other, 7);
    cr_expect_not_null(count_take(&zone, slow, 7, 1, later, &is_full));
    cr_expect_not_null(count_take(&zone, slow, 600, 1, later, &is_full));
}

Test(count, goes_on_for_a_worker_that_slept_and_lost_nothing)
{
    bool is_full;
    unsigned slow = count_join(&zone, start_ms);
    cr_expect_not_null(count_take(&zone, slow, 7, 1, start_ms, &is_full));
    int64_t later = start_ms + 2 * COUNT_LEASE_MS;
    cr_expect_null(count_take(&zone, slow, 7, 1, later, &is_full));
    cr_expect_not(is_full);
}

Test(count, of_one_that_left_ends_at_once)
{
    bool is_full;
    unsigned a = count_join(&zone, start_ms), b = count_join(&zone, start_ms);
    cr_expect_not_null(count_take(&zone, a, 7, 1, start_ms, &is_full));
    count_leave(&zone, a);
    cr_expect_not_null(count_take(&zone, b, 7, 1, start_ms, &is_full));
}

/* Whoever steers one worker writes what he likes; it is over when he is. */
Test(count, of_a_lease_that_no_worker_has_is_none)
{
    bool is_full;
    unsigned dead = count_join(&zone, start_ms);
    cr_expect_not_null(count_take(&zone, dead, 7, 1, start_ms, &is_full));
    for (size_t i = 0; i < 1024; i++)
        ((int64_t *)zone.memory)[i] = INT64_MAX; /* leases lie first */
    unsigned alive = count_join(&zone, start_ms);
    cr_expect_neq(alive, 0);
    cr_expect_not_null(count_take(&zone, alive, 7, 1, start_ms, &is_full));
    cr_expect_null(count_take(&zone, alive, 7, 1, start_ms, &is_full));
}

Test(count, says_when_there_is_no_room)
{
    bool is_full = false;
    unsigned a = count_join(&zone, start_ms);
    uint64_t tag = 1, taken = 0;
    for (; tag < 100000 && !is_full; tag++)
        taken += count_take(&zone, a, tag, 1, start_ms, &is_full) != NULL;
    cr_expect(is_full);
    cr_expect_geq(taken, 64);
}

struct counters {
    unsigned worker;
    atomic_uint *held, *most;
};

static void *hold_and_release(void *owner)
{
    struct counters *c = owner;
    bool is_full;
    for (int i = 0; i < 2000; i++) {
        struct count_entry *e = count_take(&zone, c->worker, 7, 3, start_ms, &is_full);
        if (e == NULL)
            continue;
        unsigned now = atomic_fetch_add(c->held, 1) + 1, most = atomic_load(c->most);
        while (now > most && !atomic_compare_exchange_weak(c->most, &most, now))
            ;
        atomic_fetch_sub(c->held, 1);
        count_release(e, c->worker, 7);
    }
    return NULL;
}

Test(count, lets_no_more_in_when_workers_ask_at_once)
{
    atomic_uint held = 0, most = 0;
    struct counters c[4];
    pthread_t threads[4];
    bool is_full;
    for (size_t i = 0; i < 4; i++) {
        c[i] = (struct counters){count_join(&zone, start_ms), &held, &most};
        cr_assert_eq(pthread_create(&threads[i], NULL, hold_and_release, &c[i]), 0);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect(most >= 1 && most <= 3, "%u", most);
    for (unsigned i = 0; i < 3; i++)
        cr_expect_not_null(count_take(&zone, c[0].worker, 7, 3, start_ms, &is_full));
}
