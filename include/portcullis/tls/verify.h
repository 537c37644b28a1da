/* The verdict on a certificate chain (RFC 5280, 6): a pure function of certificates, trust, time
 * and rules. mbedTLS parses and checks signatures; the decision is made here. */
#ifndef PORTCULLIS_TLS_VERIFY_H
#define PORTCULLIS_TLS_VERIFY_H

#include <time.h>

#include "portcullis/base/buf.h"
#include "portcullis/base/str.h"
#include "portcullis/tls/refusal.h"

/* Anchors, other known CA certificates and CRLs of a server block: immutable, shared by all
 * blocks that name the same files. */
struct trust;

struct verify_rules {
    unsigned depth;      /* ssl_verify_depth */
    unsigned rsa_bits;   /* least size: 2048 */
};

/* chain_der: the certificates as the client sent them, leaf first. detail gets the words for the log. */
enum refusal verify_chain(const struct trust *t, const struct str *chain_der, size_t count, time_t now,
                          const struct verify_rules *rules, struct buf *detail);

#endif
