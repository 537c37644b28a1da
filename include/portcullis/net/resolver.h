/* Names to addresses at run time, by c-ares on the loop (nginx's `resolver`); answers are kept for
 * their TTL or for valid=. At start, names are looked up by resolve_now as nginx does. */
#ifndef PORTCULLIS_NET_RESOLVER_H
#define PORTCULLIS_NET_RESOLVER_H

#include "portcullis/base/addr.h"
#include "portcullis/net/loop.h"

struct resolver;

struct resolver_result {
    const struct addr *addrs; /* port 0 */
    size_t count;             /* 0: problem says why */
    const char *problem;      /* "Host not found", "Operation timed out" … nginx's words */
};

struct resolver *resolver_new(struct loop *l, const struct addr *servers, size_t count,
                              int64_t valid_ms /* 0: TTL */, bool ipv4, bool ipv6);
void resolver_free(struct resolver *r);
struct resolver_query;
/* Always answers from the loop, once, unless cancelled. */
struct resolver_query *
resolver_lookup(struct resolver *r, struct str name, int64_t timeout_ms,
                void (*on_result)(void *owner, const struct resolver_result *result), void *owner);
void resolver_cancel(struct resolver_query *q);

#endif
