/* A key's insides, for key.c and key_remote.c. */
#ifndef PORTCULLIS_TLS_KEY_INTERNAL_H
#define PORTCULLIS_TLS_KEY_INTERNAL_H

#include "key.h"

struct key {
    mbedtls_pk_context pk;
    const int *line; /* to the process that holds it; NULL: it is here */
    uint32_t number; /* there */
};

#endif
