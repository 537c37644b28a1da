/* What goes over the sockets of the key process: one message each way. Both ends are one program.
 */
#ifndef PORTCULLIS_TLS_KEY_LINE_H
#define PORTCULLIS_TLS_KEY_LINE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/pk.h>

enum key_request_kind { KEY_LOAD, KEY_SIGN, KEY_ATTACH /* with a descriptor; no answer */ };

struct key_request {
    enum key_request_kind kind;
    union {
        struct {
            char path[PATH_MAX], passwords[PATH_MAX]; /* passwords: of that file; empty: none */
        } load;
        struct {
            uint32_t number; /* the how manieth that was loaded */
            mbedtls_pk_type_t type;
            mbedtls_md_type_t md;
            size_t size;
            unsigned char hash[MBEDTLS_MD_MAX_SIZE];
        } sign;
    };
};

/* Octets of one that are sent. */
static inline size_t key_request_size(const struct key_request *q)
{
    switch (q->kind) {
    case KEY_LOAD:
        return offsetof(struct key_request, load) + sizeof q->load;
    case KEY_SIGN:
        return offsetof(struct key_request, sign) + sizeof q->sign;
    case KEY_ATTACH:
        break;
    }
    return offsetof(struct key_request, load);
}

struct key_answer {
    int rc; /* mbedTLS's; of a load that failed: not 0 */
    union {
        struct {
            uint32_t number;
            size_t size;
            unsigned char public_key[4096]; /* SubjectPublicKeyInfo */
            char problem[160];
        } load;
        struct {
            size_t size;
            unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
        } sign;
    };
};

static inline size_t key_answer_size(enum key_request_kind kind)
{
    const struct key_answer *a = NULL;
    return kind == KEY_LOAD ? offsetof(struct key_answer, load) + sizeof a->load
                            : offsetof(struct key_answer, sign) + sizeof a->sign;
}

#endif
