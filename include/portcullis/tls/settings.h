/* What a server block says about TLS, as plain values: the configuration fills it, the context
 * is made from it. */
#ifndef PORTCULLIS_TLS_SETTINGS_H
#define PORTCULLIS_TLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "portcullis/base/vec.h"
#include "portcullis/base/zone.h"

enum tls_verify_mode {
    TLS_VERIFY_OFF,
    TLS_VERIFY_ON,
    TLS_VERIFY_OPTIONAL,
    TLS_VERIFY_OPTIONAL_NO_CA,
    TLS_VERIFY_REPORT /* as on, but nobody is refused: it is told who would have been */
};

enum tls_crl_check { TLS_CRL_CHAIN, TLS_CRL_LEAF };
enum tls_crl_missing { TLS_CRL_MISSING_REFUSE, TLS_CRL_MISSING_ALLOW };

enum { TLS_PROTOCOL_1_2 = 1, TLS_PROTOCOL_1_3 = 2 };

enum { TLS_TICKET_ZONE_SIZE = 128 }; /* octets, of ticket_zone */

/* The keys that certificates may have, of ours, of clients and of CAs. */
#define TLS_KEY_KINDS                                                                              \
    "RSA of 2048 to 8192 bits with a public exponent of no more than 64 bits, or ECDSA on P-256, " \
    "P-384 or P-521"

struct tls_settings {
    VEC(struct str) certificates;     /* paths, absolute */
    VEC(struct str) certificate_keys; /* as many, in the same order */
    struct str password_file;         /* ssl_password_file; empty: none */
    struct str client_certificate;    /* CA file whose names are sent to clients */
    struct str trusted_certificate;   /* CA file whose names are not sent */
    struct str intermediates;         /* what clients need not send; empty: none */
    struct str crl;
    /* "ADDRESS NAME" each, its own first: what the server block is found by in another
     * configuration. */
    VEC(struct str) keys;
    bool partial_chain;           /* ssl_client_partial_chain */
    int64_t clock_skew_ms;        /* ssl_client_clock_skew */
    enum tls_crl_check crl_check; /* ssl_crl_check */
    enum tls_crl_missing crl_missing;
    int64_t crl_grace_ms;
    uint64_t policy; /* a hash of what else is asked of clients, by location: who may come in */
    enum tls_verify_mode verify;
    bool refuses_by_alert;   /* ssl_client_refuse alert */
    bool location_verifies;  /* one of the server's locations says other than off: clients are asked
                                for certificates even where verify is off */
    unsigned verify_depth;   /* nginx's: intermediates allowed between leaf and anchor; default 1 */
    unsigned protocols;      /* TLS_PROTOCOL_ bits */
    struct str ciphers;      /* OpenSSL's list for TLS 1.2 */
    struct str ciphersuites; /* ssl_conf_command Ciphersuites, TLS 1.3; empty: all */
    struct str ecdh_curve;   /* "auto" or a list by ':' */
    bool prefer_server_ciphers;
    bool reject_handshake;
    bool judges_only;                 /* no handshakes: certificates and keys are not read */
    bool session_tickets;             /* ssl_session_tickets */
    VEC(struct str) ticket_keys;      /* ssl_session_ticket_key: paths; the first one seals */
    const struct zone *ticket_zone;   /* where own ones live; NULL: there are none */
    const struct zone *session_cache; /* ssl_session_cache shared, builtin; NULL: none */
    int64_t session_timeout_ms;       /* since the client proved its key */
    size_t buffer_size;               /* octets of plaintext in one record, at most */
};

/* Are clients asked for certificates? */
static inline bool tls_settings_ask(const struct tls_settings *s)
{
    return s->verify != TLS_VERIFY_OFF || s->location_verifies;
}

/* Check a value alone, for error messages at the directive: false with the offending part in *bad.
 * Of ciphers, unknown names are skipped as OpenSSL does; false when nothing is left. */
bool tls_ciphers_check(struct str openssl_list, struct str *bad);
bool tls_ciphersuites_check(struct str list, struct str *bad);
bool tls_curves_check(struct str list, struct str *bad);

#endif
