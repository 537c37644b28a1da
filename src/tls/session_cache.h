/* Sealed tickets that stay here, by the session's id, in a zone that all workers share
 * (ssl_session_cache): a ring whose oldest ones are written over, and a table of where each begins.
 *
 *      head | table of positions: buckets of 8 | ring: id(32) size(4) ticket …
 *
 * There are no locks. Positions only grow, so a reader knows what was written over; what two
 * writers made of one place, or a reader saw half of, does not open. */
#ifndef PORTCULLIS_TLS_SESSION_CACHE_H
#define PORTCULLIS_TLS_SESSION_CACHE_H

#include "portcullis/base/arena.h"
#include "portcullis/base/zone.h"

enum { SESSION_ID = 32 };

void session_cache_put(const struct zone *z, const unsigned char id[static SESSION_ID],
                       struct str sealed);
/* Empty: it is not there. Lives in a. */
struct str session_cache_get(const struct zone *z, const unsigned char id[static SESSION_ID],
                             struct arena *a);

#endif
