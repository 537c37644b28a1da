/* A reader for DER (X.690), as strict as DER is: definite minimal lengths, tags of one octet. It
 * reads borrowed octets and never past their end. */
#ifndef PORTCULLIS_TLS_DER_H
#define PORTCULLIS_TLS_DER_H

#include <time.h>

#include "portcullis/base/str.h"

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_UTF8_STRING = 0x0c,
    DER_NUMERIC_STRING = 0x12,
    DER_PRINTABLE_STRING = 0x13,
    DER_T61_STRING = 0x14,
    DER_IA5_STRING = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_VISIBLE_STRING = 0x1a,
    DER_UNIVERSAL_STRING = 0x1c,
    DER_BMP_STRING = 0x1e,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};
#define DER_CONTEXT(n)          (0x80u | (n)) /* [n] IMPLICIT of a primitive */
#define DER_CONTEXT_COMPOUND(n) (0xa0u | (n)) /* [n] of a constructed one, or EXPLICIT */

struct der_item {
    unsigned tag;
    struct str content, whole; /* without and with tag and length */
};

/* The next element of *rest, which moves behind it. False: none, or not DER. */
bool der_next(struct str *rest, struct der_item *item);
/* The same, and it must have this tag; content may be NULL. *rest stays where it is on false. */
bool der_take(struct str *rest, unsigned tag, struct str *content);
bool der_take_whole(struct str *rest, unsigned tag, struct der_item *item);
/* Is the next element one with this tag? */
bool der_at(struct str rest, unsigned tag);
/* OPTIONAL: true with content.ptr NULL when the next element has another tag. */
bool der_optional(struct str *rest, unsigned tag, struct str *content);

/* DEFAULT FALSE: absent is false. */
bool der_take_bool(struct str *rest, bool *value);
/* An INTEGER (or what is implicitly tagged as one) from 0 to 2^31-1. */
bool der_small_integer(struct str content, unsigned *value);
/* UTCTime or GeneralizedTime in RFC 5280's form (4.1.2.5): Z, with seconds, no fraction. */
bool der_take_time(struct str *rest, time_t *value);
/* A BIT STRING's octets; unused is the count of padding bits. */
bool der_bit_string(struct str content, struct str *octets, unsigned *unused);
/* A BIT STRING of named bits (KeyUsage …): bit i of the result is named bit i, below 32. */
bool der_named_bits(struct str content, unsigned *bits);
/* An INTEGER's content without sign octets that add nothing. */
struct str der_integer_trim(struct str content);

#endif
