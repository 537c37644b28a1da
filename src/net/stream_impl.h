/* What stream.c and stream_steps.c share: the one takes orders and events, which leave marks; the
 * other takes the steps that follow from the marks. */
#ifndef PORTCULLIS_SRC_NET_STREAM_IMPL_H
#define PORTCULLIS_SRC_NET_STREAM_IMPL_H

#include "io.h"
#include "portcullis/net/stream.h"

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
    uint32_t from; /* a number for the peer's network */
    uint64_t bytes_sent;
    size_t at_once; /* written past the queue since the last steps: others have their turn, too */
    int64_t last_read_ms, last_write_ms;
    int error;
    enum phase phase;
    enum our_end our_end;
    enum close_reason closing;      /* CLOSE_NONE: open */
    enum close_reason after_flush;  /* closes for this when everything is sent */
    enum close_reason write_failed; /* nothing can be sent any more; what came is still read */

    /* What the kernel said last. */
    bool readable, writable, hung_up, reads_much;
    /* What the owner asked for. */
    bool paused, wants_drain, wants_sent, reset_on_close;
    /* What the owner is still to be told, and was told. */
    bool data_due, open_told, eof_told;
    /* Where things are. */
    bool must_be_quiet; /* taken up again: nothing may have come before on_open */
    bool in_loop, eof, eof_clean, not_tls, had_queue;
    bool accepted; /* the peer is a client: after its reset nobody wants an answer */
    bool wire_due; /* wire_in, or TLS itself, may hold whole records that were not looked at */
};

/* A handshake waits for its turn: others have requests. */
static inline bool stream_is_costly(const struct stream *s)
{
    return s->phase == HANDSHAKING && s->readable && s->closing == CLOSE_NONE;
}

/* There was much at the last read, so there may be again. */
static inline bool stream_is_bulk(const struct stream *s)
{
    return s->phase == OPEN && s->reads_much && s->readable && s->closing == CLOSE_NONE;
}

/* Posts the task of a stream that others go before; false where none do. */
bool stream_post_in_turn(struct stream *s);
/* All steps, in order, until one closes the stream. */
void stream_take_steps(struct stream *s);
/* Sends what is queued and then more, as far as the kernel takes it; more is what is left of it. */
void stream_send(struct stream *s, struct str *more);
/* Closes because of an error, errno err. */
void stream_fail(struct stream *s, enum close_reason why, int err);
enum close_reason stream_reason_of_connect(int err);
enum close_reason stream_reason_of_io(int err, enum close_reason otherwise);

#endif
