/* Base64 (RFC 4648, 4) of octets, and base64url without padding (5). */
#ifndef PORTCULLIS_BASE_BASE64_H
#define PORTCULLIS_BASE_BASE64_H

#include "portcullis/base/buf.h"

void base64_append(struct buf *out, struct str octets);
void base64url_append(struct buf *out, struct str octets);

#endif
