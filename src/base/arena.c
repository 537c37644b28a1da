#include "portcullis/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "portcullis/base/block.h"
#include "portcullis/base/memory.h"
#include "sanitizer.h"

struct arena_block {
    struct arena_block *older;
    size_t size; /* of data */
    bool is_own; /* taken for one large allocation */
    alignas(max_align_t) char data[];
};

enum { BLOCK_SIZE_MAX = 64 * 1024 };

void arena_init(struct arena *a, size_t block_size)
{
    *a = (struct arena){.block_size = block_size < 2 * sizeof(struct arena_block)
                                          ? 2 * sizeof(struct arena_block)
                                          : block_size};
}

static void block_free(struct arena_block *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    if (b->is_own)
        mem_free(b);
    else
        block_give(b, sizeof *b + b->size);
}

static void blocks_free(struct arena_block *b, const struct arena_block *but)
{
    while (b != NULL) {
        struct arena_block *older = b->older;
        if (b != but)
            block_free(b);
        b = older;
    }
}

void arena_deinit(struct arena *a)
{
    blocks_free(a->blocks, NULL);
    *a = (struct arena){.block_size = a->block_size};
}

/* The oldest ordinary block is kept: it has the size that the owner asked for. */
void arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL;
    for (struct arena_block *b = a->blocks; b != NULL; b = b->older)
        if (!b->is_own)
            kept = b;
    blocks_free(a->blocks, kept);
    a->blocks = kept;
    a->next = a->end = NULL;
    if (kept == NULL)
        return;
    kept->older = NULL;
    a->block_size = sizeof *kept + kept->size;
    a->next = kept->data;
    a->end = kept->data + kept->size;
    ASAN_POISON_MEMORY_REGION(kept->data, kept->size);
}

/* What the head leaves of a block of that size. */
static struct arena_block *block_new(size_t size)
{
    struct arena_block *b = block_take(&size);
    *b = (struct arena_block){.size = size - sizeof *b};
    return b;
}

/* Stands behind the newest block, whose rest stays in use. */
static void *alloc_own_block(struct arena *a, size_t size)
{
    assert(size < SIZE_MAX - sizeof(struct arena_block));
    struct arena_block *b = mem_alloc(sizeof *b + size);
    *b = (struct arena_block){.size = size, .is_own = true};
    if (a->blocks == NULL) {
        a->blocks = b;
        return b->data;
    }
    b->older = a->blocks->older;
    a->blocks->older = b;
    return b->data;
}

static void *alloc_in_new_block(struct arena *a, size_t size)
{
    if (size > a->block_size / 2)
        return alloc_own_block(a, size);
    struct arena_block *b = block_new(a->block_size);
    b->older = a->blocks;
    a->blocks = b;
    a->next = b->data + size;
    a->end = b->data + b->size;
    ASAN_POISON_MEMORY_REGION(a->next, (size_t)(a->end - a->next));
    if (a->block_size < BLOCK_SIZE_MAX)
        a->block_size *= 2;
    return b->data;
}

static void *alloc_aligned(struct arena *a, size_t size, size_t align)
{
    size_t gap = -(uintptr_t)a->next & (align - 1);
    size_t room = (size_t)(a->end - a->next);
    if (gap > room || size > room - gap)
        return alloc_in_new_block(a, size);
    char *ptr = a->next + gap;
    a->next = ptr + size;
    ASAN_UNPOISON_MEMORY_REGION(ptr, size);
    return ptr;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return alloc_aligned(a, size == 0 ? 1 : size, alignof(max_align_t));
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

static char *alloc_text(struct arena *a, size_t len)
{
    char *text = alloc_aligned(a, len + 1, 1);
    text[len] = '\0';
    return text;
}

char *arena_z(struct arena *a, struct str s)
{
    char *copy = alloc_text(a, s.len);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

struct str arena_str(struct arena *a, struct str s)
{
    if (s.ptr == NULL)
        return STR_NONE;
    return (struct str){arena_z(a, s), s.len};
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str s = arena_vprintf(a, format, args);
    va_end(args);
    return s;
}

struct str arena_vprintf(struct arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    char *text = alloc_text(a, (size_t)len);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (struct str){text, (size_t)len};
}

struct str arena_concat(struct arena *a, const struct str *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *text = alloc_text(a, len);
    char *to = text;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(to, parts[i].ptr, parts[i].len);
        to += parts[i].len;
    }
    return (struct str){text, len};
}
