/* The http context itself: what is defined once for all servers. */
#include "loader.h"

static const struct directive rows[] = {
    {"server", IN_HTTP, 0, 0, set_server, NO_FIELD, NULL, IS_BLOCK | IS_LIST, NULL},
    {"upstream", IN_HTTP, 1, 1, set_upstream, NO_FIELD, NULL, IS_BLOCK | IS_LIST, NULL},
    {"map", IN_HTTP, 2, 2, set_map, NO_FIELD, NULL, IS_BLOCK | IS_LIST, NULL},
    {"geo", IN_HTTP, 1, 2, set_geo, NO_FIELD, NULL, IS_BLOCK | IS_LIST, NULL},
    {"limit_req_zone", IN_HTTP, 3, 4, set_limit_req_zone, NO_FIELD, NULL, IS_LIST, NULL},
    {"limit_conn_zone", IN_HTTP, 2, 2, set_limit_conn_zone, NO_FIELD, NULL, IS_LIST, NULL},
    {"log_format", IN_HTTP, 2, MANY, set_log_format, NO_FIELD, NULL, IS_LIST, NULL},
};

const struct directive_table directives_http = {OF_SERVER, rows, sizeof rows / sizeof *rows};
