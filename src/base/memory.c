#include "portcullis/base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "portcullis/base/log.h"

static bool (*wait_for_memory)(void);

void mem_on_shortage(bool (*wait)(void))
{
    wait_for_memory = wait;
}

static void complain(size_t size)
{
    static bool is_complaining; /* Logging may ask for memory itself. */
    if (is_complaining)
        return;
    is_complaining = true;
    log_write(&log_process, LOG_ALERT, "out of memory: %zu octets refused", size);
    is_complaining = false;
}

/* Returns when it makes sense to ask again. */
static void do_without(size_t size, unsigned tries)
{
    if (tries == 0)
        complain(size);
    if (wait_for_memory == NULL || !wait_for_memory())
        abort();
}

void *mem_alloc(size_t size)
{
    void *ptr;
    for (unsigned tries = 0; (ptr = malloc(size == 0 ? 1 : size)) == NULL; tries++)
        do_without(size, tries);
    return ptr;
}

void *mem_zalloc(size_t size)
{
    void *ptr;
    for (unsigned tries = 0; (ptr = calloc(1, size == 0 ? 1 : size)) == NULL; tries++)
        do_without(size, tries);
    return ptr;
}

void *mem_realloc(void *old, size_t size)
{
    void *ptr;
    for (unsigned tries = 0; (ptr = realloc(old, size == 0 ? 1 : size)) == NULL; tries++)
        do_without(size, tries);
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
