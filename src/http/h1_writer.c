#include "portcullis/http/h1_writer.h"

#include <stdio.h>
#include <string.h>

static char *put(char *to, struct str s)
{
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

/* Variables hold decoded octets: a line end among them must not begin a field. RFC 9110, 5.5. */
static char *put_value(char *to, struct str s)
{
    char *end = put(to, s);
    if (header_value_is_valid(s))
        return end;
    for (; to < end; to++)
        if (*to == '\r' || *to == '\n' || *to == '\0')
            *to = ' ';
    return end;
}

static bool has_white_space(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
            return true;
    return false;
}

/* Nor must white space in a method or target end it. */
static void append_word(struct buf *out, struct str word)
{
    if (!has_white_space(word)) {
        buf_append_str(out, word);
        return;
    }
    for (size_t i = 0; i < word.len; i++) {
        if (has_white_space(str_make(word.ptr + i, 1)))
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)word.ptr[i]);
        else
            buf_append_char(out, word.ptr[i]);
    }
}

void h1_write_request_line(struct buf *out, struct str method, struct str target,
                           enum http_version v)
{
    append_word(out, method);
    buf_append_char(out, ' ');
    append_word(out, target);
    buf_append_char(out, ' ');
    buf_append_str(out, http_version_text(v));
    buf_append_str(out, STR("\r\n"));
}

void h1_write_status_line(struct buf *out, unsigned status, struct str reason)
{
    if (reason.len == 0)
        reason = http_status_reason(status);
    char *at = buf_reserve(out, reason.len + 32);
    char *to = at + snprintf(at, 32, "HTTP/1.1 %03u ", status);
    to = put_value(to, reason);
    to = put(to, STR("\r\n"));
    buf_added(out, (size_t)(to - at));
}

void h1_write_header(struct buf *out, struct str name, struct str value)
{
    char *at = buf_reserve(out, name.len + value.len + 4);
    char *to = put(at, name);
    to = put(to, STR(": "));
    to = put_value(to, value);
    to = put(to, STR("\r\n"));
    buf_added(out, (size_t)(to - at));
}

void h1_write_headers(struct buf *out, const struct headers *h)
{
    HEADERS_FOR(it, h)
        h1_write_header(out, it->name, it->value);
}

void h1_write_head_end(struct buf *out)
{
    buf_append_str(out, STR("\r\n"));
}

void h1_write_chunk(struct buf *out, struct str data)
{
    if (data.len == 0) /* It would end the body. */
        return;
    char *at = buf_reserve(out, data.len + 24);
    char *to = at + snprintf(at, 20, "%zx\r\n", data.len);
    to = put(to, data);
    to = put(to, STR("\r\n"));
    buf_added(out, (size_t)(to - at));
}

void h1_write_last_chunk(struct buf *out, const struct headers *trailers)
{
    buf_append_str(out, STR("0\r\n"));
    if (trailers != NULL)
        h1_write_headers(out, trailers);
    buf_append_str(out, STR("\r\n"));
}
