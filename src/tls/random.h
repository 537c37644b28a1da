/* Randomness in the form that mbedTLS asks for. */
#ifndef PORTCULLIS_TLS_RANDOM_H
#define PORTCULLIS_TLS_RANDOM_H

#include <stddef.h>

int random_for_mbedtls(void *unused, unsigned char *out, size_t size);

#endif
