#include "name.h"

#include <string.h>

#include "der.h"

/* No honest name has more; name_is_valid refuses it, so that no text leaves one out. */
enum { NAME_ATTRIBUTES_MAX = 64 };

const struct str name_oid_common_name = STR_INIT("\x55\x04\x03");
const struct str name_oid_email = STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01");

/* OpenSSL's short names. */
static const struct attribute {
    struct str oid;
    const char *name;
} attributes[] = {
    {STR_INIT("\x55\x04\x03"), "CN"},
    {STR_INIT("\x55\x04\x04"), "SN"},
    {STR_INIT("\x55\x04\x05"), "serialNumber"},
    {STR_INIT("\x55\x04\x06"), "C"},
    {STR_INIT("\x55\x04\x07"), "L"},
    {STR_INIT("\x55\x04\x08"), "ST"},
    {STR_INIT("\x55\x04\x09"), "street"},
    {STR_INIT("\x55\x04\x0a"), "O"},
    {STR_INIT("\x55\x04\x0b"), "OU"},
    {STR_INIT("\x55\x04\x0c"), "title"},
    {STR_INIT("\x55\x04\x0d"), "description"},
    {STR_INIT("\x55\x04\x0e"), "searchGuide"},
    {STR_INIT("\x55\x04\x0f"), "businessCategory"},
    {STR_INIT("\x55\x04\x10"), "postalAddress"},
    {STR_INIT("\x55\x04\x11"), "postalCode"},
    {STR_INIT("\x55\x04\x12"), "postOfficeBox"},
    {STR_INIT("\x55\x04\x13"), "physicalDeliveryOfficeName"},
    {STR_INIT("\x55\x04\x14"), "telephoneNumber"},
    {STR_INIT("\x55\x04\x29"), "name"},
    {STR_INIT("\x55\x04\x2a"), "GN"},
    {STR_INIT("\x55\x04\x2b"), "initials"},
    {STR_INIT("\x55\x04\x2c"), "generationQualifier"},
    {STR_INIT("\x55\x04\x2d"), "x500UniqueIdentifier"},
    {STR_INIT("\x55\x04\x2e"), "dnQualifier"},
    {STR_INIT("\x55\x04\x31"), "distinguishedName"},
    {STR_INIT("\x55\x04\x33"), "houseIdentifier"},
    {STR_INIT("\x55\x04\x36"), "dmdName"},
    {STR_INIT("\x55\x04\x41"), "pseudonym"},
    {STR_INIT("\x55\x04\x48"), "role"},
    {STR_INIT("\x55\x04\x61"), "organizationIdentifier"},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"), "emailAddress"},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02"), "unstructuredName"},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"), "challengePassword"},
    {STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x08"), "unstructuredAddress"},
    {STR_INIT("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"), "UID"},
    {STR_INIT("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x03"), "mail"},
    {STR_INIT("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), "DC"},
    {STR_INIT("\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01"), "jurisdictionL"},
    {STR_INIT("\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02"), "jurisdictionST"},
    {STR_INIT("\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03"), "jurisdictionC"},
};

static const char *attribute_name(struct str oid)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (str_eq(attributes[i].oid, oid))
            return attributes[i].name;
    return NULL;
}

struct name_walk name_walk_begin(struct str name)
{
    struct name_walk w = {.rdn = STR_NONE};
    if (!der_take(&name, DER_SEQUENCE, &w.rdns))
        w.rdns = STR_NONE;
    return w;
}

bool name_next(struct name_walk *w)
{
    struct str attribute;
    struct der_item value;
    w->first_of_rdn = w->rdn.len == 0;
    if (w->first_of_rdn && !der_take(&w->rdns, DER_SET, &w->rdn))
        return false;
    if (!der_take(&w->rdn, DER_SEQUENCE, &attribute) || !der_take(&attribute, DER_OID, &w->oid) ||
        !der_next(&attribute, &value) || attribute.len > 0) {
        w->is_malformed = true;
        return false;
    }
    w->tag = value.tag;
    w->value = value.content;
    w->value_der = value.whole;
    return true;
}

bool name_is_empty(struct str name)
{
    return name_walk_begin(name).rdns.len == 0;
}

/* ---- characters ----------------------------------------------------------------------------- */

/* Octets of a character by kind of string; 0: UTF-8; -1: no string. OpenSSL reads T61String as
 * Latin 1 as well. */
static int character_width(unsigned tag)
{
    switch (tag) {
    case DER_UTF8_STRING:
        return 0;
    case DER_NUMERIC_STRING:
    case DER_PRINTABLE_STRING:
    case DER_T61_STRING:
    case DER_IA5_STRING:
    case DER_UTC_TIME:
    case DER_GENERALIZED_TIME:
    case DER_VISIBLE_STRING:
        return 1;
    case DER_BMP_STRING:
        return 2;
    case DER_UNIVERSAL_STRING:
        return 4;
    default:
        return -1;
    }
}

/* The next character as UTF-8 octets into out; their count, 0 at the end. UTF-8 is passed on by
 * the octet. A BMPString or UniversalString cut short ends early; name_is_valid refuses it. */
static size_t next_character(struct str *value, int width, char out[static 4])
{
    if (width == 0 && value->len > 0) {
        out[0] = value->ptr[0];
        *value = str_from(*value, 1);
        return 1;
    }
    if (value->len < (size_t)width || value->len == 0)
        return 0;
    uint32_t c = 0;
    for (int i = 0; i < width; i++)
        c = c << 8 | (unsigned char)value->ptr[i];
    *value = str_from(*value, (size_t)width);
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18 & 7));
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static bool value_is_valid(unsigned tag, struct str value)
{
    int width = character_width(tag);
    if (width < 0)
        return true;
    if (width > 1 && value.len % (size_t)width != 0)
        return false;
    char c[4];
    size_t n;
    while ((n = next_character(&value, width, c)) > 0)
        if (n == 1 && c[0] == 0)
            return false;
    return true;
}

bool name_is_valid(struct str name)
{
    struct name_walk w = name_walk_begin(name);
    struct str inside;
    if (!der_take(&name, DER_SEQUENCE, &inside) || name.len > 0)
        return false;
    for (size_t count = 1; name_next(&w); count++)
        if (count > NAME_ATTRIBUTES_MAX || !value_is_valid(w.tag, w.value))
            return false;
    return !w.is_malformed && w.rdns.len == 0;
}

/* ---- comparison: RFC 5280, 7.1 --------------------------------------------------------------- */

/* The octets of a value with case folded and blanks squeezed. */
struct folded {
    struct str value;
    int width;
    char pending[4];
    size_t pending_at, pending_len;
    bool blank, begun;
};

static int raw_octet(struct folded *f)
{
    if (f->pending_at == f->pending_len) {
        f->pending_at = 0;
        f->pending_len = next_character(&f->value, f->width, f->pending);
        if (f->pending_len == 0)
            return -1;
    }
    return (unsigned char)ascii_lower(f->pending[f->pending_at++]);
}

static int folded_octet(struct folded *f)
{
    for (;;) {
        int c = raw_octet(f);
        if (c < 0)
            return -1;
        if (c == ' ') {
            f->blank = f->begun;
            continue;
        }
        if (f->blank) {
            f->blank = false;
            f->pending_at--; /* This octet again at the next call. */
            return ' ';
        }
        f->begun = true;
        return c;
    }
}

static bool values_equal(unsigned tag_a, struct str a, unsigned tag_b, struct str b)
{
    struct folded fa = {.value = a, .width = character_width(tag_a)};
    struct folded fb = {.value = b, .width = character_width(tag_b)};
    if (fa.width < 0 || fb.width < 0)
        return tag_a == tag_b && str_eq(a, b);
    for (;;) {
        int ca = folded_octet(&fa);
        int cb = folded_octet(&fb);
        if (ca != cb)
            return false;
        if (ca < 0)
            return true;
    }
}

static bool attributes_equal(const struct name_walk *a, const struct name_walk *b)
{
    return a->first_of_rdn == b->first_of_rdn && str_eq(a->oid, b->oid) &&
           values_equal(a->tag, a->value, b->tag, b->value);
}

bool name_equal(struct str a, struct str b)
{
    if (str_eq(a, b))
        return true;
    struct name_walk wa = name_walk_begin(a), wb = name_walk_begin(b);
    for (;;) {
        bool more_a = name_next(&wa);
        bool more_b = name_next(&wb);
        if (!more_a || !more_b)
            return !more_a && !more_b;
        if (!attributes_equal(&wa, &wb))
            return false;
    }
}

bool name_is_within(struct str name, struct str base)
{
    struct name_walk wn = name_walk_begin(name), wb = name_walk_begin(base);
    while (name_next(&wb))
        if (!name_next(&wn) || !attributes_equal(&wn, &wb))
            return false;
    return wn.rdn.len == 0;
}

uint32_t name_hash(struct str name)
{
    uint32_t h = 2166136261u; /* FNV-1a: a place in an index, not a defence. */
    struct name_walk w = name_walk_begin(name);
    while (name_next(&w)) {
        for (size_t i = 0; i < w.oid.len; i++)
            h = (h ^ (unsigned char)w.oid.ptr[i]) * 16777619u;
        struct folded f = {.value = w.value, .width = character_width(w.tag)};
        int c;
        while (f.width >= 0 && (c = folded_octet(&f)) >= 0)
            h = (h ^ (unsigned)c) * 16777619u;
    }
    return h;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* "1.2.840.…" (X.690, 8.19). */
void oid_append(struct buf *out, struct str oid)
{
    uint64_t arc = 0;
    bool first = true;
    for (size_t i = 0; i < oid.len; i++) {
        unsigned char c = (unsigned char)oid.ptr[i];
        arc = arc << 7 | (c & 0x7f);
        if (c & 0x80)
            continue;
        if (first) {
            unsigned root = arc < 80 ? (unsigned)arc / 40 : 2;
            buf_printf(out, "%u.%llu", root, (unsigned long long)(arc - root * 40));
        } else {
            buf_printf(out, ".%llu", (unsigned long long)arc);
        }
        first = false;
        arc = 0;
    }
}

static void append_type(struct buf *out, struct str oid)
{
    const char *name = attribute_name(oid);
    if (name != NULL)
        buf_append_str(out, str_of(name));
    else
        oid_append(out, oid);
    buf_append_char(out, '=');
}

const char *name_attribute(const struct name_walk *w)
{
    return attribute_name(w->oid);
}

void name_append_value(struct buf *out, const struct name_walk *w)
{
    struct str rest = w->value;
    int width = character_width(w->tag);
    char c[4];
    size_t n;
    while (width >= 0 && (n = next_character(&rest, width, c)) > 0)
        buf_append(out, c, n);
}

/* RFC 2253, 2.4, and what is no printable ASCII as \XX. */
static void append_escaped(struct buf *out, char c, bool first, bool last)
{
    if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f) {
        buf_printf(out, "\\%02X", (unsigned char)c);
        return;
    }
    if (strchr(",+\"\\<>;", c) != NULL || (c == '#' && first) || (c == ' ' && (first || last)))
        buf_append_char(out, '\\');
    buf_append_char(out, c);
}

static void append_value_rfc2253(struct buf *out, const struct name_walk *w)
{
    int width = character_width(w->tag);
    if (width < 0 || attribute_name(w->oid) == NULL) {
        buf_append_char(out, '#');
        buf_append_hex(out, w->value_der.ptr, w->value_der.len, ASCII_HEX_UPPER);
        return;
    }
    struct str rest = w->value;
    char c[4];
    size_t n;
    for (bool first = true; (n = next_character(&rest, width, c)) > 0; first = false)
        for (size_t i = 0; i < n; i++)
            append_escaped(out, c[i], first, rest.len == 0);
}

void name_append_rfc2253(struct buf *out, struct str name)
{
    /* Last first (RFC 2253, 2.1). */
    struct name_walk all[NAME_ATTRIBUTES_MAX];
    size_t count = 0;
    struct name_walk w = name_walk_begin(name);
    while (count < NAME_ATTRIBUTES_MAX && name_next(&w))
        all[count++] = w;
    for (size_t i = count; i-- > 0;) {
        append_type(out, all[i].oid);
        append_value_rfc2253(out, &all[i]);
        if (i > 0)
            buf_append_char(out, all[i].first_of_rdn ? ',' : '+');
    }
}

struct str name_text(struct arena *a, struct str name)
{
    struct buf text = {0};
    if (name.ptr != NULL)
        name_append_rfc2253(&text, name);
    struct str kept = arena_str(a, buf_str(&text));
    buf_deinit(&text);
    return kept;
}

void name_append_legacy(struct buf *out, struct str name)
{
    struct name_walk w = name_walk_begin(name);
    while (name_next(&w)) {
        buf_append_char(out, w.first_of_rdn ? '/' : '+');
        append_type(out, w.oid);
        for (size_t i = 0; i < w.value.len; i++) {
            char c = w.value.ptr[i];
            if (c < ' ' || c > '~')
                buf_printf(out, "\\x%02X", (unsigned char)c);
            else if (c == '/' || c == '+')
                buf_printf(out, "\\%c", c);
            else
                buf_append_char(out, c);
        }
    }
}
