/* PEM (RFC 7468): the blocks of a file, one after the other. */
#ifndef PORTCULLIS_TLS_PEM_H
#define PORTCULLIS_TLS_PEM_H

#include "portcullis/base/buf.h"

enum pem_result {
    PEM_BLOCK,
    PEM_END,    /* no further one */
    PEM_BROKEN, /* a block without its end, or whose base64 is none */
};

/* The next block of *text, which moves behind it. label: "CERTIFICATE"; borrowed. */
enum pem_result pem_next(struct str *text, struct str *label, struct buf *der);
/* RFC 7468, 5.1: the label and the one that parsers should take, too. */
bool pem_is_certificate(struct str label);

#endif
