#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/net/stream_impl.h"
#include "support.h"

static struct loop *loop;
static struct owner a, b;

static void set_up(void)
{
    loop = loop_new();
    owner_init(&a, loop);
    owner_init(&b, loop);
}

static void tear_down(void)
{
    owner_deinit(&a);
    owner_deinit(&b);
    loop_free(loop);
}

TestSuite(stream, .init = set_up, .fini = tear_down);

static void close_done(struct owner *o)
{
    stream_close(o->stream, CLOSE_DONE);
}

static void shut_down(struct owner *o)
{
    stream_shutdown(o->stream);
}

Test(stream, tells_open_data_end_and_close_in_order)
{
    int fd = open_pair(&a);

    a.also_on_eof = close_done;
    send_z(fd, "hello");
    close(fd);
    run(loop);
    cr_assert(owner_saw(&a, "odec"));
    cr_assert(str_eq_z(buf_str(&a.got), "hello"));
    cr_assert_eq(a.why, CLOSE_DONE);
}

static void echo(struct owner *o)
{
    (void)stream_write(o->stream, &o->got);
}

Test(stream, may_still_be_written_to_after_the_peers_end)
{
    struct buf got = {0};
    int fd = open_pair(&a);

    a.also_on_data = echo;
    a.also_on_eof = shut_down;
    send_z(fd, "echo");
    shutdown(fd, SHUT_WR);
    run(loop);
    read_all(fd, &got);
    cr_assert(str_eq_z(buf_str(&got), "echo"));
    cr_assert(owner_saw(&a, "odec"));
    cr_assert_eq(a.why, CLOSE_DONE);
    buf_deinit(&got);
    close(fd);
}

Test(stream, closes_once_whatever_is_asked_and_calls_nobody_from_inside)
{
    int fd = open_pair(&a);

    stream_close(a.stream, CLOSE_IDLE);
    stream_close(a.stream, CLOSE_DONE);
    stream_close_after_flush(a.stream, CLOSE_REFUSED, 1000);
    stream_resume(a.stream);
    write_z(a.stream, "dropped");
    cr_assert_eq(a.trace.len, 0);
    run(loop);
    cr_assert(owner_saw(&a, "c"));
    cr_assert_eq(a.why, CLOSE_IDLE);
    close(fd);
}

static void close_other(struct owner *o)
{
    stream_close(b.stream, CLOSE_ABORTED);
    stream_close(o->stream, CLOSE_DONE);
}

Test(stream, may_be_closed_from_another_ones_callback_in_the_same_turn)
{
    int fd_a = open_pair(&a), fd_b = open_pair(&b);

    a.also_on_data = close_other;
    send_z(fd_a, "x");
    send_z(fd_b, "x");
    run(loop);
    cr_assert(owner_saw(&a, "odc"));
    cr_assert(owner_saw(&b, "oc") || owner_saw(&b, "odc"));
    cr_assert_eq(b.why, CLOSE_ABORTED);
    close(fd_a);
    close(fd_b);
}

static void resume(void *arg)
{
    struct owner *o = arg;

    cr_assert_eq(buf_len(&o->got), 1);
    o->consume_at_most = 0;
    stream_resume(o->stream);
}

static void pause_and_resume_later(struct owner *o)
{
    if (o->consume_at_most == 0)
        return;
    stream_pause(o->stream);
    loop_defer(loop, resume, o);
}

Test(stream, gives_what_was_left_after_a_pause)
{
    int fd = open_pair(&a);

    a.consume_at_most = 1;
    a.also_on_data = pause_and_resume_later;
    a.also_on_eof = close_done;
    send_z(fd, "abc");
    close(fd);
    run(loop);
    cr_assert(str_eq_z(buf_str(&a.got), "abc"));
    cr_assert(owner_saw(&a, "odec"));
}

Test(stream, tells_the_end_to_an_owner_who_keeps_octets)
{
    int fd = open_pair(&a);

    a.keeps_input = true;
    a.also_on_eof = close_done;
    send_z(fd, "pipelined");
    close(fd);
    run(loop);
    cr_assert(owner_saw(&a, "odec"));
}

/* Writes a megabyte in pieces, each time until told to wait. */
static size_t still_to_write;

static void write_more(struct owner *o)
{
    struct buf piece = {0};
    bool more = true;

    while (more && still_to_write > 0) {
        memset(buf_reserve(&piece, 10000), 'x', 10000);
        buf_added(&piece, 10000);
        still_to_write -= 10000;
        more = stream_write(o->stream, &piece);
        cr_assert_leq(stream_queued(o->stream), STREAM_QUEUE_HIGH + 10000);
    }
    buf_deinit(&piece);
    if (still_to_write == 0)
        stream_shutdown(o->stream);
}

static size_t received;

static void count_received(struct owner *o)
{
    received += buf_len(&o->got);
    buf_clear(&o->got);
}

static void connect_both(struct owner *from, struct owner *to)
{
    struct addr peer = {.sa.sa_family = AF_UNIX, .len = sizeof(sa_family_t)};
    int fds[2];

    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    from->stream = stream_accept(loop, fds[0], &peer, NULL, &owner_events, from);
    to->stream = stream_accept(loop, fds[1], &peer, NULL, &owner_events, to);
}

static struct buf said;

static void take_turns(struct owner *o)
{
    if (!write_in_turns(o->stream, &said))
        stream_shutdown(o->stream);
}

Test(stream, what_goes_out_at_once_stays_in_order)
{
    connect_both(&a, &b);
    a.also_on_open = a.also_on_drain = take_turns;
    a.also_on_eof = b.also_on_eof = close_done;
    run(loop);
    cr_assert_gt(buf_len(&said), 1000000);
    cr_assert(str_eq(buf_str(&b.got), buf_str(&said)));
    cr_assert_eq(a.why, CLOSE_DONE);
    buf_deinit(&said);
}

/* As a body that is on disk: there is always more, and the kernel takes it. */
static void write_what_is_taken(struct owner *o)
{
    static char piece[60000];
    size_t written = 0;

    for (bool more = true; more && still_to_write > 0;) {
        more = stream_write_str(o->stream, str_make(piece, sizeof piece));
        written += sizeof piece;
        still_to_write -= sizeof piece;
    }
    cr_assert_leq(written, STREAM_QUEUE_HIGH + sizeof piece);
    if (still_to_write == 0)
        stream_shutdown(o->stream);
}

Test(stream, others_have_a_turn_while_the_kernel_takes_all)
{
    connect_both(&a, &b);
    still_to_write = 6000000;
    a.also_on_open = a.also_on_drain = write_what_is_taken;
    a.also_on_eof = b.also_on_eof = close_done;
    b.also_on_data = count_received;
    run(loop);
    cr_assert_eq(received, 6000000);
    cr_assert_eq(a.why, CLOSE_DONE);
}

static void write_to_nobody(struct owner *o)
{
    struct buf nothing = {0};

    (void)write_in_turns(o->stream, &nothing);
    cr_assert(stream_is_broken(o->stream));
    cr_assert_eq(stream_queued(o->stream), 0);
    cr_assert(stream_write_str(o->stream, STR("more")));
    buf_deinit(&nothing);
}

Test(stream, what_goes_out_at_once_may_break)
{
    close(open_pair(&a));
    a.also_on_open = write_to_nobody;
    run(loop);
    cr_assert_eq(a.why, CLOSE_PEER_RESET);
}

Test(stream, presses_back_and_drains)
{
    connect_both(&a, &b);
    still_to_write = 5000000;
    a.also_on_open = write_more;
    a.also_on_drain = write_more;
    a.also_on_eof = close_done;
    b.also_on_data = count_received;
    b.also_on_eof = close_done;
    run(loop);
    cr_assert_eq(received, 5000000);
    cr_assert_eq(a.trace_text[a.trace.len - 1], 'c');
}

Test(stream, reads_no_more_than_its_limit_while_the_owner_waits)
{
    connect_both(&a, &b);
    still_to_write = 1000000;
    a.also_on_open = write_more;
    a.also_on_drain = write_more;
    b.keeps_input = true;
    struct timer *t = timer_new(loop, (void (*)(void *))loop_stop, loop);
    timer_start(t, 50);
    run(loop);
    timer_free(t);
    cr_assert(owner_saw(&b, "od"));
    cr_assert_gt(stream_queued(a.stream), 0);
    b.keeps_input = false;
    b.also_on_data = count_received;
    b.also_on_eof = close_done;
    a.also_on_eof = close_done;
    stream_resume(b.stream);
    run(loop);
    cr_assert_eq(received, 1000000);
}

Test(stream, says_when_everything_was_sent)
{
    int fd = open_pair(&a);

    a.also_on_drain = close_done;
    write_z(a.stream, "x");
    stream_notify_sent(a.stream);
    run(loop);
    cr_assert(owner_saw(&a, "orc"));
    close(fd);
}

Test(stream, sends_what_is_queued_before_it_closes_after_flush)
{
    struct buf got = {0};
    int fd = open_pair(&a);

    write_z(a.stream, "403");
    send_z(fd, "not looked at");
    stream_close_after_flush(a.stream, CLOSE_REFUSED, 10000);
    run(loop);
    cr_assert(owner_saw(&a, "oc"));
    cr_assert_eq(a.why, CLOSE_REFUSED);
    cr_assert(recv(fd, buf_reserve(&got, 3), 3, 0) == 3);
    cr_assert(memcmp(got.data, "403", 3) == 0);
    buf_deinit(&got);
    close(fd);
}

Test(stream, does_not_flush_for_ever)
{
    struct buf out = {0};
    int fd = open_pair(&a);

    memset(buf_reserve(&out, 4000000), 'x', 4000000);
    buf_added(&out, 4000000);
    cr_assert_not(stream_write(a.stream, &out));
    stream_close_after_flush(a.stream, CLOSE_DONE, 30);
    run(loop);
    cr_assert(owner_saw(&a, "oc"));
    buf_deinit(&out);
    close(fd);
}

/* ------------------------------------------------------------------ connecting, over TCP */

static int accepted = -1;

static int accept_from(int listening)
{
    struct timeval patience = {.tv_sec = 20};

    (void)setsockopt(listening, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int flags = fcntl(listening, F_GETFL);
    cr_assert(fcntl(listening, F_SETFL, flags & ~O_NONBLOCK) == 0);
    int fd = accept(listening, NULL, NULL);
    cr_assert(fd >= 0);
    return fd;
}

static struct addr to;

static void connect_tcp(struct owner *o)
{
    int listening = listen_on_loopback(&to);

    o->stream = stream_connect(loop, &to, 5000, true, &owner_events, o);
    accepted = accept_from(listening);
    close(listening);
}

static void check_local(struct owner *o)
{
    cr_assert_eq(addr_family(stream_local(o->stream)), AF_INET);
    cr_assert_neq(addr_port(stream_local(o->stream)), 0);
    cr_assert(addr_eq(stream_peer(o->stream), &to));
}

Test(stream, connects)
{
    connect_tcp(&a);
    a.also_on_open = check_local;
    a.also_on_data = echo;
    a.also_on_eof = close_done;
    send_z(accepted, "x");
    shutdown(accepted, SHUT_WR);
    run(loop);
    cr_assert(owner_saw(&a, "odec"));
    close(accepted);
}

Test(stream, says_that_a_connection_was_refused)
{
    int listening = listen_on_loopback(&to);

    close(listening);
    a.stream = stream_connect(loop, &to, 5000, false, &owner_events, &a);
    cr_assert_eq(a.trace.len, 0);
    run(loop);
    cr_assert(owner_saw(&a, "c"));
    cr_assert_eq(a.why, CLOSE_CONNECT_REFUSED);
    cr_assert_eq(a.error, ECONNREFUSED);
}

Test(stream, gives_up_connecting_after_the_time_allowed)
{
    struct addr at;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    int fillers[3];

    /* A queue of one that nobody empties: further SYNs are dropped. */
    cr_assert(addr_parse_ip(&at, STR("127.0.0.1"), 0));
    cr_assert(bind(listening, &at.sa, at.len) == 0 && listen(listening, 0) == 0);
    cr_assert(getsockname(listening, &at.sa, &at.len) == 0);
    for (int i = 0; i < 3; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], &at.sa, at.len);
    }
    a.stream = stream_connect(loop, &at, 50, false, &owner_events, &a);
    run(loop);
    cr_assert(owner_saw(&a, "c"));
    cr_assert_eq(a.why, CLOSE_CONNECT_TIMED_OUT);
    for (int i = 0; i < 3; i++)
        close(fillers[i]);
    close(listening);
}

Test(stream, says_that_a_unix_socket_is_not_there)
{
    struct addr at;

    cr_assert(addr_parse_unix(&at, STR("unix:/nonexistent/portcullis.sock")));
    a.stream = stream_connect(loop, &at, 5000, false, &owner_events, &a);
    run(loop);
    cr_assert(owner_saw(&a, "c"));
    cr_assert_eq(a.why, CLOSE_CONNECT_REFUSED);
}

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1};

    cr_assert(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    close(fd);
}

static void reset_accepted(struct owner *o)
{
    (void)o;
    reset(accepted);
}

Test(stream, tells_a_reset_from_an_end)
{
    connect_tcp(&a);
    a.also_on_open = reset_accepted;
    run(loop);
    cr_assert(owner_saw(&a, "oc"));
    cr_assert_eq(a.why, CLOSE_PEER_RESET);
    cr_assert_eq(a.error, ECONNRESET);
}

/* The upstream answers without reading the request's body and closes, which resets the connection.
 */
static void write_on(struct owner *o)
{
    write_z(o->stream, "more of a body nobody reads");
}

static void answer_and_reset(struct owner *o)
{
    send_z(accepted, "413");
    reset(accepted);
    write_on(o);
}

Test(stream, reads_an_early_answer_though_writing_fails)
{
    connect_tcp(&a);
    a.also_on_open = answer_and_reset;
    run(loop);
    cr_assert(str_eq_z(buf_str(&a.got), "413"));
    cr_assert(owner_saw(&a, "odEc"));
}

Test(stream, notices_a_reset_behind_the_peers_end)
{
    connect_tcp(&a);
    a.also_on_eof = reset_accepted;
    shutdown(accepted, SHUT_WR);
    run(loop);
    cr_assert(owner_saw(&a, "oec"));
    cr_assert_eq(a.why, CLOSE_PEER_RESET);
}

static void reset_client(struct owner *o)
{
    (void)o;
    if (accepted != -1)
        reset(accepted);
    accepted = -1;
}

Test(stream, notices_a_clients_reset_behind_input_that_waits)
{
    static const char octets[4 * STREAM_READ_MAX];
    struct addr at;
    int listening = listen_on_loopback(&at);

    accepted = socket(AF_INET, SOCK_STREAM, 0); /* the client's end, this time */
    cr_assert_eq(connect(accepted, &at.sa, at.len), 0);
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    cr_assert_eq(send(accepted, octets, sizeof octets, MSG_DONTWAIT), sizeof octets);
    a.keeps_input = true;
    a.also_on_data = reset_client;
    a.stream = stream_accept(loop, fd, &at, NULL, &owner_events, &a);
    run(loop);
    cr_assert(owner_saw(&a, "odc"));
    cr_assert_eq(a.why, CLOSE_PEER_RESET);
    close(listening);
}

Test(stream, resets_on_close_when_asked)
{
    char c;

    connect_tcp(&a);
    a.also_on_open = close_done;
    stream_set_reset_on_close(a.stream, true);
    run(loop);
    cr_assert_eq(recv(accepted, &c, 1, 0), -1);
    cr_assert_eq(errno, ECONNRESET);
    close(accepted);
}

static void hand_over(struct owner *o)
{
    b.stream = o->stream;
    o->stream = NULL;
    stream_set_owner(b.stream, &owner_events, &b);
}

Test(stream, goes_on_with_another_owner)
{
    int fd = open_pair(&a);

    a.also_on_open = hand_over;
    b.also_on_eof = close_done;
    send_z(fd, "x");
    close(fd);
    run(loop);
    cr_assert(owner_saw(&a, "o"));
    cr_assert(owner_saw(&b, "dec"));
}

static uint32_t number_of(const char *ip)
{
    struct addr peer;
    int fds[2];

    cr_assert(addr_parse_ip(&peer, str_of(ip), 50000));
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    a.stream = stream_accept(loop, fds[0], &peer, NULL, &owner_events, &a);
    uint32_t number = a.stream->from;
    stream_close(a.stream, CLOSE_DONE);
    run(loop);
    close(fds[1]);
    return number;
}

/* By which handshakes take turns. */
Test(stream, knows_the_peers_network)
{
    cr_expect_neq(number_of("192.0.2.1"), number_of("192.0.2.2"));
    cr_expect_neq(number_of("::ffff:192.0.2.1"), number_of("::ffff:192.0.2.2"));
    cr_expect_eq(number_of("::ffff:192.0.2.1"), number_of("192.0.2.1"));
    cr_expect_neq(number_of("2001:db8:1:1::1"), number_of("2001:db8:1:2::1"));
    cr_expect_eq(number_of("2001:db8:1:1::1"), number_of("2001:db8:1:1:ffff::2"));
}
