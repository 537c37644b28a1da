#include "portcullis/base/block.h"

#include <assert.h>
#include <stdbool.h>

#include "portcullis/base/memory.h"
#include "sanitizer.h"

enum { SMALLEST = 9, LARGEST = 17 };       /* powers of two */
enum { KEPT_OF_A_CLASS_MAX = 256 * 1024 }; /* octets */

struct free_block {
    struct free_block *next;
};

static struct {
    struct free_block *first;
    size_t octets;
} kept[LARGEST + 1];

/* The power of two that size fits in. */
static unsigned class_of(size_t size)
{
    return size <= 1 ? 0 : (unsigned)(sizeof(long) * 8) - (unsigned)__builtin_clzl(size - 1);
}

static bool is_kept(unsigned class)
{
    return class >= SMALLEST && class <= LARGEST;
}

void *block_take(size_t *size)
{
    unsigned class = class_of(*size);

    if (!is_kept(class))
        return mem_alloc(*size);
    *size = (size_t)1 << class;
    struct free_block *b = kept[class].first;
    if (b == NULL)
        return mem_alloc(*size);
    kept[class].first = b->next;
    kept[class].octets -= *size;
    return b;
}

void block_give(void *block, size_t size)
{
    unsigned class = class_of(size);
    struct free_block *b = block;

    assert(b == NULL || !is_kept(class) || size == (size_t)1 << class); /* block_take's */
    /* The sanitizer finds what is used after it was given back when it is really freed. */
    if (ADDRESSES_ARE_CHECKED || b == NULL || !is_kept(class) ||
        kept[class].octets + size > KEPT_OF_A_CLASS_MAX) {
        mem_free(block);
        return;
    }
    b->next = kept[class].first;
    kept[class].first = b;
    kept[class].octets += size;
}
