/* What verify.c looks up in a struct trust. */
#ifndef PORTCULLIS_TLS_TRUST_H
#define PORTCULLIS_TLS_TRUST_H

#include "cert.h"
#include "crl.h"
#include "portcullis/base/arena.h"
#include "portcullis/tls/verify.h"

enum trust_kind {
    TRUST_ROOT, /* self-signed, of the CA files: an anchor */
    TRUST_CA,   /* another of theirs: an anchor where partial chains are accepted */
    TRUST_INTERMEDIATE,
};

struct trust_cert {
    struct cert cert;
    uint32_t subject_hash;
    enum trust_kind kind;
};

struct trust {
    uint64_t number; /* no other had it in this process: a verdict says by which it came about */
    struct arena arena;
    struct trust_cert *certs; /* sorted by subject_hash */
    size_t cert_count, cert_capacity;
    struct crl *crls;
    size_t crl_count, crl_capacity;
};

/* Without any certificate; lives as long as the process. */
const struct trust *trust_nobody(void);

/* Adds one whose DER stays where it is, in the order of the hashes. */
bool trust_borrow(struct trust *t, struct str der, uint32_t subject_hash, enum trust_kind kind);

/* Those whose subject may be this name: *count of them from the returned one on. */
const struct trust_cert *trust_find(const struct trust *t, struct str subject, size_t *count);
bool trust_cert_is_anchor(const struct trust_cert *c, const struct verify_rules *rules);
/* Is it an anchor, byte for byte? */
bool trust_is_anchor(const struct trust *t, const struct cert *c, const struct verify_rules *rules);

#endif
