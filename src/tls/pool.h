/* What the server blocks of a configuration name, each made once: CA certificates with revocation
 * lists, certificates with their keys, ticket keys. */
#ifndef PORTCULLIS_TLS_POOL_H
#define PORTCULLIS_TLS_POOL_H

#include <assert.h>

#include <mbedtls/sha256.h>
#include <mbedtls/x509_crt.h>

#include "context_internal.h"
#include "portcullis/base/list.h"
#include "trust.h"
#include "trust_image.h"

/* What the CA and CRL files of a server block hold. */
struct trust_set {
    struct str client_path, trusted_path, intermediates_path, crl_path;
    struct trust *trust;
    mbedtls_x509_crt *names, *last_name; /* of ssl_client_certificate, for CertificateRequest */
    size_t names_size;
    struct arena *arena;
    mbedtls_sha256_context seen; /* all CAs, as they stand in the files */
    unsigned char digest[32];    /* of them */
    size_t number;               /* in an image */
    struct trust_set *next;
};

/* Ticket keys, by what they are made of. */
struct ticket_set {
    const struct zone *zone;
    VEC(struct str) paths;
    struct ticket_keys *keys;
    struct ticket_set *next;
};

enum { TLS_POOL_ID_SIZE = 16 };

struct tls_pool {
    struct arena arena;
    unsigned char id[TLS_POOL_ID_SIZE]; /* random */
    struct list contexts;
    struct trust_image *image; /* what they judge by; NULL: by trusts */
    struct ticket_set *tickets;
    struct trust_set *trusts;
    struct key_pair *pairs;
    bool keys_are_apart; /* in the process that key_line leads to; -1: it is not there */
    int key_line;
};

/* Of mbedTLS's calls that fail for lack of memory alone. */
static inline void must(int rc)
{
    assert(rc == 0);
    (void)rc;
}

/* Tells, and returns false. */
bool tls_report_problem(const struct tls_report *r, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Of the image that came in its place. */
void pool_drop_trusts(struct tls_pool *p);
/* To be named in CertificateRequest. */
void trust_set_add_name(struct trust_set *t, struct str subject);

/* NULL: what was reported. */
const struct trust_set *pool_trust(struct tls_pool *p, const struct tls_settings *s,
                                   const struct verify_rules *rules, const struct tls_report *r);
struct key_pair *pool_pair(struct tls_pool *p, struct str certificate, struct str key,
                           struct str password_file, const struct tls_report *r);
struct ticket_set *pool_tickets(struct tls_pool *p, const struct tls_settings *s,
                                const struct tls_report *r);

#endif
