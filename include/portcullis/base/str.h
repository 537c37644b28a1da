/* A borrowed run of octets: pointer and length, never NUL-terminated by promise.
 * A str owns nothing; whoever holds the memory says how long it lives. */
#ifndef PORTCULLIS_BASE_STR_H
#define PORTCULLIS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal)      ((struct str){(literal), sizeof(literal) - 1})
#define STR_INIT(literal) {(literal), sizeof(literal) - 1}
#define STR_NONE          ((struct str){NULL, 0})
/* For printf's %.*s */
#define STR_ARG(s) (int)(s).len, (s).ptr

struct str str_of(const char *z); /* of a NUL-terminated string; NULL gives STR_NONE */
struct str str_make(const char *ptr, size_t len);

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII case only */
bool str_eq_z(struct str a, const char *z);
int str_compare(struct str a, struct str b); /* octet order, shorter first on a tie */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends_nocase(struct str s, struct str suffix);

/* Position of the first (last) c, or SIZE_MAX. */
size_t str_find(struct str s, char c);
size_t str_find_last(struct str s, char c);
/* Position of needle, or SIZE_MAX. */
size_t str_search(struct str s, struct str needle);

struct str str_from(struct str s, size_t start); /* the rest from start */
struct str str_upto(struct str s, size_t end);   /* the first end octets */
struct str str_trim(struct str s);               /* without SP and HTAB around */
/* Cuts *rest at the first sep: returns what stood before it and moves *rest behind it.
 * Without a sep the whole is returned and *rest becomes STR_NONE (ptr NULL). */
struct str str_cut(struct str *rest, char sep);

/* Whole of s as a decimal (hexadecimal) number; false on an empty string, any other octet or
 * overflow. */
bool str_to_u64(struct str s, uint64_t *value);
bool str_hex_to_u64(struct str s, uint64_t *value);

/* Here, since every octet of a head comes by them. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(char c)
{
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'z';
}

int ascii_hex_value(char c); /* -1 when it is none */

uint32_t str_hash(struct str s);        /* seeded once, before any fork */
uint32_t str_hash_nocase(struct str s); /* equal for names that differ in ASCII case */

#endif
