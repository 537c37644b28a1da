/* A growing queue of octets.
 *
 *      data        start          end         capacity
 *       |  consumed  |  readable   |   free     |
 *
 * Writers append at end, readers consume at start. Invariant: start <= end <= capacity.
 * An empty buffer may hold no memory at all (buf_release). Embedded by value; zero is a valid
 * empty buffer. */
#ifndef PORTCULLIS_BASE_BUF_H
#define PORTCULLIS_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "portcullis/base/str.h"

struct buf {
    char *data;
    size_t start, end, capacity;
};

void buf_deinit(struct buf *b);
size_t buf_len(const struct buf *b);
bool buf_is_empty(const struct buf *b);
struct str buf_str(const struct buf *b); /* the readable part, until the next write */

/* Room for at least size more octets at the returned place; then buf_added. */
char *buf_reserve(struct buf *b, size_t size);
void buf_added(struct buf *b, size_t size);
void buf_append(struct buf *b, const void *data, size_t size);
void buf_append_str(struct buf *b, struct str s);
void buf_append_char(struct buf *b, char c);
/* Two digits an octet; digits: ASCII_HEX_LOWER or ASCII_HEX_UPPER. */
void buf_append_hex(struct buf *b, const void *octets, size_t count, const char *digits);
#define ASCII_HEX_LOWER "0123456789abcdef"
#define ASCII_HEX_UPPER "0123456789ABCDEF"
/* Plain runs are appended whole; what needs an escape goes to escape() one by one. */
void buf_append_escaped(struct buf *b, struct str s, bool (*is_special)(unsigned char c),
                        void (*escape)(struct buf *b, unsigned char c));
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

void buf_consume(struct buf *b, size_t size);
void buf_clear(struct buf *b);   /* empty, memory kept */
void buf_release(struct buf *b); /* memory given back when empty; else nothing */
/* Everything in from moves to the end of to: by exchange when to is empty, else by copy. */
void buf_move(struct buf *to, struct buf *from);
/* At most max octets. Returns how many moved. */
size_t buf_move_some(struct buf *to, struct buf *from, size_t max);

#endif
