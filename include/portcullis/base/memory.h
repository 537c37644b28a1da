/* Allocation that cannot fail: no memory logs at level alert and aborts, or waits where others
 * would go down with the process. Sizes that come from a peer are checked against a limit before
 * they get here. */
#ifndef PORTCULLIS_BASE_MEMORY_H
#define PORTCULLIS_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *z);
void mem_free(void *ptr);
/* Called when there is no memory, again and again: true after a while to ask once more, false to
 * abort. NULL, as at first: abort at once. */
void mem_on_shortage(bool (*wait)(void));
/* Cleared in a way the compiler does not remove: keys, secrets. */
void mem_wipe(void *ptr, size_t size);

#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))

#endif
