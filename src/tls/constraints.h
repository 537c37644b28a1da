/* Name constraints (RFC 5280, 4.2.1.10): may a CA certify these names? */
#ifndef PORTCULLIS_TLS_CONSTRAINTS_H
#define PORTCULLIS_TLS_CONSTRAINTS_H

#include "cert.h"

/* REFUSAL_NONE, NAME_NOT_PERMITTED, CRITICAL_UNKNOWN (a form of constraint that cannot be decided),
 * CERT_MALFORMED or CHAIN_TOO_COMPLEX. is_leaf: the CN counts as a host name when there is no
 * other. */
enum refusal constraints_check(struct str name_constraints, const struct cert *c, bool is_leaf);

#endif
