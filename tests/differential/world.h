/* A world: certificates and revocation lists made at random from a seed, what of them the client
 * sends and what the server trusts, and the rules. It begins as a chain that is right in every
 * respect; a few twists, rows of a table, then bend it. */
#ifndef TESTS_DIFFERENTIAL_WORLD_H
#define TESTS_DIFFERENTIAL_WORLD_H

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>

#include "portcullis/base/str.h"

enum {
    WORLD_NOW = 1800000000, /* 2027-01-15 */
    CERTS_MAX = 24,
    LISTS_MAX = 24,
    REVOKED_MAX = 4,
    EC_KEYS = 16, /* P-256; the others follow */
    KEY_P384 = EC_KEYS,
    KEY_RSA,
    KEY_RSA_SHORT,
    KEY_ED25519,
    KEY_SECP256K1,
    KEYS,
};

enum issuer_id {
    ISSUER_ID_KEY,
    ISSUER_ID_NONE,
    ISSUER_ID_WRONG_KEY,
    ISSUER_ID_SERIAL,
    ISSUER_ID_WRONG_SERIAL
};

/* What a certificate is to say. Texts are OpenSSL's notation for extensions (x509v3_config);
 * NULL: the extension is not there. */
struct cert_spec {
    int subject, key, issuer, serial; /* issuer: its place in world.certs */
    int version;
    long not_before, not_after; /* seconds from now */
    const char *constraints, *usage, *purposes, *names, *name_constraints, *policies;
    const char *policy_constraints, *crl_point, *netscape_type;
    bool has_key_id, unknown_extension, unknown_critical, is_tampered, no_subject;
    bool spelled_otherwise; /* the issuer's name, equal by RFC 5280, 7.1 */
    enum issuer_id issuer_id;
    const char *digest;

    bool is_sent, is_trusted;
};

struct list_spec {
    int issuer, key; /* key: who signs it */
    long this_update, next_update;
    bool has_next_update;
    int number, base;                               /* base above 0: a delta of it */
    int revoked[REVOKED_MAX], reasons[REVOKED_MAX]; /* serials; reason -1: none */
    int revoked_count;
    const char *point; /* issuingDistributionPoint */
    bool has_key_id, wrong_key_id, unknown_critical, is_tampered;
    bool has_delta; /* says where: OpenSSL asks for deltas of such lists alone */
};

struct world {
    struct cert_spec certs[CERTS_MAX]; /* the root, intermediates, the leaf; then what twists add */
    int count, leaf;
    struct list_spec lists[LISTS_MAX];
    int list_count;
    int depth;
    bool partial_chain, crl_leaf_only;
    char twists[256]; /* their names */

    X509 *x509[CERTS_MAX];
    X509_CRL *crls[LISTS_MAX];
    struct str der[CERTS_MAX], crl_der[LISTS_MAX];
    int sent[CERTS_MAX], sent_count; /* in the order in which they are sent */
};

/* The keys of all worlds. */
void encode_init(void);
void encode_deinit(void);

void world_make(struct world *w, uint64_t seed);
void world_free(struct world *w);
/* Turns what the specs say into DER. */
void world_encode(struct world *w);
void world_print(const struct world *w);

/* splitmix64 */
uint64_t random_next(uint64_t *state);

#endif
