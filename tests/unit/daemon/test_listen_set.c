#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/daemon/listen_set.h"
#include "portcullis/base/memory.h"

static struct listen_set set;
static char folder[64];

static void set_up(void)
{
    listen_set_init(&set);
    (void)snprintf(folder, sizeof folder, "/tmp/portcullis-listen-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void tear_down(void)
{
    listen_set_close(&set);
    cr_assert_eq(rmdir(folder), 0, "a unix socket's path was left behind");
}

TestSuite(listen_set, .init = set_up, .fini = tear_down);

static struct listen_spec loopback(uint16_t port)
{
    struct listen_spec s = {.ipv6only = true};

    cr_assert(addr_parse_ip(&s.addr, STR("127.0.0.1"), port));
    return s;
}

static struct listen_spec path_spec(const char *name)
{
    struct listen_spec s = {0};
    char text[128];

    (void)snprintf(text, sizeof text, "unix:%s/%s", folder, name);
    cr_assert(addr_parse_unix(&s.addr, str_of(text)));
    return s;
}

/* A port that is free, or was a moment ago. */
static uint16_t free_port(void)
{
    struct addr a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert(addr_parse_ip(&a, STR("127.0.0.1"), 0));
    cr_assert(bind(fd, &a.sa, a.len) == 0 && getsockname(fd, &a.sa, &a.len) == 0);
    close(fd);
    return addr_port(&a);
}

static size_t get(const struct listen_spec *s, unsigned wanted, int *first)
{
    struct listen_fds fds = {0};
    enum listen_call failed;

    cr_assert(listen_set_get(&set, s, wanted, &fds, &failed), "%s: %d", listen_call_text(failed),
              errno);
    if (first != NULL)
        *first = fds.fds[0];
    mem_free(fds.fds);
    return fds.count;
}

static bool connects(const struct listen_spec *s)
{
    int fd = socket(addr_family(&s->addr), SOCK_STREAM, 0);
    bool ok = connect(fd, &s->addr.sa, s->addr.len) == 0;

    close(fd);
    return ok;
}

Test(listen_set, keeps_a_socket_that_the_next_configuration_wants)
{
    struct listen_spec s = loopback(free_port());
    int first, again;

    (void)get(&s, 1, &first);
    listen_set_commit(&set);
    listen_set_begin(&set);
    s.backlog = 17;
    s.so_keepalive = true;
    cr_assert_eq(get(&s, 1, &again), 1);
    cr_assert_eq(first, again);
    listen_set_commit(&set);
    cr_assert(connects(&s));
}

/* Whoever has a socket's descriptor, as all workers do, can have it listen no more. */
static void stop_listening(int fd)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    cr_assert_eq(connect(fd, &nobody, sizeof nobody), 0);
}

Test(listen_set, listens_again_on_one_that_a_worker_ended)
{
    struct listen_spec s = loopback(free_port());
    int first, again;

    (void)get(&s, 1, &first);
    listen_set_commit(&set);
    stop_listening(first);
    cr_assert(!connects(&s));
    listen_set_begin(&set);
    cr_assert_eq(get(&s, 1, &again), 1);
    cr_assert_eq(first, again);
    cr_assert(connects(&s));
}

Test(listen_set, replaces_one_that_a_worker_made_something_else)
{
    struct listen_spec s = loopback(free_port()), other = loopback(free_port());
    int first;

    (void)get(&s, 1, &first);
    (void)get(&other, 1, NULL);
    listen_set_commit(&set);
    stop_listening(first);
    cr_assert(connect(first, &other.addr.sa, other.addr.len) == 0 || errno == EINPROGRESS);
    listen_set_begin(&set);
    cr_assert_eq(get(&s, 1, NULL), 1);
    cr_assert(connects(&s));
}

Test(listen_set, closes_what_the_next_configuration_does_not_want)
{
    struct listen_spec s = loopback(free_port()), u = path_spec("sock");

    (void)get(&s, 1, NULL);
    (void)get(&u, 1, NULL);
    listen_set_commit(&set);
    cr_assert(connects(&s) && connects(&u));
    listen_set_begin(&set);
    listen_set_commit(&set);
    cr_assert(!connects(&s) && !connects(&u));
}

Test(listen_set, closes_what_was_opened_for_a_configuration_that_failed)
{
    struct listen_spec old = loopback(free_port()), new = loopback(free_port()),
                       u = path_spec("sock");

    (void)get(&old, 1, NULL);
    listen_set_commit(&set);
    listen_set_begin(&set);
    (void)get(&old, 1, NULL);
    (void)get(&new, 1, NULL);
    (void)get(&u, 1, NULL);
    listen_set_rollback(&set);
    cr_assert(connects(&old));
    cr_assert(!connects(&new) && !connects(&u));
}

Test(listen_set, opens_more_with_reuseport_and_keeps_the_surplus)
{
    struct listen_spec s = loopback(free_port());
    int plain, first;

    cr_assert_eq(get(&s, 1, &plain), 1);
    listen_set_commit(&set);
    s.reuseport = true;
    listen_set_begin(&set);
    cr_assert_eq(get(&s, 3, &first), 3);
    cr_assert_eq(first, plain);
    listen_set_commit(&set);
    listen_set_begin(&set);
    cr_assert_eq(get(&s, 2, NULL), 3);
    listen_set_commit(&set);
}

Test(listen_set, adopts_what_another_process_opened)
{
    struct listen_spec s = loopback(0), u = path_spec("sock");
    struct addr a = s.addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0), first;

    cr_assert(!listen_set_adopt(&set, fd, false), "it does not listen");
    cr_assert(!listen_set_adopt(&set, 999, false));
    cr_assert(bind(fd, &a.sa, a.len) == 0 && listen(fd, 1) == 0);
    cr_assert(getsockname(fd, &s.addr.sa, &s.addr.len) == 0);
    cr_assert(listen_set_adopt(&set, fd, false));
    listen_set_begin(&set);
    cr_assert_eq(get(&s, 1, &first), 1);
    cr_assert_eq(first, fd);
    (void)get(&u, 1, NULL);
    listen_set_commit(&set);
    cr_assert(connects(&s));
    set.is_shared = true;
    listen_set_close(&set);
    cr_assert_eq(unlink(u.addr.un.sun_path), 0, "the other process's path");
}

Test(listen_set, keeps_what_a_service_manager_gave)
{
    struct listen_spec u = path_spec("sock");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), first;

    cr_assert(bind(fd, &u.addr.sa, u.addr.len) == 0 && listen(fd, 1) == 0);
    cr_assert(listen_set_adopt(&set, fd, true));
    listen_set_begin(&set);
    listen_set_commit(&set);
    cr_assert(connects(&u), "though no configuration wants it");
    cr_assert_eq(get(&u, 1, &first), 1);
    cr_assert_eq(first, fd);
    listen_set_close(&set);
    cr_assert_eq(unlink(u.addr.un.sun_path), 0, "the manager's path");
}

Test(listen_set, says_which_call_failed)
{
    struct listen_spec s = loopback(free_port());
    struct listen_fds fds = {0};
    enum listen_call failed;
    int other = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert(bind(other, &s.addr.sa, s.addr.len) == 0 && listen(other, 1) == 0);
    cr_assert_not(listen_set_get(&set, &s, 1, &fds, &failed));
    cr_assert_eq(errno, EADDRINUSE);
    cr_assert_str_eq(listen_call_text(failed), "bind() to");
    mem_free(fds.fds);
    close(other);
}

Test(listen_set, lets_everybody_who_reaches_it_use_a_unix_socket)
{
    struct listen_spec u = path_spec("sock");
    struct stat st;

    (void)get(&u, 1, NULL);
    cr_assert(stat(u.addr.un.sun_path, &st) == 0);
    cr_assert_eq(st.st_mode & 0777, 0666);
}
