/* Memory that every request takes and gives back: blocks up to 128 KB in powers of two, a list of
 * free ones for each. The C library itself keeps only small ones at hand; for larger ones it splits
 * and joins its heap each time. What is kept is bounded. A process has one thread. */
#ifndef PORTCULLIS_BASE_BLOCK_H
#define PORTCULLIS_BASE_BLOCK_H

#include <stddef.h>

/* Makes *size what the block has (from 257 octets on, a power of two); it is not zeroed. No memory:
 * logs and aborts (memory.h). */
void *block_take(size_t *size);
/* size is what block_take said. NULL is fine. */
void block_give(void *block, size_t size);

#endif
