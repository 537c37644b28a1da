/* The pool of idle connections, against a listening socket on loopback. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "portcullis/upstream/backend.h"
#include "support.h"

static struct group g;
static struct timer *watchdog;
static int listening;
static size_t opened, ended;

static void on_watchdog(void *owner)
{
    loop_stop(owner);
}

static void on_open(void *owner)
{
    opened++;
    loop_stop(owner);
}

static void on_data(void *owner, struct buf *in)
{
    (void)owner;
    (void)in;
}

static void on_eof(void *owner, bool clean)
{
    (void)owner;
    (void)clean;
}

static void on_drain(void *owner)
{
    (void)owner;
}

static void on_close(void *owner, enum close_reason why)
{
    (void)owner;
    (void)why;
    ended++;
}

static const struct stream_events events = {on_open, on_data, on_eof, on_drain, on_close};

static void set_up(void)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;

    group_init(&g, BALANCER_ROUND_ROBIN);
    struct peer_conf *p = group_add(&g, 1);
    addr_set_port(&p->addr, 0);
    listening = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(listening, &p->addr.sa, p->addr.len), 0);
    cr_assert_eq(listen(listening, 8), 0);
    (void)getsockname(listening, (struct sockaddr *)&name, &len);
    addr_from_sockaddr(&p->addr, (struct sockaddr *)&name, len);
    g.conf.keepalive = 2;
    g.conf.keepalive_requests = 1000;
    g.conf.keepalive_timeout_ms = g.conf.keepalive_time_ms = 60000;
    group_start(&g);
    watchdog = timer_new(g.loop, on_watchdog, g.loop);
    opened = ended = 0;
}

static void run_ms(int64_t ms)
{
    timer_start(watchdog, ms);
    loop_run(g.loop);
}

static void tear_down(void)
{
    upstream_close_idle(g.upstream);
    run_ms(20);
    cr_assert_eq(g.backends.open, 0);
    cr_assert_eq(g.backends.idle, 0);
    timer_free(watchdog);
    close(listening);
    group_deinit(&g);
}

TestSuite(backend, .init = set_up, .fini = tear_down);

static struct peer *peer(void)
{
    return &g.upstream->primary.items[0];
}

static struct backend *connected(void)
{
    struct backend *b = backend_connect(g.upstream, peer(), 1000, false, &events, g.loop);
    size_t before = opened;

    run_ms(1000);
    cr_assert_eq(opened, before + 1);
    return b;
}

static struct backend *take(void)
{
    return backend_take(g.upstream, peer(), &events, g.loop);
}

Test(backend, one_that_was_given_is_taken_again)
{
    struct backend *b = connected();

    cr_assert_null(take());
    backend_give(b);
    cr_assert_eq(take(), b);
    cr_assert_eq(b->requests, 1);
    cr_assert_null(take());
    backend_close(b, CLOSE_DONE);
}

Test(backend, the_last_given_is_taken_first)
{
    struct backend *a = connected(), *b = connected();

    backend_give(a);
    backend_give(b);
    cr_assert_eq(take(), b);
    backend_close(b, CLOSE_DONE);
}

Test(backend, no_more_are_kept_than_configured)
{
    struct backend *a = connected(), *b = connected(), *c = connected();

    backend_give(a);
    backend_give(b);
    backend_give(c);
    cr_assert_eq(g.upstream->idle_count, 2);
    run_ms(20);
    cr_assert_eq(g.backends.open, 2);
    cr_assert_eq(ended, 0, "whoever gave it hears nothing more of it");
}

Test(backend, keepalive_requests_ends_one)
{
    g.conf.keepalive_requests = 2;
    struct backend *b = connected();
    backend_give(b);
    b = take();
    backend_give(b);
    cr_assert_null(take());
}

Test(backend, keepalive_zero_keeps_none)
{
    g.conf.keepalive = 0;
    backend_give(connected());
    cr_assert_null(take());
}

Test(backend, keepalive_timeout_drops_the_idle)
{
    g.conf.keepalive_timeout_ms = 30;
    backend_give(connected());
    run_ms(100);
    cr_assert_eq(g.backends.open, 0);
    cr_assert_null(take());
}

Test(backend, the_peers_end_drops_an_idle_one)
{
    backend_give(connected());
    close(accept(listening, NULL, NULL));
    run_ms(50);
    cr_assert_null(take());
    cr_assert_eq(g.backends.open, 0);
}

Test(backend, stray_octets_drop_an_idle_one)
{
    backend_give(connected());
    int fd = accept(listening, NULL, NULL);
    cr_assert_eq(send(fd, "HTTP/1.1 200 OK\r\n\r\n", 19, 0), 19);
    run_ms(50);
    cr_assert_null(take());
    close(fd);
}

/* Taken up, looked at by the loop, and told of. */
static void expect_told(struct backend *b, size_t opens, size_t ends)
{
    size_t opened_before = opened, ended_before = ended;

    cr_assert_eq(take(), b);
    cr_assert_eq(opened, opened_before, "the loop has not looked yet");
    run_ms(20);
    cr_assert_eq(opened, opened_before + opens);
    cr_assert_eq(ended, ended_before + ends);
    if (ends > 0)
        backend_gone(b);
}

Test(backend, one_with_octets_that_the_loop_has_not_seen_is_not_taken)
{
    struct backend *quiet = connected(), *loud = connected();
    int quiet_fd = accept(listening, NULL, NULL), loud_fd = accept(listening, NULL, NULL);
    backend_give(quiet);
    backend_give(loud);
    cr_assert_eq(send(loud_fd, "HTTP/1.1 200 OK\r\n\r\n", 19, 0), 19);
    expect_told(loud, 0, 1);
    expect_told(quiet, 1, 0);
    cr_assert_eq(g.backends.idle, 0);
    backend_give(quiet);
    close(quiet_fd);
    expect_told(quiet, 0, 1); /* its peer is gone */
    close(loud_fd);
}

/* What was asked of it in the turn it was given in must not run before the loop has looked. */
Test(backend, one_that_was_just_given_is_looked_at_too)
{
    struct backend *b = connected();
    int fd = accept(listening, NULL, NULL);

    backend_give(b);
    cr_assert_eq(take(), b);
    stream_resume(b->stream);
    cr_assert_eq(send(fd, "x", 1, 0), 1);
    size_t before = opened;
    run_ms(20);
    cr_assert_eq(opened, before);
    cr_assert_eq(ended, 1);
    backend_gone(b);
    close(fd);
}

#define CROWD 400

static void nothing(void *owner)
{
    (void)owner;
}

/* One wait of the loop does not tell of them all. */
Test(backend, one_behind_a_crowd_is_looked_at_too)
{
    struct watch *crowd[CROWD];
    struct backend *b = connected();
    int fd = accept(listening, NULL, NULL), ends[2];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    for (size_t i = 0; i < CROWD; i++)
        crowd[i] = watch_new(g.loop, dup(ends[0]), nothing, NULL);
    backend_give(b);
    cr_assert_eq(send(fd, "x", 1, 0), 1);
    size_t before = opened;
    cr_assert_eq(take(), b);
    run_ms(20);
    for (size_t i = 0; i < CROWD; i++)
        watch_free(crowd[i]);
    cr_assert_eq(opened, before);
    cr_assert_eq(ended, 1);
    backend_gone(b);
    close(fd); /* the copies end with the test's process */
}

Test(backend, none_is_kept_while_draining)
{
    g.backends.is_draining = true;
    backend_give(connected());
    cr_assert_null(take());
}

Test(backend, an_orphaned_upstream_lives_until_its_last_connection_ended)
{
    struct addr addr = g.conf.peers.items[0].addr;
    struct upstream *u = upstream_new_resolved(&g.backends, STR("x"), &addr, 1, addr_port(&addr));
    struct backend *b = backend_connect(u, &u->primary.items[0], 1000, false, &events, g.loop);

    run_ms(1000);
    backend_close(b, CLOSE_DONE);
    upstream_free(u);
    run_ms(20);
    cr_assert_eq(g.backends.open, 0);
}
