/* What belongs to a server as a whole: listening, names, reading a request's head. */
#include "loader.h"

static const struct number_bounds header_buffer = {64, 1 << 24};

#define S(member) FIELD(struct server_conf, member)

static const struct directive rows[] = {
    {"listen", IN_SERVER, 1, MANY, set_listen, S(listens), NULL, IS_LIST, NULL},
    {"server_name", IN_SERVER, 1, MANY, set_server_name, S(names), NULL, IS_LIST, NULL},
    {"location", IN_SERVER | IN_LOCATION, 1, 2, set_location, NO_FIELD, NULL, IS_BLOCK | IS_LIST,
     NULL},
    {"client_header_timeout", IN_HTTP_SERVER, 1, 1, set_msec, S(client_header_timeout_ms), "60s", 0,
     NULL},
    {"client_header_buffer_size", IN_HTTP_SERVER, 1, 1, set_size, S(client_header_buffer_size),
     "1k", 0, &header_buffer},
    {"large_client_header_buffers", IN_HTTP_SERVER, 2, 2, set_buffers, S(large_header_buffers),
     "4 8k", 0, NULL},
    {"ignore_invalid_headers", IN_HTTP_SERVER, 1, 1, set_flag, S(ignore_invalid_headers), "on", 0,
     NULL},
    {"underscores_in_headers", IN_HTTP_SERVER, 1, 1, set_flag, S(underscores_in_headers), "off", 0,
     NULL},
    {"merge_slashes", IN_HTTP_SERVER, 1, 1, set_flag, S(merge_slashes), "on", 0, NULL},
};
_Static_assert(offsetof(struct server_conf, large_header_buffer_size) ==
                   offsetof(struct server_conf, large_header_buffers) + sizeof(size_t),
               "set_buffers fills both");

const struct directive_table directives_server = {OF_SERVER, rows, sizeof rows / sizeof *rows};
