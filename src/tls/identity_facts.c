/* What a certificate says of its owner: nginx's values, names, digests, the chain. */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include <mbedtls/md.h>

#include "der.h"
#include "identity_internal.h"
#include "name.h"
#include "portcullis/base/base64.h"

/* ---- values, one after the other ------------------------------------------------------------- */

bool identity_any_attribute(struct str name, const char *attribute,
                            bool (*each)(void *owner, struct str value), void *owner)
{
    struct name_walk w = name_walk_begin(name);
    while (name_next(&w)) {
        const char *called = name_attribute(&w);
        if (called == NULL || strcmp(called, attribute) != 0)
            continue;
        struct buf value = {0};
        name_append_value(&value, &w);
        bool done = each(owner, buf_str(&value));
        buf_deinit(&value);
        if (done)
            return true;
    }
    return false;
}

/* GeneralName's tags (RFC 5280, 4.2.1.6). */
static unsigned tag_of(enum identity_fact fact)
{
    static const unsigned tags[IDENTITY_FACTS] = {
        [IDENTITY_SAN_EMAIL] = DER_CONTEXT(1),
        [IDENTITY_SAN_DNS] = DER_CONTEXT(2),
        [IDENTITY_SAN_URI] = DER_CONTEXT(6),
        [IDENTITY_SAN_IP] = DER_CONTEXT(7),
    };
    assert(tags[fact] != 0);
    return tags[fact];
}

static struct str address_text(struct str octets, char out[static INET6_ADDRSTRLEN])
{
    int family = octets.len == 4 ? AF_INET : AF_INET6;
    if (octets.len != 4 && octets.len != 16)
        return STR_NONE;
    return str_of(inet_ntop(family, octets.ptr, out, INET6_ADDRSTRLEN));
}

bool identity_any_name(const struct identity *i, enum identity_fact fact,
                       bool (*each)(void *owner, struct str value), void *owner)
{
    char text[INET6_ADDRSTRLEN];
    struct der_item name;
    for (struct str rest = i->cert.alt_names; der_next(&rest, &name);) {
        if (name.tag != tag_of(fact))
            continue;
        struct str value = name.content;
        if (fact == IDENTITY_SAN_IP)
            value = address_text(value, text);
        if (value.ptr != NULL && each(owner, value))
            return true;
    }
    return false;
}

/* ---- nginx's --------------------------------------------------------------------------------- */

static void append_certificate(struct buf *out, struct str der)
{
    struct buf text = {0};
    base64_append(&text, der);
    struct str rest = buf_str(&text);
    buf_append_str(out, STR("-----BEGIN CERTIFICATE-----\n"));
    for (; rest.len > 0; rest = str_from(rest, 64)) {
        buf_append_str(out, str_upto(rest, 64));
        buf_append_char(out, '\n');
    }
    buf_append_str(out, STR("-----END CERTIFICATE-----"));
    buf_deinit(&text);
}

static void append_pem(struct identity *i, struct buf *out)
{
    append_certificate(out, i->chain[0]);
}

static void append_subject(struct identity *i, struct buf *out)
{
    name_append_rfc2253(out, i->cert.subject);
}

static void append_issuer(struct identity *i, struct buf *out)
{
    name_append_rfc2253(out, i->cert.issuer);
}

static void append_subject_legacy(struct identity *i, struct buf *out)
{
    name_append_legacy(out, i->cert.subject);
}

static void append_issuer_legacy(struct identity *i, struct buf *out)
{
    name_append_legacy(out, i->cert.issuer);
}

/* OpenSSL's ASN1_TIME_print: "Nov  4 13:41:30 2026 GMT". */
static void append_time(struct buf *out, time_t when)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    gmtime_r(&when, &tm);
    buf_printf(out, "%s %2d %02d:%02d:%02d %d GMT", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
               tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

static void append_not_before(struct identity *i, struct buf *out)
{
    append_time(out, i->cert.not_before);
}

static void append_not_after(struct identity *i, struct buf *out)
{
    append_time(out, i->cert.not_after);
}

/* OpenSSL's i2a_ASN1_INTEGER: the magnitude, '-' before a negative one. */
static void append_serial(struct identity *i, struct buf *out)
{
    unsigned char magnitude[24];
    struct str serial = i->cert.serial;
    if (serial.len == 0 || serial.len > sizeof magnitude)
        return;
    memcpy(magnitude, serial.ptr, serial.len);
    if (magnitude[0] & 0x80) {
        unsigned carry = 1;
        for (size_t n = serial.len; n-- > 0;) {
            carry += (unsigned char)~magnitude[n];
            magnitude[n] = (unsigned char)carry;
            carry >>= 8;
        }
        buf_append_char(out, '-');
    }
    size_t skip = serial.len > 1 && magnitude[0] == 0 ? 1 : 0;
    buf_append_hex(out, magnitude + skip, serial.len - skip, ASCII_HEX_UPPER);
}

static size_t digest(struct str octets, mbedtls_md_type_t type, unsigned char out[static 64])
{
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(type);
    int rc = mbedtls_md(info, (const unsigned char *)octets.ptr, octets.len, out);
    assert(rc == 0);
    (void)rc;
    return mbedtls_md_get_size(info);
}

static void append_digest(struct buf *out, struct str octets, mbedtls_md_type_t type)
{
    unsigned char hash[64];
    size_t size = digest(octets, type, hash);
    buf_append_hex(out, hash, size, ASCII_HEX_LOWER);
}

static void append_sha1(struct identity *i, struct buf *out)
{
    append_digest(out, i->chain[0], MBEDTLS_MD_SHA1);
}

static void append_sha256(struct identity *i, struct buf *out)
{
    append_digest(out, i->chain[0], MBEDTLS_MD_SHA256);
}

/* ---- our own --------------------------------------------------------------------------------- */

static void append_escaped(struct buf *out, struct str s, const char *also)
{
    for (size_t n = 0; n < s.len; n++) {
        unsigned char c = (unsigned char)s.ptr[n];
        if (c < 0x20 || c >= 0x7f || strchr(also, c) != NULL)
            buf_printf(out, "\\%02X", c);
        else
            buf_append_char(out, s.ptr[n]);
    }
}

static bool take_last(void *owner, struct str value)
{
    struct buf *out = owner;
    buf_clear(out);
    append_escaped(out, value, "\\");
    return false;
}

static void append_common_name(struct identity *i, struct buf *out)
{
    identity_any_attribute(i->cert.subject, "CN", take_last, out);
}

static bool add_to_list(void *owner, struct str value)
{
    struct buf *out = owner;
    if (!buf_is_empty(out))
        buf_append_char(out, ',');
    append_escaped(out, value, "\\,");
    return false;
}

static void append_dns(struct identity *i, struct buf *out)
{
    identity_any_name(i, IDENTITY_SAN_DNS, add_to_list, out);
}

static void append_email(struct identity *i, struct buf *out)
{
    identity_any_name(i, IDENTITY_SAN_EMAIL, add_to_list, out);
}

static void append_uri(struct identity *i, struct buf *out)
{
    identity_any_name(i, IDENTITY_SAN_URI, add_to_list, out);
}

static void append_ip(struct identity *i, struct buf *out)
{
    identity_any_name(i, IDENTITY_SAN_IP, add_to_list, out);
}

static bool is_of(struct str s, bool (*is_one)(char c))
{
    for (size_t n = 0; n < s.len; n++)
        if (!is_one(s.ptr[n]))
            return false;
    return s.len > 0;
}

static bool is_in_trust_domain(char c)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || strchr(".-_", c) != NULL;
}

static bool is_in_segment(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || strchr(".-_", c) != NULL;
}

static bool is_path(struct str path)
{
    while (path.ptr != NULL) {
        struct str segment = str_cut(&path, '/');
        if (!is_of(segment, is_in_segment) || str_eq(segment, STR(".")) ||
            str_eq(segment, STR("..")))
            return false;
    }
    return true;
}

/* SPIFFE-ID, 2: "spiffe://" trust domain ["/" path], no query, no fragment, 2048 octets at most. */
static bool is_spiffe_id(struct str uri)
{
    enum { URI_MAX = 2048, DOMAIN_MAX = 255 };
    if (uri.len > URI_MAX || memchr(uri.ptr, 0, uri.len) != NULL ||
        !str_starts(uri, STR("spiffe://")))
        return false;
    struct str path = str_from(uri, 9), domain = str_cut(&path, '/');
    return domain.len <= DOMAIN_MAX && is_of(domain, is_in_trust_domain) && is_path(path);
}

struct only {
    struct str value;
    size_t count;
};

static bool count_values(void *owner, struct str value)
{
    struct only *o = owner;
    o->value = value;
    return ++o->count > 1;
}

/* X509-SVID, 2: exactly one URI. */
static void append_spiffe_id(struct identity *i, struct buf *out)
{
    struct only uri = {0};
    identity_any_name(i, IDENTITY_SAN_URI, count_values, &uri);
    if (uri.count == 1 && is_spiffe_id(uri.value))
        buf_append_str(out, uri.value);
}

static void append_spki_sha256(struct identity *i, struct buf *out)
{
    if (i->cert.spki.len > 0)
        append_digest(out, i->cert.spki, MBEDTLS_MD_SHA256);
}

static void append_x5t_s256(struct identity *i, struct buf *out)
{
    unsigned char hash[64];
    size_t size = digest(i->chain[0], MBEDTLS_MD_SHA256, hash);
    base64url_append(out, str_make((char *)hash, size));
}

/* As $ssl_client_escaped_cert: all but RFC 3986's unreserved. */
static void append_percent_encoded(struct buf *out, struct str s)
{
    for (size_t n = 0; n < s.len; n++) {
        char c = s.ptr[n];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || strchr("-._~", c) != NULL)
            buf_append_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

static void append_chain(struct identity *i, struct buf *out)
{
    struct buf pem = {0};
    for (size_t n = 0; n < i->count; n++) {
        append_certificate(&pem, i->chain[n]);
        buf_append_char(&pem, '\n');
    }
    append_percent_encoded(out, buf_str(&pem));
    buf_deinit(&pem);
}

static void append_ca(struct identity *i, struct buf *out)
{
    name_append_rfc2253(out, identity_ca_der(i));
}

static void append_proved_at(struct identity *i, struct buf *out)
{
    struct tm tm;
    if (i->proved_at == 0)
        return;
    gmtime_r(&i->proved_at, &tm);
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec);
}

struct str identity_fact(struct identity *i, enum identity_fact fact)
{
    static void (*const append[IDENTITY_FACTS])(struct identity *i, struct buf *out) = {
        [IDENTITY_PEM] = append_pem,
        [IDENTITY_SUBJECT] = append_subject,
        [IDENTITY_ISSUER] = append_issuer,
        [IDENTITY_SUBJECT_LEGACY] = append_subject_legacy,
        [IDENTITY_ISSUER_LEGACY] = append_issuer_legacy,
        [IDENTITY_SERIAL] = append_serial,
        [IDENTITY_SHA1] = append_sha1,
        [IDENTITY_SHA256] = append_sha256,
        [IDENTITY_NOT_BEFORE] = append_not_before,
        [IDENTITY_NOT_AFTER] = append_not_after,
        [IDENTITY_CN] = append_common_name,
        [IDENTITY_SAN_DNS] = append_dns,
        [IDENTITY_SAN_EMAIL] = append_email,
        [IDENTITY_SAN_URI] = append_uri,
        [IDENTITY_SAN_IP] = append_ip,
        [IDENTITY_SPIFFE_ID] = append_spiffe_id,
        [IDENTITY_SPKI_SHA256] = append_spki_sha256,
        [IDENTITY_X5T_S256] = append_x5t_s256,
        [IDENTITY_CHAIN] = append_chain,
        [IDENTITY_CA] = append_ca,
        [IDENTITY_PROVED_AT] = append_proved_at,
    };
    if (i->count == 0)
        return STR_NONE;
    if (i->facts[fact].ptr == NULL) {
        struct buf out = {0};
        append[fact](i, &out);
        i->facts[fact] = arena_str(&i->arena, buf_str(&out));
        buf_deinit(&out);
    }
    return i->facts[fact];
}

/* ---- DER ------------------------------------------------------------------------------------- */

struct str identity_subject_der(const struct identity *i)
{
    return i->cert.subject;
}

struct str identity_issuer_der(const struct identity *i)
{
    return i->cert.issuer;
}

/* The anchor was read when it was loaded; here only its subject is, which stands behind version,
 * serial, algorithm, issuer and validity (RFC 5280, 4.1). */
struct str identity_ca_der(const struct identity *i)
{
    struct str certificate, tbs, unused;
    struct der_item subject;
    if (i->path_count == 0)
        return STR_NONE;
    struct str rest = i->path[i->path_count - 1];
    bool good = der_take(&rest, DER_SEQUENCE, &certificate) &&
                der_take(&certificate, DER_SEQUENCE, &tbs) &&
                der_optional(&tbs, DER_CONTEXT_COMPOUND(0), &unused) &&
                der_take(&tbs, DER_INTEGER, NULL) && der_take(&tbs, DER_SEQUENCE, NULL) &&
                der_take(&tbs, DER_SEQUENCE, NULL) && der_take(&tbs, DER_SEQUENCE, NULL) &&
                der_take_whole(&tbs, DER_SEQUENCE, &subject);
    return good ? subject.whole : STR_NONE;
}

struct str identity_der(const struct identity *i)
{
    return i->count > 0 ? i->chain[0] : STR_NONE;
}

size_t identity_sent(const struct identity *i, const struct str **certificates)
{
    *certificates = i->chain;
    return i->count;
}

size_t identity_path(const struct identity *i, const struct str **certificates)
{
    *certificates = i->path;
    return i->path_count;
}
