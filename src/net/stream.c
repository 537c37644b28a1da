/* Octets between a socket and an owner.
 *
 *      recv ──▶ wire_in ──▶ TLS ──▶ in ──▶ on_data
 *      send ◀── wire_out ◀── TLS ◀── out ◀── stream_write
 *
 * Without TLS, recv fills in and send empties out. Events of the socket and calls of the owner only
 * leave marks and post the task; the task takes the steps of the table below, in their order. */
#include "portcullis/net/stream.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"

/* Reads of this size change hands, smaller ones are copied: a few octets must not hold 64 KB. */
#define EXCHANGE_MIN (16 * 1024)
/* Encrypted ahead of the kernel, at most. */
#define WIRE_OUT_MAX (64 * 1024)
#define EDGE_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

enum phase { CONNECTING, HANDSHAKING, OPEN };
/* The end of what we send: asked for, close_notify queued, FIN sent. */
enum our_end { END_LATER, END_ASKED, END_QUEUED, END_SENT };

struct stream {
    struct loop *loop;
    struct io io;
    struct task task;
    struct timer *timer; /* for connecting, then for the last flush */
    const struct stream_events *events;
    void *owner;
    struct tls_session *tls;
    struct buf in, wire_in, out, wire_out;
    struct addr peer, local;
    uint64_t bytes_sent;
    int64_t last_read_ms, last_write_ms;
    int error;
    enum phase phase;
    enum our_end our_end;
    enum close_reason closing;      /* CLOSE_NONE: open */
    enum close_reason after_flush;  /* closes for this when everything is sent */
    enum close_reason write_failed; /* nothing can be sent any more; what came is still read */

    /* What the kernel said last. */
    bool readable, writable, hung_up;
    /* What the owner asked for. */
    bool paused, wants_drain, wants_sent, reset_on_close;
    /* What the owner is still to be told, and was told. */
    bool data_due, open_told, eof_told;
    /* Where things are. */
    bool in_loop, eof, eof_clean, not_tls, had_queue;
    bool wire_due; /* wire_in, or TLS itself, may hold whole records that were not looked at */
};

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

static void post(struct stream *s)
{
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

static void fail(struct stream *s, enum close_reason why, int err)
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

    if (s->tls == NULL || s->phase == CONNECTING || s->write_failed != CLOSE_NONE || s->reset_on_close)
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

static enum close_reason reason_of_connect(int err)
{
    switch (err) {
    case ECONNREFUSED:
    case ENOENT: /* a unix socket's path */
        return CLOSE_CONNECT_REFUSED;
    case ETIMEDOUT:
        return CLOSE_CONNECT_TIMED_OUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
        return CLOSE_NO_ROUTE;
    default:
        return CLOSE_CONNECT_FAILED;
    }
}

static enum close_reason reason_of_io(int err, enum close_reason otherwise)
{
    switch (err) {
    case ECONNRESET:
    case EPIPE:
        return CLOSE_PEER_RESET;
    case ETIMEDOUT: /* keep-alive probes or retransmissions went unanswered */
        return CLOSE_TIMED_OUT;
    default:
        return otherwise;
    }
}

/* ------------------------------------------------------------------ step: connect */

static void finish_connect(struct stream *s)
{
    int err = 0;
    socklen_t len = sizeof err;

    if (s->phase != CONNECTING || !s->writable)
        return;
    if (getsockopt(s->io.fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
        err = errno;
    if (err != 0) {
        fail(s, reason_of_connect(err), err);
        return;
    }
    timer_stop(s->timer);
    s->phase = OPEN;
}

/* ------------------------------------------------------------------ step: receive */

static void on_not_tls(struct stream *s, struct buf *wire)
{
    buf_append_str(&s->in, buf_str(wire));
    buf_clear(wire);
    tls_session_free(s->tls);
    s->tls = NULL;
    s->not_tls = true;
    s->phase = OPEN;
    s->data_due = true;
}

static void on_tls_open(struct stream *s, const struct buf *wire)
{
    bool is_full = buf_len(&s->in) >= STREAM_READ_MAX;
    bool has_more = !buf_is_empty(wire) || tls_session_has_pending(s->tls);

    s->wire_due = has_more && (is_full || s->phase == HANDSHAKING);
    s->phase = OPEN;
}

static void decrypt(struct stream *s, struct buf *wire)
{
    size_t before = buf_len(&s->in);
    enum tls_status status = tls_session_receive(s->tls, wire, &s->in, STREAM_READ_MAX, &s->wire_out);

    s->data_due |= buf_len(&s->in) > before;
    s->wire_due = false;
    switch (status) {
    case TLS_HANDSHAKING:
        return;
    case TLS_OPEN:
        on_tls_open(s, wire);
        return;
    case TLS_CLOSED:
        s->eof = s->eof_clean = true;
        return;
    case TLS_FAILED:
        fail(s, s->phase == HANDSHAKING ? CLOSE_TLS_FAILED : CLOSE_TLS_BROKEN, 0);
        return;
    case TLS_NOT_TLS:
        on_not_tls(s, wire);
        return;
    }
}

/* What came stands in the loop's buffer; nothing of it may stay there. */
static void take_octets(struct stream *s, struct buf *read)
{
    struct buf *to = s->tls != NULL ? &s->wire_in : &s->in;

    if (s->tls == NULL)
        s->data_due = true;
    else if (buf_is_empty(&s->wire_in))
        decrypt(s, read);
    else
        s->wire_due = true;
    if (buf_is_empty(to) && buf_len(read) >= EXCHANGE_MIN) {
        buf_move(to, read);
        return;
    }
    buf_append_str(to, buf_str(read));
    buf_clear(read);
}

static bool has_room(const struct buf *b)
{
    return buf_len(b) < STREAM_READ_MAX;
}

static bool may_read(const struct stream *s)
{
    if (!s->readable || s->eof || s->after_flush != CLOSE_NONE)
        return false;
    return s->phase == HANDSHAKING || (s->phase == OPEN && !s->paused && has_room(&s->in) && has_room(&s->wire_in));
}

static void on_read_error(struct stream *s, int err)
{
    if (err == EINTR)
        return;
    if (err != EAGAIN) {
        fail(s, reason_of_io(err, CLOSE_READ_FAILED), err);
        return;
    }
    s->readable = false;
    if (s->write_failed != CLOSE_NONE)
        stream_close(s, s->write_failed);
}

static void read_socket(struct stream *s)
{
    struct buf *read = loop_read_buffer(s->loop);
    char *room = buf_reserve(read, STREAM_READ_MAX);
    ssize_t n = recv(s->io.fd, room, STREAM_READ_MAX, 0);

    if (n < 0) {
        on_read_error(s, errno);
        return;
    }
    if (n == 0) {
        s->eof = true;
        s->eof_clean |= s->tls == NULL;
        return;
    }
    buf_added(read, (size_t)n);
    /* Edge-triggered: a short read emptied the socket, but for an end that was announced already. */
    s->readable = n == STREAM_READ_MAX || s->hung_up;
    s->last_read_ms = clock_monotonic_ms();
    take_octets(s, read);
}

static void receive(struct stream *s)
{
    if (may_read(s))
        read_socket(s);
    if (s->closing == CLOSE_NONE && s->wire_due && has_room(&s->in))
        decrypt(s, &s->wire_in);
    if (s->eof && s->phase == HANDSHAKING)
        stream_close(s, CLOSE_PEER_CLOSED);
}

/* ------------------------------------------------------------------ steps: tell the owner */

static void tell_open(struct stream *s)
{
    if (s->open_told || s->phase != OPEN)
        return;
    s->open_told = true;
    s->events->on_open(s->owner);
}

static bool may_deliver(const struct stream *s)
{
    return s->open_told && !s->paused && s->after_flush == CLOSE_NONE;
}

static void give_memory_back(struct stream *s)
{
    struct buf *read = loop_read_buffer(s->loop);

    if (!buf_is_empty(&s->in))
        return;
    if (s->in.capacity >= STREAM_READ_MAX && read->capacity < STREAM_READ_MAX) {
        struct buf kept = *read;
        buf_clear(&s->in);
        *read = s->in;
        s->in = kept;
    }
    buf_release(&s->in);
    buf_release(&s->wire_in);
}

static void tell_data(struct stream *s)
{
    if (!s->data_due || !may_deliver(s))
        return;
    s->data_due = false;
    if (buf_is_empty(&s->in))
        return;
    s->events->on_data(s->owner, &s->in);
    give_memory_back(s);
}

static void tell_eof(struct stream *s)
{
    if (!s->eof || s->eof_told || s->data_due || s->wire_due || !may_deliver(s))
        return;
    s->eof_told = true;
    /* A reset that was told to a write looks like an end to the reads after it. */
    s->events->on_eof(s->owner, s->eof_clean && s->write_failed == CLOSE_NONE);
    if (s->write_failed != CLOSE_NONE)
        stream_close(s, s->write_failed);
}

static void tell_drain(struct stream *s)
{
    size_t queued = stream_queued(s);
    bool due = (s->wants_drain && queued <= STREAM_QUEUE_LOW) || (s->wants_sent && queued == 0);

    if (!due || s->write_failed != CLOSE_NONE || !s->open_told || s->after_flush != CLOSE_NONE)
        return;
    s->wants_drain = false;
    s->wants_sent &= queued > 0;
    s->events->on_drain(s->owner);
}

/* ------------------------------------------------------------------ step: send */

static void encrypt_queued(struct stream *s)
{
    while (!buf_is_empty(&s->out) && buf_len(&s->wire_out) < WIRE_OUT_MAX) {
        struct str some = str_upto(buf_str(&s->out), WIRE_OUT_MAX);
        tls_session_send(s->tls, some, &s->wire_out);
        s->bytes_sent += some.len;
        buf_consume(&s->out, some.len);
    }
    buf_release(&s->out);
}

static void on_write_error(struct stream *s, int err)
{
    if (err == EINTR)
        return;
    if (err == EAGAIN) {
        s->writable = false;
        return;
    }
    /* An upstream that answers early and closes: its answer waits to be read (RFC 9112, 9.5). */
    s->write_failed = reason_of_io(err, CLOSE_WRITE_FAILED);
    s->error = err;
    s->readable = true;
    buf_clear(&s->out);
    buf_clear(&s->wire_out);
    if (s->eof || s->after_flush != CLOSE_NONE || s->phase != OPEN)
        stream_close(s, s->write_failed);
    else
        task_post_later(s->loop, &s->task);
}

/* True when there was something and the kernel took it. */
static bool write_socket(struct stream *s)
{
    struct buf *from = s->tls != NULL ? &s->wire_out : &s->out;
    struct str octets = buf_str(from);

    if (octets.len == 0 || !s->writable)
        return false;
    ssize_t n = send(s->io.fd, octets.ptr, octets.len, MSG_NOSIGNAL);
    if (n < 0) {
        on_write_error(s, errno);
        return s->writable && s->write_failed == CLOSE_NONE;
    }
    s->last_write_ms = clock_monotonic_ms();
    s->bytes_sent += s->tls == NULL ? (uint64_t)n : 0;
    buf_consume(from, (size_t)n);
    buf_release(from);
    return true;
}

static void send_queued(struct stream *s)
{
    if (s->phase == CONNECTING || s->write_failed != CLOSE_NONE)
        return;
    do {
        if (s->tls != NULL && s->phase == OPEN)
            encrypt_queued(s);
    } while (write_socket(s));
}

/* ------------------------------------------------------------------ steps: ends */

static void say_end(struct stream *s)
{
    if (s->our_end != END_ASKED || s->phase != OPEN || stream_queued(s) > 0)
        return;
    s->our_end = END_QUEUED;
    if (s->tls == NULL)
        return;
    tls_session_send_close(s->tls, &s->wire_out);
    send_queued(s);
}

static void send_fin(struct stream *s)
{
    /* Behind close_notify, which may have to wait. */
    if (s->our_end != END_QUEUED || stream_queued(s) > 0)
        return;
    s->our_end = END_SENT;
    (void)shutdown(s->io.fd, SHUT_WR);
}

static void close_when_done(struct stream *s)
{
    bool sent = s->phase == OPEN && stream_queued(s) == 0;

    if (s->after_flush != CLOSE_NONE && sent)
        stream_close(s, s->after_flush);
    if (s->our_end == END_SENT && s->eof_told)
        stream_close(s, CLOSE_DONE);
}

static void go_on_next_turn(struct stream *s)
{
    if (may_read(s) || (s->wire_due && may_deliver(s) && has_room(&s->in)))
        task_post_later(s->loop, &s->task);
}

/* ------------------------------------------------------------------ the task */

static void (*const steps[])(struct stream *s) = {
    finish_connect, receive, tell_open, tell_data, tell_eof, send_queued, tell_drain, say_end, send_fin, close_when_done, go_on_next_turn,
};

static void run(struct task *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, task);

    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && s->closing == CLOSE_NONE; i++)
        steps[i](s);
    if (s->closing != CLOSE_NONE)
        finish(s);
}

static void on_socket_events(struct io *io, uint32_t events)
{
    struct stream *s = CONTAINER_OF(io, struct stream, io);

    s->hung_up |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    s->readable |= s->hung_up || (events & EPOLLIN) != 0;
    s->writable |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    /* Behind the peer's end no read would tell. */
    if (s->eof && (events & EPOLLERR) != 0)
        fail(s, CLOSE_PEER_RESET, ECONNRESET);
    post(s);
}

static void on_timer(void *owner)
{
    struct stream *s = owner;

    if (s->phase == CONNECTING)
        fail(s, CLOSE_CONNECT_TIMED_OUT, ETIMEDOUT);
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

static struct stream *stream_new(struct loop *l, int fd, const struct addr *peer, const struct stream_events *events, void *owner)
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
        fail(s, CLOSE_ABORTED, errno);
}

static void set_no_delay(int fd, const struct addr *peer)
{
    int on = 1;

    if (addr_family(peer) != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

struct stream *stream_accept(struct loop *l, int fd, const struct addr *peer, struct tls_session *tls,
                             const struct stream_events *events, void *owner)
{
    struct stream *s = stream_new(l, fd, peer, events, owner);

    set_no_delay(fd, peer);
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

struct stream *stream_connect(struct loop *l, const struct addr *to, int64_t timeout_ms, bool so_keepalive,
                              const struct stream_events *events, void *owner)
{
    int fd = open_socket(to, so_keepalive);
    int err = fd == -1 || connect(fd, &to->sa, to->len) == -1 ? errno : 0;
    struct stream *s = stream_new(l, fd, to, events, owner);

    s->phase = CONNECTING;
    if (err != 0 && err != EINPROGRESS) {
        fail(s, reason_of_connect(err), err);
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

/* ------------------------------------------------------------------ what owners ask for */

bool stream_write(struct stream *s, struct buf *out)
{
    assert(s->our_end == END_LATER);
    if (s->closing != CLOSE_NONE || s->write_failed != CLOSE_NONE) {
        buf_clear(out); /* on_close is on its way */
        return true;
    }
    buf_move(&s->out, out);
    post(s);
    if (stream_queued(s) <= STREAM_QUEUE_HIGH)
        return true;
    s->wants_drain = true;
    return false;
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
        send_queued(s);
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

bool stream_has_input(const struct stream *s)
{
    return !buf_is_empty(&s->in);
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
