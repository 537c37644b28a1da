/* Blocks with a location_conf: location, if, limit_except; and what each inherits. */
#include "loader.h"

struct location_conf *location_new(struct loader *l, const struct conf_node *node,
                                   enum location_kind kind)
{
    struct location_conf *loc = ARENA_NEW(l->arena, struct location_conf);
    loc->kind = kind;
    loc->pos = node->pos;
    return loc;
}

/* Everything but what the block is itself, from the block around it. */
static void inherit(struct location_conf *loc, const struct location_conf *outer)
{
    const struct location_conf own = *loc;
    *loc = *outer;
    loc->kind = own.kind;
    loc->name = own.name;
    loc->pos = own.pos;
    loc->regex = own.regex;
    loc->server = outer->server;
    memset(&loc->nested, 0, sizeof loc->nested);
    memset(&loc->script, 0, sizeof loc->script);
    loc->auto_redirect = false;
    /* Methods stay limited where an `if` holds. */
    loc->limit_except = own.kind == LOCATION_IF ? outer->limit_except : NULL;
}

static unsigned where_of(const struct loader *l, const struct location_conf *loc)
{
    switch (loc->kind) {
    case LOCATION_IF:
        return l->block->where == IN_SERVER ? IN_SERVER_IF : IN_LOCATION_IF;
    case LOCATION_LIMIT_EXCEPT:
        return IN_LIMIT_EXCEPT;
    default:
        return IN_LOCATION;
    }
}

void location_load(struct loader *l, const struct conf_node *node, void *conf)
{
    struct location_conf *loc = conf;
    struct block b = {.where = where_of(l, loc)};
    inherit(loc, loader_location(l));
    b.fields[OF_SERVER] = loader_server(l);
    b.fields[OF_LOCATION] = loc;
    directives_reset_own(l, &b);
    block_load(l, &b, node->children.items, node->children.count);
    prefixes_build(l, &loc->nested);
}

/* ---- location ---- */

static const struct {
    const char *text;
    enum location_kind kind;
    bool nocase;
} modifiers[] = {
    /* "~*" before "~": names may be written without a blank behind the modifier. */
    {"=", LOCATION_EXACT, false},
    {"^~", LOCATION_PREFIX_FINAL, false},
    {"~*", LOCATION_REGEX, true},
    {"~", LOCATION_REGEX, false},
};

static bool read_name(struct loader *l, const struct conf_node *node, struct location_conf *loc,
                      bool *nocase)
{
    loc->name = node->args[node->count - 1];
    for (size_t i = 0; i < sizeof modifiers / sizeof *modifiers; i++) {
        struct str m = str_of(modifiers[i].text);
        bool is_separate = node->count == 2 && str_eq(node->args[0], m);
        bool is_joined = node->count == 1 && str_starts(loc->name, m);
        if (!is_separate && !is_joined)
            continue;
        loc->kind = modifiers[i].kind;
        *nocase = modifiers[i].nocase;
        if (is_joined)
            loc->name = str_from(loc->name, m.len);
        return true;
    }
    if (node->count == 2)
        return loader_error(l, node, "it must be =, ^~, ~ or ~*",
                            "invalid location modifier \"%.*s\"", STR_ARG(node->args[0]));
    loc->kind = str_starts(loc->name, STR("@")) ? LOCATION_NAMED : LOCATION_PREFIX;
    return true;
}

static bool may_nest(struct loader *l, const struct conf_node *node,
                     const struct location_conf *loc, const struct location_conf *outer)
{
    if (outer->kind == LOCATION_EXACT || outer->kind == LOCATION_NAMED)
        return loader_error(l, node, NULL,
                            "location \"%.*s\" cannot be inside the %s location \"%.*s\"",
                            STR_ARG(loc->name), outer->kind == LOCATION_EXACT ? "exact" : "named",
                            STR_ARG(outer->name));
    if (loc->kind == LOCATION_NAMED)
        return loader_error(l, node, NULL,
                            "named location \"%.*s\" can be on the server level only",
                            STR_ARG(loc->name));
    if (loc->kind != LOCATION_REGEX && !str_starts(loc->name, outer->name))
        return loader_error(l, node, "its name must begin with the outer one's",
                            "location \"%.*s\" is outside location \"%.*s\"", STR_ARG(loc->name),
                            STR_ARG(outer->name));
    return true;
}

static bool duplicate(struct loader *l, const struct conf_node *node,
                      const struct location_conf *first)
{
    return loader_error(
        l, node,
        loader_text(l, "the first is in %.*s:%u", STR_ARG(first->pos.file), first->pos.line),
        "duplicate location \"%.*s\"", STR_ARG(first->name));
}

static bool add_to_map(struct loader *l, const struct conf_node *node, struct strmap *map,
                       struct location_conf *loc)
{
    if (!map->arena)
        strmap_init(map, l->arena, false);
    return strmap_add(map, loc->name, loc) || duplicate(l, node, strmap_find(map, loc->name));
}

/* nginx takes the first and says nothing. */
static bool add_named(struct loader *l, const struct conf_node *node, struct location_set *set,
                      struct location_conf *loc)
{
    if (set->named.arena == NULL)
        strmap_init(&set->named, l->arena, false);
    if (!strmap_add(&set->named, loc->name, loc))
        loader_warn(l, node, "the first is used", "duplicate location \"%.*s\"",
                    STR_ARG(loc->name));
    return true;
}

static bool add_to_set(struct loader *l, const struct conf_node *node, struct location_set *set,
                       struct location_conf *loc)
{
    switch (loc->kind) {
    case LOCATION_EXACT:
        return add_to_map(l, node, &set->exact, loc);
    case LOCATION_NAMED:
        return add_named(l, node, set, loc);
    case LOCATION_REGEX:
        *VEC_PUSH(l->arena, &set->regexes) = loc;
        return true;
    default:
        *VEC_PUSH(l->arena, &set->prefixes) = loc;
        return add_to_map(l, node, &set->prefix_names, loc);
    }
}

bool set_location(struct loader *l, const struct conf_node *node, void *field)
{
    struct location_conf *outer = loader_location(l);
    struct location_conf *loc = location_new(l, node, LOCATION_PREFIX);
    bool is_nested = l->block->where == IN_LOCATION, nocase = false;
    struct location_set *set = is_nested ? &outer->nested : &loader_server(l)->locations;

    (void)field;
    if (!read_name(l, node, loc, &nocase))
        return false;
    bool good = loc->kind != LOCATION_REGEX ||
                regex_compile(l, node, loc->name, nocase, &loc->regex);
    good = good && (!is_nested || may_nest(l, node, loc, outer));
    good = good && add_to_set(l, node, set, loc);
    /* A location out of place is loaded nevertheless: what is wrong inside is told too. */
    block_postpone(l, location_load, node, loc);
    return good;
}

/* ---- limit_except ---- */

/* RFC 9110's safe pair goes together: who may GET may HEAD. */
static bool read_methods(struct loader *l, const struct conf_node *node, uint32_t *methods)
{
    for (size_t i = 0; i < node->count; i++) {
        char name[16] = "";
        struct str arg = node->args[i];
        for (size_t j = 0; j < arg.len && j < sizeof name - 1; j++)
            name[j] = arg.ptr[j] >= 'a' && arg.ptr[j] <= 'z' ? (char)(arg.ptr[j] - 32) : arg.ptr[j];
        enum http_method m = http_method_find(str_of(name));
        if (m == METHOD_OTHER || m == METHOD_CONNECT || m == METHOD_TRACE)
            return loader_error(l, node, NULL, "invalid method \"%.*s\"", STR_ARG(arg));
        *methods |= 1U << m;
        if (m == METHOD_GET)
            *methods |= 1U << METHOD_HEAD;
    }
    return true;
}

bool set_limit_except(struct loader *l, const struct conf_node *node, void *field)
{
    struct limit_except_conf *limit = ARENA_NEW(l->arena, struct limit_except_conf);
    if (!read_methods(l, node, &limit->methods))
        return false;
    limit->conf = location_new(l, node, LOCATION_LIMIT_EXCEPT);
    block_postpone(l, location_load, node, limit->conf);
    *(const struct limit_except_conf **)field = limit;
    return true;
}
