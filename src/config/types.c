/* types: MIME types by the extension of a path. */
#include "loader.h"

static void add_extension(struct loader *l, const struct conf_node *line, struct strmap *types,
                          struct str extension)
{
    struct str *type = ARENA_NEW(l->arena, struct str);
    struct str key = lower_case(l->arena, extension);
    const struct str *old = strmap_find(types, key);
    if (old)
        loader_warn(l, line, "the last one counts",
                    "duplicate extension \"%.*s\", content type: \"%.*s\", previous content type: "
                    "\"%.*s\"",
                    STR_ARG(extension), STR_ARG(line->name), STR_ARG(*old));
    *type = line->name;
    strmap_set(types, key, type);
}

static bool read_line(struct loader *l, const struct conf_node *line, struct strmap *types)
{
    if (line->has_block || line->count == 0)
        return loader_error(l, line, "a line of types is a MIME type and its extensions",
                            "invalid type \"%.*s\" in \"types\"", STR_ARG(line->name));
    for (size_t i = 0; i < line->count; i++)
        add_extension(l, line, types, line->args[i]);
    return true;
}

/* A block's "types" takes the place of all that stands further out; a second one in the same block
 * adds to the first. */
bool set_types(struct loader *l, const struct conf_node *node, void *field)
{
    struct strmap **types = field;
    bool good = true;
    if (!*types) {
        *types = ARENA_NEW(l->arena, struct strmap);
        strmap_init(*types, l->arena, false);
    }
    VEC_FOR(const struct conf_node, line, &node->children) {
        good &= read_line(l, line, *types);
    }
    return good;
}
