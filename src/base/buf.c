#include "portcullis/base/buf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "portcullis/base/block.h"

enum { FIRST_CAPACITY = 512 };

void buf_deinit(struct buf *b)
{
    block_give(b->data, b->capacity);
    *b = (struct buf){0};
}

size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

bool buf_is_empty(const struct buf *b)
{
    return b->end == b->start;
}

struct str buf_str(const struct buf *b)
{
    if (b->data == NULL)
        return (struct str){"", 0};
    return (struct str){b->data + b->start, b->end - b->start};
}

static void move_to_front(struct buf *b)
{
    if (b->start == 0)
        return;
    memmove(b->data, b->data + b->start, buf_len(b));
    b->end -= b->start;
    b->start = 0;
}

static void grow(struct buf *b, size_t size)
{
    size_t len = buf_len(b);
    assert(size <= SIZE_MAX / 4 && b->capacity <= SIZE_MAX / 4);
    size_t capacity = b->capacity * 2;
    if (capacity < FIRST_CAPACITY)
        capacity = FIRST_CAPACITY;
    if (capacity < len + size)
        capacity = len + size;
    char *data = block_take(&capacity);
    if (len > 0)
        memcpy(data, b->data + b->start, len);
    block_give(b->data, b->capacity);
    *b = (struct buf){.data = data, .end = len, .capacity = capacity};
}

char *buf_reserve(struct buf *b, size_t size)
{
    if (b->data != NULL && b->capacity - b->end >= size)
        return b->data + b->end;
    /* Moving is cheaper than growing only while little is moved for much room. */
    size_t len = buf_len(b);
    if (b->data != NULL && b->start >= len && b->capacity - len >= size)
        move_to_front(b);
    else
        grow(b, size);
    return b->data + b->end;
}

void buf_added(struct buf *b, size_t size)
{
    assert(size <= b->capacity - b->end);
    b->end += size;
}

void buf_append(struct buf *b, const void *data, size_t size)
{
    if (size == 0)
        return;
    memcpy(buf_reserve(b, size), data, size);
    b->end += size;
}

void buf_append_str(struct buf *b, struct str s)
{
    buf_append(b, s.ptr, s.len);
}

void buf_append_char(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->end++;
}

void buf_append_hex(struct buf *b, const void *octets, size_t count, const char *digits)
{
    const unsigned char *from = octets;
    char *to = buf_reserve(b, 2 * count);
    for (size_t i = 0; i < count; i++) {
        *to++ = digits[from[i] >> 4];
        *to++ = digits[from[i] & 15];
    }
    buf_added(b, 2 * count);
}

void buf_append_escaped(struct buf *b, struct str s, bool (*is_special)(unsigned char c),
                        void (*escape)(struct buf *b, unsigned char c))
{
    size_t plain = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_special((unsigned char)s.ptr[i]))
            continue;
        buf_append(b, s.ptr + plain, i - plain);
        escape(b, (unsigned char)s.ptr[i]);
        plain = i + 1;
    }
    if (s.len > plain)
        buf_append(b, s.ptr + plain, s.len - plain);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = b->capacity - b->end;
    int len = vsnprintf(room == 0 ? NULL : b->data + b->end, room, format, args);
    assert(len >= 0);
    if ((size_t)len >= room) /* its NUL needs a place too */
        vsnprintf(buf_reserve(b, (size_t)len + 1), (size_t)len + 1, format, again);
    va_end(again);
    b->end += (size_t)len;
}

void buf_consume(struct buf *b, size_t size)
{
    assert(size <= buf_len(b));
    b->start += size;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buf_clear(struct buf *b)
{
    b->start = b->end = 0;
}

void buf_release(struct buf *b)
{
    if (buf_is_empty(b))
        buf_deinit(b);
}

void buf_move(struct buf *to, struct buf *from)
{
    if (buf_is_empty(from))
        return;
    if (buf_is_empty(to)) {
        struct buf empty = *to;
        *to = *from;
        *from = empty;
        buf_clear(from);
        return;
    }
    buf_append_str(to, buf_str(from));
    buf_clear(from);
}

size_t buf_move_some(struct buf *to, struct buf *from, size_t max)
{
    size_t len = buf_len(from);
    if (len <= max) {
        buf_move(to, from);
        return len;
    }
    buf_append(to, from->data + from->start, max);
    buf_consume(from, max);
    return max;
}
