/* Distinguished names (RFC 5280, 4.1.2.4): compared, and as text. A name is the DER of its
 * SEQUENCE, tag and length included. */
#ifndef PORTCULLIS_TLS_NAME_H
#define PORTCULLIS_TLS_NAME_H

#include "portcullis/base/arena.h"
#include "portcullis/base/buf.h"
#include "portcullis/base/str.h"

/* Is it a Name, and without a NUL in any character? */
bool name_is_valid(struct str name);
bool name_is_empty(struct str name);

/* RFC 5280, 7.1: case, blanks at the ends, runs of blanks and the kind of string do not matter. */
bool name_equal(struct str a, struct str b);
/* Equal for names that name_equal holds equal. */
uint32_t name_hash(struct str name);
/* Are the first RDNs of name those of base? */
bool name_is_within(struct str name, struct str base);

/* RFC 2253, as nginx's $ssl_client_s_dn: OpenSSL's XN_FLAG_RFC2253. */
void name_append_rfc2253(struct buf *out, struct str name);
/* The same by itself; nothing for a name that could not be read (ptr NULL). */
struct str name_text(struct arena *a, struct str name);
/* As nginx's $ssl_client_s_dn_legacy: OpenSSL's X509_NAME_oneline. */
void name_append_legacy(struct buf *out, struct str name);

/* "1.2.840.113549" */
void oid_append(struct buf *out, struct str oid);

/* One attribute after the other, in the order of the DER: while (name_next(&walk)) … */
struct name_walk {
    struct str rdns, rdn; /* what is left */
    bool first_of_rdn;    /* the attribute begins an RDN */
    bool is_malformed;    /* why name_next said false */
    struct str oid;
    unsigned tag;
    struct str value, value_der;
};
struct name_walk name_walk_begin(struct str name);
bool name_next(struct name_walk *w);
/* OpenSSL's short name of the attribute ("CN"); NULL: none. */
const char *name_attribute(const struct name_walk *w);
/* Its value as UTF-8, without escapes; nothing when it is no string. */
void name_append_value(struct buf *out, const struct name_walk *w);

extern const struct str name_oid_common_name, name_oid_email;

#endif
