#include "portcullis/config/load.h"

#include <unistd.h>

#include "loader.h"
#include "portcullis/base/memory.h"

enum { ARENA_BLOCK = 16384 };

static struct snapshot *snapshot_new(void)
{
    struct snapshot *s = MEM_NEW(struct snapshot);
    arena_init(&s->arena, ARENA_BLOCK);
    return s;
}

/* ---- text ---- */

/* The folder of a path with its "/", or STR_NONE for a bare name. */
static struct str directory_of(struct str path)
{
    size_t slash = str_find_last(path, '/');
    return slash == SIZE_MAX ? STR_NONE : str_upto(path, slash + 1);
}

static bool read_texts(struct loader *l, struct conf_nodes *nodes)
{
    const struct config_options *o = l->options;
    struct tree tree = {.report = &l->report, .directory = l->conf_dir, .snapshot = l->snapshot};
    struct str path = arena_str(l->arena, path_below(l, o->prefix, o->path));
    (void)tree_parse(&tree, STR("command line"), o->directives, nodes);
    for (size_t i = 0; i < nodes->list.count; i++)
        nodes->list.items[i].pos.line = 0;
    /* An include that is missing does not keep the rest from being looked at. */
    return tree_read(&tree, path, NULL, nodes) && !tree.is_malformed;
}

/* ---- main context ---- */

static bool has_top(const struct conf_nodes *nodes, const char *name)
{
    VEC_FOR(const struct conf_node, n, &nodes->list) {
        if (str_eq_z(n->name, name) && n->has_block)
            return true;
    }
    return false;
}

struct two_parts {
    struct conf_nodes main, http;
};

/* A file that is a piece of an http block, as people show them to each other: what may stand in
 * the main context does, and the rest is http's. */
static struct two_parts split_bare(struct loader *l, const struct conf_nodes *nodes)
{
    struct two_parts parts = {0};
    VEC_FOR(const struct conf_node, n, &nodes->list) {
        bool is_main = directive_is_known(n->name, IN_MAIN);
        *VEC_PUSH(l->arena, is_main ? &parts.main.list : &parts.http.list) = *n;
    }
    return parts;
}

static void set_defaults(struct loader *l, struct process_conf *p)
{
    if (p->pid_path.len == 0 && l->options->default_pid_path.len)
        p->pid_path = path_below(l, l->options->prefix, l->options->default_pid_path);
    if (!p->error_log)
        p->error_log = default_error_log(l);
}

static void load_bare_http(struct loader *l, const struct conf_node *node, void *conf)
{
    (void)node;
    const struct conf_nodes *nodes = conf;
    http_load(l, nodes->list.items, nodes->list.count);
}

/* Runs between the main context's own directives and the http block, which inherits from them. */
static void finish_main(struct loader *l, const struct conf_node *node, void *conf)
{
    (void)node;
    set_defaults(l, conf);
}

static void load_main(struct loader *l, const struct conf_nodes *nodes)
{
    struct process_conf *p = &l->snapshot->process;
    struct block b = {.where = IN_MAIN};
    bool is_bare = !has_top(nodes, "http") && has_top(nodes, "server");
    struct two_parts parts = {.main = *nodes};

    b.fields[OF_PROCESS] = p;
    directives_set_initial(l, &b);
    *VEC_PUSH(l->arena, &b.pending) = (struct pending_block){finish_main, NULL, p};
    if (is_bare) {
        parts = split_bare(l, nodes);
        *VEC_PUSH(l->arena, &b.pending) = (struct pending_block){load_bare_http, NULL, &parts.http};
    }
    block_load(l, &b, parts.main.list.items, parts.main.list.count);
    if (!l->events && !is_bare)
        loader_error(l, NULL, "write events {}", "no \"events\" section in configuration");
}

/* ---- all ---- */

static void init(struct loader *l, const struct config_options *o, struct snapshot *s)
{
    *l = (struct loader){.arena = &s->arena, .snapshot = s, .options = o};
    l->report = (struct report){.arena = l->arena, .problem = o->problem, .owner = o->owner};
    l->conf_dir = directory_of(path_below(l, o->prefix, o->path));
    if (l->conf_dir.len == 0)
        l->conf_dir = STR("./");
    strmap_init(&l->variables, l->arena, true);
    strmap_init(&l->formats, l->arena, false);
    strmap_init(&l->upstreams, l->arena, false);
    add_default_formats(l);
}

struct snapshot *config_load(const struct config_options *o)
{
    struct snapshot *s = snapshot_new();
    struct conf_nodes nodes = {0};
    struct loader l;

    init(&l, o, s);
    if (read_texts(&l, &nodes))
        load_main(&l, &nodes);
    permissions_check(&l);
    s->warnings = l.report.warnings;
    if (l.report.errors == 0)
        return s;
    snapshot_free(s);
    return NULL;
}
