#include <criterion/criterion.h>

#include "portcullis/base/clock.h"
#include "support.h"

static struct group g;
static struct selection s;

static void set_up(void)
{
    group_init(&g, BALANCER_ROUND_ROBIN);
}

static void tear_down(void)
{
    group_deinit(&g);
}

TestSuite(upstream, .init = set_up, .fini = tear_down);

static void begin(unsigned max_tries)
{
    selection_init(&s, g.upstream, &g.arena, &g.client, max_tries);
}

static void ends(enum peer_result result)
{
    selection_end(&s, result, &log_process);
}

/* A request that fails at that peer. */
static void fail_at(char letter)
{
    for (;;) {
        begin(0);
        char got = pick_letter(&s);
        ends(got == letter ? PEER_FAILED : PEER_OK);
        if (got == letter)
            return;
    }
}

Test(upstream, a_request_asks_no_peer_twice)
{
    group_add(&g, 10);
    group_add(&g, 1);
    group_start(&g);
    begin(0);
    cr_assert_eq(pick_letter(&s), 'a');
    ends(PEER_FAILED);
    cr_assert_eq(pick_letter(&s), 'b');
    ends(PEER_FAILED);
    cr_assert_eq(s.tries_left, 0);
    cr_assert_eq(pick_letter(&s), '-');
}

Test(upstream, tries_are_limited)
{
    for (int i = 0; i < 5; i++)
        group_add(&g, 1);
    group_start(&g);
    begin(2);
    cr_assert_eq(s.tries_left, 2);
    (void)pick_letter(&s);
    ends(PEER_FAILED);
    cr_assert_eq(s.tries_left, 1);
}

Test(upstream, max_fails_takes_a_peer_out)
{
    group_add(&g, 1)->max_fails = 2;
    group_add(&g, 1);
    group_start(&g);
    fail_at('a');
    cr_assert(peer_is_available(&g.upstream->primary.items[0], clock_monotonic_ms()));
    fail_at('a');
    cr_assert(str_eq_z(group_picks(&g, 4), "bbbb"));
}

Test(upstream, a_peer_is_probed_after_fail_timeout)
{
    group_add(&g, 1);
    group_add(&g, 1);
    group_start(&g);
    fail_at('a');
    struct peer *a = &g.upstream->primary.items[0];
    int64_t later = clock_monotonic_ms() + 10001;
    cr_assert(peer_is_available(a, later));
    peer_begin(a, later);
    cr_assert(!peer_is_available(a, later + 1), "one probe at a time");
    (void)peer_end(a, PEER_OK, later + 5);
    cr_assert_eq(a->fails, 0);
    cr_assert(peer_is_available(a, later + 6));
}

Test(upstream, max_fails_zero_never_takes_it_out)
{
    group_add(&g, 1)->max_fails = 0;
    group_add(&g, 1);
    group_start(&g);
    for (int i = 0; i < 10; i++)
        fail_at('a');
    cr_assert(peer_is_available(&g.upstream->primary.items[0], clock_monotonic_ms()));
}

Test(upstream, an_only_peer_is_asked_however_often_it_failed)
{
    group_add(&g, 1);
    group_start(&g);
    for (int i = 0; i < 3; i++)
        fail_at('a');
    cr_assert(str_eq_z(group_picks(&g, 2), "aa"));
}

Test(upstream, backups_serve_when_no_primary_is_left)
{
    group_add(&g, 1);
    group_add(&g, 1);
    group_add(&g, 1)->backup = true;
    group_start(&g);
    cr_assert(str_eq_z(group_picks(&g, 4), "abab"));
    fail_at('a');
    fail_at('b');
    cr_assert(str_eq_z(group_picks(&g, 2), "cc"));
}

Test(upstream, who_rests_is_asked_when_no_other_is_left_the_longest_resting_first)
{
    struct peer *peers;

    group_add(&g, 1);
    group_add(&g, 1);
    group_add(&g, 1)->backup = true;
    group_start(&g);
    peers = g.upstream->primary.items;
    fail_at('a');
    fail_at('b');
    fail_at('c');
    peers[0].failed_ms = peers[0].checked_ms -= 2;
    peers[1].failed_ms = peers[1].checked_ms -= 1;
    begin(0);
    cr_assert_eq(pick_letter(&s), 'a');
    ends(PEER_FAILED);
    cr_assert_eq(pick_letter(&s), 'b');
    ends(PEER_OK); /* it is back */
    cr_assert(str_eq_z(group_picks(&g, 3), "bbb"));
    cr_assert_eq(peers[1].fails, 0);
}

Test(upstream, a_backup_that_rests_is_asked_too_and_none_twice)
{
    group_add(&g, 1);
    group_add(&g, 1)->backup = true;
    group_start(&g);
    fail_at('a');
    fail_at('b');
    g.upstream->backup.items[0].checked_ms--;
    begin(0);
    cr_assert_eq(pick_letter(&s), 'b');
    ends(PEER_FAILED);
    cr_assert_eq(pick_letter(&s), 'a');
    ends(PEER_FAILED);
    cr_assert_eq(pick_letter(&s), '-');
}

Test(upstream, who_timed_out_is_left_alone_for_fail_timeout)
{
    group_add(&g, 1);
    group_add(&g, 1);
    group_start(&g);
    fail_at('a');
    begin(0);
    cr_assert_eq(pick_letter(&s), 'b');
    ends(PEER_TIMED_OUT);
    begin(0);
    cr_assert_eq(pick_letter(&s), 'a');
    ends(PEER_TIMED_OUT);
    begin(0);
    cr_assert_eq(pick_letter(&s), '-');
}

Test(upstream, max_conns_counts_running_requests)
{
    struct selection other;

    group_add(&g, 1)->max_conns = 1;
    group_start(&g);
    begin(0);
    cr_assert_eq(pick_letter(&s), 'a');
    selection_init(&other, g.upstream, &g.arena, &g.client, 0);
    cr_assert_eq(pick_letter(&other), '-');
    ends(PEER_OK);
    cr_assert_eq(pick_letter(&other), 'a');
    selection_end(&other, PEER_OK, &log_process);
}

Test(upstream, ending_twice_counts_once)
{
    group_add(&g, 1);
    group_add(&g, 1);
    group_start(&g);
    begin(0);
    (void)pick_letter(&s);
    ends(PEER_OK);
    ends(PEER_FAILED);
    cr_assert_eq(g.upstream->primary.items[0].conns, 0);
    cr_assert_eq(g.upstream->primary.items[0].fails, 0);
}

Test(upstream, a_resolved_one_tries_each_address)
{
    struct addr addrs[2];

    addr_parse_ip(&addrs[0], STR("192.0.2.1"), 0);
    addr_parse_ip(&addrs[1], STR("192.0.2.2"), 0);
    g.upstream = upstream_new_resolved(&g.backends, STR("app.test"), addrs, 2, 8080);
    begin(0);
    cr_assert_eq(s.tries_left, 2);
    cr_assert(str_eq_z(selection_next(&s)->addr_text, "192.0.2.1:8080"));
    ends(PEER_FAILED);
    cr_assert(str_eq_z(selection_next(&s)->addr_text, "192.0.2.2:8080"));
    ends(PEER_FAILED);
}
