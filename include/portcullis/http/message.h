/* A request's and a response's head, whatever version of HTTP carried it. Strings live in the
 * arena that the parser was given. */
#ifndef PORTCULLIS_HTTP_MESSAGE_H
#define PORTCULLIS_HTTP_MESSAGE_H

#include "portcullis/http/headers.h"

enum http_version { HTTP_0_9 = 9, HTTP_1_0 = 10, HTTP_1_1 = 11, HTTP_2_0 = 20 };

enum http_method {
    METHOD_OTHER, /* method_text says which */
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_CONNECT,
    METHOD_OPTIONS,
    METHOD_TRACE,
    METHOD_PATCH,
    METHOD_MKCOL,
    METHOD_COPY,
    METHOD_MOVE,
    METHOD_PROPFIND,
    METHOD_PROPPATCH,
    METHOD_LOCK,
    METHOD_UNLOCK,
};

struct request_head {
    enum http_method method;
    struct str method_text;
    struct str target; /* as received */
    enum http_version version;
    struct headers headers;
    struct str line; /* the whole request line, $request */
};

struct response_head {
    unsigned status;
    struct str reason; /* may be empty */
    enum http_version version;
    struct headers headers;
};

enum http_method http_method_find(struct str text);
struct str http_method_text(enum http_method m);
bool http_method_is_idempotent(enum http_method m); /* RFC 9110, 9.2.2 */
struct str http_version_text(enum http_version v);  /* "HTTP/1.1" */
/* "Forbidden"; empty for an unknown code. */
struct str http_status_reason(unsigned status);
bool http_status_has_body(unsigned status); /* not 1xx, 204, 304: RFC 9110, 6.4.1 */

#endif
