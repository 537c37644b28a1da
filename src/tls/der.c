#include "der.h"

#include <string.h>

/* X.690, 8.1.3 and 10.1: definite, in as few octets as possible. */
static bool take_length(struct str *rest, size_t *length)
{
    if (rest->len == 0)
        return false;
    const unsigned char *p = (const unsigned char *)rest->ptr;
    size_t first = p[0];
    *rest = str_from(*rest, 1);
    if (first < 0x80) {
        *length = first;
        return true;
    }
    size_t octets = first & 0x7f;
    if (octets == 0 || octets > 4 || octets > rest->len || p[1] == 0)
        return false;
    size_t value = 0;
    for (size_t i = 1; i <= octets; i++)
        value = value << 8 | p[i];
    *rest = str_from(*rest, octets);
    *length = value;
    return value >= 0x80;
}

bool der_next(struct str *rest, struct der_item *item)
{
    struct str in = *rest;
    if (in.len < 2)
        return false;
    unsigned tag = (unsigned char)in.ptr[0];
    size_t length;
    in = str_from(in, 1);
    /* Tag numbers above 30 take more octets; X.509 has none. */
    if ((tag & 0x1f) == 0x1f || !take_length(&in, &length) || length > in.len)
        return false;
    item->tag = tag;
    item->content = str_upto(in, length);
    item->whole = str_make(rest->ptr, (size_t)(in.ptr + length - rest->ptr));
    *rest = str_from(in, length);
    return true;
}

bool der_at(struct str rest, unsigned tag)
{
    return rest.len > 0 && (unsigned char)rest.ptr[0] == tag;
}

bool der_take_whole(struct str *rest, unsigned tag, struct der_item *item)
{
    return der_at(*rest, tag) && der_next(rest, item);
}

bool der_take(struct str *rest, unsigned tag, struct str *content)
{
    struct der_item item;
    if (!der_take_whole(rest, tag, &item))
        return false;
    if (content != NULL)
        *content = item.content;
    return true;
}

bool der_optional(struct str *rest, unsigned tag, struct str *content)
{
    *content = STR_NONE;
    return !der_at(*rest, tag) || der_take(rest, tag, content);
}

bool der_take_bool(struct str *rest, bool *value)
{
    struct str content;
    *value = false;
    if (!der_at(*rest, DER_BOOLEAN))
        return true;
    if (!der_take(rest, DER_BOOLEAN, &content) || content.len != 1)
        return false;
    *value = content.ptr[0] != 0;
    return true;
}

bool der_small_integer(struct str content, unsigned *value)
{
    if (content.len == 0 || content.len > 4 || (unsigned char)content.ptr[0] > 0x7f)
        return false;
    *value = 0;
    for (size_t i = 0; i < content.len; i++)
        *value = *value << 8 | (unsigned char)content.ptr[i];
    return true;
}

static bool two_digits(struct str s, size_t at, int *value)
{
    if (!ascii_is_digit(s.ptr[at]) || !ascii_is_digit(s.ptr[at + 1]))
        return false;
    *value = (s.ptr[at] - '0') * 10 + (s.ptr[at + 1] - '0');
    return true;
}

bool der_take_time(struct str *rest, time_t *value)
{
    struct der_item item;
    if (!der_next(rest, &item))
        return false;
    struct str text = item.content;
    int century, year, field[5]; /* month, day, hour, minute, second */
    if (item.tag == DER_GENERALIZED_TIME && text.len == 15) {
        if (!two_digits(text, 0, &century))
            return false;
        text = str_from(text, 2);
    } else if (item.tag == DER_UTC_TIME && text.len == 13) {
        century = text.ptr[0] >= '5' ? 19 : 20; /* RFC 5280, 4.1.2.5.1 */
    } else {
        return false;
    }
    if (text.ptr[12] != 'Z' || !two_digits(text, 0, &year))
        return false;
    for (size_t i = 0; i < 5; i++)
        if (!two_digits(text, 2 + 2 * i, &field[i]))
            return false;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    year += century * 100;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (field[0] < 1 || field[0] > 12 || field[1] < 1 ||
        field[1] > days[field[0] - 1] + (leap && field[0] == 2) || field[2] > 23 || field[3] > 59 ||
        field[4] > 59) {
        return false;
    }
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = field[0] - 1,
                    .tm_mday = field[1],
                    .tm_hour = field[2],
                    .tm_min = field[3],
                    .tm_sec = field[4]};
    *value = timegm(&tm);
    return true;
}

bool der_bit_string(struct str content, struct str *octets, unsigned *unused)
{
    if (content.len == 0 || (unsigned char)content.ptr[0] > 7)
        return false;
    *unused = (unsigned char)content.ptr[0];
    *octets = str_from(content, 1);
    return octets->len > 0 || *unused == 0;
}

bool der_named_bits(struct str content, unsigned *bits)
{
    struct str octets;
    unsigned unused;
    if (!der_bit_string(content, &octets, &unused))
        return false;
    *bits = 0;
    for (size_t i = 0; i < octets.len * 8 - unused && i < 32; i++)
        if ((unsigned char)octets.ptr[i / 8] & 0x80u >> i % 8)
            *bits |= 1u << i;
    return true;
}

struct str der_integer_trim(struct str content)
{
    /* 0x00 before a clear top bit, 0xff before a set one. BER from old CAs has them. */
    while (content.len > 1) {
        unsigned char first = (unsigned char)content.ptr[0];
        bool next_negative = (unsigned char)content.ptr[1] >= 0x80;
        if (!(first == 0 && !next_negative) && !(first == 0xff && next_negative))
            break;
        content = str_from(content, 1);
    }
    return content;
}
