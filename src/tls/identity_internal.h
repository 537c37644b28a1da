/* An identity's insides, for identity.c and identity_facts.c. */
#ifndef PORTCULLIS_TLS_IDENTITY_INTERNAL_H
#define PORTCULLIS_TLS_IDENTITY_INTERNAL_H

#include "cert.h"
#include "portcullis/tls/identity.h"

struct identity {
    unsigned references;
    struct arena arena;
    struct str *chain; /* DER, the client's own first */
    size_t count;
    struct cert cert;                 /* of chain[0] */
    struct str facts[IDENTITY_FACTS]; /* made when first asked for */

    enum refusal refusal;
    struct str verify_text, detail;
    struct str *path; /* found good, the anchor last */
    size_t path_count;
    uint64_t judged_by; /* the trust's number */
    time_t judged_at;   /* 0: not yet */
    time_t proved_at;   /* 0: not yet */
    time_t valid_until; /* of a verified one */
};

#endif
