/* Names to variables: one struct for each name of a configuration. A name may be used before it is
 * defined; what is still undefined at the end of the file is an error. */
#include "loader.h"

struct variable_entry {
    struct variable v; /* first: the pointers given out are to it */
    struct conf_node use;
    bool is_defined;
    bool is_identity;
};

struct builtin {
    const char *name;
    enum variable_id id;
    bool is_family;
};

static const struct builtin builtins[] = {
#define X(id, name)        {name, VARIABLE_ID_##id, false},
#define FAMILY(id, prefix) {prefix, VARIABLE_ID_##id, true},
#include "portcullis/config/variables.def"
#undef X
#undef FAMILY
};
enum { BUILTINS = sizeof builtins / sizeof *builtins };

static const struct builtin *builtin_find(struct str name)
{
    for (size_t i = 0; i < BUILTINS; i++)
        if (!builtins[i].is_family && str_eq_nocase(name, str_of(builtins[i].name)))
            return &builtins[i];
    return NULL;
}

static const struct builtin *family_find(struct str name)
{
    for (size_t i = 0; i < BUILTINS; i++) {
        struct str prefix = str_of(builtins[i].name);
        if (builtins[i].is_family && name.len > prefix.len && str_starts_nocase(name, prefix))
            return &builtins[i];
    }
    return NULL;
}

/* Fields that nginx declares one by one: a family's others may be set, these not. */
static bool is_declared_field(struct str name)
{
    static const char *const declared[] = {
        "http_host",
        "http_user_agent",
        "http_referer",
        "http_via",
        "http_x_forwarded_for",
        "http_cookie",
        "sent_http_content_type",
        "sent_http_content_length",
        "sent_http_location",
        "sent_http_last_modified",
        "sent_http_connection",
        "sent_http_keep_alive",
        "sent_http_transfer_encoding",
        "sent_http_cache_control",
        "sent_http_link",
    };
    for (size_t i = 0; i < sizeof declared / sizeof *declared; i++)
        if (str_eq_nocase(name, str_of(declared[i])))
            return true;
    return false;
}

static void set_builtin(struct variable_entry *e)
{
    struct variable *v = &e->v;
    const struct builtin *b = builtin_find(v->name);
    if (!b && (b = family_find(v->name)) != NULL)
        v->argument = str_from(v->name, strlen(b->name));
    if (!b)
        return;
    v->kind = VARIABLE_BUILTIN;
    v->id = b->id;
    e->is_defined = true;
    e->is_identity = str_starts(v->name, STR("ssl_client_"));
}

static void set_capture(struct variable_entry *e)
{
    if (e->v.name.len != 1 || e->v.name.ptr[0] < '1' || e->v.name.ptr[0] > '9')
        return;
    e->v.kind = VARIABLE_CAPTURE;
    e->v.group = (size_t)(e->v.name.ptr[0] - '0');
    e->is_defined = true;
}

static struct variable_entry *entry_of(struct loader *l, struct str name)
{
    struct variable_entry *e = strmap_find(&l->variables, name);
    if (e)
        return e;
    e = ARENA_NEW(l->arena, struct variable_entry);
    e->v.name = lower_case(l->arena, name); /* nginx's names have no case */
    e->v.kind = VARIABLE_SET;
    e->v.slot = l->snapshot->http.variables.count;
    *VEC_PUSH(l->arena, &l->snapshot->http.variables) = &e->v;
    strmap_add(&l->variables, e->v.name, e);
    set_capture(e);
    set_builtin(e);
    return e;
}

const struct variable *variable_use(struct loader *l, const struct conf_node *node, struct str name)
{
    struct variable_entry *e = entry_of(l, name);
    if (e->use.pos.line == 0 && node)
        e->use = *node;
    return &e->v;
}

static bool may_change(const struct variable *v)
{
    if (v->kind == VARIABLE_CAPTURE)
        return false;
    return v->kind != VARIABLE_BUILTIN || v->id == VARIABLE_ID_ARGS ||
           (v->argument.len && !is_declared_field(v->name));
}

struct variable *variable_define(struct loader *l, const struct conf_node *node, struct str name,
                                 enum variable_kind kind)
{
    struct variable_entry *e = entry_of(l, name);
    if (!may_change(&e->v)) {
        loader_error(l, node, "it is built in; use another name", "the duplicate \"%.*s\" variable",
                     STR_ARG(name));
        return NULL;
    }
    e->is_defined = true;
    if (kind != VARIABLE_SET || e->v.argument.len) { /* a set leaves a map or geo what it is */
        e->v.kind = kind;
        e->v.argument = STR_NONE;
    }
    return &e->v;
}

bool variable_name(struct loader *l, const struct conf_node *node, struct str arg, struct str *name)
{
    if (arg.len < 2 || arg.ptr[0] != '$')
        return loader_error(l, node, "it must be $ and a name", "invalid variable name \"%.*s\"",
                            STR_ARG(arg));
    *name = str_from(arg, 1);
    return true;
}

/* ---- who the client is, through map and set ---- */

bool template_is_identity(const struct loader *l, const struct template *t)
{
    VEC_FOR(const struct template_part, part, &t->parts) {
        if (!part->variable)
            continue;
        const struct variable_entry *e = strmap_find(&l->variables, part->variable->name);
        if (e->is_identity)
            return true;
    }
    return false;
}

void variable_comes_from(struct loader *l, const struct variable *v, const struct template *value)
{
    *VEC_PUSH(l->arena, &l->assignments) = (struct assignment){v, *value};
}

/* The groups of a match, by name and by number, come from what was matched. */
void regex_groups_come_from(struct loader *l, const struct regex_conf *r,
                            const struct template *subject)
{
    VEC_FOR(const struct regex_group, g, &r->groups) {
        variable_comes_from(l, g->variable, subject);
    }
    for (size_t i = 1; i <= regex_group_count(r->regex) && i <= 9; i++) {
        char digit = (char)('0' + i);
        variable_comes_from(l, &entry_of(l, arena_str(l->arena, str_make(&digit, 1)))->v, subject);
    }
}

static void spread_identity(struct loader *l)
{
    bool changed = true;
    while (changed) {
        changed = false;
        VEC_FOR(const struct assignment, as, &l->assignments) {
            struct variable_entry *e = strmap_find(&l->variables, as->variable->name);
            if (e->is_identity || !template_is_identity(l, &as->value))
                continue;
            e->is_identity = changed = true;
        }
    }
}

static const char *nearest_variable(struct loader *l, struct str name)
{
    struct nearest n = nearest_to(name);
    for (size_t i = 0; i < BUILTINS; i++)
        if (!builtins[i].is_family)
            nearest_consider(&n, str_of(builtins[i].name));
    VEC_FOR(struct variable *, it, &l->snapshot->http.variables)
        if (((const struct variable_entry *)*it)->is_defined)
            nearest_consider(&n, (*it)->name);
    return n.found.len ? loader_text(l, "did you mean \"$%.*s\"?", STR_ARG(n.found)) : NULL;
}

void variables_finish(struct loader *l)
{
    for (size_t i = 0; i < l->snapshot->http.variables.count; i++) {
        struct variable_entry *e = (struct variable_entry *)l->snapshot->http.variables.items[i];
        if (!e->is_defined)
            loader_error(l, &e->use, nearest_variable(l, e->v.name), "unknown \"%.*s\" variable",
                         STR_ARG(e->v.name));
    }
    spread_identity(l);
}
