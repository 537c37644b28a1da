/* A request from its head to its line in the access log. Internal to the proxy floor.
 *
 * Owner: the client connection it came on (proxy/client). Its strings live in its arena. The
 * step table in proxy/request.c is its whole life:
 *
 *   route ─▶ verify ─▶ rewrite ─▶ locate ─▶ limit ─▶ admit ─▶ answer ─▶ connect ─▶ exchange ─▶ end
 *                      ▲
 *                      └─ error_page, from respond.c: after a refusal, an error or `return`
 *
 * That is nginx's order of phases: the certificate before any script, scripts before allow and
 * deny. A step that answered (respond_…) or redirected (request_redirect…) has set next_step by
 * that, and returns STEP_NEXT; the machine goes where next_step says.
 */
#ifndef PORTCULLIS_PROXY_REQUEST_H
#define PORTCULLIS_PROXY_REQUEST_H

#include "portcullis/config/snapshot.h"
#include "portcullis/http/framing.h"
#include "portcullis/http/uri.h"
#include "portcullis/net/stream.h"
#include "portcullis/proxy/proxy.h"
#include "portcullis/tls/identity.h"

struct client;
struct exchange;
struct spool;
struct transport;

enum step_result { STEP_NEXT, STEP_WAIT };

enum request_step {
    REQUEST_ROUTE,    /* the server by Host */
    REQUEST_VERIFY,   /* access_check_client: 497, 421, the certificate */
    REQUEST_REWRITE,  /* the server's script */
    REQUEST_LOCATE,   /* the location by path, its script, again when it changed the path */
    REQUEST_LIMIT,    /* limit_req, limit_conn */
    REQUEST_ADMIT,    /* access_admit: addresses, limit_except; is_admitted */
    REQUEST_ANSWER,   /* nothing to proxy to: 404 */
    REQUEST_CONNECT,  /* spool the body, pick a peer, have a backend */
    REQUEST_EXCHANGE, /* request to it, response from it */
    REQUEST_END,      /* one line in the access log; everything given back */
    REQUEST_STEPS,
};

/* $limit_req_status, $limit_conn_status */
enum limit_status {
    LIMIT_NOT_ASKED,
    LIMIT_PASSED,
    LIMIT_DELAYED,
    LIMIT_REJECTED,
    LIMIT_DELAYED_DRY_RUN,
    LIMIT_REJECTED_DRY_RUN,
};

/* One attempt at an upstream: a value each in $upstream_addr, _status, … */
struct upstream_try {
    struct str addr; /* "127.0.0.1:3000", "unix:/x", or the upstream's name when no peer was live */
    unsigned status; /* 0: none came, "-" */
    int64_t connect_ms, header_ms, response_ms; /* -1: "-" */
    uint64_t bytes_sent, bytes_received, response_length;
    bool after_redirect; /* of a new exchange after X-Accel-Redirect or error_page: printed behind "
                            : " instead of ", " */
};

struct request {
    struct proxy *proxy;
    struct client *client;
    const struct transport *transport;
    struct arena arena;
    struct log_context log; /* describes action, client, server, request, upstream, host */
    const char *action; /* "while connecting to upstream", during a call of log_write; else NULL */
    enum request_step step, next_step;
    bool is_running;   /* a step is on the stack */
    bool match_failed; /* a map's regex ran into its limit: nobody knows what it would have said */

    /* What came. */
    struct request_head head;
    struct framing framing;
    int64_t started_wall_ms, started_ms;
    struct headers trailers;
    struct spool *spool; /* the whole body, when gathered; stays for error_page's exchange too */
    bool body_is_lost;   /* it went to an upstream as it came, or is thrown away (413): nobody else
                            can have it */

    /* What it means; rewrites and internal redirects change path, args, location. */
    struct uri uri;          /* of the original target */
    struct str host;         /* $host: normalised, from the target, Host, or server_name */
    struct str host_port;    /* the port in Host or the target; empty without */
    struct str path, args;   /* $uri, $args as they are now */
    bool path_is_original;   /* proxy_pass without a URI may send the raw target; rewrite and
                                redirects clear it */
    bool path_fits_location; /* rewrite.c clears it at "rewrite … break": proxy_pass's URI does not
                                replace the prefix then */
    const struct bind_conf *bind;
    /* The address's default until route_server knows better; never NULL. */
    const struct server_conf *server;
    const struct location_conf *location;       /* the if-block's when one matched */
    const struct location_conf *outer_location; /* the location itself */
    bool is_checked; /* access_check_client was called (a malformed request may reach admit without)
                      */
    int64_t checked_ms; /* when it last was */
    bool check_failed; /* and said no: error_page may still show a page, but leads to no upstream of
                          a server that verifies */
    unsigned redirects; /* internal ones and rewrites so far; 10 is the end: 500 */
    bool is_internal;   /* reached by error_page, rewrite or X-Accel-Redirect */

    /* Values of variables by slot; values[i].ptr NULL: not computed yet. */
    struct str *values;
    struct regex_captures *captures; /* of the last match; NULL: none */

    /* Who the client is, and what was decided. access.c alone writes these. */
    struct identity *identity; /* of the connection, borrowed; NULL on plain connections, and where
                                  it does not count for this server */
    bool is_admitted;          /* only true lets exchange.c connect */
    enum refusal refusal;      /* shown in the page, $ssl_client_refusal */
    enum refusal reported;     /* passes, but would not without ssl_verify_client report */
    struct str refusal_detail;

    /* limits.c alone writes these. */
    enum limit_status limit_req, limit_conn;
    struct timer *limit_wait;       /* NULL: none */
    struct limit_hold *limit_holds; /* what it counts for */

    /* The response being sent. */
    struct response_head response; /* the head as it goes out */
    bool response_started;         /* the head was handed to the transport */
    bool is_head_only;             /* HEAD, 204, 304 */
    unsigned status;               /* what is logged: $status */
    unsigned error_status; /* what the answer goes out with, set by error_page; 0: its own */
    bool in_error_page;
    uint64_t body_bytes_sent, bytes_sent;
    bool must_close;  /* Connection: close after this one */
    bool is_complete; /* $request_completion */

    struct str proxy_host, proxy_port; /* $proxy_host, $proxy_port as the connect step found them;
                                          ptr NULL before: then location->proxy's */
    VEC(struct upstream_try) tries;
    struct headers carried;           /* from a response that another one stands in for */
    struct headers *upstream_headers; /* of the last response: $upstream_http_ */
    struct headers *upstream_trailers;
    struct exchange *exchange; /* NULL: not proxied */
    struct str id;             /* $request_id, made when first asked for */
};

/* ---- proxy.c: what belongs to the worker ---- */
struct loop *proxy_loop(const struct proxy *p);
const struct snapshot *proxy_snapshot(const struct proxy *p);
struct access_logs; /* access_log.c's own: buffers and their timers, one for each worker */
struct access_logs *proxy_access_logs(const struct proxy *p);
struct limits *proxy_limits(const struct proxy *p);

/* ---- request.c ---- */
void request_start(struct request *req);  /* head, framing, uri are there */
void request_resume(struct request *req); /* a step that waited may go on; from the loop */
/* Answers status (with its page or error_page) when nothing was sent yet, else aborts. */
void request_fail(struct request *req, unsigned status, enum close_reason why);
/* error_page to a URI, X-Accel-Redirect, rewrite … last: routes anew with this path; "@name": to a
 * named location. */
void request_redirect(struct request *req, struct str path, struct str args);
bool request_redirect_named(struct request *req, struct str name); /* false: none, 500 */
/* Nothing can be sent any more: to the end. status is logged when no response was started (499 …).
 */
void request_abort(struct request *req, unsigned status, enum close_reason why);
/* Will the connection serve another request after this one? Connection and Keep-Alive are written
 * by the transport; whoever needs it closed sets must_close before send_head. */
bool request_keeps_alive(const struct request *req);
/* A further allocation-free fact: the request's body as far as memory holds it ($request_body),
 * else empty. */
struct str request_body_text(const struct request *req);
/* Octets of it that have come by now: head, body and its framing. */
uint64_t request_octets(const struct request *req);
/* What the log says behind a message: client, server, request, upstream, host. */
void request_describe(const void *owner, struct buf *out);

/* ---- client.c: facts of the connection ---- */
struct stream *client_stream(const struct client *c);
uint64_t client_number(const struct client *c);   /* $connection, log's "*7" */
uint64_t client_requests(const struct client *c); /* $connection_requests */
int64_t client_started_ms(const struct client *c);
bool client_is_tls(const struct client *c);
/* The block whose TLS settings served the handshake. */
const struct server_conf *client_tls_server(const struct client *c);
/* Did SNI name one of its server_names (RFC 6066, 3)? False: it serves by default. */
bool client_sni_matched(const struct client *c);
const struct addr *client_addr(const struct client *c);

/* ---- route.c ---- */
void route_server(struct request *req); /* by Host: server, root location, regex captures */
/* Location by path (exact, prefix, ^~, regex, nested) and makes it the request's; NULL: answered
 * (auto_redirect, 404 for internal ones). */
const struct location_conf *route_location(struct request *req);
/* Makes loc the request's location. */
void request_set_location(struct request *req, const struct location_conf *loc);

/* ---- rewrite.c ---- */
enum rewrite_result {
    REWRITE_CONTINUE, /* nothing more to do here */
    REWRITE_RELOCATE, /* the path was changed: find the location again */
    REWRITE_ANSWERED, /* return or redirect: respond_… was called */
    REWRITE_FAILED,   /* 500: cycle, or a regular expression gave up; logged, not answered */
};
enum rewrite_result rewrite_run(struct request *req, const struct script *script);

/* ---- access.c: the only way to is_admitted ---- */
/* First of all and once, before any script: plain HTTP on a TLS port (497), Host of a server whose
 * policy this connection did not meet (421: RFC 9110, 15.5.20), the certificate. False: answered,
 * as below. */
bool access_check_client(struct request *req);
/* Starts by clearing is_admitted; true sets it. A refusal by access_check_client is final, whatever
 * error_page did since. False: the request was answered (403, 421, 400/497 …) or the refusal is
 * recorded and respond_refusal called. */
bool access_admit(struct request *req);

/* ---- variables.c ---- */
/* Value now, in the request's arena; "" when there is none. *found (may be NULL) says whether there
 * is (for "-" in logs). */
struct str variable_value(struct request *req, const struct variable *v, bool *found);
void variable_assign(struct request *req, const struct variable *v, struct str value);
struct str template_value(struct request *req, const struct template *t);
/* Matches, keeps captures in the request, assigns named groups. */
bool request_match(struct request *req, const struct regex_conf *r, struct str subject);
struct str request_id(struct request *req);

/* ---- identity_headers.c ---- */
/* Is this a name that applications trust for identity, in any spelling? Also names made so by
 * proxy_set_header of $ssl_client_* here. */
bool identity_header_is_one(const struct location_conf *loc, struct str name);
/* Or anywhere: such a name is no client's to send. */
bool identity_header_is_trusted(const struct request *req, struct str name);
/* Removes them (and Proxy) from what the client sent but what proxy_client_identity_pass lets
 * through from this address. */
void identity_headers_strip(const struct request *req, struct headers *h);
void identity_headers_strip_response(const struct request *req, struct headers *h);

/* ---- respond.c: answers of our own ---- */
void respond_status(struct request *req, unsigned status); /* error_page, else the built-in page */
/* return 200 "…" */
void respond_text(struct request *req, unsigned status, struct str body, struct str content_type);
/* Location is made absolute as nginx does. */
void respond_redirect(struct request *req, unsigned status, struct str url);
/* req->refusal: 403 (or 421) by Accept: HTML, JSON, text; no-store; close. */
void respond_refusal(struct request *req);
/* Whether error_page of the location takes status over; then the request goes on elsewhere. */
bool respond_error_page(struct request *req, unsigned status);
/* The same for a status of an upstream. To what an error page's upstream says, and error_page
 * names, the answer is the built-in page. */
bool respond_intercepted(struct request *req, unsigned status);
/* add_header, Server, Date as they must go out; for own answers and the upstream's alike.
 * Connection, Keep-Alive and Transfer-Encoding are the transport's. Server and Date that are there
 * already (proxy_pass_header) stay. */
void respond_finish_head(struct request *req);

/* ---- forward.c: what changes between the two sides ---- */
/* The request as the upstream gets it (RFC 9110, 7.6). */
void forward_request_head(struct request *req, struct buf *out);
/* Fills req->response. False: it was intercepted or redirected. */
bool forward_response_head(struct request *req, const struct response_head *from);

/* ---- redirect.c ---- */
/* proxy_redirect on Location and Refresh of an upstream's response. */
void proxy_redirect_apply(struct request *req, struct headers *h);

/* ---- access_log.c ---- */
struct access_logs *access_logs_new(struct loop *l, const struct snapshot *s);
void access_logs_flush(struct access_logs *logs);
void access_logs_free(struct access_logs *logs);
void access_log_write(struct request *req);

/* ---- how a response reaches the client: client_h1_transport.c ---- */
struct transport {
    void (*send_informational)(struct request *req, const struct response_head *head); /* 1xx */
    /* req->response; framing is the transport's. */
    void (*send_head)(struct request *req, bool has_body);
    /* False: full; request_resume when there is room. */
    bool (*send_body)(struct request *req, struct str data);
    /* The response is complete. trailers may be NULL. */
    void (*finish)(struct request *req, const struct headers *trailers);
    /* Nearly all of it is the kernel's; false: request_resume when it is. */
    bool (*is_sent)(struct request *req);
    void (*abort)(struct request *req, enum close_reason why); /* cut visibly */
    /* Asks for the body: exchange_on_body is called. Sends 100 Continue when awaited. */
    void (*read_body)(struct request *req);
    void (*stop_body)(struct request *req); /* not wanted any more, or not now */
    void (*tunnel)(struct request *req);    /* after 101: octets both ways */
};

/* Body of the request arriving, from the transport to exchange.c. How many octets were taken;
 * fewer: full. */
size_t exchange_on_body(struct request *req, struct str data);
void exchange_on_body_end(struct request *req);
void exchange_on_client_gone(struct request *req, enum close_reason why);
void exchange_on_client_drain(struct request *req);
enum step_result exchange_connect(struct request *req); /* step connect */
enum step_result exchange_run(struct request *req);     /* step exchange */
void exchange_free(struct request *req);

#endif
