/* Certificates as people have them in files: PEM, one after the other with keys between, DER, or
 * PKCS #12. A private key beside them is passed over without being decoded. */
#ifndef PORTCULLIS_TLS_BUNDLE_H
#define PORTCULLIS_TLS_BUNDLE_H

#include "portcullis/base/vec.h"

struct bundle {
    VEC(struct str) certificates; /* DER, in the order of the file; in PKCS #12 the key's first */
    /* For PKCS #12 that the empty password does not open; NULL: nobody is asked. Its answer is
     * borrowed until the next call, ptr NULL: none. */
    struct str (*password)(void *owner);
    void *owner;
};

/* Adds those of octets, copied into a. False with *problem in plain words: there are none, or the
 * file is damaged. */
bool bundle_add(struct bundle *b, struct arena *a, struct str octets, const char **problem);
/* The same for a file; "-" is standard input. */
bool bundle_read(struct bundle *b, struct arena *a, struct str path, const char **problem);

#endif
