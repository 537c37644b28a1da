/* Memory that is freed all at once: a configuration, a request.
 * An arena grows by blocks and never gives a part back. No memory: logs and aborts
 * (memory.h), so no caller tests for NULL. Embedded by value: arena_init, arena_deinit. */
#ifndef PORTCULLIS_BASE_ARENA_H
#define PORTCULLIS_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "portcullis/base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    char *next, *end;           /* what is free in the newest */
    size_t block_size;          /* of the next block to be taken */
};

void arena_init(struct arena *a, size_t block_size);
void arena_deinit(struct arena *a);
/* Frees all but one block: for reuse by the next request of a connection. */
void arena_reset(struct arena *a);

void *arena_alloc(struct arena *a, size_t size);  /* aligned for any type, not zeroed */
void *arena_zalloc(struct arena *a, size_t size); /* zeroed */
#define ARENA_NEW(a, type)      ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (n)))

/* Copies get a NUL behind them, so that .ptr is a C string when s has no NUL inside. */
struct str arena_str(struct arena *a, struct str s);
char *arena_z(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *a, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
struct str arena_concat(struct arena *a, const struct str *parts, size_t count);

#endif
