/* HTTP/1 octets to events (RFC 9112, 2 to 7), for both directions: requests from clients,
 * responses from upstreams. No sockets, no clock. Feed it a buffer; it consumes what it understood.
 *
 *     h1_parser_init(&p, H1_REQUEST, limits);
 *     h1_parser_restart(&p, arena);
 *     for (;;) switch (h1_parser_next(&p, &in)) …
 *
 * After a head the caller decides the framing (framing.h) and says so by h1_parser_body;
 * then H1_DATA events and H1_END follow, and the next message may begin (after h1_parser_restart).
 * Fed whole or cut at every octet, the events carry the same octets. */
#ifndef PORTCULLIS_HTTP_H1_PARSER_H
#define PORTCULLIS_HTTP_H1_PARSER_H

#include "portcullis/base/buf.h"
#include "portcullis/http/framing.h"

enum h1_direction { H1_REQUEST, H1_RESPONSE };

struct h1_limits {
    size_t line_bytes;  /* request or status line; longer: 414 (request), 502 */
    size_t field_bytes; /* one field line; longer: 431. nginx: one of large_client_header_buffers */
    size_t head_bytes;  /* the head in all; longer: 431 */
    size_t fields;      /* count; more: 431 */
    size_t trailer_bytes;       /* trailers in all */
    bool ignore_invalid_fields; /* ignore_invalid_headers on: fields whose names hold more than
                                 * [A-Za-z0-9-] (and _) are skipped; off: 400. Of responses every
                                 * token is a valid name. */
    bool underscores;           /* underscores_in_headers on; off: such names count as invalid */
};

enum h1_result {
    H1_MORE,  /* all that is there was taken, or a head is not complete yet */
    H1_HEAD,  /* request or response below is filled */
    H1_DATA,  /* data: a piece of the body inside `in`; h1 has consumed nothing of it: call
                 h1_parser_took(n) */
    H1_END,   /* the message is complete; trailers are in p->trailers */
    H1_ERROR, /* error_status and problem say what */
};

enum h1_state {
    H1_STATE_START,
    H1_STATE_HEAD,
    H1_STATE_DECIDE,
    H1_STATE_LENGTH,
    H1_STATE_CHUNK_SIZE,
    H1_STATE_CHUNK_DATA,
    H1_STATE_CHUNK_END,
    H1_STATE_TRAILERS,
    H1_STATE_UNTIL_CLOSE,
    H1_STATE_DONE,
    H1_STATE_FAILED
};

struct h1_parser {
    enum h1_direction direction;
    struct h1_limits limits;
    struct arena *arena; /* of the current message; set by h1_parser_restart */
    enum h1_state state;
    struct request_head request;
    struct response_head response;
    /* Without what RFC 9110, 6.5.1 forbids: framing, routing, credentials. */
    struct headers trailers;
    uint64_t left;           /* of the body, or of the chunk */
    size_t scanned;          /* octets of `in` that were searched for line ends */
    size_t line_start;       /* where in `in` the line begins that is not complete */
    size_t lines;            /* complete ones of this head; trailers begin at 1 */
    size_t blank_bytes;      /* empty lines skipped before a request line */
    size_t chunk_line_bytes; /* of chunk extensions in this message */
    struct str data;         /* H1_DATA */
    /* Of this message so far, in all $request_length; framing: chunk lines and trailers. */
    uint64_t head_bytes, body_bytes, framing_bytes;
    bool is_eof;
    unsigned error_status; /* 400, 414, 431, 501, 505; 502 for a response */
    const char *problem;
};

void h1_parser_init(struct h1_parser *p, enum h1_direction d, const struct h1_limits *limits);
/* Begins a message whose strings live in arena. */
void h1_parser_restart(struct h1_parser *p, struct arena *arena);
/* After H1_HEAD: how the body is framed. A 101 or CONNECT tunnel is BODY_UNTIL_CLOSE. */
void h1_parser_body(struct h1_parser *p, struct framing f);
enum h1_result h1_parser_next(struct h1_parser *p, struct buf *in);
/* The caller used n octets of p->data; they are consumed from in. */
void h1_parser_took(struct h1_parser *p, struct buf *in, size_t n);
/* The peer closed its side: true when the message may end here (BODY_UNTIL_CLOSE; then the next
 * h1_parser_next is H1_END), or nothing of one had begun. */
bool h1_parser_eof(struct h1_parser *p);
/* Has any octet of a message been seen since restart? (empty lines do not count) */
bool h1_parser_has_begun(const struct h1_parser *p);

#endif
