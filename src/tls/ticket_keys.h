/* The keys that tickets are sealed with: those of ssl_session_ticket_key, or own ones in a zone
 * that all workers share, which replace each other as time goes by. */
#ifndef PORTCULLIS_TLS_TICKET_KEYS_H
#define PORTCULLIS_TLS_TICKET_KEYS_H

#include <mbedtls/gcm.h>

#include "portcullis/base/str.h"
#include "portcullis/base/zone.h"

enum { TICKET_KEY_NAME = 16 };

struct ticket_key {
    unsigned char name[TICKET_KEY_NAME]; /* stands in the clear in a ticket */
    unsigned char digest[32];            /* of the file that it is from */
    bool is_set;
    mbedtls_gcm_context gcm; /* AES-256 */
};

struct ticket_keys;

/* Own keys: each seals for period_ms and opens as long again. The zone (of TLS_TICKET_ZONE_SIZE
 * octets) is named after the period; until it is mapped there are none. */
struct ticket_keys *ticket_keys_in_zone(const struct zone *zone, int64_t period_ms);
/* Fixed keys, the first of which seals; add them in order. */
struct ticket_keys *ticket_keys_fixed(void);
/* nginx's files: a name of 16 octets, then secrets of 32 (AES-128) or 64 (AES-256). False: another
 * size. */
bool ticket_keys_add(struct ticket_keys *k, struct str file);
/* The n-th of both is from the same file's content. */
bool ticket_keys_agree(const struct ticket_keys *a, const struct ticket_keys *b, size_t n);
void ticket_keys_free(struct ticket_keys *k); /* wipes; NULL is fine */

/* The one to seal with; NULL: there is none now. */
struct ticket_key *ticket_keys_current(struct ticket_keys *k);
/* NULL: never ours, or too old. */
struct ticket_key *ticket_keys_find(struct ticket_keys *k, const unsigned char *name);

#endif
