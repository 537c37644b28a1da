/* The life of a stream, and what its owner asks of it. Events of the socket and calls of the owner
 * only leave marks and post the task; stream_steps.c does the work. */
#include "portcullis/net/stream.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "stream_impl.h"

/* So much goes out at once, from where it is: copied and kept for the end of the turn it would no
 * longer be in the cache, nor would what the next connection needs. */
#define AT_ONCE (16 * 1024)
/* Of an address, those that its owner cannot choose at will: all of IPv4's, mapped or not, a /64 of
 * IPv6. */
#define NETWORK_OCTETS 8
#define EDGE_EVENTS    (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static const char *const close_texts[] = {
#define X(id, text) [CLOSE_##id] = (text),
#include "portcullis/net/close_reasons.def"
#undef X
};

const char *close_reason_text(enum close_reason why)
{
    assert(why < CLOSE_REASONS);
    return close_texts[why];
}

bool stream_post_in_turn(struct stream *s)
{
    if (stream_is_costly(s))
        task_post_costly(s->loop, &s->task, s->from);
    else if (stream_is_bulk(s))
        task_post_bulk(s->loop, &s->task, s->from);
    else
        return false;
    return true;
}

static void post(struct stream *s)
{
    if (!stream_post_in_turn(s))
        task_post(s->loop, &s->task);
}

/* ------------------------------------------------------------------ closing */

void stream_close(struct stream *s, enum close_reason why)
{
    assert(why != CLOSE_NONE);
    if (s->closing != CLOSE_NONE)
        return;
    s->closing = why;
    s->had_queue = stream_queued(s) > 0;
    task_cancel(&s->task); /* it may stand in the next turn's list */
    post(s);
}

void stream_fail(struct stream *s, enum close_reason why, int err)
{
    if (s->closing != CLOSE_NONE)
        return;
    s->error = err;
    stream_close(s, why);
}

/* close_notify says that all was said: only where that is true (RFC 9112, 9.8). */
static bool ends_well(const struct stream *s)
{
    switch (s->closing) {
    case CLOSE_DONE:
    case CLOSE_IDLE:
    case CLOSE_SHUTDOWN:
    case CLOSE_PEER_CLOSED:
    case CLOSE_REFUSED:
    case CLOSE_BAD_REQUEST:
    case CLOSE_OVERLOAD:
        return !s->had_queue;
    default:
        return false;
    }
}

static void send_last_words(struct stream *s)
{
    bool is_alert = s->closing == CLOSE_TLS_FAILED || s->closing == CLOSE_TLS_BROKEN;

    if (s->tls == NULL || s->phase == CONNECTING || s->write_failed != CLOSE_NONE ||
        s->reset_on_close)
        return;
    if (ends_well(s) && tls_session_status(s->tls) != TLS_FAILED && s->phase == OPEN)
        tls_session_send_close(s->tls, &s->wire_out);
    else if (!is_alert)
        return;
    struct str words = buf_str(&s->wire_out);
    if (words.len > 0)
        (void)send(s->io.fd, words.ptr, words.len, MSG_NOSIGNAL);
}

static void close_socket(struct stream *s)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (s->io.fd == -1)
        return;
    if (s->in_loop)
        io_stop(s->loop, &s->io);
    if (s->reset_on_close)
        (void)setsockopt(s->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)close(s->io.fd);
}

static void finish(struct stream *s)
{
    send_last_words(s);
    s->events->on_close(s->owner, s->closing);

    task_cancel(&s->task);
    timer_free(s->timer);
    close_socket(s);
    tls_session_free(s->tls);
    buf_deinit(&s->in);
    buf_deinit(&s->wire_in);
    buf_deinit(&s->out);
    buf_deinit(&s->wire_out);
    mem_free(s);
}

/* ------------------------------------------------------------------ the task */

static void run(struct task *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, task);

    stream_take_steps(s);
    if (s->closing != CLOSE_NONE)
        finish(s);
}

static void fail_as_socket_says(struct stream *s)
{
    int err = 0;
    socklen_t len = sizeof err;

    (void)getsockopt(s->io.fd, SOL_SOCKET, SO_ERROR, &err, &len);
    stream_fail(s, stream_reason_of_io(err, CLOSE_PEER_RESET), err != 0 ? err : ECONNRESET);
}

static void on_socket_events(struct io *io, uint32_t events)
{
    struct stream *s = CONTAINER_OF(io, struct stream, io);

    s->hung_up |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    s->readable |= s->hung_up || (events & EPOLLIN) != 0;
    s->writable |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    /* Behind the peer's end, and behind input that waits, no read would tell. */
    if ((s->eof || s->accepted) && (events & EPOLLERR) != 0)
        fail_as_socket_says(s);
    post(s);
}

static void on_timer(void *owner)
{
    struct stream *s = owner;

    if (s->phase == CONNECTING)
        stream_fail(s, CLOSE_CONNECT_TIMED_OUT, ETIMEDOUT);
    else if (s->after_flush != CLOSE_NONE)
        stream_close(s, s->after_flush);
}

static void start_timer(struct stream *s, int64_t ms)
{
    if (s->timer == NULL)
        s->timer = timer_new(s->loop, on_timer, s);
    timer_start(s->timer, ms);
}

/* ------------------------------------------------------------------ making */

static struct stream *stream_new(struct loop *l, int fd, const struct addr *peer,
                                 const struct stream_events *events, void *owner)
{
    struct stream *s = MEM_NEW(struct stream);

    s->loop = l;
    s->io = (struct io){fd, on_socket_events};
    task_init(&s->task, run);
    s->events = events;
    s->owner = owner;
    s->peer = *peer;
    s->last_read_ms = s->last_write_ms = clock_monotonic_ms();
    post(s);
    return s;
}

static void enter_loop(struct stream *s)
{
    s->in_loop = io_start(s->loop, &s->io, EDGE_EVENTS);
    if (!s->in_loop)
        stream_fail(s, CLOSE_ABORTED, errno);
}

static void set_no_delay(int fd, const struct addr *peer)
{
    int on = 1;

    if (addr_family(peer) != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static uint32_t network_of(const struct addr *peer)
{
    struct cidr block = cidr_of(peer);

    return str_hash(str_make((const char *)block.net, NETWORK_OCTETS));
}

struct stream *stream_accept(struct loop *l, int fd, const struct addr *peer,
                             struct tls_session *tls, const struct stream_events *events,
                             void *owner)
{
    struct stream *s = stream_new(l, fd, peer, events, owner);

    set_no_delay(fd, peer);
    s->accepted = true;
    s->from = network_of(peer);
    s->tls = tls;
    s->phase = tls != NULL ? HANDSHAKING : OPEN;
    s->writable = true;
    enter_loop(s);
    return s;
}

static int open_socket(const struct addr *to, bool so_keepalive)
{
    int on = 1;
    int fd = socket(addr_family(to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -1;
    set_no_delay(fd, to);
    if (so_keepalive)
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return fd;
}

struct stream *stream_connect(struct loop *l, const struct addr *to, int64_t timeout_ms,
                              bool so_keepalive, const struct stream_events *events, void *owner)
{
    int fd = open_socket(to, so_keepalive);
    int err = fd == -1 || connect(fd, &to->sa, to->len) == -1 ? errno : 0;
    struct stream *s = stream_new(l, fd, to, events, owner);

    s->phase = CONNECTING;
    if (err != 0 && err != EINPROGRESS) {
        stream_fail(s, stream_reason_of_connect(err), err);
        return s;
    }
    s->writable = err == 0; /* connected at once, as unix sockets are */
    start_timer(s, timeout_ms);
    enter_loop(s);
    return s;
}

void stream_set_owner(struct stream *s, const struct stream_events *events, void *owner)
{
    s->events = events;
    s->owner = owner;
}

void stream_take_up(struct stream *s, const struct stream_events *events, void *owner)
{
    stream_set_owner(s, events, owner);
    s->open_told = false;
    s->must_be_quiet = true;
    task_cancel(&s->task);
    task_post_later(s->loop, &s->task); /* between now and then the loop asks the kernel */
}

/* ------------------------------------------------------------------ what owners ask for */

static bool has_room(struct stream *s)
{
    post(s);
    if (s->at_once + stream_queued(s) <= STREAM_QUEUE_HIGH)
        return true;
    s->wants_drain = true;
    return false;
}

bool stream_write(struct stream *s, struct buf *out)
{
    assert(s->our_end == END_LATER);
    if (stream_is_broken(s)) {
        buf_clear(out);
        return true;
    }
    buf_move(&s->out, out);
    return has_room(s);
}

/* Sends data as far as the kernel takes it now; what is left of it. */
static struct str send_at_once(struct stream *s, struct str data)
{
    struct str left = data;

    stream_send(s, &left);
    s->at_once += data.len - left.len;
    return left;
}

bool stream_write_str(struct stream *s, struct str data)
{
    assert(s->our_end == END_LATER);
    if (stream_is_broken(s))
        return true;
    if (data.len >= AT_ONCE)
        data = send_at_once(s, data);
    if (stream_is_broken(s))
        return true;
    buf_append_str(&s->out, data);
    return has_room(s);
}

size_t stream_queued(const struct stream *s)
{
    return buf_len(&s->out) + buf_len(&s->wire_out);
}

void stream_notify_sent(struct stream *s)
{
    s->wants_sent = true;
    post(s);
}

void stream_flush(struct stream *s)
{
    if (s->closing == CLOSE_NONE)
        stream_send(s, &(struct str){0});
}

void stream_pause(struct stream *s)
{
    s->paused = true;
}

void stream_resume(struct stream *s)
{
    s->paused = false;
    s->data_due |= !buf_is_empty(&s->in);
    post(s);
}

void stream_shutdown(struct stream *s)
{
    if (s->closing != CLOSE_NONE || s->our_end != END_LATER)
        return;
    s->our_end = END_ASKED;
    post(s);
}

void stream_close_after_flush(struct stream *s, enum close_reason why, int64_t timeout_ms)
{
    assert(why != CLOSE_NONE);
    if (s->closing != CLOSE_NONE || s->after_flush != CLOSE_NONE)
        return;
    if (s->write_failed != CLOSE_NONE || s->phase != OPEN) {
        stream_close(s, why);
        return;
    }
    s->after_flush = why;
    start_timer(s, timeout_ms);
    post(s);
}

void stream_set_reset_on_close(struct stream *s, bool on)
{
    s->reset_on_close = on;
}

/* ------------------------------------------------------------------ what owners ask about */

bool stream_is_closing(const struct stream *s)
{
    return s->closing != CLOSE_NONE || s->after_flush != CLOSE_NONE;
}

bool stream_is_broken(const struct stream *s)
{
    return s->closing != CLOSE_NONE || s->write_failed != CLOSE_NONE;
}

bool stream_has_input(const struct stream *s)
{
    return !buf_is_empty(&s->in);
}

bool stream_is_quiet(const struct stream *s)
{
    char octet;

    if (s->closing != CLOSE_NONE || s->eof || !buf_is_empty(&s->in) || !buf_is_empty(&s->wire_in))
        return false;
    return recv(s->io.fd, &octet, sizeof octet, MSG_PEEK | MSG_DONTWAIT) == -1 && errno == EAGAIN;
}

bool stream_awaits_turn(const struct stream *s)
{
    return stream_is_costly(s) && task_is_posted(&s->task);
}

struct tls_session *stream_tls(const struct stream *s)
{
    return s->tls;
}

bool stream_was_not_tls(const struct stream *s)
{
    return s->not_tls;
}

const struct addr *stream_peer(const struct stream *s)
{
    return &s->peer;
}

const struct addr *stream_local(struct stream *s)
{
    struct addr a = {0};

    a.len = sizeof a.un;
    if (s->local.len == 0 && s->io.fd != -1 && getsockname(s->io.fd, &a.sa, &a.len) == 0)
        s->local = a;
    return &s->local;
}

int stream_error(const struct stream *s)
{
    return s->error;
}

uint64_t stream_bytes_sent(const struct stream *s)
{
    return s->bytes_sent;
}

int64_t stream_last_read_ms(const struct stream *s)
{
    return s->last_read_ms;
}

int64_t stream_last_write_ms(const struct stream *s)
{
    return s->last_write_ms;
}
