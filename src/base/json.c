#include "portcullis/base/json.h"

#include "portcullis/base/utf8.h"

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void append_special(struct buf *out, unsigned char c)
{
    static const char *const names[0x60] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n",  ['\f'] = "\\f",
        ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\",
    };
    if (c < sizeof names / sizeof names[0] && names[c])
        buf_append_str(out, str_of(names[c]));
    else
        buf_printf(out, "\\u%04X", c);
}

/* JSON is UTF-8 (RFC 8259, 8.1): an octet that belongs to no character is written as if it were
 * Latin-1, or who reads the log would lose the line. */
void json_append_escaped(struct buf *out, struct str s)
{
    for (size_t at = 0, length; at < s.len; at += length) {
        length = utf8_length(str_from(s, at));
        if (length > 0 && is_plain((unsigned char)s.ptr[at])) {
            buf_append(out, s.ptr + at, length);
            continue;
        }
        append_special(out, (unsigned char)s.ptr[at]);
        length = 1;
    }
}

static void append_quoted(struct buf *out, struct str s)
{
    buf_append_char(out, '"');
    json_append_escaped(out, s);
    buf_append_char(out, '"');
}

static void begin(struct json *j, const char *name)
{
    if (j->has_item)
        buf_append_char(j->out, ',');
    j->has_item = true;
    if (!name)
        return;
    append_quoted(j->out, str_of(name));
    buf_append_char(j->out, ':');
}

void json_open(struct json *j, const char *name, char bracket)
{
    begin(j, name);
    buf_append_char(j->out, bracket);
    j->has_item = false;
}

void json_close(struct json *j, char bracket)
{
    buf_append_char(j->out, bracket);
    j->has_item = true;
}

void json_string(struct json *j, const char *name, struct str value)
{
    begin(j, name);
    if (value.ptr)
        append_quoted(j->out, value);
    else
        buf_append_str(j->out, STR("null"));
}

void json_number(struct json *j, const char *name, long long value)
{
    begin(j, name);
    buf_printf(j->out, "%lld", value);
}

void json_bool(struct json *j, const char *name, bool value)
{
    begin(j, name);
    buf_append_str(j->out, value ? STR("true") : STR("false"));
}
