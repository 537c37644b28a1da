/* Memory that all workers share and that outlives a reload and the program (USR2), as nginx's zones
 * outlive the former: the master keeps it by name and size, workers map it. What changes the
 * meaning of its octets belongs in the name, or, when it is the program that changes, in
 * ZONE_LAYOUT. Nothing in it may be a pointer, and a worker may be killed at any instruction: no
 * locks. */
#ifndef PORTCULLIS_BASE_ZONE_H
#define PORTCULLIS_BASE_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "portcullis/base/str.h"

enum {
    ZONE_NAME_MAX = 256,
    /* One more when any zone's octets are laid out or meant in another way: a newer program begins
     * with empty ones then. */
    ZONE_LAYOUT = 2,
};

/* Written when a zone is made, the same for all who map it; the rest is zero then. */
struct zone_birth {
    unsigned char seed[32]; /* random */
    int64_t at_ms;          /* clock_monotonic_ms */
};

struct zone {
    struct str name; /* shorter than ZONE_NAME_MAX */
    size_t size;     /* octets at memory */
    struct zone_birth *birth;
    void *memory; /* aligned to 64 octets; NULL: not mapped */
    struct zone *next;
};

/* A new one's descriptor (memfd, sealed against growing and shrinking); -1 with errno. */
int zone_create(size_t size);
/* One that zone_create made for that size, by this program or another. */
bool zone_is(int fd, size_t size);
/* False with errno. The descriptor stays the caller's. */
bool zone_map(struct zone *z, int fd);
void zone_unmap(struct zone *z); /* one that is not mapped is fine */

#endif
