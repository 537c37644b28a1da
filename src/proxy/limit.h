/* limit_req and limit_conn. Private to the proxy floor. */
#ifndef PORTCULLIS_PROXY_LIMIT_H
#define PORTCULLIS_PROXY_LIMIT_H

#include "portcullis/proxy/request.h"

/* A worker's part in the zones. */
struct limits;
struct limits *limits_new(struct loop *l, const struct snapshot *s);
void limits_free(struct limits *l);

/* Once for a request, by the location it came to: rates first, then connections, as nginx. What is
 * too early waits, what is too much was answered. */
enum step_result limits_step(struct request *req);
/* The request has ended: gives back what it holds. */
void limits_release(struct request *req);
/* $limit_req_status, $limit_conn_status; empty when none was asked. */
struct str limits_req_status(const struct request *req);
struct str limits_conn_status(const struct request *req);

#endif
