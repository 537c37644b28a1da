/* A private key, as a handle: the one place that holds key octets, so that signing can move to
 * another process. */
#ifndef PORTCULLIS_TLS_KEY_H
#define PORTCULLIS_TLS_KEY_H

#include <mbedtls/pk.h>

#include "portcullis/base/arena.h"

struct key;

/* From a PEM file (PKCS#1, SEC 1, PKCS#8, encrypted or not; the first key in it). passwords: a line
 * each, may be empty. NULL with *problem. */
struct key *key_load(struct str path, struct str passwords, const char **problem);
/* The same of a key that another process holds and reads, asked over *line, which may change later
 * on; passwords_path: the file that they are in. *problem lives in a. */
struct key *key_load_remote(const int *line, struct str path, struct str passwords_path,
                            struct arena *a, const char **problem);
void key_free(struct key *k); /* wipes; NULL is fine */
bool key_matches(const struct key *k, const mbedtls_pk_context *public_key);
/* For mbedtls_ssl_conf_own_cert. */
mbedtls_pk_context *key_mbedtls(struct key *k);

#endif
