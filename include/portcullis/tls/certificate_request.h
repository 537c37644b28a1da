/* What a server asks of its clients (RFC 8446, 4.3.2; RFC 5246, 7.4.4), read for people. Pure. */
#ifndef PORTCULLIS_TLS_CERTIFICATE_REQUEST_H
#define PORTCULLIS_TLS_CERTIFICATE_REQUEST_H

#include "portcullis/base/vec.h"

struct certificate_request {
    VEC(struct str) authorities; /* names of CAs, RFC 2253; none: any certificate may be shown */
    VEC(uint16_t) schemes;       /* SignatureScheme, in the server's order */
};

/* body: the message without its header. False: malformed. Strings live in a. */
bool certificate_request_read(struct certificate_request *r, struct arena *a, struct str body,
                              bool is_tls13);
/* RFC 8446's name, "0x0123" in a for one that we do not know. */
struct str certificate_request_scheme(uint16_t scheme, struct arena *a);

enum certificate_request_fit {
    REQUEST_FITS,
    REQUEST_OTHER_CAS, /* none of the chain's issuers is among the authorities */
    REQUEST_OTHER_KEY, /* no scheme that its key can sign by */
};
/* Would a client that goes by the request show this chain? DER, its own certificate first. */
enum certificate_request_fit certificate_request_fits(const struct certificate_request *r,
                                                      const struct str *chain, size_t count);

#endif
