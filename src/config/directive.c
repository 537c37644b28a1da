/* The directive tables: finding a row, checking a directive against it, running its setter. */
#include "lexer.h"
#include "loader.h"

static const struct directive_table *const tables[] = {
    &directives_main,     &directives_http,  &directives_server,  &directives_ssl,
    &directives_location, &directives_proxy, &directives_rewrite, &directives_upstream,
};
enum { TABLES = sizeof tables / sizeof *tables };

struct found {
    const struct directive *row;
    enum field_owner owner;
    size_t bit;     /* of block.given */
    unsigned where; /* where any row of the name may stand */
};

/* Rows that fill one field together (allow and deny) are given together. */
static size_t given_bit(const struct directive_table *table, size_t row, size_t first_bit)
{
    const struct directive *r = &table->rows[row];
    if (r->flags & IS_LIST && r->size)
        for (size_t i = 0; i < row; i++)
            if (table->rows[i].offset == r->offset && table->rows[i].size == r->size)
                return first_bit + i;
    return first_bit + row;
}

/* The row of this name that may stand in where; else, with row set, one that stands elsewhere. */
static bool find(struct str name, unsigned where, struct found *f)
{
    size_t first_bit = 0;
    *f = (struct found){0};
    for (size_t t = 0; t < TABLES; first_bit += tables[t++]->count)
        for (size_t i = 0; i < tables[t]->count; i++) {
            const struct directive *row = &tables[t]->rows[i];
            if (!str_eq_z(name, row->name))
                continue;
            *f = (struct found){row, tables[t]->owner, given_bit(tables[t], i, first_bit),
                                f->where | row->where};
            if (row->where & where)
                return true;
        }
    return false;
}

bool directive_is_known(struct str name, unsigned where)
{
    struct found f;
    return find(name, where, &f);
}

/* ---- problems ---- */

bool loader_error(struct loader *l, const struct conf_node *node, const char *cure,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_vproblem(&l->report, LOG_EMERG, node ? &node->pos : NULL, cure, format, args);
    va_end(args);
    return false;
}

void loader_warn(struct loader *l, const struct conf_node *node, const char *cure,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_vproblem(&l->report, LOG_WARN, node ? &node->pos : NULL, cure, format, args);
    va_end(args);
}

const char *loader_text(struct loader *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str text = arena_vprintf(l->arena, format, args);
    va_end(args);
    return text.ptr;
}

static const struct {
    unsigned where;
    const char *name;
} contexts[] = {
    {IN_MAIN, "main"},
    {IN_EVENTS, "events"},
    {IN_HTTP, "http"},
    {IN_SERVER, "server"},
    {IN_LOCATION, "location"},
    {IN_SERVER_IF, "if in server"},
    {IN_LOCATION_IF, "if in location"},
    {IN_LIMIT_EXCEPT, "limit_except"},
    {IN_UPSTREAM, "upstream"},
};

static struct str contexts_text(struct arena *a, unsigned where)
{
    struct str text = STR("");
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++)
        if (where & contexts[i].where)
            text = arena_printf(a, "%.*s%s%s", STR_ARG(text), text.len ? ", " : "",
                                contexts[i].name);
    return text;
}

/* ---- what was mistyped ---- */

/* "if($x": a directive's name, and what should stand behind a space. */
static const char *find_glued(struct str name)
{
    for (size_t t = 0; t < TABLES; t++)
        for (size_t i = 0; i < tables[t]->count; i++) {
            const char *known = tables[t]->rows[i].name;
            size_t length = strlen(known);
            if (str_starts(name, str_of(known)) && name.len > length &&
                strchr("(~=^/$", name.ptr[length]))
                return known;
        }
    return NULL;
}

static bool unknown_directive(struct loader *l, const struct conf_node *node)
{
    struct nearest n = nearest_to(node->name);
    bool is_ignored;
    const char *foreign;

    for (size_t t = 0; t < TABLES; t++)
        for (size_t i = 0; i < tables[t]->count; i++)
            nearest_consider(&n, str_of(tables[t]->rows[i].name));
    for (size_t i = 0; (foreign = foreign_name(i, &is_ignored)) != NULL; i++)
        nearest_consider(&n, str_of(foreign));
    const char *glued = find_glued(node->name);
    const char *cure = glued         ? loader_text(l, "is a space missing behind \"%s\"?", glued)
                       : n.found.len ? loader_text(l, "did you mean \"%.*s\"?", STR_ARG(n.found))
                                     : "is a \";\" missing before it?";
    return loader_error(l, node, cure, "unknown directive \"%.*s\"", STR_ARG(node->name));
}

/* ---- checks of a directive against its row ---- */

/* A directive among the arguments of another one: what lies between them was forgotten. */
static const char *missing_semicolon(struct loader *l, const struct conf_node *node)
{
    for (size_t i = 0; i < node->count; i++)
        if (directive_is_known(node->args[i], l->block->where))
            return loader_text(l, "is a \";\" missing before \"%.*s\"?", STR_ARG(node->args[i]));
    return NULL;
}

static bool is_shaped(struct loader *l, const struct conf_node *node, const struct directive *row)
{
    bool wants_block = row->flags & IS_BLOCK;
    if (wants_block == node->has_block)
        return true;
    if (wants_block)
        return loader_error(l, node, loader_text(l, "write %s { ... }", row->name),
                            "directive \"%s\" has no opening \"{\"", row->name);
    return loader_error(l, node, missing_semicolon(l, node),
                        "directive \"%s\" is not terminated by \";\"", row->name);
}

static const char *arguments_text(struct loader *l, const struct directive *row)
{
    if (row->max_args == MANY)
        return loader_text(l, "it takes %d or more", row->min_args);
    if (row->max_args == 0)
        return "it takes none";
    if (row->min_args == row->max_args)
        return loader_text(l, "it takes %d", row->min_args);
    return loader_text(l, "it takes %d to %d", row->min_args, row->max_args);
}

static bool has_arguments(struct loader *l, const struct conf_node *node,
                          const struct directive *row)
{
    if (node->count >= (size_t)row->min_args && node->count <= (size_t)row->max_args)
        return true;
    const char *missing = missing_semicolon(l, node);
    return loader_error(l, node, missing ? missing : arguments_text(l, row),
                        "invalid number of arguments in \"%s\" directive", row->name);
}

static bool test_and_set(uint64_t *bits, size_t bit)
{
    uint64_t mask = UINT64_C(1) << bit % 64;
    bool was = bits[bit / 64] & mask;
    bits[bit / 64] |= mask;
    return was;
}

static void *field_of(const struct block *b, const struct found *f)
{
    void *base = b->fields[f->owner];
    return base ? (char *)base + f->row->offset : NULL;
}

/* First time in this block: what was inherited goes. Later: a list grows, anything else is an
 * error. */
static bool is_new(struct loader *l, const struct conf_node *node, const struct found *f)
{
    bool was_given = test_and_set(l->block->given, f->bit);
    if (f->row->flags & IS_LIST) {
        if (!was_given && f->row->size)
            memset(field_of(l->block, f), 0, f->row->size);
        return true;
    }
    if (!was_given)
        return true;
    return loader_error(l, node, NULL, "\"%s\" directive is duplicate", f->row->name);
}

static void apply(struct loader *l, const struct conf_node *node)
{
    struct found f;
    if (!find(node->name, l->block->where, &f)) {
        if (f.row)
            loader_error(l, node,
                         loader_text(l, "it belongs in: %s", contexts_text(l->arena, f.where).ptr),
                         "\"%.*s\" directive is not allowed here", STR_ARG(node->name));
        else if (!foreign_report(l, node))
            unknown_directive(l, node);
        return;
    }
    if (!is_shaped(l, node, f.row) || !has_arguments(l, node, f.row) || !is_new(l, node, &f))
        return;
    l->row = f.row;
    f.row->set(l, node, field_of(l->block, &f));
}

/* ---- blocks ---- */

void block_postpone(struct loader *l,
                    void (*load)(struct loader *, const struct conf_node *, void *),
                    const struct conf_node *node, void *conf)
{
    *VEC_PUSH(l->arena, &l->block->pending) = (struct pending_block){load, node, conf};
}

void block_load(struct loader *l, struct block *b, const struct conf_node *nodes, size_t count)
{
    b->parent = l->block;
    l->block = b;
    for (size_t i = 0; i < count; i++)
        apply(l, &nodes[i]);
    for (size_t i = 0; i < b->pending.count; i++) {
        struct pending_block p = b->pending.items[i];
        p.load(l, p.node, p.conf);
    }
    l->block = b->parent;
}

/* ---- initial values ---- */

static void set_initial(struct loader *l, struct block *b, const struct found *f)
{
    struct lexer x;
    struct str text = arena_printf(l->arena, "%s %s;", f->row->name, f->row->initial);

    lexer_init(&x, l->arena, text);
    lexer_next(&x);
    const struct conf_node node = {
        .name = x.words.items[0], .args = x.words.items + 1, .count = x.words.count - 1};
    l->row = f->row;
    f->row->set(l, &node, field_of(b, f));
}

static void reset(struct loader *l, struct block *b, const struct found *f)
{
    if (f->row->size)
        memset(field_of(b, f), 0, f->row->size);
    if (f->row->initial)
        set_initial(l, b, f);
}

static void for_each_row(struct loader *l, struct block *b,
                         bool (*wants)(const struct block *, const struct directive *))
{
    struct block *outer = l->block;
    l->block = b;
    for (size_t t = 0; t < TABLES; t++)
        for (size_t i = 0; i < tables[t]->count; i++) {
            const struct directive *row = &tables[t]->rows[i];
            struct found f = {row, tables[t]->owner, 0, 0};
            if (b->fields[f.owner] && !(row->flags & IS_BLOCK) && wants(b, row))
                reset(l, b, &f);
        }
    l->block = outer;
}

static bool wants_all(const struct block *b, const struct directive *row)
{
    (void)b;
    return row->initial != NULL;
}

static bool wants_own(const struct block *b, const struct directive *row)
{
    if (!(row->flags & IS_OWN))
        return false;
    return !(row->flags & GOES_INTO_IF && b->where & (IN_ANY_IF | IN_LIMIT_EXCEPT));
}

void directives_set_initial(struct loader *l, struct block *b)
{
    for_each_row(l, b, wants_all);
}

void directives_reset_own(struct loader *l, struct block *b)
{
    for_each_row(l, b, wants_own);
}

/* ---- for the reference, the README and -t ---- */

void config_each_directive(void (*each)(void *owner, const struct directive_info *d), void *owner)
{
    struct arena a;
    struct directive_info d = {"include", "any", NULL, false}; /* the tree's own */
    arena_init(&a, 1024);
    each(owner, &d);
    for (size_t t = 0; t < TABLES; t++)
        for (size_t i = 0; i < tables[t]->count; i++) {
            const struct directive *row = &tables[t]->rows[i];
            d = (struct directive_info){row->name, contexts_text(&a, row->where).ptr, row->initial,
                                        false};
            each(owner, &d);
        }
    for (size_t i = 0; (d.name = foreign_name(i, &d.is_ignored)) != NULL; i++) {
        d.contexts = "";
        d.initial = NULL;
        if (d.is_ignored)
            each(owner, &d);
    }
    arena_deinit(&a);
}
