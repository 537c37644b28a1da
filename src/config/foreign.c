#include "loader.h"

struct foreign {
    const char *name;
    const char *text; /* the cure, or why it is ignored */
    const char *same; /* the value that is what we do anyway; NULL: any */
};

static const struct foreign foreign[] = {
#define IGNORED(name)                      {name, NULL, NULL},
#define IGNORED_BECAUSE(name, why)         {name, why, NULL},
#define UNSUPPORTED(name, cure)            {name, cure, "off"},
#define UNSUPPORTED_BUT(name, value, cure) {name, cure, value},
#define FAMILY(prefix, why)
#include "foreign.def"
#undef IGNORED
#undef IGNORED_BECAUSE
#undef UNSUPPORTED
#undef UNSUPPORTED_BUT
#undef FAMILY
};
enum { FOREIGN = sizeof foreign / sizeof *foreign };

static const struct foreign families[] = {
#define IGNORED(name)
#define IGNORED_BECAUSE(name, why)
#define UNSUPPORTED(name, cure)
#define UNSUPPORTED_BUT(name, value, cure)
#define FAMILY(prefix, why) {prefix, why, NULL},
#include "foreign.def"
#undef IGNORED
#undef IGNORED_BECAUSE
#undef UNSUPPORTED
#undef UNSUPPORTED_BUT
#undef FAMILY
};
enum { FAMILIES = sizeof families / sizeof *families };

static const struct foreign *find(struct str name)
{
    for (size_t i = 0; i < FOREIGN; i++)
        if (str_eq_z(name, foreign[i].name))
            return &foreign[i];
    return NULL;
}

static bool says_the_same(const struct foreign *f, const struct conf_node *node)
{
    return node->count == 1 && !node->has_block && str_eq_z(node->args[0], f->same);
}

static bool report_family(struct loader *l, const struct conf_node *node)
{
    for (unsigned i = 0; i < FAMILIES; i++) {
        if (!str_starts(node->name, str_of(families[i].name)))
            continue;
        if (!(l->families_told >> i & 1))
            loader_warn(l, node, families[i].text,
                        "\"%.*s\" and other \"%s...\" directives have no effect here",
                        STR_ARG(node->name), families[i].name);
        l->families_told |= 1U << i;
        return true;
    }
    return false;
}

bool foreign_report(struct loader *l, const struct conf_node *node)
{
    const struct foreign *f = find(node->name);
    if (!f)
        return report_family(l, node);
    if (!f->same || says_the_same(f, node))
        loader_warn(l, node, f->same ? NULL : f->text, "\"%.*s\" directive has no effect here",
                    STR_ARG(node->name));
    else
        loader_error(l, node, f->text,
                     "directive \"%.*s\" is known to nginx but not supported here",
                     STR_ARG(node->name));
    return true;
}

const char *foreign_name(size_t i, bool *is_ignored)
{
    if (i >= FOREIGN)
        return NULL;
    *is_ignored = !foreign[i].same;
    return foreign[i].name;
}
