/* An X.509 certificate (RFC 5280, 4) as the verdict sees it: read by our own code from the DER,
 * which is borrowed. Nothing here decides whether a certificate is good. */
#ifndef PORTCULLIS_TLS_CERT_H
#define PORTCULLIS_TLS_CERT_H

#include <mbedtls/pk.h>
#include <time.h>

#include "portcullis/tls/refusal.h"

/* How something is signed; pk MBEDTLS_PK_NONE: in a way that we do not accept. */
struct signature_algorithm {
    mbedtls_pk_type_t pk; /* MBEDTLS_PK_RSA, _ECDSA, _RSASSA_PSS */
    mbedtls_md_type_t md;
    int salt; /* of RSASSA-PSS */
};

enum {
    KEY_USAGE_DIGITAL_SIGNATURE = 1u << 0,
    KEY_USAGE_CERT_SIGN = 1u << 5,
    KEY_USAGE_CRL_SIGN = 1u << 6,
};

struct cert {
    struct str der, tbs, issuer, subject, spki;
    struct str serial;    /* the INTEGER's content, without useless sign octets */
    struct str signature; /* the BIT STRING's octets */
    struct signature_algorithm algorithm;
    int version; /* 1, 2, 3 */
    time_t not_before, not_after;

    bool is_ca;
    int path_length; /* -1: no limit */
    bool has_key_usage, has_purposes, has_netscape_type;
    unsigned key_usage;               /* bits of RFC 5280, 4.2.1.3 */
    bool purpose_any, purpose_client; /* extended key usages */
    bool netscape_client;             /* netscape-cert-type says SSL client */
    struct str key_id;                /* ptr NULL: none */
    struct str issuer_key_id;         /* from authorityKeyIdentifier */
    struct str issuer_names, issuer_serial;
    struct str alt_names;        /* GeneralNames' content */
    struct str name_constraints; /* NameConstraints' content */
    struct str crl_points;       /* CRLDistributionPoints' content */
    bool has_unknown_critical;
    char unknown_critical[64]; /* its OID as text */

    mbedtls_pk_context key;
    bool key_is_read;
    enum refusal key_problem; /* REFUSAL_NONE: key can be used */
};

/* False: not a certificate, or one that breaks RFC 5280's syntax; *problem says how. What was read
 * so far stays. cert_deinit is needed in any case. */
bool cert_read(struct cert *c, struct str der, const char **problem);
/* All but the key, for which memory is needed: no cert_deinit. */
bool cert_read_texts(struct cert *c, struct str der, const char **problem);
/* That key, once there is a spki. */
void cert_read_key(struct cert *c);
void cert_deinit(struct cert *c);

bool cert_is_self_issued(const struct cert *c);
/* Do names and key identifiers (RFC 5280, 4.2.1.1) allow that issuer signed c? */
bool cert_may_be_issued_by(const struct cert *c, const struct cert *issuer);
/* Self-issued, and nothing says that it was another key. The signature is not looked at. */
bool cert_looks_self_signed(const struct cert *c);

/* AlgorithmIdentifier's content. False: malformed. Unacceptable ones give pk NONE. */
bool signature_algorithm_read(struct signature_algorithm *a, struct str identifier);
/* Does key's holder vouch for these octets? */
bool signature_is_good(const struct signature_algorithm *a, const mbedtls_pk_context *key,
                       struct str signed_octets, struct str signature);
/* The same with the digest at hand. */
bool signature_of_digest_is_good(const struct signature_algorithm *a, const mbedtls_pk_context *key,
                                 const unsigned char *digest, struct str signature);

/* The digest that is signed. */
bool signature_digest(const struct signature_algorithm *a, struct str octets,
                      unsigned char out[static 64]);

/* Extensions, one after the other, from the content of Extensions. False at the end or when
 * malformed (rest is then not empty). */
struct extension {
    struct str oid, value; /* value: the OCTET STRING's content */
    bool is_critical;
};
bool extension_next(struct str *rest, struct extension *e);

#endif
