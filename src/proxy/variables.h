/* The values behind nginx's variables, between the files that know them. Private to the proxy
 * floor. */
#ifndef PORTCULLIS_PROXY_VARIABLES_H
#define PORTCULLIS_PROXY_VARIABLES_H

#include "portcullis/proxy/request.h"

/* One built-in variable or family. False: there is no value ("-" in a log). */
struct variable_row {
    bool (*value)(struct request *req, const struct variable *v, struct str *out);
    bool is_constant; /* cannot change during a request: kept in its slot */
    void (*assign)(struct request *req, struct str value); /* `set` goes here, not into the slot */
};

/* Indexed by variable_id; each holds the rows of its own and zeroes elsewhere. */
extern const struct variable_row variables_of_request[VARIABLE_IDS];
extern const struct variable_row variables_of_ssl[VARIABLE_IDS];
extern const struct variable_row variables_of_upstream[VARIABLE_IDS];
const struct variable_row *variable_row_find(enum variable_id id); /* NULL: none */

/* The value for this source: never NULL. */
const struct template *map_find(struct request *req, const struct map_conf *map, struct str source);
struct str map_value(struct request *req, const struct map_conf *map);
struct str geo_value(struct request *req, const struct geo_conf *geo);

enum match_result { MATCH_NO, MATCH_YES, MATCH_FAILED /* PCRE gave up: 500, as nginx */ };
enum match_result request_try_match(struct request *req, const struct regex_conf *r,
                                    struct str subject);

/* All fields whose name is `name` with '_' standing for '-', joined. False without one. */
bool variable_of_fields(struct request *req, const struct headers *h, struct str name,
                        struct str *out);
/* Milliseconds as "1.234". */
struct str variable_seconds(struct request *req, int64_t ms);
/* name=value among the pieces between ';' of text; case ignored. */
bool variable_of_pairs(struct str text, struct str name, struct str *out);

#endif
