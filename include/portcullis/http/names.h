/* Field names the program handles by themselves, from names.def:  X(CONTENT_LENGTH,
 * "Content-Length") */
#ifndef PORTCULLIS_HTTP_NAMES_H
#define PORTCULLIS_HTTP_NAMES_H

#include "portcullis/base/str.h"

enum header_name {
    HEADER_OTHER,
    HEADER_REMOVED,
#define X(id, text) HEADER_##id,
#include "portcullis/http/names.def"
#undef X
    HEADER_NAMES
};

enum header_name header_name_find(struct str name); /* HEADER_OTHER when unknown; case ignored */
struct str header_name_text(enum header_name id);

#endif
