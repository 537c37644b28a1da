#include "portcullis/base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "portcullis/base/log.h"

static _Noreturn void die_without_memory(size_t size)
{
    static bool is_dying; /* Logging may ask for memory itself. */
    if (!is_dying) {
        is_dying = true;
        log_write(&log_process, LOG_ALERT, "out of memory: %zu octets refused", size);
    }
    abort();
}

void *mem_alloc(size_t size)
{
    void *ptr = malloc(size == 0 ? 1 : size);
    if (ptr == NULL)
        die_without_memory(size);
    return ptr;
}

void *mem_zalloc(size_t size)
{
    void *ptr = calloc(1, size == 0 ? 1 : size);
    if (ptr == NULL)
        die_without_memory(size);
    return ptr;
}

void *mem_realloc(void *old, size_t size)
{
    void *ptr = realloc(old, size == 0 ? 1 : size);
    if (ptr == NULL)
        die_without_memory(size);
    return ptr;
}

char *mem_strdup(const char *z)
{
    size_t size = strlen(z) + 1;
    return memcpy(mem_alloc(size), z, size);
}

void mem_free(void *ptr)
{
    free(ptr);
}

void mem_wipe(void *ptr, size_t size)
{
    if (size > 0)
        explicit_bzero(ptr, size);
}
