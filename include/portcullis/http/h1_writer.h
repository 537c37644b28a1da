/* HTTP/1 heads and chunks to octets. The caller has decided every field; here nothing is added.
 * Values come from variables too, and so from clients: CR, LF and NUL in them become spaces, and
 * white space in a method or target is escaped, so that nobody writes a line of their own. */
#ifndef PORTCULLIS_HTTP_H1_WRITER_H
#define PORTCULLIS_HTTP_H1_WRITER_H

#include "portcullis/base/buf.h"
#include "portcullis/http/message.h"

/* "METHOD target HTTP/1.x CRLF" */
void h1_write_request_line(struct buf *out, struct str method, struct str target,
                           enum http_version v);
/* "HTTP/1.1 200 OK CRLF"; an empty reason gets that of http_status_reason */
void h1_write_status_line(struct buf *out, unsigned status, struct str reason);
void h1_write_header(struct buf *out, struct str name, struct str value);
void h1_write_headers(struct buf *out, const struct headers *h);
void h1_write_head_end(struct buf *out);

void h1_write_chunk(struct buf *out, struct str data); /* nothing for an empty one */
void h1_write_last_chunk(struct buf *out, const struct headers *trailers); /* NULL: none */

#endif
