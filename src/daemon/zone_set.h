/* The master's shared zones, by name and size: a configuration that names the same one gets the
 * same memory. */
#ifndef PORTCULLIS_SRC_DAEMON_ZONE_SET_H
#define PORTCULLIS_SRC_DAEMON_ZONE_SET_H

#include "portcullis/base/buf.h"
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
/* In a child that is about to become another program: they stay open in it, and text says under
 * which numbers, for zone_set_adopt in there. */
void zone_set_hand_over(const struct zone_set *set, struct buf *text);
/* What is not as this program would have it is closed and told of. */
void zone_set_adopt(struct zone_set *set, struct str text);

#endif
