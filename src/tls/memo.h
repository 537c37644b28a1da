/* Signatures of CAs that were found good: a returning client's certificate is not verified again.
 * A pure function remembered, so that nothing in it can become wrong; dates, revocation and rules
 * are looked at each time. Of a worker, bounded. */
#ifndef PORTCULLIS_TLS_MEMO_H
#define PORTCULLIS_TLS_MEMO_H

#include <stddef.h>

#include "cert.h"

enum { MEMO_SIZE = 8192 }; /* signatures, of 32 octets each */

/* Is c signed by issuer's key? issuer: of the configured ones alone, since clients would fill the
 * memo with what they signed themselves. */
bool memo_signature_is_good(const struct cert *c, const struct cert *issuer);
void memo_wipe(void); /* when the CAs change */
size_t memo_count(void);

/* The table: what was not asked for longest falls out, among those that share some bits. */
struct memo_name {
    unsigned char octets[32];
};
bool memo_has(const struct memo_name *n);
void memo_add(const struct memo_name *n);

#endif
