/* Sizes and times as nginx writes them. */
#include <stdint.h>

#include "loader.h"

static bool scale(struct str digits, uint64_t factor, uint64_t *value)
{
    uint64_t n;
    if (!str_to_u64(digits, &n) || n > (uint64_t)INT64_MAX / factor)
        return false;
    *value = n * factor;
    return true;
}

static bool with_unit(struct str s, const char *units, uint64_t *value)
{
    static const uint64_t factors[] = {1 << 10, 1 << 20, 1 << 30};
    if (s.len == 0)
        return false;
    char last = ascii_lower(s.ptr[s.len - 1]);
    for (size_t i = 0; units[i]; i++)
        if (last == units[i])
            return scale(str_upto(s, s.len - 1), factors[i], value);
    return scale(s, 1, value);
}

bool value_to_size(struct str s, uint64_t *size)
{
    return with_unit(s, "km", size);
}

bool value_to_offset(struct str s, uint64_t *size)
{
    return with_unit(s, "kmg", size);
}

/* Units from the largest to the smallest: each may stand once, and after larger ones only. */
static const struct time_unit {
    const char *name;
    int64_t ms;
} units[] = {
    {"y", 365 * 86400000LL}, {"M", 30 * 86400000LL}, {"w", 7 * 86400000LL}, {"d", 86400000LL},
    {"h", 3600000},          {"m", 60000},           {"s", 1000},           {"ms", 1},
};
enum { UNITS = sizeof units / sizeof *units, UNIT_W = 2, UNIT_S = UNITS - 2, UNIT_MS = UNITS - 1 };

static size_t unit_find(struct str name)
{
    if (name.len == 0)
        return UNIT_S;
    size_t i = 0;
    while (i < UNITS && !str_eq_z(name, units[i].name))
        i++;
    return i;
}

/* Cuts digits and the unit behind them off. */
static bool cut_part(struct str *s, uint64_t *number, size_t *unit)
{
    size_t digits = 0, letters;
    while (digits < s->len && ascii_is_digit(s->ptr[digits]))
        digits++;
    for (letters = digits; letters < s->len && ascii_is_alpha(s->ptr[letters]); letters++)
        ;
    *unit = unit_find(str_upto(str_from(*s, digits), letters - digits));
    bool good = str_to_u64(str_upto(*s, digits), number);
    *s = str_trim(str_from(*s, letters));
    return good;
}

static bool to_ms(struct str s, size_t first_unit, size_t last_unit, int64_t *ms)
{
    int64_t total = 0;
    size_t next = first_unit;
    do {
        uint64_t number;
        size_t unit;
        int64_t part;
        /* A number without a unit is the end, and seconds. */
        bool is_plain = s.len && ascii_is_digit(s.ptr[s.len - 1]);
        if (!cut_part(&s, &number, &unit) || unit > last_unit)
            return false;
        if (unit < next && !(is_plain && s.len == 0))
            return false;
        if (number > INT64_MAX || __builtin_mul_overflow((int64_t)number, units[unit].ms, &part) ||
            __builtin_add_overflow(total, part, &total))
            return false;
        next = unit + 1;
    } while (s.len);
    *ms = total;
    return true;
}

bool value_to_msec(struct str s, int64_t *ms)
{
    return to_ms(s, UNIT_W, UNIT_MS, ms);
}

bool value_to_seconds_ms(struct str s, int64_t *ms)
{
    return to_ms(s, 0, UNIT_S, ms);
}

bool value_of_parameter(struct str arg, const char *name, struct str *value)
{
    size_t len = strlen(name);
    if (arg.len <= len || !str_starts(arg, str_make(name, len)) || arg.ptr[len] != '=')
        return false;
    *value = str_from(arg, len + 1);
    return true;
}

struct str path_below(struct loader *l, struct str directory, struct str path)
{
    if (str_starts(path, STR("/")))
        return path;
    return arena_concat(l->arena, (struct str[]){directory, path}, 2);
}

struct str lower_case(struct arena *a, struct str s)
{
    char *to = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        to[i] = ascii_lower(s.ptr[i]);
    to[s.len] = '\0';
    return str_make(to, s.len);
}

bool has_variables(struct str s)
{
    return str_find(s, '$') != SIZE_MAX;
}
