/* UTF-8 (RFC 3629) in what others sent and we show. */
#ifndef PORTCULLIS_BASE_UTF8_H
#define PORTCULLIS_BASE_UTF8_H

#include "portcullis/base/str.h"

/* Octets of the character that s begins with; 0: it begins with none, or is empty. */
size_t utf8_length(struct str s);
/* The same, but 0 also for what acts on a terminal or a reader instead of being seen: controls of
 * both sets, line and paragraph separators, what turns the direction around, what has no width. */
size_t utf8_shown(struct str s);

#endif
