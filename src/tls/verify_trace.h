/* Filling a struct verify_trace. */
#ifndef PORTCULLIS_TLS_VERIFY_TRACE_H
#define PORTCULLIS_TLS_VERIFY_TRACE_H

#include "cert.h"
#include "portcullis/tls/verify.h"

/* The path that a verdict is about, instead of the one before; its checks follow. sent: all that
 * the client did. */
void trace_path(struct verify_trace *t, const struct cert *const *path, size_t length,
                const struct cert *sent, size_t sent_count, bool is_complete);
/* Whom the refusal is about. */
void trace_subject(struct verify_trace *t, const struct cert *c);
/* c and words are of a refusal. */
void trace_check(struct verify_trace *t, const char *name, enum refusal r, const struct cert *c,
                 struct str words);

#endif
