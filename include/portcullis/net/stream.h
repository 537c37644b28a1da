/* A connection: octets both ways, with TLS underneath when asked. Does the socket work so that
 * nobody else does. Calls up come only from the loop, on an empty stack, and on_close is the last:
 * the owner frees there. The stream frees itself after on_close. */
#ifndef PORTCULLIS_NET_STREAM_H
#define PORTCULLIS_NET_STREAM_H

#include "portcullis/base/addr.h"
#include "portcullis/base/buf.h"
#include "portcullis/net/loop.h"
#include "portcullis/tls/session.h"

enum close_reason {
#define X(id, text) CLOSE_##id,
#include "portcullis/net/close_reasons.def"
#undef X
    CLOSE_REASONS
};
const char *close_reason_text(enum close_reason why);

struct stream;

struct stream_events {
    /* Connected; TLS established (or found not to be TLS). */
    void (*on_open)(void *owner);
    /* Consume what you can; the rest stays for next time. Who wants to learn that the peer goes
     * stays resumed and consumes nothing. */
    void (*on_data)(void *owner, struct buf *in);
    /* The peer will send no more; not clean: TLS without close_notify. Once. May still be written
     * to. */
    void (*on_eof)(void *owner, bool clean);
    /* After stream_write said false: room again; and after stream_notify_sent. */
    void (*on_drain)(void *owner);
    void (*on_close)(void *owner, enum close_reason why);
};

/* Takes fd (non-blocking, close-on-exec). tls is taken (NULL: plain). on_open is called from the
 * loop later, for plain ones too. */
struct stream *stream_accept(struct loop *l, int fd, const struct addr *peer,
                             struct tls_session *tls, const struct stream_events *events,
                             void *owner);
/* on_open, or on_close with a CLOSE_CONNECT_ reason. timeout_ms is for connecting alone. */
struct stream *stream_connect(struct loop *l, const struct addr *to, int64_t timeout_ms,
                              bool so_keepalive, const struct stream_events *events, void *owner);
/* Hands a stream to another owner. */
void stream_set_owner(struct stream *s, const struct stream_events *events, void *owner);
/* The same for an idle one (not paused) that is to be used again: on_open in the next turn of the
 * loop if it is quiet, that is, as far as the kernel knows by then nothing came and the peer is
 * there; otherwise on_close. */
void stream_take_up(struct stream *s, const struct stream_events *events, void *owner);

/* Takes all of out; false: full, wait for on_drain. */
bool stream_write(struct stream *s, struct buf *out);
/* The same with a copy of data, or without one: what is long goes to the kernel at once, behind
 * what is queued. Also false when so much went there that others are to have their turn. */
bool stream_write_str(struct stream *s, struct str data);
/* Octets queued and not yet given to the kernel. */
size_t stream_queued(const struct stream *s);
/* on_drain once, when everything queued so far has been given to the kernel. */
void stream_notify_sent(struct stream *s);
/* Sent at the end of this turn of the loop anyway, gathered; this asks for it now. */
void stream_flush(struct stream *s);
/* No more on_data until resume; nested calls do not count. */
void stream_pause(struct stream *s);
/* on_data comes again, from the loop, also for octets left before. */
void stream_resume(struct stream *s);
/* No more writes will come: what is queued goes out, then close_notify and FIN; reading goes on.
 * When the peer's end has come too (on_eof) and what came before it was taken, the stream closes by
 * itself: CLOSE_DONE. */
void stream_shutdown(struct stream *s);
/* Any time, any number of times. Queued octets are dropped; on_close comes from the loop. */
void stream_close(struct stream *s, enum close_reason why);
/* Sends what is queued first (at most timeout_ms), then closes. */
void stream_close_after_flush(struct stream *s, enum close_reason why, int64_t timeout_ms);
/* The close sends RST (reset_timedout_connection). */
void stream_set_reset_on_close(struct stream *s, bool on);

bool stream_is_closing(const struct stream *s);
/* Nothing can be written any more: what is, is dropped. on_close is on its way, or on_eof. */
bool stream_is_broken(const struct stream *s);
bool stream_has_input(const struct stream *s); /* octets read and not consumed */
/* Nothing came and the peer is there, as far as the kernel knows now. */
bool stream_is_quiet(const struct stream *s);
/* Something of a handshake came, and waits until it is its address's turn. */
bool stream_awaits_turn(const struct stream *s);
struct tls_session *stream_tls(const struct stream *s); /* NULL: plain, or found not to be TLS */
/* TLS was asked for, the client spoke something else. */
bool stream_was_not_tls(const struct stream *s);
const struct addr *stream_peer(const struct stream *s);
const struct addr *stream_local(struct stream *s);  /* getsockname, once */
int stream_error(const struct stream *s);           /* errno of what closed it, or 0 */
uint64_t stream_bytes_sent(const struct stream *s); /* plaintext */
/* When octets last came, and when the kernel last took some: monotonic, for timeouts between two
 * reads or writes. */
int64_t stream_last_read_ms(const struct stream *s);
int64_t stream_last_write_ms(const struct stream *s);
/* How much a stream reads before it waits for its owner: encrypted, it is still one segment of the
 * kernel's, which end at 64 KB. From where on, and down to where, an owner waits before it writes
 * more. */
#define STREAM_READ_MAX   (63 * 1024)
#define STREAM_QUEUE_HIGH (128 * 1024)
#define STREAM_QUEUE_LOW  (32 * 1024)

#endif
