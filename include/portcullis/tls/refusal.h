/* The reasons a client is refused for, from reasons.def. */
#ifndef PORTCULLIS_TLS_REFUSAL_H
#define PORTCULLIS_TLS_REFUSAL_H

#include "portcullis/base/str.h"

enum refusal {
    REFUSAL_NONE, /* verified */
#define X(id, code, openssl_words, cure, remedy) REFUSAL_##id,
#include "portcullis/tls/reasons.def"
#undef X
    REFUSALS
};

const char *refusal_code(enum refusal r);          /* "cert_expired"; "" for REFUSAL_NONE */
const char *refusal_openssl_words(enum refusal r); /* "certificate has expired" */
const char *refusal_cure(enum refusal r);          /* a sentence for the client's owner */
/* A sentence for the operator; {cert} and {issuer} stand in it for names. */
const char *refusal_remedy(enum refusal r);

#endif
