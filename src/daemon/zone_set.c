#include "zone_set.h"

#include <string.h>
#include <unistd.h>

#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"

void zone_log_failure(const struct zone *z, int err)
{
    log_write_errno(&log_process, LOG_EMERG, err,
                    "shared memory zone \"%.*s\" of %zu octets failed", STR_ARG(z->name), z->size);
}

struct kept_zone *zone_set_take(struct zone_set *set, const char *name, size_t size)
{
    for (struct kept_zone *z = set->zones; z != NULL; z = z->next)
        if (strcmp(z->name, name) == 0 && z->size == size)
            return z;
    int fd = zone_create(size);
    if (fd == -1)
        return NULL;
    struct kept_zone *z = MEM_NEW(struct kept_zone);
    *z = (struct kept_zone){.size = size, .fd = fd, .next = set->zones};
    strncpy(z->name, name, sizeof z->name - 1);
    set->zones = z;
    return z;
}

void zone_set_sweep(struct zone_set *set, bool (*keep)(void *owner, const struct kept_zone *zone),
                    void *owner)
{
    for (struct kept_zone **at = &set->zones; *at != NULL;) {
        struct kept_zone *z = *at;
        if (keep(owner, z)) {
            at = &z->next;
            continue;
        }
        *at = z->next;
        (void)close(z->fd);
        mem_free(z);
    }
}
