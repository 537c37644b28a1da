/* A ticket: all that a later connection needs to go on with a session, the client's certificates
 * among it, encrypted and authenticated.
 *
 *      key name(16)  nonce(12)  AES-256-GCM of the state  tag(16)
 *
 * Pure, but for the nonce. */
#ifndef PORTCULLIS_TLS_TICKET_H
#define PORTCULLIS_TLS_TICKET_H

#include "portcullis/base/arena.h"
#include "ticket_keys.h"

enum {
    TICKET_SECRET_MAX = 48,
    TICKET_CHAIN_MAX = 16,
    TICKET_SIZE_MAX = 8192, /* longer chains are shown anew by each connection */
};

struct ticket {
    uint16_t version, suite;            /* as on the wire */
    uint8_t flags;                      /* TLS 1.3: mbedTLS's, of the PSK modes */
    uint32_t age_add;                   /* TLS 1.3 */
    uint32_t choice;                    /* TLS 1.2: digest of what the suite was chosen by */
    int64_t created_ms;                 /* of this ticket, wall time */
    int64_t proved_at;                  /* seconds: when the session began by a full handshake */
    struct str secret;                  /* master secret, or TLS 1.3's resumption PSK */
    struct str chain[TICKET_CHAIN_MAX]; /* the client's certificates as it sent them */
    size_t chain_count;
};

/* Is there room for so many certificates? */
bool ticket_holds(const struct str *chain, size_t count);
/* bound_to: what the ticket is good for; the same octets open it. 0: it does not fit. */
size_t ticket_seal(const struct ticket *t, struct ticket_key *key, struct str bound_to,
                   unsigned char *out, size_t size);
/* False: it is no ticket of these keys and this purpose, whole and unchanged. Strings live in a. */
bool ticket_open(struct ticket *t, struct ticket_keys *keys, struct str bound_to, struct str sealed,
                 struct arena *a);

#endif
