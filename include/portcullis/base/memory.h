/* Allocation that cannot fail: no memory logs at level alert and aborts. Sizes that come
 * from a peer are checked against a limit before they get here. */
#ifndef PORTCULLIS_BASE_MEMORY_H
#define PORTCULLIS_BASE_MEMORY_H

#include <stddef.h>

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *z);
void mem_free(void *ptr);
/* Cleared in a way the compiler does not remove: keys, secrets. */
void mem_wipe(void *ptr, size_t size);

#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))

#endif
