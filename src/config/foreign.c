#include "loader.h"

struct foreign {
    const char *name;
    const char *text; /* the cure, or why it is ignored */
    bool is_ignored;
    bool may_be_off;
};

static const struct foreign foreign[] = {
#define IGNORED(name)                    {name, NULL, true, false},
#define IGNORED_BECAUSE(name, why)       {name, why, true, false},
#define UNSUPPORTED(name, cure)          {name, cure, false, true},
#define UNSUPPORTED_EVEN_OFF(name, cure) {name, cure, false, false},
#include "foreign.def"
#undef IGNORED
#undef IGNORED_BECAUSE
#undef UNSUPPORTED
#undef UNSUPPORTED_EVEN_OFF
};
enum { FOREIGN = sizeof foreign / sizeof *foreign };

/* Whole families of modules that we do not have. */
static const struct foreign families[] = {
    {"fastcgi_", "use proxy_pass http://...", false, true},
    {"grpc_", "use proxy_pass http://...", false, true},
    {"memcached_", "use proxy_pass http://...", false, true},
    {"scgi_", "use proxy_pass http://...", false, true},
    {"uwsgi_", "use proxy_pass http://...", false, true},
    {"proxy_ssl_", "connections to upstreams are plain; remove it", false, true},
    {"js_", "the module is not part of this program; remove it", false, true},
};

static const struct foreign *find(struct str name)
{
    for (size_t i = 0; i < FOREIGN; i++)
        if (str_eq_z(name, foreign[i].name))
            return &foreign[i];
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (str_starts(name, str_of(families[i].name)))
            return &families[i];
    return NULL;
}

static bool is_off(const struct conf_node *node)
{
    return node->count == 1 && !node->has_block && str_eq_z(node->args[0], "off");
}

bool foreign_report(struct loader *l, const struct conf_node *node)
{
    const struct foreign *f = find(node->name);
    if (!f)
        return false;
    if (f->is_ignored || (f->may_be_off && is_off(node)))
        loader_warn(l, node, f->is_ignored ? f->text : NULL,
                    "\"%.*s\" directive has no effect here", STR_ARG(node->name));
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
    *is_ignored = foreign[i].is_ignored;
    return foreign[i].name;
}
