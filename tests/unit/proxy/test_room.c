/* Who gives way when all worker_connections are taken. Clients are sockets whose other ends say
 * nothing; what they are doing is said for them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portcullis/base/clock.h"
#include "portcullis/config/load.h"
#include "portcullis/proxy/client.h"
#include "portcullis/proxy/proxy.h"

enum { PLACES = 8 };

static struct snapshot *snapshot;
static struct loop *loop;
static struct proxy *proxy;
static int ends[2 * PLACES];
static size_t end_count;
static struct log_file log_file;
static struct log told = {.file = &log_file, .level = LOG_ALERT};

static void on_problem(void *owner, enum log_level level, struct str message)
{
    (void)owner;
    cr_expect_geq(level, LOG_WARN, "%.*s", STR_ARG(message));
}

static void at(int64_t ms)
{
    clock_fix(0, 5000 + ms);
}

static FILE *temporary(char *path)
{
    strcpy(path, "/tmp/test_room.XXXXXX");
    return fdopen(mkstemp(path), "w");
}

static void set_up(void)
{
    char conf[32], log_path[32];
    FILE *file = temporary(conf);
    fputs("events { worker_connections 8; } http { access_log off;\n"
          "server { listen 127.0.0.1:1; location / { return 200 in; } } }",
          file);
    fclose(file);
    struct config_options o = {.path = str_of(conf), .prefix = STR("/tmp/"), .problem = on_problem};
    snapshot = config_load(&o);
    unlink(conf);
    cr_assert_not_null(snapshot);
    log_file.fd = fileno(temporary(log_path));
    unlink(log_path);
    log_set_process(&told);
    at(0);
    loop = loop_new();
    proxy = proxy_start(loop, snapshot, NULL, 0);
}

static void on_done(void *owner)
{
    loop_stop(owner);
}

static void tear_down(void)
{
    clock_unfix();
    proxy_drain(proxy, PROXY_DRAIN_QUIT, on_done, loop);
    proxy_abort(proxy);
    loop_run(loop);
    proxy_free(proxy);
    loop_free(loop);
    for (size_t i = 0; i < end_count; i++)
        close(ends[i]);
    log_set_process(NULL);
    close(log_file.fd);
    snapshot_free(snapshot);
}

TestSuite(room, .init = set_up, .fini = tear_down);

static struct client *arrive(void)
{
    struct addr peer;
    int pair[2];
    cr_assert(addr_parse_ip(&peer, STR("127.0.0.1"), 1));
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    ends[end_count++] = pair[1];
    proxy->clients_count++;
    client_accept(proxy, snapshot->http.binds.items[0], pair[0], &peer);
    return CONTAINER_OF(proxy->clients.prev, struct client, node);
}

static void arrive_some(struct client **out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = arrive();
}

static void let_in(struct client *c)
{
    room_leave(c);
    client_enter(c, CLIENT_REQUEST, 0);
}

static void become_idle(struct client *c)
{
    let_in(c);
    client_enter(c, CLIENT_IDLE, 0);
    room_add_idle(c);
}

static bool has_gone(const struct client *c)
{
    return c->phase == CLIENT_CLOSED;
}

static size_t gone(struct client *const *clients, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += has_gone(clients[i]);
    return found;
}

Test(room, nobody_gives_way_while_there_is_a_place)
{
    struct client *c[PLACES - 1];
    arrive_some(c, PLACES - 1);
    at(60000);
    room_update(proxy);
    cr_expect_eq(gone(c, PLACES - 1), 0);
    cr_expect_not(proxy->room.is_full);
    cr_expect_not(timer_is_running(proxy->room.timer));
}

Test(room, a_stranger_has_his_time_and_the_first_goes_first)
{
    struct client *c[PLACES];
    arrive_some(c, PLACES);
    at(999);
    room_update(proxy);
    cr_expect_eq(gone(c, PLACES), 0);
    cr_expect(proxy->room.is_full && timer_is_running(proxy->room.timer));
    at(1000);
    room_update(proxy);
    cr_expect(has_gone(c[0]));
    cr_expect_eq(gone(c, PLACES), 1, "one for each that waits");
    room_update(proxy);
    cr_expect(has_gone(c[1]));
}

Test(room, strangers_go_before_idle_ones_where_they_are_most)
{
    struct client *c[PLACES];
    arrive_some(c, PLACES);
    for (size_t i = 0; i < PLACES / 2 - 1; i++)
        become_idle(c[i]);
    at(1000);
    room_update(proxy);
    cr_expect(has_gone(c[PLACES / 2 - 1]));
    cr_expect_eq(gone(c, PLACES), 1);
}

Test(room, the_longest_idle_goes_where_strangers_are_few)
{
    struct client *c[PLACES];
    arrive_some(c, PLACES);
    for (size_t i = PLACES; i-- > PLACES / 2;)
        become_idle(c[i]);
    at(1000);
    room_update(proxy);
    cr_expect(has_gone(c[PLACES - 1]), "idle since before the others");
    cr_expect_eq(gone(c, PLACES), 1);
}

Test(room, few_strangers_go_where_nobody_is_idle)
{
    struct client *c[PLACES];
    arrive_some(c, PLACES);
    for (size_t i = 1; i < PLACES; i++)
        let_in(c[i]);
    at(1000);
    room_update(proxy);
    cr_expect(has_gone(c[0]));
    cr_expect_eq(gone(c, PLACES), 1);
}

Test(room, who_waits_for_an_answer_stays)
{
    struct client *c[PLACES];
    arrive_some(c, PLACES);
    client_enter(c[0], CLIENT_REQUEST, 0);
    at(1000);
    room_update(proxy);
    cr_expect(has_gone(c[1]) && !has_gone(c[0]));
}

Test(room, idle_ones_go_where_all_strangers_wait_for_answers)
{
    struct client *c[PLACES];
    arrive_some(c, PLACES);
    become_idle(c[3]);
    for (size_t i = 0; i < PLACES; i++)
        if (i != 3)
            client_enter(c[i], CLIENT_REQUEST, 0);
    at(1000);
    room_update(proxy);
    cr_expect(has_gone(c[3]));
    cr_expect_eq(gone(c, PLACES), 1);
}

Test(room, connections_to_upstreams_count_but_idle_ones)
{
    struct client *c[PLACES - 2];
    arrive_some(c, PLACES - 2);
    at(1000);
    proxy->backends.open = 2;
    proxy->backends.idle = 1;
    room_update(proxy);
    cr_expect_eq(gone(c, PLACES - 2), 0);
    proxy->backends.idle = 0;
    room_update(proxy);
    cr_expect(has_gone(c[0]));
    proxy->backends.open = 0;
}

Test(room, a_worker_that_drains_takes_nobodys_place)
{
    struct client *c[PLACES];
    arrive_some(c, PLACES);
    at(1000);
    proxy->phase = PROXY_RELOADS;
    room_update(proxy);
    cr_expect_eq(gone(c, PLACES), 0);
}

static size_t times_told(void)
{
    char text[4096] = "";
    size_t count = 0;
    ssize_t size = pread(log_file.fd, text, sizeof text - 1, 0);
    cr_assert(size >= 0);
    for (const char *at = text; (at = strstr(at, "8 worker_connections are not enough")); at++)
        count++;
    return count;
}

Test(room, the_log_is_told_once_a_second)
{
    struct client *c[PLACES];
    arrive_some(c, PLACES);
    for (size_t i = 0; i < PLACES; i++)
        client_enter(c[i], CLIENT_REQUEST, 0);
    for (int64_t ms = 0; ms < 2000; ms += 100) {
        at(ms);
        room_update(proxy);
        proxy->clients_count--; /* as if one had gone, and the next came */
        room_update(proxy);
        proxy->clients_count++;
    }
    cr_expect_eq(times_told(), 2);
}
