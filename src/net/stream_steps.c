/* Octets between a socket and an owner.
 *
 *      recv ──▶ wire_in ──▶ TLS ──▶ in ──▶ on_data
 *      send ◀── wire_out ◀── TLS ◀── out ◀── stream_write
 *
 * Without TLS, recv fills in and send empties out. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "portcullis/base/clock.h"
#include "stream_impl.h"

/* Reads of this size change hands, smaller ones are copied: a few octets must not hold 64 KB. */
#define EXCHANGE_MIN (16 * 1024)
/* Who reads so much at once waits for its turn with the next. */
#define BULK_MIN (16 * 1024)
/* Encrypted ahead of the kernel, at most, and no less than this at a time when there is more. */
#define WIRE_OUT_MAX   STREAM_READ_MAX
#define WIRE_PIECE_MIN ((size_t)16 * 1024)

enum close_reason stream_reason_of_connect(int err)
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

enum close_reason stream_reason_of_io(int err, enum close_reason otherwise)
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
        stream_fail(s, stream_reason_of_connect(err), err);
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

    if (s->hung_up)
        tls_session_peer_ended(s->tls);
    enum tls_status status = tls_session_receive(s->tls, wire, &s->in, STREAM_READ_MAX,
                                                 &s->wire_out);

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
        stream_fail(s, s->phase == HANDSHAKING ? CLOSE_TLS_FAILED : CLOSE_TLS_BROKEN, 0);
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
    return s->phase == HANDSHAKING ||
           (s->phase == OPEN && !s->paused && has_room(&s->in) && has_room(&s->wire_in));
}

static void on_read_error(struct stream *s, int err)
{
    if (err == EINTR)
        return;
    if (err != EAGAIN) {
        stream_fail(s, stream_reason_of_io(err, CLOSE_READ_FAILED), err);
        return;
    }
    s->readable = false;
    if (s->write_failed != CLOSE_NONE)
        stream_close(s, s->write_failed);
}

/* What waits of a record that is not whole goes before what comes now. */
static void read_socket(struct stream *s)
{
    struct buf *read = loop_read_buffer(s->loop);
    struct str rest = buf_str(&s->wire_in);
    size_t most = STREAM_READ_MAX - (rest.len < STREAM_READ_MAX / 2 ? rest.len : 0);
    char *room = buf_reserve(read, rest.len + most);
    ssize_t n = recv(s->io.fd, room + rest.len, most, 0);

    if (n < 0) {
        on_read_error(s, errno);
        return;
    }
    if (n == 0) {
        s->eof = true;
        s->eof_clean |= s->tls == NULL;
        return;
    }
    if (rest.len > 0)
        memcpy(room, rest.ptr, rest.len);
    buf_added(read, rest.len + (size_t)n);
    buf_clear(&s->wire_in);
    /* Edge-triggered: a short read emptied the socket, but for an end that was announced already.
     */
    s->readable = (size_t)n == most || s->hung_up;
    s->reads_much = n >= BULK_MIN;
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

/* The loop has asked the kernel since it was taken up, for all streams at once. */
static bool is_quiet_by_now(const struct stream *s)
{
    if (!loop_saw_all(s->loop))
        return stream_is_quiet(s);
    return !s->readable && !s->eof && buf_is_empty(&s->in) && buf_is_empty(&s->wire_in);
}

static void tell_open(struct stream *s)
{
    if (s->open_told || s->phase != OPEN)
        return;
    if (s->must_be_quiet && !is_quiet_by_now(s)) {
        stream_close(s, s->eof ? CLOSE_PEER_CLOSED : CLOSE_BAD_RESPONSE);
        return;
    }
    s->must_be_quiet = false;
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

/* How much of data was encrypted. */
static size_t encrypt_some(struct stream *s, struct str data)
{
    size_t waits = buf_len(&s->wire_out);

    if (data.len == 0 || waits + WIRE_PIECE_MIN > WIRE_OUT_MAX)
        return 0;
    struct str some = str_upto(data, WIRE_OUT_MAX - waits);
    tls_session_send(s->tls, some, &s->wire_out);
    s->bytes_sent += some.len;
    return some.len;
}

static void encrypt(struct stream *s, struct str *more)
{
    buf_consume(&s->out, encrypt_some(s, buf_str(&s->out)));
    if (buf_is_empty(&s->out))
        *more = str_from(*more, encrypt_some(s, *more));
    buf_release(&s->out);
    if (tls_session_status(s->tls) == TLS_FAILED)
        stream_close(s, CLOSE_TLS_BROKEN);
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
    s->write_failed = stream_reason_of_io(err, CLOSE_WRITE_FAILED);
    s->error = err;
    s->readable = true;
    buf_clear(&s->out);
    buf_clear(&s->wire_out);
    if (s->eof || s->after_flush != CLOSE_NONE || s->phase != OPEN)
        stream_close(s, s->write_failed);
    else
        task_post_later(s->loop, &s->task);
}

static ssize_t send_octets(int fd, struct str first, struct str then)
{
    struct iovec both[] = {{(void *)first.ptr, first.len}, {(void *)then.ptr, then.len}};
    struct msghdr message = {.msg_iov = both, .msg_iovlen = 2};

    if (then.len == 0)
        return send(fd, first.ptr, first.len, MSG_NOSIGNAL);
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* True when there was something and the kernel took it. */
static bool write_socket(struct stream *s, struct buf *from, struct str *more)
{
    struct str first = buf_str(from);

    if (first.len + more->len == 0 || !s->writable)
        return false;
    ssize_t n = send_octets(s->io.fd, first, *more);
    if (n < 0) {
        on_write_error(s, errno);
        return s->writable && s->write_failed == CLOSE_NONE;
    }
    size_t of_first = (size_t)n < first.len ? (size_t)n : first.len;
    s->last_write_ms = clock_monotonic_ms();
    s->bytes_sent += s->tls == NULL ? (uint64_t)n : 0;
    *more = str_from(*more, (size_t)n - of_first);
    buf_consume(from, of_first);
    buf_release(from);
    return true;
}

/* Behind all data, in one write with the last of it. */
static void say_end(struct stream *s)
{
    if (s->our_end != END_ASKED || s->phase != OPEN || s->closing != CLOSE_NONE ||
        !buf_is_empty(&s->out))
        return;
    s->our_end = END_QUEUED;
    if (s->tls != NULL)
        tls_session_send_close(s->tls, &s->wire_out);
}

static bool send_plain(struct stream *s, struct str *more)
{
    say_end(s);
    return write_socket(s, &s->out, more);
}

static bool send_encrypted(struct stream *s, struct str *more)
{
    struct str nothing = {0};

    if (s->phase == OPEN)
        encrypt(s, more);
    say_end(s);
    return write_socket(s, &s->wire_out, &nothing);
}

void stream_send(struct stream *s, struct str *more)
{
    bool (*const send_some)(struct stream *, struct str *) = s->tls != NULL ? send_encrypted
                                                                            : send_plain;

    if (s->phase == CONNECTING || s->write_failed != CLOSE_NONE)
        return;
    while (send_some(s, more))
        ;
}

static void send_queued(struct stream *s)
{
    struct str nothing = {0};

    s->at_once = 0;
    stream_send(s, &nothing);
}

/* ------------------------------------------------------------------ steps: ends */

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
    if (s->our_end == END_SENT && s->eof_told && buf_is_empty(&s->in))
        stream_close(s, CLOSE_DONE);
}

static void go_on_next_turn(struct stream *s)
{
    if (!may_read(s) && !(s->wire_due && may_deliver(s) && has_room(&s->in)))
        return;
    if (!stream_post_in_turn(s))
        task_post_later(s->loop, &s->task);
}

/* ------------------------------------------------------------------ all of them */

static void (*const steps[])(struct stream *s) = {
    finish_connect, receive,    tell_open, tell_data,       tell_eof,
    send_queued,    tell_drain, send_fin,  close_when_done, go_on_next_turn,
};

void stream_take_steps(struct stream *s)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && s->closing == CLOSE_NONE; i++)
        steps[i](s);
}
