/* The certificates of a PKCS #12 file (RFC 7292). Its private keys are passed over, still
 * encrypted. */
#ifndef PORTCULLIS_TLS_PKCS12_H
#define PORTCULLIS_TLS_PKCS12_H

#include "portcullis/tls/bundle.h"

bool pkcs12_is_one(struct str octets); /* by its beginning, from a certificate in DER */

enum pkcs12_result {
    PKCS12_READ,
    PKCS12_LOCKED,      /* this password does not open it */
    PKCS12_UNSUPPORTED, /* encrypted in another way than PBES2 or with triple DES */
    PKCS12_MALFORMED,
};

/* Adds them to b, first those that a key belongs to. */
enum pkcs12_result pkcs12_read(struct bundle *b, struct arena *a, struct str octets,
                               struct str password);

#endif
