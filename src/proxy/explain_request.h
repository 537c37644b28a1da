/* A request made up of a certificate alone, for explanations. It has what $ssl_client_* and map
 * look at, and nothing else. Private to the proxy floor. */
#ifndef PORTCULLIS_PROXY_EXPLAIN_REQUEST_H
#define PORTCULLIS_PROXY_EXPLAIN_REQUEST_H

#include "portcullis/proxy/explain.h"
#include "portcullis/proxy/request.h"

/* Of an answer that passes. identity NULL: none that counts. */
void explain_request_init(struct request *req, const struct explain_question *q,
                          const struct explain_answer *answer, struct identity *identity);
void explain_request_deinit(struct request *req);

/* False: some of it depends on more than the certificate, and stands there as a variable. */
bool explain_text_of(struct request *req, const struct template *t, struct str *out);

/* ---- explain_follow.c ---- */
/* Follows set, if and return as far as the certificate decides them, and makes the location the
 * request's that is left then. */
void explain_follow(struct request *req, struct explain_answer *answer);

/* ---- explain_tell.c ---- */
/* Fills upstream and told. */
void explain_tell(struct request *req, struct arena *a, struct explain_answer *answer);

#endif
