#include <criterion/criterion.h>

#include "support.h"

static struct group g;

static void tear_down(void)
{
    group_deinit(&g);
}

TestSuite(balance, .fini = tear_down);

static void start(enum balancer_id balancer, const unsigned *weights, size_t count)
{
    group_init(&g, balancer);
    for (size_t i = 0; i < count; i++)
        group_add(&g, weights[i]);
    group_start(&g);
}

#define START(balancer, ...)                           \
    start((balancer), (const unsigned[]){__VA_ARGS__}, \
          sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static void picks(const char *expected)
{
    struct str got = group_picks(&g, strlen(expected));

    cr_assert(str_eq_z(got, expected), "expected %s, got %.*s", expected, STR_ARG(got));
}

Test(balance, round_robin_takes_turns)
{
    START(BALANCER_ROUND_ROBIN, 1, 1, 1);
    picks("abcabc");
}

Test(balance, round_robin_is_smooth_with_weights)
{
    START(BALANCER_ROUND_ROBIN, 5, 1, 1);
    picks("aabacaaaabacaa");
}

Test(balance, down_peers_are_never_asked)
{
    START(BALANCER_ROUND_ROBIN, 1, 1);
    g.conf.peers.items[0].down = true;
    picks("bbb");
}

Test(balance, least_conn_asks_the_least_busy_for_its_weight)
{
    START(BALANCER_LEAST_CONN, 1, 1, 2);
    g.upstream->primary.items[0].conns = 1;
    g.upstream->primary.items[1].conns = 2;
    g.upstream->primary.items[2].conns = 1;
    picks("ccc");
}

Test(balance, least_conn_takes_turns_among_equals)
{
    START(BALANCER_LEAST_CONN, 1, 1, 1);
    g.upstream->primary.items[1].conns = 1;
    picks("acac");
}

Test(balance, ip_hash_keeps_a_client_where_it_is)
{
    START(BALANCER_IP_HASH, 1, 1, 1);
    char first = group_picks(&g, 1).ptr[0];
    for (int i = 0; i < 9; i++)
        cr_assert_eq(group_picks(&g, 1).ptr[0], first);
}

Test(balance, ip_hash_looks_at_three_octets_of_ipv4)
{
    START(BALANCER_IP_HASH, 1, 1, 1);
    char first = group_picks(&g, 1).ptr[0];
    addr_parse_ip(&g.client, STR("192.0.2.200"), 1);
    cr_assert_eq(group_picks(&g, 1).ptr[0], first);
}

/* As computed by hand with nginx's formula: hash = (hash * 113 + octet) % 6271 from 89. */
Test(balance, ip_hash_agrees_with_nginx)
{
    unsigned hash = 89;
    static const unsigned char octets[] = {192, 0, 2};

    START(BALANCER_IP_HASH, 1, 1, 1);
    for (size_t i = 0; i < sizeof octets; i++)
        hash = (hash * 113 + octets[i]) % 6271;
    cr_assert_eq(group_picks(&g, 1).ptr[0], (char)('a' + hash % 3));
}

Test(balance, ip_hash_goes_elsewhere_when_its_peer_is_down)
{
    START(BALANCER_IP_HASH, 1, 1, 1);
    char first = group_picks(&g, 1).ptr[0];
    g.conf.peers.items[first - 'a'].down = true;
    cr_assert_neq(group_picks(&g, 1).ptr[0], first);
    cr_assert_neq(group_picks(&g, 1).ptr[0], '-');
}

Test(balance, every_balancer_survives_having_nobody)
{
    for (int i = 0; i < BALANCERS; i++) {
        START((enum balancer_id)i, 1, 1);
        g.conf.peers.items[0].down = g.conf.peers.items[1].down = true;
        picks("-");
        if (i + 1 < BALANCERS)
            group_deinit(&g);
    }
}
