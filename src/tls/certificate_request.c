#include "portcullis/tls/certificate_request.h"

#include "cert.h"
#include "der.h"
#include "name.h"
#include "wire.h"

enum { EXTENSION_SIGNATURE_ALGORITHMS = 13, EXTENSION_CERTIFICATE_AUTHORITIES = 47 };

/* ---- schemes (RFC 8446, 4.2.3) ---- */

#define RSA     STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01") /* 1.2.840.113549.1.1.1 */
#define RSA_PSS STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a") /* 1.2.840.113549.1.1.10 */
#define EC      STR_INIT("\x2a\x86\x48\xce\x3d\x02\x01")         /* 1.2.840.10045.2.1 */

static const struct scheme {
    uint16_t number;
    struct str name;
    struct str key; /* the algorithm of keys that sign so */
} schemes[] = {
    {0x0401, STR_INIT("rsa_pkcs1_sha256"), RSA},
    {0x0501, STR_INIT("rsa_pkcs1_sha384"), RSA},
    {0x0601, STR_INIT("rsa_pkcs1_sha512"), RSA},
    {0x0403, STR_INIT("ecdsa_secp256r1_sha256"), EC},
    {0x0503, STR_INIT("ecdsa_secp384r1_sha384"), EC},
    {0x0603, STR_INIT("ecdsa_secp521r1_sha512"), EC},
    {0x0804, STR_INIT("rsa_pss_rsae_sha256"), RSA},
    {0x0805, STR_INIT("rsa_pss_rsae_sha384"), RSA},
    {0x0806, STR_INIT("rsa_pss_rsae_sha512"), RSA},
    {0x0807, STR_INIT("ed25519"), STR_INIT("\x2b\x65\x70")},
    {0x0808, STR_INIT("ed448"), STR_INIT("\x2b\x65\x71")},
    {0x0809, STR_INIT("rsa_pss_pss_sha256"), RSA_PSS},
    {0x080a, STR_INIT("rsa_pss_pss_sha384"), RSA_PSS},
    {0x080b, STR_INIT("rsa_pss_pss_sha512"), RSA_PSS},
    {0x081a, STR_INIT("ecdsa_brainpoolP256r1tls13_sha256"), EC},
    {0x081b, STR_INIT("ecdsa_brainpoolP384r1tls13_sha384"), EC},
    {0x081c, STR_INIT("ecdsa_brainpoolP512r1tls13_sha512"), EC},
    {0x0301, STR_INIT("rsa_pkcs1_sha224"), RSA},
    {0x0303, STR_INIT("ecdsa_sha224"), EC},
    {0x0201, STR_INIT("rsa_pkcs1_sha1"), RSA},
    {0x0203, STR_INIT("ecdsa_sha1"), EC},
};

static const struct scheme *find_scheme(uint16_t number)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (schemes[i].number == number)
            return &schemes[i];
    return NULL;
}

struct str certificate_request_scheme(uint16_t scheme, struct arena *a)
{
    const struct scheme *known = find_scheme(scheme);
    return known ? known->name : arena_printf(a, "0x%04x", scheme);
}

/* ---- reading ---- */

static bool read_schemes(struct certificate_request *r, struct arena *a, struct str in)
{
    struct str list;
    size_t number;
    if (!wire_take_vector(&in, 2, &list) || in.len > 0)
        return false;
    while (wire_take_number(&list, 2, &number))
        *VEC_PUSH(a, &r->schemes) = (uint16_t)number;
    return list.len == 0;
}

static bool read_authorities(struct certificate_request *r, struct arena *a, struct str in)
{
    struct str list, name;
    if (!wire_take_vector(&in, 2, &list) || in.len > 0)
        return false;
    while (wire_take_vector(&list, 2, &name)) {
        if (!name_is_valid(name))
            return false;
        *VEC_PUSH(a, &r->authorities) = name_text(a, name);
    }
    return list.len == 0;
}

static bool read_extensions(struct certificate_request *r, struct arena *a, struct str list)
{
    struct str content;
    size_t type;
    while (wire_take_number(&list, 2, &type) && wire_take_vector(&list, 2, &content)) {
        if (type == EXTENSION_SIGNATURE_ALGORITHMS && !read_schemes(r, a, content))
            return false;
        if (type == EXTENSION_CERTIFICATE_AUTHORITIES && !read_authorities(r, a, content))
            return false;
    }
    return list.len == 0;
}

static bool read_tls13(struct certificate_request *r, struct arena *a, struct str body)
{
    struct str context, extensions;
    return wire_take_vector(&body, 1, &context) && wire_take_vector(&body, 2, &extensions) &&
           body.len == 0 && read_extensions(r, a, extensions);
}

/* Types of certificates come first; the schemes tell more. */
static bool read_tls12(struct certificate_request *r, struct arena *a, struct str body)
{
    struct str types, list;
    if (!wire_take_vector(&body, 1, &types))
        return false;
    struct str rest = body;
    return wire_take_vector(&rest, 2, &list) && read_schemes(r, a, str_upto(body, list.len + 2)) &&
           read_authorities(r, a, rest);
}

bool certificate_request_read(struct certificate_request *r, struct arena *a, struct str body,
                              bool is_tls13)
{
    *r = (struct certificate_request){0};
    return (is_tls13 ? read_tls13 : read_tls12)(r, a, body);
}

/* ---- a client's choice ---- */

static struct str key_algorithm(const struct cert *c)
{
    struct str spki = c->spki, info, algorithm, oid;
    bool is_read = der_take(&spki, DER_SEQUENCE, &info) &&
                   der_take(&info, DER_SEQUENCE, &algorithm) && der_take(&algorithm, DER_OID, &oid);
    return is_read ? oid : STR_NONE;
}

static bool has_scheme_for(const struct certificate_request *r, struct str key)
{
    VEC_FOR(const uint16_t, number, &r->schemes) {
        const struct scheme *s = find_scheme(*number);
        if (s && str_eq(s->key, key))
            return true;
    }
    return false;
}

static bool has_authority(const struct certificate_request *r, struct str issuer)
{
    VEC_FOR(const struct str, name, &r->authorities)
        if (str_eq(*name, issuer))
            return true;
    return false;
}

enum certificate_request_fit certificate_request_fits(const struct certificate_request *r,
                                                      const struct str *chain, size_t count)
{
    struct arena a;
    bool is_known = r->authorities.count == 0, can_sign = false;
    arena_init(&a, 1024);
    for (size_t i = 0; i < count; i++) {
        struct cert c;
        const char *problem;
        (void)cert_read(&c, chain[i], &problem); /* what was read of a malformed one stays */
        is_known |= has_authority(r, name_text(&a, c.issuer));
        can_sign |= i == 0 && has_scheme_for(r, key_algorithm(&c));
        cert_deinit(&c);
    }
    arena_deinit(&a);
    return !can_sign ? REQUEST_OTHER_KEY : is_known ? REQUEST_FITS : REQUEST_OTHER_CAS;
}
