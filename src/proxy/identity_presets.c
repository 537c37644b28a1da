/* proxy_client_identity: the header fields by which applications behind some product or other
 * already learn who the client is, spelled and encoded as that product does. One row a field.
 *
 * What a certificate says is somebody's text: whatever has a meaning in a field's own syntax is
 * escaped, where the product itself would let it through, too. */
#include "identity_presets.h"

#include <string.h>
#include <time.h>

#include "access.h"
#include "portcullis/base/base64.h"

struct preset {
    unsigned bit; /* IDENTITY_PRESET_ */
    struct str name;
    void (*append)(struct identity *i, struct buf *out); /* appends nothing: no field */
    enum identity_fact fact;                             /* the value, when there is no function */
};

/* ---- pieces ---- */

/* RFC 3986, 2.3: the unreserved stay, and `also`. */
static void append_percent(struct buf *out, struct str s, const char *also)
{
    for (size_t n = 0; n < s.len; n++) {
        char c = s.ptr[n];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("-._~", c)) ||
            (c && strchr(also, c)))
            buf_append_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

/* Only these, controls and what is not ASCII. */
static void append_guarded(struct buf *out, struct str s, const char *special)
{
    for (size_t n = 0; n < s.len; n++) {
        unsigned char c = (unsigned char)s.ptr[n];
        if (c < 0x20 || c >= 0x7f || strchr(special, c))
            buf_printf(out, "%%%02X", c);
        else
            buf_append_char(out, s.ptr[n]);
    }
}

static void append_pem(struct identity *i, struct buf *out, const char *also)
{
    append_percent(out, identity_fact(i, IDENTITY_PEM), also);
    buf_append_str(out, STR("%0A"));
}

static void append_iso8601(struct buf *out, time_t t)
{
    struct tm tm;
    gmtime_r(&t, &tm);
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- plain values ---- */

static void verify(struct identity *i, struct buf *out)
{
    buf_append_str(out, identity_verify_text(i));
}

static void yes(struct identity *i, struct buf *out)
{
    (void)i;
    buf_append_str(out, STR("true"));
}

static void no(struct identity *i, struct buf *out)
{
    (void)i;
    buf_append_str(out, STR("false"));
}

static void escaped_pem(struct identity *i, struct buf *out)
{
    append_pem(i, out, "");
}

static void base64(struct identity *i, struct buf *out)
{
    base64_append(out, identity_der(i));
}

/* ---- RFC 9440, 2 ---- */

static void append_byte_sequence(struct buf *out, struct str der)
{
    buf_append_char(out, ':');
    base64_append(out, der);
    buf_append_char(out, ':');
}

static void client_cert(struct identity *i, struct buf *out)
{
    append_byte_sequence(out, identity_der(i));
}

/* Those between the client's own and the anchor, which may be left out. */
static void client_cert_chain(struct identity *i, struct buf *out)
{
    const struct str *path;
    size_t count = identity_path(i, &path);
    for (size_t n = 1; n + 1 < count; n++) {
        if (n > 1)
            buf_append_str(out, STR(", "));
        append_byte_sequence(out, path[n]);
    }
}

/* ---- Envoy's XFCC ---- */

/* RFC 2253's text for a quoted value: its '\"' and '\\' as hex pairs, which mean the same to who
 * reads a DN, so that no reader of XFCC, however simple, takes a quote for the value's end. */
static void append_quoted_dn(struct buf *out, struct str dn)
{
    for (size_t n = 0; n < dn.len; n++) {
        bool is_pair = dn.ptr[n] == '\\' && n + 1 < dn.len;
        if (is_pair && (dn.ptr[n + 1] == '"' || dn.ptr[n + 1] == '\\'))
            buf_printf(out, "\\%02X", (unsigned char)dn.ptr[++n]);
        else
            buf_append_char(out, dn.ptr[n]);
    }
}

struct element {
    struct buf *out;
    const char *key;
    bool is_there;
};

/* A value with ',', ';' or '=' is quoted. */
static bool append_element(void *owner, struct str value)
{
    struct element *e = owner;
    bool quotes = str_find(value, ',') != SIZE_MAX || str_find(value, ';') != SIZE_MAX ||
                  str_find(value, '=') != SIZE_MAX;
    buf_printf(e->out, ";%s=%s", e->key, quotes ? "\"" : "");
    append_guarded(e->out, value, " \"\\");
    if (quotes)
        buf_append_char(e->out, '"');
    e->is_there = true;
    return false;
}

static void append_elements(struct identity *i, struct buf *out, const char *key,
                            enum identity_fact names)
{
    struct element e = {out, key, false};
    identity_any_name(i, names, append_element, &e);
    if (!e.is_there && names == IDENTITY_SAN_URI)
        buf_append_str(out, STR(";URI="));
}

static void xfcc(struct identity *i, struct buf *out)
{
    buf_append_str(out, STR("Hash="));
    buf_append_str(out, identity_fact(i, IDENTITY_SHA256));
    buf_append_str(out, STR(";Cert=\""));
    append_pem(i, out, "");
    buf_append_str(out, STR("\";Subject=\""));
    append_quoted_dn(out, identity_fact(i, IDENTITY_SUBJECT));
    buf_append_char(out, '"');
    append_elements(i, out, "URI", IDENTITY_SAN_URI);
    append_elements(i, out, "DNS", IDENTITY_SAN_DNS);
}

/* ---- Traefik ---- */

/* PEM without its first and last line and without line breaks; several by ','. */
static void traefik_cert(struct identity *i, struct buf *out)
{
    const struct str *path;
    size_t count = identity_path(i, &path);
    base64_append(out, identity_der(i));
    for (size_t n = 1; n + 1 < count; n++) {
        buf_append_char(out, ',');
        base64_append(out, path[n]);
    }
}

static bool append_list_item(void *owner, struct str value)
{
    struct buf *out = owner;
    char last = buf_is_empty(out) ? '"' : buf_str(out).ptr[buf_len(out) - 1];
    if (last != '"')
        buf_append_char(out, ',');
    append_guarded(out, value, "\",;%+");
    return false;
}

static bool append_dn_item(void *owner, struct str value)
{
    struct element *e = owner;
    char last = buf_is_empty(e->out) ? '"' : buf_str(e->out).ptr[buf_len(e->out) - 1];
    if (last != '"')
        buf_append_char(e->out, ',');
    buf_printf(e->out, "%s=", e->key);
    append_guarded(e->out, value, "\",;%+");
    return false;
}

static void append_traefik_dn(struct buf *out, struct str name)
{
    static const struct {
        const char *attribute, *key;
    } rows[] = {{"DC", "DC"}, {"C", "C"},   {"ST", "ST"}, {"L", "L"},
                {"O", "O"},   {"OU", "OU"}, {"CN", "CN"}, {"serialNumber", "SN"}};
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        struct element e = {out, rows[n].key, false};
        identity_any_attribute(name, rows[n].attribute, append_dn_item, &e);
    }
}

enum { SERIAL_DIGITS = 64 };

/* Hex digits to decimal ones, by multiplying and adding. */
static struct str decimal(struct str hex, char out[static SERIAL_DIGITS])
{
    unsigned char digits[SERIAL_DIGITS] = {0}; /* the lowest first */
    size_t count = 1;
    bool is_negative = str_starts(hex, STR("-"));
    for (size_t n = is_negative; n < hex.len; n++) {
        unsigned carry = (unsigned)ascii_hex_value(hex.ptr[n]);
        for (size_t d = 0; d < count || carry; d++) {
            if (d == SERIAL_DIGITS - 1)
                return STR("");
            carry += digits[d] * 16U;
            digits[d] = carry % 10;
            carry /= 10;
            count = d + 1 > count ? d + 1 : count;
        }
    }
    size_t len = 0;
    if (is_negative)
        out[len++] = '-';
    while (count > 0)
        out[len++] = (char)('0' + digits[--count]);
    return str_make(out, len);
}

static void append_traefik_sans(struct identity *i, struct buf *out)
{
    static const enum identity_fact order[] = {IDENTITY_SAN_DNS, IDENTITY_SAN_EMAIL,
                                               IDENTITY_SAN_IP, IDENTITY_SAN_URI};
    struct buf list = {0};
    for (size_t n = 0; n < sizeof order / sizeof *order; n++)
        identity_any_name(i, order[n], append_list_item, &list);
    if (!buf_is_empty(&list)) {
        buf_append_str(out, STR(";SAN=\""));
        buf_append_str(out, buf_str(&list));
        buf_append_char(out, '"');
    }
    buf_deinit(&list);
}

/* Go's url.QueryEscape: a blank is '+'. */
static void append_query_escaped(struct buf *out, struct str s)
{
    while (s.ptr) {
        bool has_more = str_find(s, ' ') != SIZE_MAX;
        append_percent(out, str_cut(&s, ' '), "");
        if (has_more)
            buf_append_char(out, '+');
    }
}

static void traefik_info(struct identity *i, struct buf *out)
{
    char digits[SERIAL_DIGITS];
    struct buf info = {0};
    buf_append_str(&info, STR("Subject=\""));
    append_traefik_dn(&info, identity_subject_der(i));
    buf_append_str(&info, STR("\";Issuer=\""));
    append_traefik_dn(&info, identity_issuer_der(i));
    buf_printf(&info, "\";SerialNumber=\"%.*s\";NB=\"%lld\";NA=\"%lld\"",
               STR_ARG(decimal(identity_fact(i, IDENTITY_SERIAL), digits)),
               (long long)identity_not_before_time(i), (long long)identity_not_after_time(i));
    append_traefik_sans(i, &info);
    append_query_escaped(out, buf_str(&info));
    buf_deinit(&info);
}

/* ---- AWS ---- */

static void aws_validity(struct identity *i, struct buf *out)
{
    buf_append_str(out, STR("NotBefore="));
    append_iso8601(out, identity_not_before_time(i));
    buf_append_str(out, STR(";NotAfter="));
    append_iso8601(out, identity_not_after_time(i));
}

static void aws_leaf(struct identity *i, struct buf *out)
{
    append_pem(i, out, "+=/");
}

/* ---- the table ---- */

static const struct preset presets[] = {
#define P(preset, name, append) {IDENTITY_PRESET_##preset, STR_INIT(name), append, 0}
#define F(preset, name, fact)   {IDENTITY_PRESET_##preset, STR_INIT(name), NULL, IDENTITY_##fact}
    P(RFC9440, "Client-Cert", client_cert),
    P(RFC9440, "Client-Cert-Chain", client_cert_chain),

    P(NGINX, "X-SSL-Client-Verify", verify),
    F(NGINX, "X-SSL-Client-S-DN", SUBJECT),
    F(NGINX, "X-SSL-Client-I-DN", ISSUER),
    F(NGINX, "X-SSL-Client-Serial", SERIAL),
    F(NGINX, "X-SSL-Client-Fingerprint", SHA1),
    P(NGINX, "X-SSL-Client-Cert", escaped_pem),

    P(INGRESS_NGINX, "ssl-client-verify", verify),
    F(INGRESS_NGINX, "ssl-client-subject-dn", SUBJECT),
    F(INGRESS_NGINX, "ssl-client-issuer-dn", ISSUER),
    P(INGRESS_NGINX, "ssl-client-cert", escaped_pem),

    P(XFCC, "X-Forwarded-Client-Cert", xfcc),

    P(TRAEFIK, "X-Forwarded-Tls-Client-Cert", traefik_cert),
    P(TRAEFIK, "X-Forwarded-Tls-Client-Cert-Info", traefik_info),

    F(AWS, "X-Amzn-Mtls-Clientcert-Serial-Number", SERIAL),
    F(AWS, "X-Amzn-Mtls-Clientcert-Issuer", ISSUER),
    F(AWS, "X-Amzn-Mtls-Clientcert-Subject", SUBJECT),
    P(AWS, "X-Amzn-Mtls-Clientcert-Validity", aws_validity),
    P(AWS, "X-Amzn-Mtls-Clientcert-Leaf", aws_leaf),

    P(CLOUDFLARE, "Cf-Client-Cert-Der-Base64", base64),
    F(CLOUDFLARE, "Cf-Client-Cert-Sha256", SHA256),
    P(CLOUDFLARE, "Cf-Cert-Presented", yes),
    P(CLOUDFLARE, "Cf-Cert-Verified", yes),
    P(CLOUDFLARE, "Cf-Cert-Revoked", no),
    F(CLOUDFLARE, "Cf-Cert-Issuer-Dn", ISSUER),
    F(CLOUDFLARE, "Cf-Cert-Subject-Dn", SUBJECT),
    F(CLOUDFLARE, "Cf-Cert-Issuer-Dn-Rfc2253", ISSUER),
    F(CLOUDFLARE, "Cf-Cert-Subject-Dn-Rfc2253", SUBJECT),
    F(CLOUDFLARE, "Cf-Cert-Issuer-Dn-Legacy", ISSUER_LEGACY),
    F(CLOUDFLARE, "Cf-Cert-Subject-Dn-Legacy", SUBJECT_LEGACY),
    F(CLOUDFLARE, "Cf-Cert-Serial", SERIAL),
    F(CLOUDFLARE, "Cf-Cert-Fingerprint-Sha256", SHA256),
    F(CLOUDFLARE, "Cf-Cert-Fingerprint-Sha1", SHA1),
    F(CLOUDFLARE, "Cf-Cert-Not-Before", NOT_BEFORE),
    F(CLOUDFLARE, "Cf-Cert-Not-After", NOT_AFTER),
#undef P
#undef F
};
enum { PRESETS = sizeof presets / sizeof *presets };

bool identity_preset_sets(unsigned bits, struct str name)
{
    if (bits == 0) /* as most locations have it, asked for every field */
        return false;
    for (size_t n = 0; n < PRESETS; n++)
        if (presets[n].bit & bits && identity_name_is_same(presets[n].name, name))
            return true;
    return false;
}

struct str identity_preset_name(size_t n)
{
    return n < PRESETS ? presets[n].name : STR_NONE;
}

/* proxy_set_header has the last word on a name. */
static bool is_set_by_hand(const struct location_conf *loc, struct str name)
{
    VEC_FOR(const struct set_header_conf, set, &loc->proxy.set_headers)
        if (identity_name_is_same(name, set->name))
            return true;
    return false;
}

static void append_value(const struct preset *p, struct identity *i, struct buf *out)
{
    if (p->append)
        p->append(i, out);
    else
        buf_append_str(out, identity_fact(i, p->fact));
}

void identity_presets_add(const struct request *req, struct headers *h, struct arena *a)
{
    unsigned bits = req->location->proxy.client_identity;
    if (bits == 0 || !access_client_is_verified(req))
        return;
    struct buf value = {0};
    for (size_t n = 0; n < PRESETS; n++) {
        if (!(presets[n].bit & bits) || is_set_by_hand(req->location, presets[n].name))
            continue;
        buf_clear(&value);
        append_value(&presets[n], req->identity, &value);
        if (!buf_is_empty(&value) && header_value_is_valid(buf_str(&value)))
            headers_add(h, a, presets[n].name, arena_str(a, buf_str(&value)));
    }
    buf_deinit(&value);
}
