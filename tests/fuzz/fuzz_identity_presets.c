/* What applications are told of a client whose certificate says what it likes. The input is the
 * names in it: kind, length, octets. Each header field is one line of printable ASCII, and in
 * Envoy's no name begins another field or another element. */
#include <assert.h>
#include <stdint.h>

#include "../../src/proxy/identity_presets.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a certificate --------------------------------------------------------------------------- */

static void append_der(struct buf *out, unsigned tag, struct str content)
{
    buf_append_char(out, (char)tag);
    if (content.len >= 128)
        buf_append_char(out, (char)(content.len >= 256 ? 0x82 : 0x81));
    if (content.len >= 256)
        buf_append_char(out, (char)(content.len >> 8));
    buf_append_char(out, (char)content.len);
    buf_append_str(out, content);
}

/* inner is emptied. */
static void wrap(struct buf *out, unsigned tag, struct buf *inner)
{
    append_der(out, tag, buf_str(inner));
    buf_deinit(inner);
}

static void append_attribute(struct buf *out, unsigned kind, struct str value)
{
    static const char last[] = {3, 10, 11, 6, 7, 8, 5, 4}; /* of 2.5.4.*: CN, O, OU, C, L, … */
    static const unsigned char strings[] = {0x0c, 0x13, 0x16, 0x1e, 0x14};
    struct buf pair = {0}, set = {0};
    const char oid[] = {0x55, 0x04, last[kind % 8]};
    append_der(&pair, 0x06, str_make(oid, sizeof oid));
    append_der(&pair, strings[kind / 16 % sizeof strings], value);
    wrap(&set, 0x30, &pair);
    wrap(out, 0x31, &set);
}

static void append_general_name(struct buf *out, unsigned kind, struct str value)
{
    static const unsigned char tags[] = {0x82, 0x81, 0x86, 0x87};
    append_der(out, tags[kind % 4], value);
}

static void make_certificate(struct buf *out, struct str in)
{
    static const char algorithm[] = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
    static const char validity[] = "\x30\x1e\x17\x0d"
                                   "260101000000Z"
                                   "\x17\x0d"
                                   "360101000000Z";
    static const char key[] =
        "\x30\x19\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01"
        "\x07\x03\x02\x00\x04";
    struct buf names = {0}, subject = {0}, alt = {0}, tbs = {0}, parts = {0};
    while (in.len >= 2) {
        unsigned kind = (unsigned char)in.ptr[0];
        struct str value = str_upto(str_from(in, 2), (unsigned char)in.ptr[1]);
        in = str_from(in, 2 + value.len);
        if (kind & 8)
            append_general_name(&alt, kind, value);
        else
            append_attribute(&names, kind, value);
    }
    wrap(&subject, 0x30, &names);
    buf_append(&tbs, "\xa0\x03\x02\x01\x02\x02\x01\x07", 8);
    buf_append(&tbs, algorithm, sizeof algorithm - 1);
    buf_append_str(&tbs, buf_str(&subject));
    buf_append(&tbs, validity, sizeof validity - 1);
    buf_append_str(&tbs, buf_str(&subject));
    buf_append(&tbs, key, sizeof key - 1);
    if (!buf_is_empty(&alt)) {
        struct buf list = {0}, extension = {0}, extensions = {0}, all = {0};
        wrap(&list, 0x30, &alt);
        buf_append(&extension, "\x06\x03\x55\x1d\x11", 5);
        wrap(&extension, 0x04, &list);
        wrap(&extensions, 0x30, &extension);
        wrap(&all, 0x30, &extensions);
        wrap(&tbs, 0xa3, &all);
    }
    wrap(&parts, 0x30, &tbs);
    buf_append(&parts, algorithm, sizeof algorithm - 1);
    buf_append(&parts, "\x03\x01\x00", 3);
    wrap(out, 0x30, &parts);
    buf_deinit(&subject);
}

/* ---- what is told ---------------------------------------------------------------------------- */

static void check_line(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        assert(value.ptr[i] >= 0x20 && value.ptr[i] < 0x7f);
}

/* Its fields and no others, and one element: Envoy's readers split at ',' and ';' outside quotes.
 */
static void check_xfcc(struct str value)
{
    static const struct str keys[] = {STR_INIT("Hash="), STR_INIT("Cert="), STR_INIT("Subject=")};
    bool is_quoted = false;
    size_t fields = 0, begins = 0;
    for (size_t i = 0; i <= value.len; i++) {
        char c = i < value.len ? value.ptr[i] : ';';
        is_quoted ^= c == '"';
        assert(i < value.len || !is_quoted);
        assert(is_quoted || c != ',');
        if (is_quoted || c != ';')
            continue;
        struct str field = str_from(str_upto(value, i), begins);
        assert(fields < 3 ? str_starts(field, keys[fields])
                          : str_starts(field, STR("URI=")) || str_starts(field, STR("DNS=")));
        fields++;
        begins = i + 1;
    }
    assert(fields >= 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf der = {0}, value = {0};
    make_certificate(&der, str_make((const char *)data, size < 2048 ? size : 2048));
    struct str chain = buf_str(&der);
    struct identity *i = identity_new(&chain, 1);
    for (size_t n = 0; n < PRESETS; n++) {
        buf_clear(&value);
        append_value(&presets[n], i, &value);
        check_line(buf_str(&value));
        if (presets[n].append == xfcc)
            check_xfcc(buf_str(&value));
    }
    for (int fact = IDENTITY_SUBJECT; fact < IDENTITY_FACTS; fact++)
        check_line(identity_fact(i, (enum identity_fact)fact));
    identity_unref(i);
    buf_deinit(&value);
    buf_deinit(&der);
    return 0;
}
