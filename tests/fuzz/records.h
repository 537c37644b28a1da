/* TLS records as octets on a wire (RFC 8446, 5.1). */
#ifndef TESTS_FUZZ_RECORDS_H
#define TESTS_FUZZ_RECORDS_H

#include "portcullis/base/buf.h"

enum { RECORD_HEAD = 5 };

/* The n-th record, as far as it is there. */
static struct str record_at(struct str wire, size_t n)
{
    for (;; n--) {
        const unsigned char *p = (const unsigned char *)wire.ptr;
        size_t size = wire.len < RECORD_HEAD ? wire.len : RECORD_HEAD + ((size_t)p[3] << 8 | p[4]);
        struct str record = str_upto(wire, size);
        if (n == 0 || wire.len == 0)
            return record;
        wire = str_from(wire, record.len);
    }
}

/* One that is longer than any may be counts, too (RFC 8446, 5.2). */
static bool record_is_whole(struct str wire)
{
    const unsigned char *p = (const unsigned char *)wire.ptr;
    if (wire.len < RECORD_HEAD)
        return false;
    size_t content = (size_t)p[3] << 8 | p[4];
    return content > 16384 + 256 || wire.len >= RECORD_HEAD + content;
}

static void append_record(struct buf *out, unsigned type, struct str content)
{
    const unsigned char head[RECORD_HEAD] = {
        (unsigned char)type, 3, 3, (unsigned char)(content.len >> 8), (unsigned char)content.len};
    buf_append(out, head, sizeof head);
    buf_append_str(out, content);
}

#endif
