#include "portcullis/config/template.h"

#include <assert.h>

#include "loader.h"

struct str template_constant(const struct template *t)
{
    assert(!t->has_variables);
    return t->parts.count ? t->parts.items[0].text : STR("");
}

bool template_is_empty(const struct template *t)
{
    return t->parts.count == 0;
}

static bool is_name_octet(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_';
}

/* What stands behind "$" (s begins there): the name, and how many octets it takes. */
static bool cut_name(struct loader *l, const struct conf_node *node, struct str s, struct str *name,
                     size_t *taken)
{
    size_t start = s.len && s.ptr[0] == '{', end = start;
    /* Of captures, one digit counts: "$10" is "$1" and "0". */
    if (!start && s.len && s.ptr[0] >= '1' && s.ptr[0] <= '9')
        end = 1;
    else
        while (end < s.len && is_name_octet(s.ptr[end]))
            end++;
    *name = str_upto(str_from(s, start), end - start);
    if (start && (end >= s.len || s.ptr[end] != '}'))
        return loader_error(l, node, NULL, "the closing bracket in \"%.*s\" variable is missing",
                            STR_ARG(*name));
    *taken = end + start;
    return name->len || loader_error(l, node, "behind \"$\" stands the name of a variable",
                                     "invalid variable name");
}

static void add_text(struct loader *l, struct template *t, struct str text)
{
    if (text.len)
        VEC_PUSH(l->arena, &t->parts)->text = text;
}

bool template_compile(struct loader *l, const struct conf_node *node, struct str source,
                      struct template *t)
{
    struct str rest = source;

    *t = (struct template){.source = source};
    for (;;) {
        size_t dollar = str_find(rest, '$'), taken = 0;
        struct str name;
        add_text(l, t, dollar == SIZE_MAX ? rest : str_upto(rest, dollar));
        if (dollar == SIZE_MAX)
            return true;
        rest = str_from(rest, dollar + 1);
        if (!cut_name(l, node, rest, &name, &taken))
            return false;
        rest = str_from(rest, taken);
        VEC_PUSH(l->arena, &t->parts)->variable = variable_use(l, node, name);
        t->has_variables = true;
    }
}

bool regex_compile(struct loader *l, const struct conf_node *node, struct str source, bool nocase,
                   struct regex_conf *r)
{
    char problem[512];

    *r = (struct regex_conf){.source = source, .nocase = nocase};
    r->regex = regex_new(source, nocase, problem, sizeof problem);
    if (!r->regex)
        return loader_error(l, node, NULL, "%s", problem);
    *VEC_PUSH(l->arena, &l->snapshot->regexes) = r->regex;
    for (size_t i = 0; i < regex_name_count(r->regex); i++) {
        size_t group;
        struct str name = regex_name(r->regex, i, &group);
        struct variable *v = variable_define(l, node, arena_str(l->arena, name), VARIABLE_SET);
        if (!v)
            return false;
        *VEC_PUSH(l->arena, &r->groups) = (struct regex_group){group, v};
    }
    return true;
}
