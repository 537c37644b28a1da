/* What the upstream would be told of a client. Private to the proxy floor. */
#ifndef PORTCULLIS_PROXY_EXPLAIN_TELL_H
#define PORTCULLIS_PROXY_EXPLAIN_TELL_H

#include "portcullis/proxy/explain.h"

/* Fills upstream and told of an answer that passes. */
void explain_tell(const struct explain_question *q, bool identity_counts, struct arena *a,
                  struct explain_answer *answer);

#endif
