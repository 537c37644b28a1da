/* map: a variable's value from another's. nginx's order: the whole value, the longest "*.x", the
 * longest "x.*", the first regular expression, the default; upper and lower case are the same. */
#include "variables.h"

static struct str lower(struct arena *a, struct str s)
{
    char *to = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        to[i] = ascii_lower(s.ptr[i]);
    return str_make(to, s.len);
}

static const struct template *find_whole(const struct strmap *m, struct str key)
{
    return m->count ? strmap_find(m, key) : NULL;
}

/* "*.example.com" is kept as "example.com": what stands behind each dot, the longest first. */
static const struct template *find_head(const struct strmap *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    for (;;) {
        size_t dot = str_find(key, '.');
        if (dot == SIZE_MAX)
            return NULL;
        key = str_from(key, dot + 1);
        const struct template *t = strmap_find(m, key);
        if (t)
            return t;
    }
}

static const struct template *find_tail(const struct strmap *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    for (;;) {
        size_t dot = str_find_last(key, '.');
        if (dot == SIZE_MAX)
            return NULL;
        key = str_upto(key, dot);
        const struct template *t = strmap_find(m, key);
        if (t)
            return t;
    }
}

static const struct template *find(struct request *req, const struct map_conf *map,
                                   struct str source)
{
    if (map->hostnames && str_ends(source, STR(".")))
        source.len--;
    struct str key = lower(&req->arena, source);
    const struct template *t = find_whole(&map->exact, key);
    if (!t)
        t = find_head(&map->wildcard_head, key);
    if (!t)
        t = find_tail(&map->wildcard_tail, key);
    if (t || source.len == 0)
        return t;
    VEC_FOR(const struct map_regex, m, &map->regexes)
        if (request_match(req, &m->regex, source))
            return &m->value;
    return NULL;
}

const struct template *map_find(struct request *req, const struct map_conf *map, struct str source)
{
    const struct template *t = find(req, map, source);
    return t ? t : &map->fallback;
}

struct str map_value(struct request *req, const struct map_conf *map)
{
    return template_value(req, map_find(req, map, template_value(req, &map->source)));
}
