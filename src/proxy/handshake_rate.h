/* ssl_handshake_rate: how many full handshakes a worker begins in a second. A bucket that holds a
 * second's worth; what it sheds is counted and told in a line each ten seconds. */
#ifndef PORTCULLIS_PROXY_HANDSHAKE_RATE_H
#define PORTCULLIS_PROXY_HANDSHAKE_RATE_H

#include "portcullis/base/log.h"
#include "portcullis/net/loop.h"

struct handshake_rate;

/* l may be NULL: without timer, for tests. limit 0: any number. */
struct handshake_rate *handshake_rate_new(struct loop *l, uint64_t limit);
void handshake_rate_free(struct handshake_rate *r); /* tells what was counted */
/* False: this one has to go. ctx says whose it is. */
bool handshake_rate_take(struct handshake_rate *r, const struct log_context *ctx);
/* Tells what was shed since the last time. */
void handshake_rate_flush(struct handshake_rate *r);

#endif
