/* Setters that fill a field of any directive from its words alone. The row being set
 * (l->row) gives the field's size and what else there is to know. */
#include "loader.h"

bool invalid_value(struct loader *l, const struct conf_node *node, struct str value,
                   const char *cure)
{
    return loader_error(l, node, cure, "invalid value \"%.*s\" in \"%.*s\" directive",
                        STR_ARG(value), STR_ARG(node->name));
}

bool invalid_parameter(struct loader *l, const struct conf_node *node, struct str value,
                       const char *cure)
{
    return loader_error(l, node, cure, "invalid parameter \"%.*s\"", STR_ARG(value));
}

/* Fields are bool, int, unsigned, enums, size_t, int64_t, uint64_t: by size. */
static bool store(struct loader *l, const struct conf_node *node, void *field, uint64_t value)
{
    size_t size = l->row->size;
    if (size < sizeof value && value > (size == 1 ? 1U : (uint64_t)INT32_MAX))
        return invalid_value(l, node, node->args[0], "it is too large");
    if (size == 1)
        *(bool *)field = value != 0;
    else if (size == sizeof(unsigned))
        memcpy(field, &(unsigned){(unsigned)value}, sizeof(unsigned));
    else
        memcpy(field, &value, sizeof value);
    return true;
}

bool set_flag(struct loader *l, const struct conf_node *node, void *field)
{
    struct str value = node->args[0];
    if (str_eq_nocase(value, STR("on")))
        return store(l, node, field, 1);
    if (str_eq_nocase(value, STR("off")))
        return store(l, node, field, 0);
    return loader_error(
        l, node, NULL, "invalid value \"%.*s\" in \"%.*s\" directive, it must be \"on\" or \"off\"",
        STR_ARG(value), STR_ARG(node->name));
}

static bool is_within(struct loader *l, const struct conf_node *node, uint64_t value)
{
    const struct number_bounds *bounds = l->row->detail;
    if (!bounds || (value >= bounds->min && value <= bounds->max))
        return true;
    return invalid_value(l, node, node->args[0],
                         loader_text(l, "value must be between %llu and %llu",
                                     (unsigned long long)bounds->min,
                                     (unsigned long long)bounds->max));
}

bool set_number(struct loader *l, const struct conf_node *node, void *field)
{
    uint64_t value;
    if (!str_to_u64(node->args[0], &value))
        return loader_error(l, node, NULL, "\"%.*s\" directive invalid number \"%.*s\"",
                            STR_ARG(node->name), STR_ARG(node->args[0]));
    return is_within(l, node, value) && store(l, node, field, value);
}

bool set_size(struct loader *l, const struct conf_node *node, void *field)
{
    uint64_t value;
    if (!value_to_size(node->args[0], &value))
        return invalid_value(l, node, node->args[0], "a size is a number with \"k\" or \"m\"");
    return is_within(l, node, value) && store(l, node, field, value);
}

bool set_offset(struct loader *l, const struct conf_node *node, void *field)
{
    uint64_t value;
    if (!value_to_offset(node->args[0], &value))
        return invalid_value(l, node, node->args[0],
                             "a size is a number with \"k\", \"m\" or \"g\"");
    return is_within(l, node, value) && store(l, node, field, value);
}

bool set_msec(struct loader *l, const struct conf_node *node, void *field)
{
    int64_t value;
    if (!value_to_msec(node->args[0], &value))
        return invalid_value(l, node, node->args[0],
                             "a time is a number with \"ms\", \"s\", \"m\", \"h\" or \"d\"");
    return store(l, node, field, (uint64_t)value);
}

static const struct enum_name *find_name(const struct enum_name *names, struct str value)
{
    for (; names->name; names++)
        if (str_eq_nocase(value, str_of(names->name)))
            return names;
    return NULL;
}

static const char *known_names(struct loader *l, const struct enum_name *names)
{
    struct str text = STR("it must be ");
    for (; names->name; names++) {
        const char *separator = names[1].name == NULL ? "" : names[2].name ? ", " : " or ";
        text = arena_printf(l->arena, "%.*s\"%s\"%s", STR_ARG(text), names->name, separator);
    }
    return text.ptr;
}

bool set_enum(struct loader *l, const struct conf_node *node, void *field)
{
    const struct enum_name *names = l->row->detail;
    const struct enum_name *found = find_name(names, node->args[0]);
    if (!found)
        return invalid_value(l, node, node->args[0], known_names(l, names));
    return store(l, node, field, found->value);
}

bool set_bits(struct loader *l, const struct conf_node *node, void *field)
{
    const struct enum_name *names = l->row->detail;
    unsigned *bits = field;
    for (size_t i = 0; i < node->count; i++) {
        const struct enum_name *found = find_name(names, node->args[i]);
        if (!found)
            return invalid_value(l, node, node->args[i], known_names(l, names));
        if (*bits & found->value)
            loader_warn(l, node, NULL, "duplicate value \"%s\"", found->name);
        *bits |= found->value;
    }
    return true;
}

bool set_string(struct loader *l, const struct conf_node *node, void *field)
{
    (void)l;
    *(struct str *)field = node->args[0];
    return true;
}

/* Any VEC(struct str): the same three members, whatever the type's name. */
static void push_string(struct loader *l, void *field, struct str value)
{
    VEC(struct str) list;
    memcpy(&list, field, sizeof list);
    *VEC_PUSH(l->arena, &list) = value;
    memcpy(field, &list, sizeof list);
}

bool set_string_list(struct loader *l, const struct conf_node *node, void *field)
{
    for (size_t i = 0; i < node->count; i++)
        push_string(l, field, node->args[i]);
    return true;
}

bool set_template(struct loader *l, const struct conf_node *node, void *field)
{
    return template_compile(l, node, node->args[0], field);
}

static bool check_path(struct loader *l, const struct conf_node *node, struct str path)
{
    if (path.len == 0)
        return invalid_value(l, node, path, "a path is expected");
    if (has_variables(path))
        return invalid_value(l, node, path,
                             "variables are not supported in this path, write it out");
    return true;
}

bool set_prefix_path(struct loader *l, const struct conf_node *node, void *field)
{
    if (!check_path(l, node, node->args[0]))
        return false;
    *(struct str *)field = path_below(l, l->options->prefix, node->args[0]);
    return true;
}

bool set_conf_path(struct loader *l, const struct conf_node *node, void *field)
{
    if (!check_path(l, node, node->args[0]))
        return false;
    *(struct str *)field = path_below(l, l->conf_dir, node->args[0]);
    return true;
}

bool set_conf_path_list(struct loader *l, const struct conf_node *node, void *field)
{
    struct str path = STR_NONE;
    if (!set_conf_path(l, node, &path))
        return false;
    push_string(l, field, path);
    return true;
}

bool set_buffers(struct loader *l, const struct conf_node *node, void *field)
{
    size_t *pair = field; /* count, size */
    uint64_t count, size;
    if (!str_to_u64(node->args[0], &count) || count == 0 || count > 1 << 20)
        return invalid_value(l, node, node->args[0], "the number of buffers comes first");
    if (!value_to_size(node->args[1], &size) || size == 0)
        return invalid_value(l, node, node->args[1], "the size of a buffer comes second");
    pair[0] = count;
    pair[1] = size;
    return true;
}
