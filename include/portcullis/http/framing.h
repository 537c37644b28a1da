/* How long a body is: decided here alone (RFC 9112, 6.3). Ambiguity is an error. */
#ifndef PORTCULLIS_HTTP_FRAMING_H
#define PORTCULLIS_HTTP_FRAMING_H

#include "portcullis/http/message.h"

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct framing {
    enum body_kind kind;
    uint64_t length; /* BODY_LENGTH */
    unsigned status; /* not 0: the message is refused with it (400, 411, 501; of a response 502) */
    const char *problem; /* a sentence for the log, when status is not 0 */
};

/* RFC 9112, 6.1-6.3, strictly: TE with CL, TE not ending in chunked, chunked twice, TE in
 * HTTP/1.0, CL not 1*DIGIT, overflowing or repeated: 400; unknown coding: 501. */
struct framing framing_of_request(const struct request_head *head);
/* to_head: the request was HEAD (or the response has no body for another reason given by status).
 */
struct framing framing_of_response(const struct response_head *head, bool to_head);

/* May the connection be used again after this message? Connection: close / keep-alive by version.
 * RFC 9112, 9.3. */
bool framing_keeps_alive(enum http_version version, const struct headers *headers);

#endif
