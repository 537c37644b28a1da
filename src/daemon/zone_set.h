/* The master's shared zones, by name and size: a configuration that names the same one gets the
 * same memory. */
#ifndef PORTCULLIS_SRC_DAEMON_ZONE_SET_H
#define PORTCULLIS_SRC_DAEMON_ZONE_SET_H

#include "portcullis/base/zone.h"

struct kept_zone {
    char name[ZONE_NAME_MAX];
    size_t size;
    int fd;
    struct kept_zone *next;
};

struct zone_set {
    struct kept_zone *zones;
};

void zone_log_failure(const struct zone *z, int err);
/* Finds it, or makes it; NULL with errno. */
struct kept_zone *zone_set_take(struct zone_set *set, const char *name, size_t size);
/* Closes those that keep says nobody needs. */
void zone_set_sweep(struct zone_set *set, bool (*keep)(void *owner, const struct kept_zone *zone),
                    void *owner);

#endif
