/* A client's connection: TLS, who is at the other end, one request after the other, the end.
 * Internal to the proxy floor. Owner: the proxy. client.c has its life and its deadlines,
 * client_h1.c speaks HTTP/1 on it.
 *
 *   handshake ─▶ idle ─▶ head ─▶ request ─────────┬▶ done ─▶ idle …
 *                                   └─▶ tunnel ──┘    ├──▶ discard ─▶ idle …
 *                                                     └──▶ linger ─▶ closed
 *
 * A stream that ends leads to closed from anywhere.
 */
#ifndef PORTCULLIS_PROXY_CLIENT_H
#define PORTCULLIS_PROXY_CLIENT_H

#include "portcullis/base/list.h"
#include "portcullis/http/h1_parser.h"
#include "portcullis/net/listener.h"
#include "portcullis/net/resolver.h"
#include "portcullis/proxy/request.h"
#include "portcullis/upstream/upstream.h"

enum client_phase {
    CLIENT_HANDSHAKE,
    CLIENT_IDLE,    /* nothing of the next request came yet */
    CLIENT_HEAD,    /* something did */
    CLIENT_REQUEST, /* it runs */
    CLIENT_DONE,    /* it ended in this turn of the loop: after_request is on its way */
    CLIENT_DISCARD, /* it was answered before its body had come: the rest is read away */
    CLIENT_TUNNEL,  /* octets both ways, after 101 */
    CLIENT_LINGER,  /* everything is said; reading on so that no RST eats it (RFC 9112, 9.6) */
    CLIENT_CLOSED,  /* on_close is on its way */
};

/* How the response is delimited. */
enum h1_sending {
    H1_SEND_NOTHING,
    H1_SEND_LENGTH,
    H1_SEND_CHUNKED,
    H1_SEND_UNTIL_CLOSE,
    H1_SEND_RAW
};

struct h1_connection {
    struct h1_parser parser;
    struct buf out; /* empty between calls */
    enum h1_sending sending;
    bool awaits_continue; /* Expect: 100-continue was not answered yet */
    bool body_wanted;     /* read_body was called, and exchange_on_body takes */
    bool tunnel_ended;    /* the upstream is told when it has what came before */
    bool body_ended;
    bool keep; /* what the response's Connection said */
};

struct client {
    struct list node;      /* in proxy.clients */
    struct list room_node; /* in room.strangers, or in room.idle between requests */
    bool is_stranger;      /* no request was admitted yet, or came with a good certificate */
    struct proxy *proxy;
    const struct bind_conf *bind;
    struct stream *stream;
    struct addr addr;
    char addr_text[ADDR_TEXT_MAX];
    struct log_context log;
    const char *action; /* during a call of log_write: "while SSL handshaking" */
    uint64_t number, requests;
    uint64_t review; /* the last that looked at it */
    int64_t started_ms;
    enum client_phase phase;
    const struct location_conf *conf; /* the last request's: timeouts of the connection */

    const struct server_conf *tls_server;
    bool sni_matched;

    struct timer *deadline; /* of the phase, or of the body's next octets; of a tunnel, when its
                               client is judged again */
    int64_t phase_ms;       /* when the phase began */
    struct timer *send_deadline;
    int64_t queue_since_ms; /* when the queue to the client was last found empty */

    struct request *request; /* NULL between requests */
    struct h1_connection h1;
};

/* Why a worker stops. */
enum proxy_phase { PROXY_RUNS, PROXY_QUITS, PROXY_RELOADS };

struct proxy_listener {
    struct proxy *proxy;
    const struct bind_conf *bind;
    struct listener *listener;
};

/* worker_connections, and who gives way when all are taken. */
struct room {
    struct list strangers; /* who came first is first */
    size_t strangers_count;
    struct list idle;    /* between requests, the longest idle first */
    struct timer *timer; /* looks again whom time has made give way */
    bool is_full;        /* accepting pauses */
    int64_t told_ms;     /* when the log was last told */
};

struct proxy {
    struct loop *loop;
    const struct snapshot *snapshot;
    struct proxy_listener *listeners;
    size_t listeners_count;
    struct list clients; /* newest last, but see review.c */
    uint64_t review;     /* how many times trust has changed */
    size_t review_lost;  /* whom the one under way found no longer permitted */
    struct timer *review_timer;
    size_t clients_count;
    uint64_t last_number;
    struct room room;
    struct backends backends;
    struct upstream **upstreams; /* by upstream_conf.index */
    struct resolver **resolvers; /* by resolver_conf.index */
    struct access_logs *access_logs;
    struct limits *limits;
    struct handshake_rate *handshake_rate;
    enum proxy_phase phase;
    void (*on_done)(void *owner);
    void *owner;
};

/* ---- proxy.c ---- */
void proxy_client_gone(struct proxy *p); /* one connection fewer */
const struct log *proxy_error_log(const struct proxy *p, const struct location_conf *conf);

/* ---- room.c ---- */
void room_init(struct proxy *p);
void room_deinit(struct proxy *p);
/* A connection came or went: makes room, or pauses accepting, or goes on with it. */
void room_update(struct proxy *p);
void room_add_stranger(struct client *c);
void room_add_idle(struct client *c); /* nothing for a stranger */
/* No stranger any more, nor idle: he was let in, or his next request comes, or he goes. */
void room_leave(struct client *c);

/* ---- review.c ---- */
void review_on_timer(void *owner); /* of a proxy */

/* ---- client.c ---- */
void client_accept(struct proxy *p, const struct bind_conf *bind, int fd, const struct addr *peer);
/* deadline_ms: from now on; 0: the phase has none of its own. */
void client_enter(struct client *c, enum client_phase phase, int64_t deadline_ms);
/* All that goes to the client goes this way: it has a deadline then. False: full. */
bool client_write(struct client *c, struct buf *out);
bool client_write_str(struct client *c, struct str data);
void client_close(struct client *c, enum close_reason why);
/* His request is being worked on, or its answer is under way. */
bool client_is_answered(const struct client *c);
/* Closes what nobody was let in on; not one that is answered. */
void client_give_way(struct client *c);
/* Between requests: what is queued goes out first. */
void client_close_idle(struct client *c, enum close_reason why);
/* What is queued goes out, then the end is said and a bounded bit is still read. */
void client_linger(struct client *c);
/* For the next request, or the rest of the old one's body first. */
void client_request_done(struct request *req);
/* The old request's body was read away. */
void client_next_request(struct client *c);
/* Nothing but empty lines came: no request after all. */
void client_forget_request(struct client *c);
/* An upgraded connection: octets both ways, as long as its client is let in. */
void client_enter_tunnel(struct client *c);
/* Judges the client of an upgraded connection again. False: it ends. */
bool client_recheck(struct client *c);
/* Draining: a kept one that is idle ends. */
void client_drain(struct client *c);

/* ---- client_h1_transport.c ---- */
extern const struct transport client_h1_transport;
/* How often is_sent is asked: a connection that broke meanwhile may tell nothing while octets of
 * the client's stand unread before its end. */
#define CLIENT_H1_UNSENT_CHECK_MS 1000

/* ---- client_h1.c ---- */
/* The request's body is not wanted any more, or not now. */
void client_h1_stop_body(struct client *c);
void client_h1_init(struct client *c);
void client_h1_deinit(struct client *c);
void client_h1_on_data(struct client *c, struct buf *in);
void client_h1_on_eof(struct client *c);
/* The deadline of CLIENT_HEAD passed, or of the body. */
void client_h1_on_timeout(struct client *c);

/* ---- request.c ---- */
struct request *request_new(struct client *c, const struct transport *t);
void request_free(struct request *req);

#endif
