/* Regular expressions by PCRE2, the only place that includes it. Compiled once at load and
 * immutable after; matching uses a caller's ovector-like array of strs. */
#ifndef PORTCULLIS_BASE_REGEX_H
#define PORTCULLIS_BASE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "portcullis/base/arena.h"
#include "portcullis/base/str.h"

struct regex;

#define REGEX_CAPTURES_MAX 32 /* $0 … */

struct regex_captures {
    struct str subject;                   /* captures point into it */
    struct str group[REGEX_CAPTURES_MAX]; /* ptr NULL: did not take part */
    size_t count;
};

/* NULL with the reason in nginx's words in problem, e.g.
 * pcre2_compile() failed: missing closing parenthesis in "(". */
struct regex *regex_new(struct str pattern, bool nocase, char *problem, size_t problem_size);
void regex_free(struct regex *r);

size_t regex_group_count(const struct regex *r); /* without $0 */
/* Named groups: name of the i-th and its number. */
size_t regex_name_count(const struct regex *r);
struct str regex_name(const struct regex *r, size_t i, size_t *group);

/* Match limits are set, so that no subject costs more than bounded work; a match that hits the
 * limit is false with *failed true. captures and failed may be NULL. */
bool regex_match(const struct regex *r, struct str subject, struct regex_captures *captures,
                 bool *failed);

#endif
