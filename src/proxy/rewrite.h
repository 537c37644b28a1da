/* Private to the proxy floor. */
#ifndef PORTCULLIS_PROXY_REWRITE_H
#define PORTCULLIS_PROXY_REWRITE_H

#include "variables.h"

/* An if's condition between these values; right counts for = and != alone. */
enum match_result rewrite_if_holds(struct request *req, const struct rewrite_op *op,
                                   struct str left, struct str right);

#endif
