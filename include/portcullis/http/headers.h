/* Header fields in the order they came. Names keep their spelling; look-ups ignore ASCII case.
 * Names and values are borrowed: the message's arena holds them. A removed field leaves a
 * hole that iteration skips. */
#ifndef PORTCULLIS_HTTP_HEADERS_H
#define PORTCULLIS_HTTP_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "portcullis/base/arena.h"
#include "portcullis/base/str.h"
#include "portcullis/http/names.h"

struct header {
    struct str name, value;
    enum header_name id; /* HEADER_OTHER when the table has no such name; HEADER_REMOVED: a hole */
};

struct headers {
    struct header *items;
    size_t count, capacity;
};

void headers_add(struct headers *h, struct arena *a, struct str name, struct str value);
/* First field of that name, or NULL. */
struct header *headers_find(const struct headers *h, enum header_name id);
struct header *headers_find_name(const struct headers *h, struct str name);
/* The next one of the same name behind `it`, or NULL. */
struct header *headers_find_next(const struct headers *h, const struct header *it);
bool headers_has(const struct headers *h, enum header_name id);
size_t headers_count(const struct headers *h, enum header_name id);
struct str headers_value(const struct headers *h, enum header_name id); /* STR_NONE without one */
/* All values of that name joined by sep (", ", or "; " for Cookie), as nginx does for $http_. */
struct str headers_joined(const struct headers *h, struct arena *a, struct str name,
                          struct str sep);
/* Replaces the first and removes the others, or adds. */
void headers_set(struct headers *h, struct arena *a, struct str name, struct str value);
void headers_remove(struct headers *h, enum header_name id);
void headers_remove_name(struct headers *h, struct str name);
void header_remove(struct header *it);

#define HEADERS_FOR(it, h)                                                                 \
    for (struct header *it = (h)->items; it != NULL && it < (h)->items + (h)->count; it++) \
        if (it->id != HEADER_REMOVED)

/* Does a comma-separated list of tokens (Connection, TE, Transfer-Encoding…) hold token? Case
 * ignored. RFC 9110, 5.6.1. */
bool header_list_has(struct str value, struct str token);
/* Next element of a comma-separated list, trimmed, empty ones skipped; false at the end. */
bool header_list_next(struct str *rest, struct str *element);

/* RFC 9110, 5.1 and 5.5. */
bool header_name_is_token(struct str name);
bool header_value_is_valid(struct str value); /* no CR, LF, NUL */
/* A space for each LF TAB: $ssl_client_cert has nginx's folded lines, which no message may have any
 * more, and whoever reads them makes spaces of them. RFC 9112, 5.2. */
struct str header_value_unfold(struct arena *a, struct str value);

#endif
