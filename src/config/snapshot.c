#include "portcullis/config/snapshot.h"

#include "portcullis/base/memory.h"

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->http.servers.count; i++)
        if (s->http.servers.items[i]->tls_context)
            tls_context_free(s->http.servers.items[i]->tls_context);
    if (s->tls_pool)
        tls_pool_free(s->tls_pool);
    for (struct log_file *f = s->log_files; f; f = f->next)
        if (f->syslog)
            syslog_free(f->syslog);
    for (size_t i = 0; i < s->regexes.count; i++)
        regex_free(s->regexes.items[i]);
    arena_deinit(&s->arena);
    mem_free(s);
}

/* ---- all locations ---- */

struct visit {
    void (*each)(void *owner, const struct location_conf *loc);
    void *owner;
};

static void visit_set(const struct visit *v, const struct location_set *set);

static void visit(const struct visit *v, const struct location_conf *loc)
{
    v->each(v->owner, loc);
    VEC_FOR(const struct rewrite_op, op, &loc->script.ops) {
        if (op->then)
            visit(v, op->then);
    }
    if (loc->limit_except && loc->limit_except->conf && loc->kind != LOCATION_IF &&
        loc->kind != LOCATION_LIMIT_EXCEPT)
        visit(v, loc->limit_except->conf);
    visit_set(v, &loc->nested);
}

static void visit_map(const struct visit *v, const struct strmap *m)
{
    for (size_t i = 0; i < m->capacity; i++)
        if (m->entries[i].value)
            visit(v, m->entries[i].value);
}

static void visit_set(const struct visit *v, const struct location_set *set)
{
    visit_map(v, &set->exact);
    for (size_t i = 0; i < set->prefixes.count; i++)
        visit(v, set->prefixes.items[i]);
    for (size_t i = 0; i < set->regexes.count; i++)
        visit(v, set->regexes.items[i]);
    visit_map(v, &set->named);
}

void server_each_location(const struct server_conf *s,
                          void (*each)(void *owner, const struct location_conf *loc), void *owner)
{
    const struct visit v = {each, owner};
    visit(&v, s->root);
    visit_set(&v, &s->locations);
}
