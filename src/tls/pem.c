#include "pem.h"

#include <string.h>

#include <mbedtls/base64.h>

#include "portcullis/base/memory.h"

static const struct str begin_mark = STR_INIT("-----BEGIN ");
static const struct str end_mark = STR_INIT("-----END ");
static const struct str dashes = STR_INIT("-----");

/* What some editors put before a text in UTF-8, and stands inside when such files are joined. */
static const struct str byte_order_mark = STR_INIT("\xef\xbb\xbf");

/* At the start of the text or of a line. */
static bool find_line(struct str *text, struct str start)
{
    while (text->ptr != NULL && text->len > 0) {
        if (str_starts(*text, byte_order_mark))
            *text = str_from(*text, byte_order_mark.len);
        if (str_starts(*text, start))
            return true;
        str_cut(text, '\n');
    }
    return false;
}

/* The label between the mark and five dashes; *text moves behind the line. */
static bool take_label(struct str *text, struct str mark, struct str *label)
{
    struct str line = str_from(str_cut(text, '\n'), mark.len);
    size_t end = str_search(line, dashes);
    if (end == SIZE_MAX)
        return false;
    *label = str_upto(line, end);
    return true;
}

static bool decode(struct str text, struct buf *der)
{
    size_t length = 0;
    size_t size = text.len / 4 * 3 + 3;
    unsigned char *out = (unsigned char *)buf_reserve(der, size);
    if (mbedtls_base64_decode(out, size, &length, (const unsigned char *)text.ptr, text.len) != 0)
        return false;
    buf_added(der, length);
    return length > 0;
}

enum pem_result pem_next(struct str *text, struct str *label, struct buf *der)
{
    struct str end_label;
    buf_clear(der);
    if (!find_line(text, begin_mark))
        return PEM_END;
    if (!take_label(text, begin_mark, label))
        return PEM_BROKEN;
    struct str body = *text;
    if (!find_line(text, end_mark))
        return PEM_BROKEN;
    body = str_upto(body, (size_t)(text->ptr - body.ptr));
    if (!take_label(text, end_mark, &end_label) || !str_eq(*label, end_label))
        return PEM_BROKEN;
    /* Encrypted keys have header lines before their base64; who wants those reads them itself. */
    if (str_ends(*label, STR("PRIVATE KEY")) || str_ends(*label, STR("PARAMETERS")))
        return PEM_BLOCK;
    return decode(body, der) ? PEM_BLOCK : PEM_BROKEN;
}

bool pem_is_certificate(struct str label)
{
    return str_eq(label, STR("CERTIFICATE")) || str_eq(label, STR("X509 CERTIFICATE"));
}
