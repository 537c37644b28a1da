#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portcullis/net/resolver.h"
#include "support.h"

/* A name server of a few lines on the test's own loop: an A record for good.test (two addresses),
 * NXDOMAIN for everything else, and silence for silent.test. */
struct name_server {
    struct loop *loop;
    struct watch *watch;
    int fd;
    struct addr at;
    int asked;
};

static void put16(struct buf *b, unsigned v)
{
    buf_append_char(b, (char)(v >> 8));
    buf_append_char(b, (char)v);
}

static void put_a(struct buf *b, unsigned last_octet)
{
    static const char fixed[] =
        "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0"; /* name at 12, A, IN, 60 s, 4 octets, 10.0.0. */

    buf_append(b, fixed, sizeof fixed - 1);
    buf_append_char(b, (char)last_octet);
}

static size_t question_size(const char *packet)
{
    return strlen(packet + 12) + 1 + 4;
}

static void answer(struct name_server *ns, const char *packet, const struct addr *client)
{
    struct buf out = {0};
    unsigned type = (unsigned char)packet[12 + question_size(packet) - 3];
    bool good = strcmp(packet + 12, "\4good\4test") == 0;
    bool has_a = good && type == 1;

    buf_append(&out, packet, 2);
    put16(&out, good ? 0x8180 : 0x8183); /* response, recursion; NXDOMAIN */
    put16(&out, 1);
    put16(&out, has_a ? 2 : 0);
    put16(&out, 0);
    put16(&out, 0);
    buf_append(&out, packet + 12, question_size(packet));
    if (has_a) {
        put_a(&out, 1);
        put_a(&out, 2);
    }
    (void)sendto(ns->fd, out.data, buf_len(&out), 0, &client->sa, client->len);
    buf_deinit(&out);
}

static void on_query(void *owner)
{
    struct name_server *ns = owner;
    struct addr client = {.len = sizeof client.un};
    char packet[512] = {0};

    cr_assert(recvfrom(ns->fd, packet, sizeof packet - 1, 0, &client.sa, &client.len) > 12);
    ns->asked++;
    if (strcmp(packet + 12, "\6silent\4test") != 0)
        answer(ns, packet, &client);
}

static void name_server_init(struct name_server *ns, struct loop *l)
{
    *ns = (struct name_server){.loop = l, .fd = socket(AF_INET, SOCK_DGRAM, 0)};
    cr_assert(addr_parse_ip(&ns->at, STR("127.0.0.1"), 0));
    cr_assert(bind(ns->fd, &ns->at.sa, ns->at.len) == 0);
    cr_assert(getsockname(ns->fd, &ns->at.sa, &ns->at.len) == 0);
    ns->watch = watch_new(l, ns->fd, on_query, ns);
}

static void name_server_deinit(struct name_server *ns)
{
    watch_free(ns->watch);
    close(ns->fd);
}

struct asker {
    struct loop *loop;
    int answers, stop_at;
    size_t count;
    char first[ADDR_TEXT_MAX];
    char problem[64];
};

static void on_result(void *owner, const struct resolver_result *result)
{
    struct asker *a = owner;

    a->count = result->count;
    a->first[0] = '\0';
    if (result->count > 0)
        (void)snprintf(a->first, sizeof a->first, "%.*s",
                       STR_ARG(addr_text(&result->addrs[0], (char[ADDR_TEXT_MAX]){0})));
    (void)snprintf(a->problem, sizeof a->problem, "%s",
                   result->problem != NULL ? result->problem : "");
    if (++a->answers == a->stop_at)
        loop_stop(a->loop);
}

static struct loop *loop;
static struct name_server server;
static struct resolver *resolver;
static struct asker asker;

static void set_up(void)
{
    loop = loop_new();
    name_server_init(&server, loop);
    resolver = resolver_new(loop, &server.at, 1, 0, true, true);
    asker = (struct asker){.loop = loop, .stop_at = 1};
}

static void tear_down(void)
{
    resolver_free(resolver);
    name_server_deinit(&server);
    loop_free(loop);
}

TestSuite(resolver, .init = set_up, .fini = tear_down);

static void ask(struct str name, int64_t timeout_ms)
{
    asker.stop_at = asker.answers + 1;
    (void)resolver_lookup(resolver, name, timeout_ms, on_result, &asker);
    cr_assert_neq(asker.answers, asker.stop_at, "answered from inside");
    run(loop);
}

Test(resolver, finds_addresses_keeps_and_rotates_them)
{
    ask(STR("good.test"), 10000);
    cr_assert_eq(asker.count, 2);
    cr_assert_str_eq(asker.first, "10.0.0.1");
    int asked = server.asked;
    ask(STR("GOOD.test"), 10000);
    cr_assert_str_eq(asker.first, "10.0.0.2");
    cr_assert_eq(server.asked, asked);
}

Test(resolver, asks_once_for_queries_that_wait_together)
{
    asker.stop_at = 2;
    (void)resolver_lookup(resolver, STR("good.test"), 10000, on_result, &asker);
    (void)resolver_lookup(resolver, STR("good.test"), 10000, on_result, &asker);
    run(loop);
    cr_assert_eq(asker.answers, 2);
    cr_assert_eq(server.asked, 2); /* A and AAAA */
}

Test(resolver, says_that_a_name_does_not_exist)
{
    ask(STR("bad.test"), 10000);
    cr_assert_eq(asker.count, 0);
    cr_assert_str_eq(asker.problem, "Host not found");
}

Test(resolver, gives_up_after_the_time_allowed)
{
    ask(STR("silent.test"), 50);
    cr_assert_str_eq(asker.problem, "Operation timed out");
}

Test(resolver, says_nothing_of_a_cancelled_query)
{
    struct resolver_query *q = resolver_lookup(resolver, STR("good.test"), 10000, on_result,
                                               &asker);

    resolver_cancel(q);
    ask(STR("good.test"), 10000);
    cr_assert_eq(asker.answers, 1);
}

Test(resolver, takes_literal_addresses)
{
    ask(STR("192.0.2.7"), 10000);
    cr_assert_str_eq(asker.first, "192.0.2.7");
    cr_assert_eq(server.asked, 0);
}
