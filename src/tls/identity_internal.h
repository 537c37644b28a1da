/* An identity's insides, for identity.c and identity_facts.c. */
#ifndef PORTCULLIS_TLS_IDENTITY_INTERNAL_H
#define PORTCULLIS_TLS_IDENTITY_INTERNAL_H

#include "cert.h"
#include "portcullis/tls/identity.h"

/* Texts that are made when first asked for. */
enum text {
    TEXT_PEM,
    TEXT_SUBJECT,
    TEXT_ISSUER,
    TEXT_SUBJECT_LEGACY,
    TEXT_ISSUER_LEGACY,
    TEXT_NOT_BEFORE,
    TEXT_NOT_AFTER,
    TEXT_SERIAL,
    TEXT_SHA1,
    TEXT_SHA256,
    TEXTS
};

struct identity {
    unsigned references;
    struct arena arena;
    struct str *chain; /* DER, the client's own first */
    size_t count;
    struct cert cert; /* of chain[0] */
    struct str texts[TEXTS], facts[IDENTITY_FACTS];

    enum refusal refusal;
    struct str verify_text, detail;
    struct str *path; /* found good, the anchor last */
    size_t path_count;
    uint64_t judged_by; /* the trust's number */
    time_t judged_at;   /* 0: not yet */
    time_t proved_at;   /* 0: not yet */
    time_t valid_until; /* of a verified one */
};

void identity_append_hex(struct buf *out, const unsigned char *octets, size_t count,
                         const char *digits);
void identity_append_pem(struct buf *out, struct str der); /* without the last newline */

#endif
