/* One request over backends until one answers it. Internal to the proxy floor. Owner: the request,
 * in whose arena it lives, so that it outlives its own callbacks.
 *
 *   exchange.c           body, target, peer, connection, deadlines
 *   exchange_attempt.c   begin and end of an attempt, and whether another one follows
 *   exchange_request.c   the request on its way to the backend
 *   exchange_response.c  what comes back
 *
 * Responses are never spooled: while the client is full nothing is read from the backend, so
 * proxy_buffering, proxy_buffers and X-Accel-Buffering change nothing here. */
#ifndef PORTCULLIS_PROXY_EXCHANGE_H
#define PORTCULLIS_PROXY_EXCHANGE_H

#include "portcullis/http/h1_parser.h"
#include "portcullis/net/resolver.h"
#include "portcullis/proxy/request.h"
#include "portcullis/proxy/spool.h"
#include "portcullis/upstream/backend.h"

enum exchange_state {
    EXCHANGE_SPOOLING, /* the body is gathered */
    EXCHANGE_READY,    /* a peer may be picked; the name may have to be looked up first */
    EXCHANGE_RESOLVING,
    EXCHANGE_CONNECTING, /* or an idle backend is looked at */
    EXCHANGE_CONNECTED,  /* nothing was said on it yet */
    EXCHANGE_WAITING,    /* the request goes out, the response's head is awaited */
    EXCHANGE_RESPONDING, /* the response's body flows */
    EXCHANGE_TUNNEL,     /* octets both ways */
    EXCHANGE_DONE,
};

enum exchange_body {
    EXCHANGE_BODY_NONE,
    EXCHANGE_BODY_SPOOLED,  /* all there before a peer is picked; can be said again */
    EXCHANGE_BODY_STREAMED, /* proxy_request_buffering off */
};

struct exchange {
    struct request *req;
    const struct proxy_conf *conf;
    enum exchange_state state;
    enum exchange_body body;

    /* Where to. */
    struct str target;       /* path and query as sent */
    struct str resolve_name; /* to be looked up at run time; empty: upstream is known */
    uint16_t resolve_port;
    struct resolver_query *query;
    struct upstream *upstream;
    bool owns_upstream;
    struct selection selection;
    struct backend *backend;
    bool backend_was_idle;
    bool same_peer_again; /* an idle backend died under the request: once more, on a new one */
    int64_t began_ms, attempt_ms;
    int64_t wait_since_ms; /* from when on that counts, besides the stream's last read and write */

    /* The request. */
    uint64_t spool_offset;
    bool wants_upgrade;
    bool is_head, is_idempotent; /* of the method as sent: proxy_method may say another than the
                                    client did */
    bool request_sent;           /* all of it was given to the stream */
    bool backend_full;
    uint64_t sent_before; /* the stream's count when this request began on it */

    /* The response. */
    struct h1_parser parser;
    unsigned informational; /* 1xx heads so far */
    bool response_begun;    /* an octet came */
    bool upstream_ended;    /* its end was seen */
    bool client_full;
};

extern const struct stream_events exchange_backend_events;

/* Something moved: the deadline counts from now. */
void exchange_touch(struct exchange *x);

/* ---- exchange_attempt.c ---- */
void exchange_begin_try(struct exchange *x);
struct upstream_try *exchange_try(struct exchange *x); /* the running one */
/* The attempt failed: another peer, or status for the client. bit is one of NEXT_. */
void exchange_fault(struct exchange *x, unsigned bit, unsigned status, enum close_reason why);
bool exchange_may_try_next(struct exchange *x, unsigned bit);
/* The backend closed before the response's end. */
void exchange_on_early_eof(struct exchange *x);
/* Its last call (stream_events.on_close). */
void exchange_on_backend_close(struct exchange *x, enum close_reason why);
/* The response is complete: backend kept when it may be. */
void exchange_give_backend(struct exchange *x, bool reusable);
/* The backend is given back; the facts stay. Any number of times; without an exchange
 * nothing. */
void exchange_release(struct request *req);
/* With what it was doing, as nginx says it: " while connecting to upstream". err 0: no errno. */
void exchange_log(struct exchange *x, enum log_level level, int err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- target.c: what proxy_pass says for this request ---- */
/* Fills target, upstream or resolve_name, and the request's proxy_host and proxy_port. 0, or the
 * status to answer with, logged: 500 it is no URL, 400 a path put together leads up. */
unsigned target_find(struct exchange *x);

/* ---- exchange_request.c ---- */
/* Is some of the request still to go out, from here or from the stream's queue? */
bool exchange_is_sending(const struct exchange *x);
void exchange_send_request(struct exchange *x);
void exchange_on_backend_drain(struct exchange *x);

/* ---- exchange_response.c ---- */
void exchange_on_response_data(struct exchange *x, struct buf *in);
void exchange_on_response_eof(struct exchange *x);

#endif
