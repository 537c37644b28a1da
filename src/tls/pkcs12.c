/* The file is boxes in boxes:
 *
 *   PFX ─ AuthenticatedSafe ─┬─ ContentInfo, plain      ─ SafeContents ─┬─ bag: certificate
 *                            └─ ContentInfo, encrypted ─ SafeContents ─┴─ bag: key, passed over
 *
 * Its MAC is not looked at: what comes out is judged as a certificate, by its own signature. */
#include "pkcs12.h"

#include <mbedtls/asn1.h>
#include <mbedtls/cipher.h>
#include <mbedtls/pkcs12.h>
#include <mbedtls/pkcs5.h>

#include "der.h"
#include "portcullis/base/memory.h"

#define OID(name, octets) static const struct str name = STR_INIT(octets)
OID(oid_data, "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01");             /* 1.2.840.113549.1.7.1 */
OID(oid_encrypted_data, "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06");   /* 1.2.840.113549.1.7.6 */
OID(oid_pbes2, "\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d");            /* 1.2.840.113549.1.5.13 */
OID(oid_sha1_3des, "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03");    /* …1.12.1.3 */
OID(oid_cert_bag, "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03"); /* …1.12.10.1.3 */
OID(oid_x509, "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01");         /* 1.2.840.113549.1.9.22.1 */
OID(oid_local_key_id, "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x15");     /* 1.2.840.113549.1.9.21 */

struct reader {
    struct bundle *own, *others; /* of a key in the file, or not */
    struct arena *arena;
    struct str password;
};

bool pkcs12_is_one(struct str octets)
{
    struct str content;
    return der_take(&octets, DER_SEQUENCE, &content) && der_at(content, DER_INTEGER);
}

/* ---- bags ---- */

/* The key that belongs to a certificate has the same localKeyID. */
static bool has_local_key_id(struct str attributes)
{
    struct str attribute, oid;
    while (der_take(&attributes, DER_SEQUENCE, &attribute))
        if (der_take(&attribute, DER_OID, &oid) && str_eq(oid, oid_local_key_id))
            return true;
    return false;
}

static bool read_cert_bag(const struct reader *r, struct str value, struct str attributes)
{
    struct str bag, oid, explicit, der;
    if (!der_take(&value, DER_SEQUENCE, &bag) || !der_take(&bag, DER_OID, &oid) ||
        !der_take(&bag, DER_CONTEXT_COMPOUND(0), &explicit) ||
        !der_take(&explicit, DER_OCTET_STRING, &der))
        return false;
    if (!str_eq(oid, oid_x509))
        return true;
    struct bundle *to = has_local_key_id(attributes) ? r->own : r->others;
    *VEC_PUSH(r->arena, &to->certificates) = arena_str(r->arena, der);
    return true;
}

static bool read_bags(const struct reader *r, struct str safe)
{
    struct str bags, bag;
    if (!der_take(&safe, DER_SEQUENCE, &bags))
        return false;
    while (der_take(&bags, DER_SEQUENCE, &bag)) {
        struct str oid, value, attributes;
        if (!der_take(&bag, DER_OID, &oid) || !der_take(&bag, DER_CONTEXT_COMPOUND(0), &value) ||
            !der_optional(&bag, DER_SET, &attributes) ||
            (str_eq(oid, oid_cert_bag) && !read_cert_bag(r, value, attributes)))
            return false;
    }
    return bags.len == 0;
}

/* ---- encryption ---- */

static mbedtls_asn1_buf buffer_of(const struct der_item *item)
{
    return (mbedtls_asn1_buf){.tag = (int)item->tag,
                              .len = item->content.len,
                              .p = (unsigned char *)(uintptr_t)item->content.ptr};
}

/* 0, or mbedTLS's error. */
static int decrypt(const struct reader *r, struct str oid, const struct der_item *parameters,
                   struct str octets, unsigned char *out, size_t size, size_t *length)
{
    mbedtls_asn1_buf p = buffer_of(parameters);
    const unsigned char *password = (const unsigned char *)r->password.ptr;
    const unsigned char *in = (const unsigned char *)octets.ptr;
    if (str_eq(oid, oid_pbes2))
        return mbedtls_pkcs5_pbes2_ext(&p, MBEDTLS_PKCS5_DECRYPT, password, r->password.len, in,
                                       octets.len, out, size, length);
    return mbedtls_pkcs12_pbe_ext(&p, MBEDTLS_PKCS12_PBE_DECRYPT, MBEDTLS_CIPHER_DES_EDE3_CBC,
                                  MBEDTLS_MD_SHA1, password, r->password.len, in, octets.len, out,
                                  size, length);
}

/* A wrong password may well give octets that look padded right and are no bags. */
static enum pkcs12_result read_locked(const struct reader *r, struct str oid,
                                      const struct der_item *parameters, struct str octets)
{
    size_t size = octets.len + 32, length = 0;
    if (!str_eq(oid, oid_pbes2) && !str_eq(oid, oid_sha1_3des))
        return PKCS12_UNSUPPORTED;
    unsigned char *out = mem_alloc(size);
    int rc = decrypt(r, oid, parameters, octets, out, size, &length);
    bool is_read = rc == 0 && read_bags(r, str_make((char *)out, length));
    mem_wipe(out, size);
    mem_free(out);
    if (rc == MBEDTLS_ERR_PKCS5_FEATURE_UNAVAILABLE)
        return PKCS12_UNSUPPORTED;
    return is_read ? PKCS12_READ : PKCS12_LOCKED;
}

/* EncryptedData: RFC 5652, 8. */
static enum pkcs12_result read_encrypted(const struct reader *r, struct str content)
{
    struct str data, version, info, type, algorithm, oid, octets;
    struct der_item parameters;
    if (!der_take(&content, DER_SEQUENCE, &data) || !der_take(&data, DER_INTEGER, &version) ||
        !der_take(&data, DER_SEQUENCE, &info) || !der_take(&info, DER_OID, &type) ||
        !der_take(&info, DER_SEQUENCE, &algorithm) || !der_take(&algorithm, DER_OID, &oid) ||
        !der_take_whole(&algorithm, DER_SEQUENCE, &parameters) ||
        !der_take(&info, DER_CONTEXT(0), &octets))
        return PKCS12_MALFORMED;
    return read_locked(r, oid, &parameters, octets);
}

static enum pkcs12_result read_content(const struct reader *r, struct str info)
{
    struct str oid, content, octets;
    if (!der_take(&info, DER_OID, &oid) || !der_take(&info, DER_CONTEXT_COMPOUND(0), &content))
        return PKCS12_MALFORMED;
    if (str_eq(oid, oid_encrypted_data))
        return read_encrypted(r, content);
    if (!str_eq(oid, oid_data))
        return PKCS12_UNSUPPORTED;
    bool is_read = der_take(&content, DER_OCTET_STRING, &octets) && read_bags(r, octets);
    return is_read ? PKCS12_READ : PKCS12_MALFORMED;
}

/* ---- the file ---- */

static enum pkcs12_result read_safe(const struct reader *r, struct str octets)
{
    struct str pfx, version, info, oid, content, data, safe, part;
    if (!der_take(&octets, DER_SEQUENCE, &pfx) || !der_take(&pfx, DER_INTEGER, &version) ||
        !der_take(&pfx, DER_SEQUENCE, &info) || !der_take(&info, DER_OID, &oid) ||
        !str_eq(oid, oid_data) || !der_take(&info, DER_CONTEXT_COMPOUND(0), &content) ||
        !der_take(&content, DER_OCTET_STRING, &data) || !der_take(&data, DER_SEQUENCE, &safe))
        return PKCS12_MALFORMED;
    enum pkcs12_result result = PKCS12_READ;
    while (result == PKCS12_READ && der_take(&safe, DER_SEQUENCE, &part))
        result = read_content(r, part);
    return result == PKCS12_READ && safe.len > 0 ? PKCS12_MALFORMED : result;
}

enum pkcs12_result pkcs12_read(struct bundle *b, struct arena *a, struct str octets,
                               struct str password)
{
    struct bundle own = {0}, others = {0};
    const struct reader r = {&own, &others, a, password};
    enum pkcs12_result result = read_safe(&r, octets);
    if (result != PKCS12_READ)
        return result;
    VEC_FOR(const struct str, der, &own.certificates)
        *VEC_PUSH(a, &b->certificates) = *der;
    VEC_FOR(const struct str, der, &others.certificates)
        *VEC_PUSH(a, &b->certificates) = *der;
    return PKCS12_READ;
}
