#include "portcullis/base/utf8.h"

#include <stdint.h>

/* By the first octet: how many follow, its own bits, the least code that may be written so long. */
static const struct form {
    unsigned char mask, mark;
    size_t length;
    uint32_t least;
} forms[] = {
    {0x80, 0x00, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};

static const struct form *form_of(unsigned char first)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if ((first & forms[i].mask) == forms[i].mark)
            return &forms[i];
    return NULL;
}

static bool is_character(uint32_t code, const struct form *f)
{
    bool is_surrogate = code >= 0xd800 && code <= 0xdfff;

    return code >= f->least && code <= 0x10ffff && !is_surrogate;
}

static size_t take(struct str s, uint32_t *code)
{
    const struct form *f = s.len > 0 ? form_of((unsigned char)s.ptr[0]) : NULL;

    if (f == NULL || f->length > s.len)
        return 0;
    *code = (unsigned char)s.ptr[0] & (unsigned char)~f->mask;
    for (size_t i = 1; i < f->length; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (c & 0x3f);
    }
    return is_character(*code, f) ? f->length : 0;
}

size_t utf8_length(struct str s)
{
    uint32_t code;

    return take(s, &code);
}

size_t utf8_shown(struct str s)
{
    static const struct {
        uint32_t first, last;
    } acting[] = {{0, 0x1f},        {0x7f, 0x9f},     {0x200b, 0x200f}, {0x2028, 0x202e},
                  {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}};
    uint32_t code;
    size_t length = take(s, &code);

    for (size_t i = 0; i < sizeof acting / sizeof acting[0] && length > 0; i++)
        if (code >= acting[i].first && code <= acting[i].last)
            return 0;
    return length;
}
