#include <criterion/criterion.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support_tls.h"

static struct loop *loop;
static struct owner server;
static struct tls_client client;

static int accept_tls(bool refuses)
{
    struct addr peer = {.sa.sa_family = AF_UNIX, .len = sizeof(sa_family_t)};
    int fds[2], on = 1;

    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    cr_assert(ioctl(fds[0], FIONBIO, &on) == 0);
    server.stream = stream_accept(loop, fds[0], &peer, server_session(refuses), &owner_events,
                                  &server);
    return fds[1];
}

static void set_up(void)
{
    loop = loop_new();
    owner_init(&server, loop);
    tls_client_init(&client, loop, accept_tls(false));
}

static void tear_down(void)
{
    owner_deinit(&server);
    tls_client_deinit(&client);
    loop_free(loop);
}

TestSuite(stream_tls, .init = set_up, .fini = tear_down);

static void close_done(struct owner *o)
{
    stream_close(o->stream, CLOSE_DONE);
}

static void echo(struct owner *o)
{
    (void)stream_write(o->stream, &o->got);
}

static void client_says_hello(struct owner *o)
{
    cr_assert_not_null(stream_tls(o->stream));
    tls_client_send(&client, "hello");
}

static void client_says_goodbye(struct tls_client *c)
{
    cr_assert(str_eq_z(buf_str(&c->got), "hello"));
    tls_client_send_close(c);
}

Test(stream_tls, shakes_hands_echoes_and_ends_with_close_notify_both_ways)
{
    server.also_on_open = client_says_hello;
    server.also_on_data = echo;
    client.also_on_data = client_says_goodbye;
    server.also_on_eof = close_done;
    run(loop);
    cr_assert(owner_saw(&server, "odec"));
    cr_assert(client.ended);
    cr_assert_eq(tls_session_status(client.session), TLS_CLOSED);
}

static void client_hangs_up(struct owner *o)
{
    (void)o;
    tls_client_send(&client, "half a req");
    tls_client_hang_up(&client);
}

Test(stream_tls, tells_truncation_from_an_end)
{
    server.also_on_open = client_hangs_up;
    server.also_on_eof = close_done;
    run(loop);
    cr_assert(str_eq_z(buf_str(&server.got), "half a req"));
    cr_assert(owner_saw(&server, "odEc"));
}

Test(stream_tls, closes_when_the_client_goes_during_the_handshake)
{
    tls_client_hang_up(&client);
    run(loop);
    cr_assert(owner_saw(&server, "c"));
    /* A reset where the server's flight was on its way. */
    cr_assert(server.why == CLOSE_PEER_CLOSED || server.why == CLOSE_PEER_RESET);
}

static int accept_another(void)
{
    stream_close(server.stream, CLOSE_ABORTED);
    run(loop);
    owner_deinit(&server);
    owner_init(&server, loop);
    return accept_tls(false);
}

/* The answer is the costly part. */
Test(stream_tls, answers_no_client_that_ends_behind_its_first_words)
{
    struct buf hello = {0}, none = {0};
    struct tls_session *hasty = tls_session_new_client(NULL, STR("localhost"));
    int fd = accept_another();
    char octet;

    (void)tls_session_receive(hasty, &none, &none, 1, &hello);
    cr_assert(send(fd, buf_str(&hello).ptr, buf_len(&hello), 0) == (ssize_t)buf_len(&hello));
    shutdown(fd, SHUT_WR);
    run(loop);
    cr_assert(owner_saw(&server, "c"));
    cr_assert_eq(server.why, CLOSE_PEER_CLOSED);
    cr_assert_eq(read(fd, &octet, 1), 0);
    close(fd);
    tls_session_free(hasty);
    buf_deinit(&hello);
}

enum { CROWD = 16 }; /* more than have their turn at once */

struct crowd {
    struct owner of[CROWD];
    int fds[CROWD];
    struct timer *look;
    unsigned waited, looks;
};

static unsigned awaiting(const struct crowd *w)
{
    unsigned count = 0;

    for (size_t i = 0; i < CROWD; i++)
        count += stream_awaits_turn(w->of[i].stream);
    return count;
}

static void look(void *owner)
{
    struct crowd *w = owner;

    if (w->looks++ == 0)
        w->waited = awaiting(w);
    if (awaiting(w) > 0) {
        timer_start(w->look, 1);
        return;
    }
    for (size_t i = 0; i < CROWD; i++)
        stream_close(w->of[i].stream, CLOSE_ABORTED);
    stream_close(server.stream, CLOSE_ABORTED);
}

Test(stream_tls, says_whose_octets_wait_for_their_turn)
{
    struct crowd w = {.look = timer_new(loop, look, &w)};
    struct owner first = server;

    for (size_t i = 0; i < CROWD; i++) {
        owner_init(&server, loop);
        w.fds[i] = accept_tls(false);
        w.of[i] = server;
        stream_set_owner(w.of[i].stream, &owner_events, &w.of[i]);
        cr_assert_not(stream_awaits_turn(w.of[i].stream), "nothing came yet");
        cr_assert_eq(write(w.fds[i], "\x16", 1), 1);
    }
    server = first;
    timer_start(w.look, 0);
    run(loop);
    cr_assert_gt(w.waited, 0);
    cr_assert_lt(w.waited, CROWD);
    timer_free(w.look);
    for (size_t i = 0; i < CROWD; i++) {
        owner_deinit(&w.of[i]);
        close(w.fds[i]);
    }
}

static void client_ends_its_side(struct owner *o)
{
    (void)o;
    tls_client_send(&client, "hello");
    tls_client_send_close(&client);
}

static void answer_and_shut_down(struct owner *o)
{
    write_z(o->stream, "answer");
    stream_shutdown(o->stream);
}

Test(stream_tls, answers_a_client_that_has_ended_its_side)
{
    server.also_on_open = client_ends_its_side;
    server.also_on_eof = answer_and_shut_down;
    run(loop);
    cr_assert(owner_saw(&server, "odec"));
    cr_assert_eq(server.why, CLOSE_DONE);
    cr_assert(str_eq_z(buf_str(&client.got), "answer"));
    cr_assert_eq(tls_session_status(client.session), TLS_CLOSED);
}

static void shut_down(struct owner *o)
{
    stream_shutdown(o->stream);
}

static void close_aborted(struct owner *o)
{
    stream_close(o->stream, CLOSE_ABORTED);
}

Test(stream_tls, sends_no_close_notify_when_something_is_missing)
{
    server.also_on_open = close_aborted;
    run(loop);
    cr_assert(client.ended);
    cr_assert_neq(tls_session_status(client.session), TLS_CLOSED);
}

#define MUCH 3000000

static void write_much(struct owner *o)
{
    struct buf out = {0};

    memset(buf_reserve(&out, MUCH), 'x', MUCH);
    buf_added(&out, MUCH);
    cr_assert_not(stream_write(o->stream, &out));
    buf_deinit(&out);
}

Test(stream_tls, sends_much_and_says_when_there_is_room)
{
    server.also_on_open = write_much;
    server.also_on_drain = shut_down;
    server.also_on_eof = close_done;
    client.also_on_data = NULL;
    run(loop);
    cr_assert(owner_saw(&server, "orEc"));
    cr_assert_eq(buf_len(&client.got), MUCH);
    cr_assert_eq(tls_session_status(client.session), TLS_CLOSED);
}

static struct buf said;

static void take_turns(struct owner *o)
{
    if (!write_in_turns(o->stream, &said))
        stream_shutdown(o->stream);
}

Test(stream_tls, what_goes_out_at_once_stays_in_order)
{
    server.also_on_open = server.also_on_drain = take_turns;
    server.also_on_eof = close_done;
    client.also_on_data = NULL;
    run(loop);
    cr_assert_gt(buf_len(&said), 1000000);
    cr_assert(str_eq(buf_str(&client.got), buf_str(&said)));
    cr_assert_eq(tls_session_status(client.session), TLS_CLOSED);
    buf_deinit(&said);
}

static size_t taken;

static void resume_later(void *arg)
{
    stream_resume(arg);
}

static void take_slowly(struct owner *o)
{
    cr_assert_leq(buf_len(&o->got), STREAM_READ_MAX + 16384);
    taken += buf_len(&o->got);
    buf_clear(&o->got);
    stream_pause(o->stream);
    loop_defer(loop, resume_later, o->stream);
}

static size_t to_send = 1000000;

/* As much as the socket takes without waiting; the rest when the server has read. */
static void client_sends_more(void *arg)
{
    static const char line[1001] = {[0 ... 999] = 'y'};
    int queued = 0;

    (void)arg;
    while (to_send > 0 && ioctl(client.fd, TIOCOUTQ, &queued) == 0 && queued < 60000) {
        tls_client_send(&client, line);
        to_send -= 1000;
    }
    if (to_send > 0)
        loop_defer(loop, client_sends_more, NULL);
    else
        tls_client_send_close(&client);
}

static void client_begins(struct owner *o)
{
    (void)o;
    loop_defer(loop, client_sends_more, NULL);
}

Test(stream_tls, gives_everything_to_an_owner_that_pauses)
{
    server.also_on_open = client_begins;
    server.also_on_data = take_slowly;
    server.also_on_eof = close_done;
    run(loop);
    cr_assert_eq(taken, 1000000);
    cr_assert_eq(server.why, CLOSE_DONE);
}

/* ---- not the usual client ---- */

static void start_anew(bool refuses)
{
    stream_close(server.stream, CLOSE_ABORTED);
    run(loop);
    tls_client_deinit(&client);
    owner_deinit(&server);
    owner_init(&server, loop);
    tls_client_init(&client, loop, accept_tls(refuses));
}

Test(stream_tls, refuses_a_name_with_an_alert)
{
    start_anew(true);
    run(loop);
    cr_assert(owner_saw(&server, "c"));
    cr_assert_eq(server.why, CLOSE_TLS_FAILED);
    cr_assert_eq(tls_session_status(client.session), TLS_FAILED);
    cr_assert_not_null(strstr(tls_session_problem(client.session), "112"), "%s",
                       tls_session_problem(client.session));
}

static void check_not_tls(struct owner *o)
{
    cr_assert(stream_was_not_tls(o->stream));
    cr_assert_null(stream_tls(o->stream));
}

static void answer_400(struct owner *o)
{
    write_z(o->stream, "400");
    stream_close_after_flush(o->stream, CLOSE_BAD_REQUEST, 1000);
}

static void speak_plainly(bool has_ended)
{
    char got[8] = "";
    int fd = accept_another();

    server.also_on_open = check_not_tls;
    server.also_on_data = answer_400;
    send_z(fd, "GET / HTTP/1.1\r\n\r\n");
    if (has_ended)
        shutdown(fd, SHUT_WR);
    run(loop);
    cr_assert(str_eq_z(buf_str(&server.got), "GET / HTTP/1.1\r\n\r\n"));
    cr_assert(owner_saw(&server, "odc"));
    cr_assert_eq(read(fd, got, sizeof got), 3);
    cr_assert_str_eq(got, "400");
    close(fd);
}

Test(stream_tls, says_what_a_client_without_tls_said)
{
    speak_plainly(false);
}

Test(stream_tls, says_what_a_client_without_tls_said_before_it_ended)
{
    speak_plainly(true);
}
