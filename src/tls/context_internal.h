/* What session.c needs of a context. */
#ifndef PORTCULLIS_TLS_CONTEXT_INTERNAL_H
#define PORTCULLIS_TLS_CONTEXT_INTERNAL_H

#include <mbedtls/ssl.h>

#include "key.h"
#include "portcullis/base/list.h"
#include "portcullis/tls/context.h"
#include "suites.h"
#include "ticket_keys.h"

/* A certificate file with its key. */
struct key_pair {
    struct str certificate_path, key_path;
    mbedtls_x509_crt chain;
    struct key *key;
    struct key_pair *next;
};

/* mbedTLS shows clients no other certificate. */
bool key_pair_is_for_servers(const struct key_pair *pair);

struct trust_set;

struct tls_context {
    struct list link; /* in its pool */
    struct arena arena;
    struct tls_settings settings;
    struct key_pair **pairs; /* the pool's */
    size_t pair_count;
    const struct trust_set *set; /* the pool's or its image's; NULL: it is an orphan */
    const struct trust *trust;   /* the set's, or that of nobody; never NULL */
    bool is_outdated;            /* a server of its name asks for certificates now */
    struct verify_rules rules;
    struct ticket_keys *tickets; /* the pool's; NULL: sessions are not resumed */
    unsigned char binding[32]; /* what its tickets are good for: a digest of certificates and CAs */

    mbedtls_ssl_config config;
    int suites[SUITES_MAX + 1];
    uint16_t groups[GROUPS_MAX + 1];
};

/* Versions, suites, groups and own certificates, for either end. */
void context_configure(const struct tls_context *c, mbedtls_ssl_config *config);
/* Clients are judged by this from now on; set NULL: it is an orphan and trusts nobody. */
void context_trust(struct tls_context *c, const struct trust_set *set,
                   const struct verify_rules *rules);

#endif
