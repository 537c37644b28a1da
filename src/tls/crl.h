/* Certificate revocation lists (RFC 5280, 5), read once at load and looked up by serial number. */
#ifndef PORTCULLIS_TLS_CRL_H
#define PORTCULLIS_TLS_CRL_H

#include "cert.h"
#include "portcullis/base/arena.h"
#include "portcullis/base/buf.h"

/* 32 octets, so that a list of a million takes 32 MB. */
struct crl_entry {
    unsigned char serial[21]; /* the INTEGER's content, trimmed, its len first octets */
    unsigned char len;
    unsigned char cause; /* CRLReason; 0: unspecified */
    int64_t date;
};

struct crl {
    struct str issuer; /* Name */
    struct str key_id; /* authorityKeyIdentifier's; ptr NULL: none */
    time_t this_update, next_update;
    bool has_next_update;
    bool only_users, only_cas;
    struct str points; /* issuingDistributionPoint's fullName; ptr NULL: none */
    struct str number; /* cRLNumber, trimmed; ptr NULL: none */
    struct str base;   /* BaseCRLNumber of a delta list; ptr NULL: a complete one */
    struct signature_algorithm algorithm;
    unsigned char digest[64]; /* of what is signed: made once, since the list may be long */
    struct str signature;
    struct str checked_key;    /* a SubjectPublicKeyInfo that the signature was found good with */
    struct crl_entry *entries; /* sorted */
    size_t count;
};

/* False with *problem. What is kept lives in a; der may go. */
bool crl_read(struct crl *l, struct arena *a, struct str der, const char **problem);
/* Remembers that issuer signed it, so that no lookup checks that again. False: it did not. */
bool crl_check_signature(struct crl *l, const struct cert *issuer);

/* The same without remembering; names and key identifiers agree, too. */
bool crl_is_signed_by(const struct crl *l, const struct cert *issuer);
/* How many entries to has that from (NULL: nothing) has not, and the other way round. */
void crl_compare(const struct crl *from, const struct crl *to, size_t *added, size_t *removed);

/* False: a delta list, and what it is a delta of is not among these. */
bool crl_has_base(const struct crl *delta, const struct crl *lists, size_t count);

enum crl_status {
    CRL_GOOD,
    CRL_REVOKED,
    CRL_NONE,     /* no list of this issuer for this certificate */
    CRL_STALE,    /* its nextUpdate has passed */
    CRL_UNUSABLE, /* signature, signer's usage or thisUpdate is bad */
};

/* Is c on one of the lists? issuers: the CAs above it in its path, its own first; a CA that changed
 * its key may stand there twice, and either key signs its lists (RFC 5280, 6.3.3 (f)). Lists count
 * for grace seconds after their time. detail: words for the log. */
enum crl_status crl_lookup(const struct crl *lists, size_t count, const struct cert *c,
                           const struct cert *const *issuers, size_t issuer_count, time_t now,
                           time_t grace, struct buf *detail);

#endif
