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
