#include "cert.h"

#include <stdio.h>
#include <string.h>

#include <mbedtls/md.h>

#include "der.h"
#include "name.h"

/* ---- signatures ------------------------------------------------------------------------------ */

/* MD5 and SHA-1 are missing on purpose (RFC 8446, 4.4.2.4), SHA-224 because nobody uses it. */
static const struct {
    struct str oid;
    mbedtls_pk_type_t pk;
    mbedtls_md_type_t md;
} signature_algorithms[] = {
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), MBEDTLS_PK_RSA, MBEDTLS_MD_SHA256},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), MBEDTLS_PK_RSA, MBEDTLS_MD_SHA384},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), MBEDTLS_PK_RSA, MBEDTLS_MD_SHA512},
    {STR_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x02"), MBEDTLS_PK_ECDSA, MBEDTLS_MD_SHA256},
    {STR_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x03"), MBEDTLS_PK_ECDSA, MBEDTLS_MD_SHA384},
    {STR_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x04"), MBEDTLS_PK_ECDSA, MBEDTLS_MD_SHA512},
};

static const struct {
    struct str oid;
    mbedtls_md_type_t md;
} digests[] = {
    {STR_INIT("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), MBEDTLS_MD_SHA256},
    {STR_INIT("\x60\x86\x48\x01\x65\x03\x04\x02\x02"), MBEDTLS_MD_SHA384},
    {STR_INIT("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), MBEDTLS_MD_SHA512},
};

static const struct str oid_pss = STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a");
static const struct str oid_mgf1 = STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08");

/* NULL or nothing. */
static bool has_no_parameters(struct str rest)
{
    return rest.len == 0 || (der_take(&rest, DER_NULL, NULL) && rest.len == 0);
}

static bool read_digest(struct str identifier, mbedtls_md_type_t *md)
{
    struct str oid;
    *md = MBEDTLS_MD_NONE;
    if (!der_take(&identifier, DER_OID, &oid) || !has_no_parameters(identifier))
        return false;
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
        if (str_eq(digests[i].oid, oid))
            *md = digests[i].md;
    return true;
}

/* RSASSA-PSS-params (RFC 4055, 3.1). Its defaults are SHA-1, which is not accepted. */
static bool read_pss(struct signature_algorithm *a, struct str parameters)
{
    struct str in, hash, mask, salt, trailer, inner, oid;
    if (!der_take(&parameters, DER_SEQUENCE, &in) || parameters.len > 0 ||
        !der_optional(&in, DER_CONTEXT_COMPOUND(0), &hash) ||
        !der_optional(&in, DER_CONTEXT_COMPOUND(1), &mask) ||
        !der_optional(&in, DER_CONTEXT_COMPOUND(2), &salt) ||
        !der_optional(&in, DER_CONTEXT_COMPOUND(3), &trailer) || in.len > 0)
        return false;
    if (hash.ptr == NULL || mask.ptr == NULL)
        return true;
    mbedtls_md_type_t md, mask_md;
    if (!der_take(&hash, DER_SEQUENCE, &inner) || hash.len > 0 || !read_digest(inner, &md))
        return false;
    if (!der_take(&mask, DER_SEQUENCE, &inner) || mask.len > 0 ||
        !der_take(&inner, DER_OID, &oid) || !str_eq(oid, oid_mgf1) ||
        !der_take(&inner, DER_SEQUENCE, &hash) || inner.len > 0 || !read_digest(hash, &mask_md))
        return false;
    unsigned salt_len = 20, trailer_field = 1;
    if (salt.ptr != NULL && (!der_take(&salt, DER_INTEGER, &inner) || salt.len > 0 ||
                             !der_small_integer(inner, &salt_len)))
        return false;
    if (trailer.ptr != NULL && (!der_take(&trailer, DER_INTEGER, &inner) || trailer.len > 0 ||
                                !der_small_integer(inner, &trailer_field)))
        return false;
    if (md == MBEDTLS_MD_NONE || md != mask_md || salt_len > 512 || trailer_field != 1)
        return true;
    *a = (struct signature_algorithm){MBEDTLS_PK_RSASSA_PSS, md, (int)salt_len};
    return true;
}

bool signature_algorithm_read(struct signature_algorithm *a, struct str identifier)
{
    struct str oid;
    *a = (struct signature_algorithm){MBEDTLS_PK_NONE, MBEDTLS_MD_NONE, 0};
    if (!der_take(&identifier, DER_OID, &oid))
        return false;
    if (str_eq(oid, oid_pss))
        return read_pss(a, identifier);
    for (size_t i = 0; i < sizeof signature_algorithms / sizeof *signature_algorithms; i++) {
        if (!str_eq(signature_algorithms[i].oid, oid))
            continue;
        a->pk = signature_algorithms[i].pk;
        a->md = signature_algorithms[i].md;
        return has_no_parameters(identifier);
    }
    return true;
}

bool signature_digest(const struct signature_algorithm *a, struct str octets,
                      unsigned char out[static 64])
{
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(a->md);
    return info != NULL &&
           mbedtls_md(info, (const unsigned char *)octets.ptr, octets.len, out) == 0;
}

bool signature_of_digest_is_good(const struct signature_algorithm *a, const mbedtls_pk_context *key,
                                 const unsigned char *digest, struct str signature)
{
    mbedtls_pk_rsassa_pss_options pss = {.mgf1_hash_id = a->md, .expected_salt_len = a->salt};
    if (a->pk == MBEDTLS_PK_NONE || !mbedtls_pk_can_do(key, a->pk))
        return false;
    /* The key's numbers are not changed by a check; mbedTLS' signature lacks the const. */
    return mbedtls_pk_verify_ext(a->pk, a->pk == MBEDTLS_PK_RSASSA_PSS ? &pss : NULL,
                                 (mbedtls_pk_context *)(uintptr_t)key, a->md, digest,
                                 mbedtls_md_get_size(mbedtls_md_info_from_type(a->md)),
                                 (const unsigned char *)signature.ptr, signature.len) == 0;
}

bool signature_is_good(const struct signature_algorithm *a, const mbedtls_pk_context *key,
                       struct str signed_octets, struct str signature)
{
    unsigned char digest[64];
    return signature_digest(a, signed_octets, digest) &&
           signature_of_digest_is_good(a, key, digest, signature);
}

/* ---- extensions ------------------------------------------------------------------------------ */

bool extension_next(struct str *rest, struct extension *e)
{
    struct str in, after = *rest;
    if (!der_take(&after, DER_SEQUENCE, &in) || !der_take(&in, DER_OID, &e->oid) ||
        !der_take_bool(&in, &e->is_critical) || !der_take(&in, DER_OCTET_STRING, &e->value) ||
        in.len > 0)
        return false;
    *rest = after;
    return true;
}

/* value is one element with this tag and nothing behind it. */
static bool take_only(struct str value, unsigned tag, struct str *content)
{
    return der_take(&value, tag, content) && value.len == 0;
}

static bool read_basic_constraints(struct cert *c, const struct extension *e)
{
    struct str in, length;
    unsigned n;
    if (!take_only(e->value, DER_SEQUENCE, &in) || !der_take_bool(&in, &c->is_ca) ||
        !der_optional(&in, DER_INTEGER, &length) || in.len > 0)
        return false;
    if (length.ptr == NULL)
        return true;
    /* RFC 5280, 4.2.1.9: only with cA. */
    if (!c->is_ca || !der_small_integer(length, &n))
        return false;
    c->path_length = n > 1000 ? 1000 : (int)n;
    return true;
}

static bool read_key_usage(struct cert *c, const struct extension *e)
{
    struct str bits;
    c->has_key_usage = true;
    return take_only(e->value, DER_BIT_STRING, &bits) && der_named_bits(bits, &c->key_usage);
}

static bool read_purposes(struct cert *c, const struct extension *e)
{
    static const struct str any = STR_INIT("\x55\x1d\x25\x00");
    static const struct str client = STR_INIT("\x2b\x06\x01\x05\x05\x07\x03\x02");
    struct str in, oid;
    c->has_purposes = true;
    if (!take_only(e->value, DER_SEQUENCE, &in) || in.len == 0)
        return false;
    while (in.len > 0) {
        if (!der_take(&in, DER_OID, &oid))
            return false;
        c->purpose_any |= str_eq(oid, any);
        c->purpose_client |= str_eq(oid, client);
    }
    return true;
}

static bool read_netscape_type(struct cert *c, const struct extension *e)
{
    struct str in;
    unsigned bits;
    c->has_netscape_type = true;
    if (!take_only(e->value, DER_BIT_STRING, &in) || !der_named_bits(in, &bits))
        return false;
    c->netscape_client = bits & 1;
    return true;
}

static bool read_key_id(struct cert *c, const struct extension *e)
{
    return take_only(e->value, DER_OCTET_STRING, &c->key_id);
}

static bool read_issuer_key_id(struct cert *c, const struct extension *e)
{
    struct str in;
    return take_only(e->value, DER_SEQUENCE, &in) &&
           der_optional(&in, DER_CONTEXT(0), &c->issuer_key_id) &&
           der_optional(&in, DER_CONTEXT_COMPOUND(1), &c->issuer_names) &&
           der_optional(&in, DER_CONTEXT(2), &c->issuer_serial) && in.len == 0;
}

static bool is_ia5(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == 0 || (unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

/* RFC 5280, 4.2.1.6. A NUL would end the name for one reader and not for the next. */
static bool general_name_is_valid(const struct der_item *name)
{
    switch (name->tag) {
    case DER_CONTEXT(1): /* rfc822Name, dNSName, uniformResourceIdentifier */
    case DER_CONTEXT(2):
    case DER_CONTEXT(6):
        return name->content.len > 0 && is_ia5(name->content);
    case DER_CONTEXT(7):
        return name->content.len == 4 || name->content.len == 16;
    case DER_CONTEXT_COMPOUND(4):
        return name_is_valid(name->content);
    case DER_CONTEXT_COMPOUND(0): /* otherName, x400Address, ediPartyName, registeredID */
    case DER_CONTEXT_COMPOUND(3):
    case DER_CONTEXT_COMPOUND(5):
    case DER_CONTEXT(8):
        return true;
    default:
        return false;
    }
}

static bool read_alt_names(struct cert *c, const struct extension *e)
{
    struct der_item name;
    if (!take_only(e->value, DER_SEQUENCE, &c->alt_names) || c->alt_names.len == 0)
        return false;
    for (struct str rest = c->alt_names; rest.len > 0;)
        if (!der_next(&rest, &name) || !general_name_is_valid(&name))
            return false;
    return true;
}

static bool read_name_constraints(struct cert *c, const struct extension *e)
{
    return take_only(e->value, DER_SEQUENCE, &c->name_constraints) && c->name_constraints.len > 0;
}

static bool read_crl_points(struct cert *c, const struct extension *e)
{
    return take_only(e->value, DER_SEQUENCE, &c->crl_points);
}

/* Known, and without effect on a verdict that asks for no certificate policy (RFC 5280, 6.1.1
 * (c) to (g): the initial policy set is any-policy). */
static bool read_nothing(struct cert *c, const struct extension *e)
{
    (void)c;
    (void)e;
    return true;
}

/* requireExplicitPolicy would need the policy tree. */
static bool read_policy_constraints(struct cert *c, const struct extension *e)
{
    struct str in;
    if (!take_only(e->value, DER_SEQUENCE, &in))
        return false;
    if (e->is_critical && der_at(in, DER_CONTEXT(0))) {
        c->has_unknown_critical = true;
        snprintf(c->unknown_critical, sizeof c->unknown_critical, "requireExplicitPolicy");
    }
    return true;
}

static const struct {
    struct str oid;
    bool (*read)(struct cert *c, const struct extension *e);
} extensions[] = {
    {STR_INIT("\x55\x1d\x13"), read_basic_constraints},
    {STR_INIT("\x55\x1d\x0f"), read_key_usage},
    {STR_INIT("\x55\x1d\x25"), read_purposes},
    {STR_INIT("\x60\x86\x48\x01\x86\xf8\x42\x01\x01"), read_netscape_type},
    {STR_INIT("\x55\x1d\x0e"), read_key_id},
    {STR_INIT("\x55\x1d\x23"), read_issuer_key_id},
    {STR_INIT("\x55\x1d\x11"), read_alt_names},
    {STR_INIT("\x55\x1d\x12"), read_nothing}, /* issuerAltName */
    {STR_INIT("\x55\x1d\x1e"), read_name_constraints},
    {STR_INIT("\x55\x1d\x1f"), read_crl_points},
    {STR_INIT("\x55\x1d\x20"), read_nothing}, /* certificatePolicies */
    {STR_INIT("\x55\x1d\x21"), read_nothing}, /* policyMappings */
    {STR_INIT("\x55\x1d\x24"), read_policy_constraints},
    {STR_INIT("\x55\x1d\x36"), read_nothing}, /* inhibitAnyPolicy */
};

static void note_unknown(struct cert *c, const struct extension *e)
{
    if (!e->is_critical || c->has_unknown_critical)
        return;
    struct buf text = {0};
    oid_append(&text, e->oid);
    snprintf(c->unknown_critical, sizeof c->unknown_critical, "%.*s", STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    c->has_unknown_critical = true;
}

static bool read_extensions(struct cert *c, struct str rest, const char **problem)
{
    unsigned seen = 0;
    struct extension e;
    while (extension_next(&rest, &e)) {
        size_t i = 0, count = sizeof extensions / sizeof *extensions;
        while (i < count && !str_eq(extensions[i].oid, e.oid))
            i++;
        if (i == count) {
            note_unknown(c, &e);
            continue;
        }
        *problem = "an extension stands in it twice"; /* RFC 5280, 4.2 */
        if (seen & 1u << i)
            return false;
        seen |= 1u << i;
        *problem = "an extension is malformed";
        if (!extensions[i].read(c, &e))
            return false;
    }
    *problem = "its extensions are malformed";
    return rest.len == 0;
}

/* ---- the certificate ------------------------------------------------------------------------- */

void cert_read_key(struct cert *c)
{
    unsigned char *p = (unsigned char *)(uintptr_t)c->spki.ptr;
    int rc = mbedtls_pk_parse_subpubkey(&p, p + c->spki.len, &c->key);
    c->key_is_read = true;
    c->key_problem = REFUSAL_NONE;
    if (rc == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG || rc == MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE ||
        rc == MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE)
        c->key_problem = REFUSAL_ALG_UNSUPPORTED;
    else if (rc != 0)
        c->key_problem = REFUSAL_CERT_MALFORMED;
}

static bool read_version(struct cert *c, struct str *tbs)
{
    struct str field, number;
    unsigned v = 0;
    if (!der_optional(tbs, DER_CONTEXT_COMPOUND(0), &field))
        return false;
    if (field.ptr != NULL && (!der_take(&field, DER_INTEGER, &number) || field.len > 0 ||
                              !der_small_integer(number, &v)))
        return false;
    c->version = (int)v + 1;
    return v <= 2;
}

static bool read_validity(struct cert *c, struct str *tbs)
{
    struct str in;
    return der_take(tbs, DER_SEQUENCE, &in) && der_take_time(&in, &c->not_before) &&
           der_take_time(&in, &c->not_after) && in.len == 0;
}

/* RFC 5280, 4.1.2.2: at most 20 octets. */
static bool read_serial(struct cert *c, struct str *tbs)
{
    if (!der_take(tbs, DER_INTEGER, &c->serial) || c->serial.len == 0)
        return false;
    c->serial = der_integer_trim(c->serial);
    return c->serial.len <= 21;
}

static bool read_tbs(struct cert *c, struct str tbs, struct str algorithm, const char **problem)
{
    struct der_item signature, issuer, subject, spki;
    struct str field, list;
    *problem = "version, serial number or signature algorithm is malformed";
    if (!read_version(c, &tbs) || !read_serial(c, &tbs) ||
        !der_take_whole(&tbs, DER_SEQUENCE, &signature))
        return false;
    *problem = "its two signature algorithms differ"; /* RFC 5280, 4.1.1.2 */
    if (!str_eq(signature.whole, algorithm))
        return false;
    *problem = "the issuer's name is malformed";
    if (!der_take_whole(&tbs, DER_SEQUENCE, &issuer) || !name_is_valid(issuer.whole))
        return false;
    c->issuer = issuer.whole;
    *problem = "its dates are malformed";
    if (!read_validity(c, &tbs))
        return false;
    *problem = "the subject's name is malformed";
    if (!der_take_whole(&tbs, DER_SEQUENCE, &subject) || !name_is_valid(subject.whole))
        return false;
    c->subject = subject.whole;
    *problem = "its public key is malformed";
    if (!der_take_whole(&tbs, DER_SEQUENCE, &spki))
        return false;
    c->spki = spki.whole;
    *problem = "something stands behind its public key that does not belong there";
    if (c->version >= 2 && (!der_optional(&tbs, DER_CONTEXT(1), &field) ||
                            !der_optional(&tbs, DER_CONTEXT(2), &field)))
        return false;
    if (c->version == 3 && tbs.len > 0) {
        if (!der_take(&tbs, DER_CONTEXT_COMPOUND(3), &field) ||
            !der_take(&field, DER_SEQUENCE, &list) || field.len > 0 || tbs.len > 0)
            return false;
        return read_extensions(c, list, problem);
    }
    return tbs.len == 0;
}

bool cert_read_texts(struct cert *c, struct str der, const char **problem)
{
    struct der_item whole, tbs, algorithm;
    struct str bits;
    unsigned unused;
    memset(c, 0, sizeof *c);
    c->path_length = -1;
    c->key_problem = REFUSAL_CERT_MALFORMED;
    mbedtls_pk_init(&c->key);
    *problem = "it is no certificate in DER";
    c->der = der;
    if (!der_take_whole(&der, DER_SEQUENCE, &whole))
        return false;
    c->der = whole.whole;
    if (der.len > 0 || !der_take_whole(&whole.content, DER_SEQUENCE, &tbs) ||
        !der_take_whole(&whole.content, DER_SEQUENCE, &algorithm) ||
        !der_take(&whole.content, DER_BIT_STRING, &bits) || whole.content.len > 0 ||
        !der_bit_string(bits, &c->signature, &unused) || unused != 0)
        return false;
    c->tbs = tbs.whole;
    *problem = "its signature algorithm is malformed";
    if (!signature_algorithm_read(&c->algorithm, algorithm.content))
        return false;
    return read_tbs(c, tbs.content, algorithm.whole, problem);
}

bool cert_read(struct cert *c, struct str der, const char **problem)
{
    bool good = cert_read_texts(c, der, problem);
    if (c->spki.len > 0)
        cert_read_key(c);
    return good;
}

void cert_deinit(struct cert *c)
{
    mbedtls_pk_free(&c->key);
}

bool cert_is_self_issued(const struct cert *c)
{
    return name_equal(c->subject, c->issuer);
}

/* authorityCertIssuer names the issuer's issuer; without a directoryName it says nothing. */
static bool issuer_names_match(struct str names, struct str issuer_of_issuer)
{
    struct der_item name;
    while (der_next(&names, &name))
        if (name.tag == DER_CONTEXT_COMPOUND(4))
            return name_equal(name.content, issuer_of_issuer);
    return true;
}

static bool key_ids_match(const struct cert *c, const struct cert *issuer)
{
    if (c->issuer_key_id.ptr != NULL && issuer->key_id.ptr != NULL &&
        !str_eq(c->issuer_key_id, issuer->key_id))
        return false;
    if (c->issuer_serial.ptr != NULL && !str_eq(der_integer_trim(c->issuer_serial), issuer->serial))
        return false;
    return c->issuer_names.ptr == NULL || issuer_names_match(c->issuer_names, issuer->issuer);
}

bool cert_may_be_issued_by(const struct cert *c, const struct cert *issuer)
{
    return name_equal(c->issuer, issuer->subject) && key_ids_match(c, issuer);
}

bool cert_looks_self_signed(const struct cert *c)
{
    return cert_is_self_issued(c) && key_ids_match(c, c);
}
