/* What limit_req and limit_conn remember of each key, in zones that all workers share. Without
 * locks: a worker may be killed at any instruction. Keys are 64-bit tags, made with the zone's
 * seed; times are milliseconds of clock_monotonic_ms. */
#ifndef PORTCULLIS_PROXY_LIMIT_TABLE_H
#define PORTCULLIS_PROXY_LIMIT_TABLE_H

#include "portcullis/base/zone.h"

/* ---- rates: nginx's leaky bucket. An entry is the time until which its key is busy, and one whose
 * time has passed means nothing: so places are taken over without losing any. ---- */

/* A rate of one request in interval_ns, and how many may be early. */
struct rate {
    uint64_t interval_ns;
    uint64_t burst; /* in thousandths of a request, as excess is */
};

enum rate_verdict {
    RATE_PASSES,
    RATE_TOO_MANY,
    RATE_NO_ROOM, /* too many keys are busy: none of them is forgotten for this one */
};

/* Takes something when it passes. *excess: by how much the key is early already. */
enum rate_verdict rate_take(const struct zone *z, uint64_t tag, const struct rate *r,
                            int64_t now_ms, uint64_t *excess);
/* Would it pass? Takes nothing; whether there is room shows when something is taken. */
enum rate_verdict rate_look(const struct zone *z, uint64_t tag, const struct rate *r,
                            int64_t now_ms, uint64_t *excess);

/* ---- counts: an entry is what one worker holds of a key. Each worker has a lease on its number;
 * what it held ends with that. ---- */

enum { COUNT_LEASE_MS = 10000 };

struct count_entry;

/* The worker's number in this zone, for count_take; 0: there are too many workers. */
unsigned count_join(const struct zone *z, int64_t now_ms);
void count_renew(const struct zone *z, unsigned worker, int64_t now_ms);
void count_leave(const struct zone *z, unsigned worker);
/* NULL: most are held already (*is_full false), or there is no room for the key. */
struct count_entry *count_take(const struct zone *z, unsigned worker, uint64_t tag, unsigned most,
                               int64_t now_ms, bool *is_full);
/* What that worker took for that key. Without effect when it lost it by sleeping. */
void count_release(struct count_entry *e, unsigned worker, uint64_t tag);

#endif
