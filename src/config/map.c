/* map: a variable's value by another's. */
#include "loader.h"

struct map_load {
    struct loader *l;
    struct map_conf *map;
    const struct variable *variable;
    bool has_default;
};

static bool set_default(struct map_load *m, const struct conf_node *node, struct template *value)
{
    if (m->has_default)
        return loader_error(m->l, node, NULL, "duplicate default map parameter");
    m->has_default = true;
    m->map->fallback = *value;
    return true;
}

static bool add_regex(struct map_load *m, const struct conf_node *node, struct str key,
                      const struct template *value)
{
    bool nocase = str_starts(key, STR("~*"));
    struct map_regex r = {.value = *value};
    if (!regex_compile(m->l, node, str_from(key, nocase ? 2 : 1), nocase, &r.regex))
        return false;
    regex_groups_come_from(m->l, &r.regex, &m->map->source);
    *VEC_PUSH(m->l->arena, &m->map->regexes) = r;
    return true;
}

static bool add_to(struct map_load *m, const struct conf_node *node, struct strmap *to,
                   struct str key, const struct template *value)
{
    struct template *copy = ARENA_NEW(m->l->arena, struct template);
    *copy = *value;
    return strmap_add(to, key, copy) ||
           loader_error(m->l, node, NULL, "conflicting parameter \"%.*s\"", STR_ARG(node->name));
}

static bool add_wildcard(struct map_load *m, const struct conf_node *node, struct str key,
                         const struct template *value)
{
    struct map_conf *map = m->map;
    if (str_starts(key, STR("*.")))
        return add_to(m, node, &map->wildcard_head, str_from(key, 2), value);
    if (str_ends(key, STR(".*")))
        return add_to(m, node, &map->wildcard_tail, str_upto(key, key.len - 2), value);
    return add_to(m, node, &map->exact, str_from(key, 1), value) &&
           add_to(m, node, &map->wildcard_head, str_from(key, 1), value);
}

static struct str without_star(struct str key)
{
    if (str_starts(key, STR("*.")))
        return str_from(key, 2);
    if (str_starts(key, STR(".")))
        return str_from(key, 1);
    return str_ends(key, STR(".*")) ? str_upto(key, key.len - 2) : key;
}

static bool is_bad_name(struct str key)
{
    return str_find(key, '*') != SIZE_MAX || str_starts(key, STR(".")) || str_ends(key, STR(".*"));
}

static bool is_wildcard(struct str key)
{
    struct str rest = without_star(key);
    return rest.len > 0 && rest.len < key.len && !is_bad_name(rest);
}

static bool add_key(struct map_load *m, const struct conf_node *node, struct str key,
                    const struct template *value)
{
    if (str_starts(key, STR("~")))
        return add_regex(m, node, key, value);
    if (str_starts(key, STR("\\")))
        key = str_from(key, 1);
    key = lower_case(m->l->arena, key);
    if (!m->map->hostnames)
        return add_to(m, node, &m->map->exact, key, value);
    if (is_wildcard(key))
        return add_wildcard(m, node, key, value);
    if (is_bad_name(key))
        return loader_error(m->l, node, "it must be a name, *.name, .name or name.*",
                            "invalid hostname or wildcard \"%.*s\"", STR_ARG(node->name));
    return add_to(m, node, &m->map->exact, key, value);
}

static bool read_word(struct map_load *m, const struct conf_node *node)
{
    if (str_eq_z(node->name, "hostnames"))
        return m->map->hostnames = true;
    if (str_eq_z(node->name, "volatile"))
        return m->map->is_volatile = true;
    return loader_error(m->l, node, "a line of a map is a value and what it gives",
                        "invalid number of the map parameters");
}

static bool read_line(struct map_load *m, const struct conf_node *node)
{
    struct template value;
    if (node->has_block)
        return loader_error(m->l, node, NULL, "unexpected \"{\"");
    if (node->count == 0)
        return read_word(m, node);
    if (node->count != 1)
        return loader_error(m->l, node, "a line of a map is a value and what it gives",
                            "invalid number of the map parameters");
    if (!template_compile(m->l, node, node->args[0], &value))
        return false;
    variable_comes_from(m->l, m->variable, &value);
    if (str_eq_z(node->name, "default"))
        return set_default(m, node, &value);
    return add_key(m, node, node->name, &value);
}

bool set_map(struct loader *l, const struct conf_node *node, void *field)
{
    struct map_conf *map = ARENA_NEW(l->arena, struct map_conf);
    struct str name;
    bool good = true;

    (void)field;
    if (!variable_name(l, node, node->args[1], &name) ||
        !template_compile(l, node, node->args[0], &map->source))
        return false;
    struct variable *v = variable_define(l, node, name, VARIABLE_MAP);
    if (!v)
        return false;
    v->map = map;
    variable_comes_from(l, v, &map->source);
    strmap_init(&map->exact, l->arena, false);
    strmap_init(&map->wildcard_head, l->arena, false);
    strmap_init(&map->wildcard_tail, l->arena, false);
    struct map_load m = {l, map, v, false};
    VEC_FOR(const struct conf_node, line, &node->children) {
        good &= read_line(&m, line);
    }
    return good;
}
