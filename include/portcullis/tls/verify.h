/* The verdict on a certificate chain (RFC 5280, 6): a pure function of certificates, trust, time
 * and rules. mbedTLS parses and checks signatures; the decision is made here. */
#ifndef PORTCULLIS_TLS_VERIFY_H
#define PORTCULLIS_TLS_VERIFY_H

#include <time.h>

#include "portcullis/base/arena.h"
#include "portcullis/base/buf.h"
#include "portcullis/base/str.h"
#include "portcullis/tls/refusal.h"

/* Anchors, other known CA certificates and CRLs of a server block: immutable, shared by all
 * blocks that name the same files. */
struct trust;

/* Octets are copied. False with *problem in plain words: it cannot be used, and nor can the rest of
 * its file. */
struct trust *trust_new(void);
void trust_free(struct trust *t); /* NULL is fine */
/* A CA certificate. Self-signed ones are anchors; others are intermediates that clients need not
 * send, or anchors too (verify_rules.partial_chain). */
bool trust_add_ca(struct trust *t, struct str der, const char **problem);
/* An intermediate that clients need not send, never an anchor. */
bool trust_add_intermediate(struct trust *t, struct str der, const char **problem);
/* With one list or more, every certificate of a chain needs one of its issuer. */
bool trust_add_crl(struct trust *t, struct str der, const char **problem);
/* After the last of them: nothing changes any more. */
void trust_finish(struct trust *t);
size_t trust_anchor_count(const struct trust *t);
/* The earliest nextUpdate of its lists; 0: there is none. */
time_t trust_crl_expiry(const struct trust *t);
/* Is there a delta list without the complete one that it belongs to? Whom it names is revoked; of
 * all others it says nothing. */
bool trust_has_lone_delta(const struct trust *t);

struct verify_rules {
    unsigned depth;     /* ssl_verify_depth */
    unsigned rsa_bits;  /* least size: 2048 */
    bool partial_chain; /* every certificate of the CA files is an anchor, not roots alone */
    time_t clock_skew;  /* seconds by which certificates count before and after their time */
    bool crl_leaf_only; /* revocation of the client's own certificate alone */
    bool crl_may_miss;  /* without a list of the issuer nobody is refused */
    time_t crl_grace;   /* seconds that a list counts after its nextUpdate */
};

/* The path that was found good, DER, the client's own certificate first, the anchor last. Borrowed
 * from what was sent and from the trust. */
enum { VERIFY_PATH_MAX = 16 };
struct verify_path {
    struct str der[VERIFY_PATH_MAX];
    size_t count;       /* 0: none was good */
    time_t valid_until; /* the first of them ends then, clock_skew included */
};

/* chain_der: the certificates as the client sent them, leaf first. detail gets the words for the
 * log. */
enum refusal verify_chain(const struct trust *t, const struct str *chain_der, size_t count,
                          time_t now, const struct verify_rules *rules, struct buf *detail);
/* The same, and which path it was. */
enum refusal verify_chain_path(const struct trust *t, const struct str *chain_der, size_t count,
                               time_t now, const struct verify_rules *rules, struct buf *detail,
                               struct verify_path *path);

/* ---- for whoever explains a verdict ---- */

enum verify_source {
    VERIFY_SENT,   /* by the client */
    VERIFY_KNOWN,  /* an intermediate of the server's files */
    VERIFY_ANCHOR, /* trusted as it is */
};
struct verify_link {
    struct str der;
    enum verify_source source;
};
struct verify_check {
    const char *name;     /* stable: "name_constraints" */
    enum refusal refusal; /* REFUSAL_NONE: it has nothing against this path */
    struct str words;     /* of a refusal: "expired 2020-02-01" */
    size_t at;            /* about this certificate of the path */
};
enum { VERIFY_CHECKS_MAX = 16 };
/* The path that the verdict is about, the client's own certificate first. */
struct verify_trace {
    struct arena *arena; /* of whatever it points to; set by the caller */
    struct verify_link path[VERIFY_PATH_MAX];
    size_t length;
    bool is_complete; /* it ends in an anchor, and every signature is good: the checks follow */
    struct verify_check checks[VERIFY_CHECKS_MAX];
    size_t check_count;
    struct str subject; /* of the certificate that a refusal is about, RFC 2253 */
    struct str issuer;  /* its issuer */
};
/* The same verdict again; it fills the trace. */
enum refusal verify_chain_trace(const struct trust *t, const struct str *chain_der, size_t count,
                                time_t now, const struct verify_rules *rules, struct buf *detail,
                                struct verify_trace *trace);

#endif
