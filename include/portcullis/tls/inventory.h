/* What a context works with, for whoever looks a configuration over. */
#ifndef PORTCULLIS_TLS_INVENTORY_H
#define PORTCULLIS_TLS_INVENTORY_H

#include "portcullis/tls/context.h"

struct tls_ca {
    struct str subject; /* RFC 2253 */
    time_t not_before, not_after;
    bool is_root;         /* self-signed */
    bool is_intermediate; /* of ssl_client_intermediates */
    bool is_ca;           /* it says that it may issue certificates, or is too old to say */
    bool has_list;        /* there is a revocation list in its name */
    /* "has an RSA key of 1024 bits": nobody is verified by it; empty: its key is good. */
    struct str key_problem;
};

struct tls_list {
    struct str issuer;
    size_t entries;
    time_t this_update, next_update; /* next_update 0: it does not say */
    bool is_forged; /* its issuer is among the CAs, and none of that name has signed it */
};

struct tls_own {
    struct str path, subject;
    time_t not_before, not_after;
    bool is_shown; /* to clients: it is meant for servers */
    /* "has an RSA key of 1024 bits", "is signed with SHA-1": clients refuse it; empty: it is good.
     */
    struct str problem;
};

struct tls_inventory {
    VEC(struct tls_ca) cas;
    VEC(struct tls_list) lists;
    VEC(struct tls_own) own; /* the server's certificates, without their chains */
};

void tls_context_inventory(const struct tls_context *c, struct arena *a, struct tls_inventory *out);

#endif
