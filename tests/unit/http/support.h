/* Feeds the parser and writes down what it says, so that runs can be compared as texts. */
#ifndef TESTS_UNIT_HTTP_SUPPORT_H
#define TESTS_UNIT_HTTP_SUPPORT_H

#include "portcullis/http/h1_parser.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Roomy enough that no test meets one by accident. */
extern const struct h1_limits default_limits;

struct h1_run {
    enum h1_direction direction;
    struct h1_limits limits; /* all zero: default_limits */
    bool to_head;            /* responses: the request was HEAD */
    size_t step;             /* octets at a time; 0: whole */
    size_t cut;              /* not 0: in two pieces, the first of so many octets */
};

/* The messages of input, one after the other, as text: a line for each head, field, body, trailer
 * and end; the last says "more", "eof" (which the peer may do here) or the error.
 *
 *     request GET / 1.1
 *     field Host: a
 *     body 5 hello
 *     trailer X: y
 *     end
 *     error 400
 *
 * The caller frees it (buf_deinit). */
struct buf h1_events(const struct h1_run *run, struct str input);

/* The same, compared; whole, octet by octet, and in two pieces cut at every octet. */
void h1_expect(const struct h1_run *run, struct str input, const char *events);

/* Status of the first refusal in input (head, framing or body), 0: none. */
unsigned h1_request_status(struct str input);
unsigned h1_response_status(struct str input);

#endif
