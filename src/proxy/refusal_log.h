/* Refused clients in the error log: the first of an address and reason at once, the others counted
 * and told in one line each ten seconds, so that a flood costs the disk nothing. One for each
 * worker, of bounded size. */
#ifndef PORTCULLIS_PROXY_REFUSAL_LOG_H
#define PORTCULLIS_PROXY_REFUSAL_LOG_H

#include "portcullis/proxy/request.h"

struct refusal_log;

struct refusal_log *refusal_log_new(struct loop *l); /* NULL: without timer, for tests */
void refusal_log_free(struct refusal_log *r);        /* tells what was counted */
void refusal_log_add(struct refusal_log *r, const struct log_context *ctx, const struct addr *from,
                     enum refusal why, struct str detail);
/* The same of somebody who was let in nevertheless (ssl_verify_client report). */
void refusal_log_report(struct refusal_log *r, const struct log_context *ctx,
                        const struct addr *from, enum refusal why, struct str detail);
/* Tells what was counted since the last time and forgets who has been quiet. */
void refusal_log_flush(struct refusal_log *r);

struct refusal_log *access_logs_refusals(struct access_logs *logs);

#endif
