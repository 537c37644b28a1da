#include "portcullis/base/str.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

struct str str_of(const char *z)
{
    if (z == NULL)
        return STR_NONE;
    return (struct str){z, strlen(z)};
}

struct str str_make(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool same_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i] && ascii_lower(a[i]) != ascii_lower(b[i]))
            return false;
    return true;
}

bool str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len && same_nocase(a.ptr, b.ptr, a.len);
}

bool str_eq_z(struct str a, const char *z)
{
    return str_eq(a, str_of(z));
}

int str_compare(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_upto(s, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_from(s, s.len - suffix.len), suffix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && same_nocase(s.ptr, prefix.ptr, prefix.len);
}

bool str_ends_nocase(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq_nocase(str_from(s, s.len - suffix.len), suffix);
}

size_t str_find(struct str s, char c)
{
    const char *at = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
    return at == NULL ? SIZE_MAX : (size_t)(at - s.ptr);
}

size_t str_find_last(struct str s, char c)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.ptr[i - 1] == c)
            return i - 1;
    return SIZE_MAX;
}

size_t str_search(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = s.len == 0 ? NULL : memmem(s.ptr, s.len, needle.ptr, needle.len);
    return at == NULL ? SIZE_MAX : (size_t)(at - s.ptr);
}

struct str str_from(struct str s, size_t start)
{
    if (start == 0)
        return s;
    if (start >= s.len)
        return (struct str){s.ptr == NULL ? NULL : s.ptr + s.len, 0};
    return (struct str){s.ptr + start, s.len - start};
}

struct str str_upto(struct str s, size_t end)
{
    return (struct str){s.ptr, end < s.len ? end : s.len};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct str str_cut(struct str *rest, char sep)
{
    struct str whole = *rest;
    size_t at = str_find(whole, sep);
    if (at == SIZE_MAX) {
        *rest = STR_NONE;
        return whole;
    }
    *rest = str_from(whole, at + 1);
    return str_upto(whole, at);
}

bool str_to_u64(struct str s, uint64_t *value)
{
    uint64_t v = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i]))
            return false;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            return false;
    }
    *value = v;
    return true;
}

bool str_hex_to_u64(struct str s, uint64_t *value)
{
    uint64_t v = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        int digit = ascii_hex_value(s.ptr[i]);
        if (digit < 0 || v > UINT64_MAX >> 4)
            return false;
        v = v << 4 | (uint64_t)digit;
    }
    *value = v;
    return true;
}

int ascii_hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Secret, so that clients cannot choose names that collide. Taken once, before any fork, because
 * tables that are built by the builder are read by the workers. */
static uint64_t hash_seed;

static uint64_t hash_seed_get(void)
{
    if (hash_seed != 0)
        return hash_seed;
    if (getrandom(&hash_seed, sizeof hash_seed, GRND_NONBLOCK) != (ssize_t)sizeof hash_seed)
        hash_seed = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
    hash_seed |= 1;
    return hash_seed;
}

static uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* fold is or-ed to every octet: 0x20 in each makes letters of both cases the same (and a few other
 * octets too, which costs a comparison and nothing else). */
static uint32_t hash(struct str s, uint64_t fold)
{
    uint64_t h = hash_seed_get() ^ s.len;
    const char *p = s.ptr;
    size_t left = s.len;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = hash_mix((word | fold) ^ 0xa0761d6478bd642fU, h ^ 0xe7037ed1a0b428dbU);
    }
    uint64_t tail = 0;
    if (left > 0)
        memcpy(&tail, p, left);
    h = hash_mix((tail | fold) ^ 0x8ebc6af09c88c6e3U, h ^ 0x589965cc75374cc3U);
    return (uint32_t)(h ^ h >> 32);
}

uint32_t str_hash(struct str s)
{
    return hash(s, 0);
}

uint32_t str_hash_nocase(struct str s)
{
    return hash(s, 0x2020202020202020U);
}
