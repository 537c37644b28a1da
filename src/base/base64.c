#include "portcullis/base/base64.h"

/* Three octets to four digits; what is left over to two or three. */
static void append(struct buf *out, struct str in, const char *digits, bool pads)
{
    const unsigned char *p = (const unsigned char *)in.ptr;
    for (size_t i = 0; i < in.len; i += 3) {
        size_t left = in.len - i;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0;
        buf_append_char(out, digits[v >> 18]);
        buf_append_char(out, digits[v >> 12 & 63]);
        if (left > 1 || pads)
            buf_append_char(out, left > 1 ? digits[v >> 6 & 63] : '=');
        if (left > 2 || pads)
            buf_append_char(out, left > 2 ? digits[v & 63] : '=');
    }
}

void base64_append(struct buf *out, struct str octets)
{
    append(out, octets, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
}

void base64url_append(struct buf *out, struct str octets)
{
    append(out, octets, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false);
}
