#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(struct owner *o, char what)
{
    cr_assert(o->trace.len < sizeof o->trace_text);
    o->trace_text[o->trace.len++] = what;
    o->trace.ptr = o->trace_text;
}

static void also(struct owner *o, void (*what)(struct owner *o))
{
    if (what != NULL)
        what(o);
}

static void on_open(void *owner)
{
    struct owner *o = owner;

    note(o, 'o');
    also(o, o->also_on_open);
}

static void on_data(void *owner, struct buf *in)
{
    struct owner *o = owner;

    if (o->trace.len == 0 || o->trace_text[o->trace.len - 1] != 'd')
        note(o, 'd');
    if (!o->keeps_input)
        (void)buf_move_some(&o->got, in, o->consume_at_most > 0 ? o->consume_at_most : SIZE_MAX);
    also(o, o->also_on_data);
}

static void on_eof(void *owner, bool clean)
{
    struct owner *o = owner;

    note(o, clean ? 'e' : 'E');
    also(o, o->also_on_eof);
}

static void on_drain(void *owner)
{
    struct owner *o = owner;

    note(o, 'r');
    also(o, o->also_on_drain);
}

static void on_close(void *owner, enum close_reason why)
{
    struct owner *o = owner;

    note(o, 'c');
    o->why = why;
    o->error = stream_error(o->stream);
    also(o, o->also_on_close);
    o->stream = NULL;
}

const struct stream_events owner_events = {on_open, on_data, on_eof, on_drain, on_close};

void owner_init(struct owner *o, struct loop *l)
{
    *o = (struct owner){.loop = l};
}

void owner_deinit(struct owner *o)
{
    cr_assert_null(o->stream, "the stream was not closed");
    buf_deinit(&o->got);
}

bool owner_saw(const struct owner *o, const char *trace)
{
    cr_expect(str_eq_z(o->trace, trace), "saw %.*s, not %s", STR_ARG(o->trace), trace);
    return str_eq_z(o->trace, trace);
}

int open_pair(struct owner *o)
{
    struct addr peer = {.sa.sa_family = AF_UNIX, .len = sizeof(sa_family_t)};
    int fds[2];

    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    int on = 1;
    cr_assert(ioctl(fds[0], FIONBIO, &on) == 0);
    o->stream = stream_accept(o->loop, fds[0], &peer, NULL, &owner_events, o);
    return fds[1];
}

void send_z(int fd, const char *z)
{
    cr_assert(send(fd, z, strlen(z), MSG_NOSIGNAL) == (ssize_t)strlen(z));
}

void write_z(struct stream *s, const char *z)
{
    struct buf out = {0};

    buf_append_str(&out, str_of(z));
    (void)stream_write(s, &out);
    buf_deinit(&out);
}

bool write_in_turns(struct stream *s, struct buf *said)
{
    static unsigned turn;
    static char data[70000];
    bool more = true;

    while (more && turn < TURNS) {
        size_t size = turn % 2 == 0 ? 100 + turn : 17000 * (turn % 4 + 1);
        memset(data, 'a' + (int)(turn++ % 26), size);
        struct str piece = str_make(data, size);
        buf_append_str(said, piece);
        more = stream_write_str(s, piece);
    }
    return turn < TURNS;
}

void read_all(int fd, struct buf *to)
{
    ssize_t n;

    do {
        n = read(fd, buf_reserve(to, 65536), 65536);
        cr_assert(n >= 0, "read: %s", strerror(errno));
        buf_added(to, (size_t)n);
    } while (n > 0);
}

int listen_on_loopback(struct addr *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    cr_assert(addr_parse_ip(at, STR("127.0.0.1"), 0));
    cr_assert(bind(fd, &at->sa, at->len) == 0 && listen(fd, 16) == 0);
    at->len = sizeof at->un;
    cr_assert(getsockname(fd, &at->sa, &at->len) == 0);
    return fd;
}

static void on_too_long(void *owner)
{
    (void)owner;
    cr_assert_fail("the loop ran for too long");
}

void run(struct loop *l)
{
    struct timer *t = timer_new(l, on_too_long, NULL);

    timer_set_weak(t, true);
    timer_start(t, 20000);
    loop_run(l);
    timer_free(t);
}
