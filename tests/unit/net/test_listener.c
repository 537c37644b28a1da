#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/net/io.h"
#include "portcullis/base/log.h"
#include "portcullis/net/listener.h"
#include "support.h"

struct door {
    struct loop *loop;
    struct listener *listener;
    int accepted, stop_at, pause_at;
    int fds[16];
};

static void on_accept(void *owner, int fd, const struct addr *peer)
{
    struct door *d = owner;

    cr_assert_eq(addr_family(peer), AF_INET);
    cr_assert((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    d->fds[d->accepted++] = fd;
    if (d->accepted == d->pause_at)
        listener_pause(d->listener);
    if (d->accepted == d->stop_at) {
        listener_free(d->listener); /* from inside */
        d->listener = NULL;
    }
}

static void knock(const struct addr *at, int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert(connect(fds[i], &at->sa, at->len) == 0);
    }
}

static void close_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static void accepts_all(bool multi)
{
    struct addr at;
    struct door d = {.loop = loop_new(), .stop_at = 5};
    int fd = listen_on_loopback(&at), clients[5];

    knock(&at, clients, 5);
    d.listener = listener_new(d.loop, fd, multi, on_accept, &d);
    run(d.loop);
    cr_assert_eq(d.accepted, 5);
    close_all(d.fds, 5);
    close_all(clients, 5);
    close(fd);
    loop_free(d.loop);
}

Test(listener, accepts_one_a_turn)
{
    accepts_all(false);
}

Test(listener, accepts_many_a_turn)
{
    accepts_all(true);
}

static int accepted_by_turn[4];
static size_t turns;
static struct door *watched;
static struct task handshake;

static void note_turn(struct task *t)
{
    accepted_by_turn[turns++] = watched->accepted;
    if (turns < 4)
        task_post_later(watched->loop, t);
}

static void shake_hands(struct task *t)
{
    (void)t;
}

/* The turn after a handshake: what came meanwhile waits in the worker, not in the kernel. */
Test(listener, accepts_many_after_a_handshake)
{
    struct addr at;
    struct door d = {.loop = loop_new(), .stop_at = 7};
    struct task note;
    int fd = listen_on_loopback(&at), clients[7];

    watched = &d;
    knock(&at, clients, 7);
    d.listener = listener_new(d.loop, fd, false, on_accept, &d);
    task_init(&note, note_turn);
    task_init(&handshake, shake_hands);
    task_post_later(d.loop, &note);
    task_post_costly(d.loop, &handshake, 0);
    run(d.loop);
    cr_assert_eq(accepted_by_turn[0], 1);
    cr_assert_eq(accepted_by_turn[1], 7);
    close_all(d.fds, 7);
    close_all(clients, 7);
    close(fd);
    loop_free(d.loop);
}

static void let_in_again(void *owner)
{
    struct door *d = owner;

    cr_assert_eq(d->accepted, d->pause_at);
    listener_resume(d->listener);
}

Test(listener, accepts_nobody_while_paused)
{
    struct addr at;
    struct door d = {.loop = loop_new(), .stop_at = 4, .pause_at = 2};
    int fd = listen_on_loopback(&at), clients[4];
    struct timer *t = timer_new(d.loop, let_in_again, &d);

    knock(&at, clients, 4);
    d.listener = listener_new(d.loop, fd, true, on_accept, &d);
    timer_start(t, 30);
    run(d.loop);
    cr_assert_eq(d.accepted, 4);
    timer_free(t);
    close_all(d.fds, 4);
    close_all(clients, 4);
    close(fd);
    loop_free(d.loop);
}

Test(listener, accepts_who_waits_and_nobody_while_paused)
{
    struct addr at;
    struct door d = {.loop = loop_new(), .pause_at = 3};
    int fd = listen_on_loopback(&at), clients[5];

    d.listener = listener_new(d.loop, fd, false, on_accept, &d);
    knock(&at, clients, 5);
    listener_accept_waiting(d.listener);
    cr_assert_eq(d.accepted, 3);
    listener_accept_waiting(d.listener);
    cr_assert_eq(d.accepted, 3);
    listener_resume(d.listener);
    listener_accept_waiting(d.listener);
    cr_assert_eq(d.accepted, 5);
    listener_free(d.listener);
    close_all(d.fds, 5);
    close_all(clients, 5);
    close(fd);
    loop_free(d.loop);
}

static int count_lines(int fd)
{
    char text[4096];
    ssize_t n = pread(fd, text, sizeof text, 0);
    int lines = 0;

    for (ssize_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    return lines;
}

static void raise_limit(void *arg)
{
    struct rlimit *limit = arg;

    cr_assert(setrlimit(RLIMIT_NOFILE, limit) == 0);
}

Test(listener, waits_for_descriptors_and_says_so_once)
{
    struct addr at;
    struct door d = {.loop = loop_new(), .stop_at = 3};
    int fd = listen_on_loopback(&at), clients[3];
    struct rlimit old, none;
    FILE *file = tmpfile();
    struct log_file to = {.fd = fileno(file)};
    struct log log = {.file = &to, .level = LOG_INFO};
    struct timer *t = timer_new(d.loop, raise_limit, &old);

    log_set_process(&log);
    knock(&at, clients, 3);
    d.listener = listener_new(d.loop, fd, false, on_accept, &d);
    cr_assert(getrlimit(RLIMIT_NOFILE, &old) == 0);
    none = old;
    none.rlim_cur = (rlim_t)fileno(file); /* every lower one is in use */
    cr_assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
    timer_start(t, 600); /* after one more try that fails */
    run(d.loop);
    cr_assert_eq(d.accepted, 3);
    cr_assert_eq(count_lines(to.fd), 1);
    timer_free(t);
    close_all(d.fds, 3);
    close_all(clients, 3);
    close(fd);
    loop_free(d.loop);
    fclose(file);
}
