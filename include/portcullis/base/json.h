/* JSON (RFC 8259), written as it goes:
 *
 *     struct json j = {.out = &out};
 *     json_open(&j, NULL, '{');
 *     json_string(&j, "name", name);
 *     json_close(&j, '}');
 *
 * A name is NULL in an array and at the top. */
#ifndef PORTCULLIS_BASE_JSON_H
#define PORTCULLIS_BASE_JSON_H

#include "portcullis/base/buf.h"

struct json {
    struct buf *out;
    bool has_item; /* before this place, so that a comma is due */
};

void json_open(struct json *j, const char *name, char bracket);       /* '{' or '[' */
void json_close(struct json *j, char bracket);                        /* '}' or ']' */
void json_string(struct json *j, const char *name, struct str value); /* ptr NULL: null */
void json_number(struct json *j, const char *name, long long value);
void json_bool(struct json *j, const char *name, bool value);

/* What stands between a string's quotes. Octets past ASCII stay as they are. */
void json_append_escaped(struct buf *out, struct str s);

#endif
