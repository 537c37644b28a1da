/* Files of a configuration that change while it serves (ssl_watch_files): which they are, and what
 * is to come of what is in them now. */
#include <errno.h>

#include "file_watch.h"
#include "key_keeper.h"
#include "portcullis/config/client_rules.h"
#include "portcullis/tls/renewal.h"
#include "proxy_app_impl.h"

static bool watches_files(const struct snapshot *s)
{
    return s->http.servers.count > 0 && s->http.servers.items[0]->watch_files;
}

/* Those of TLS and the lists of client rules. */
static size_t watched_files(struct snapshot *s, struct str **paths)
{
    const struct str *of_tls;
    size_t count = tls_pool_files(s->tls_pool, &s->arena, &of_tls);

    *paths = ARENA_ARRAY(&s->arena, struct str, count + s->http.client_lists.count + 1);
    for (size_t i = 0; i < count; i++)
        (*paths)[i] = of_tls[i];
    VEC_FOR(const struct client_list *, list, &s->http.client_lists)
        (*paths)[count++] = (*list)->path;
    return count;
}

static int start_watch(void *conf)
{
    struct loaded *l = conf;
    struct str *paths;

    if (!watches_files(l->snapshot))
        return -1;
    size_t count = watched_files(l->snapshot, &paths);
    l->watch = file_watch_new(paths, count, l->since);
    if (l->watch != NULL)
        return file_watch_fd(l->watch);
    log_write_errno(&log_process, LOG_ERROR, errno, "files cannot be watched (ssl_watch_files)");
    return -1;
}

static bool has_settled(void *conf)
{
    struct loaded *l = conf;

    return file_watch_take(l->watch);
}

static void stop_watch(void *conf)
{
    struct loaded *l = conf;

    file_watch_free(l->watch);
    l->watch = NULL;
}

/* Who has them read again. */
static const char *cause(const struct loaded *l)
{
    return watches_files(l->snapshot) ? "ssl_watch_files" : "a newer program serves";
}

static void on_bad_file(void *owner, enum log_level level, const char *message)
{
    if (level <= LOG_ERROR)
        log_write(&log_process, LOG_ERROR, "%s; what is in use stays (%s)", message, cause(owner));
    else
        log_write(&log_process, level, "%s", message);
}

/* They are part of the configuration. */
static bool tell_changed_lists(const struct snapshot *s, struct buf *what)
{
    bool changed = false;

    VEC_FOR(const struct client_list *, list, &s->http.client_lists) {
        if (client_list_is_current(*list))
            continue;
        buf_printf(what, "%slist \"%.*s\"", buf_is_empty(what) ? "" : ", ", STR_ARG((*list)->path));
        changed = true;
    }
    return changed;
}

static enum app_reread reread(void *conf, int *image)
{
    static const struct {
        enum app_reread what;
        const char *how;
    } outcomes[] = {
        [TLS_RENEWAL_NOTHING] = {APP_REREAD_NOTHING, NULL},
        [TLS_RENEWAL_TRUST] = {APP_REREAD_IMAGE, "clients are judged by it from now on"},
        [TLS_RENEWAL_CONTEXTS] = {APP_REREAD_RELOAD, "the configuration is loaded anew"},
    };
    const struct loaded *l = conf;
    struct buf what = {0};
    const struct process_conf *process = &l->snapshot->process;
    int key_line = process->key_process ? key_keeper_start(process) : -1;
    enum tls_renewal r = tls_pool_renew(l->snapshot->tls_pool, key_line,
                                        (struct tls_report){.problem = on_bad_file, .owner = conf},
                                        &what, image);

    if (tell_changed_lists(l->snapshot, &what))
        r = TLS_RENEWAL_CONTEXTS;
    if (r != TLS_RENEWAL_NOTHING)
        log_write(&log_process, LOG_NOTICE, "files have changed: %.*s; %s (%s)",
                  STR_ARG(buf_str(&what)), outcomes[r].how, cause(l));
    buf_deinit(&what);
    return outcomes[r].what;
}

const struct app_watch proxy_watch = {start_watch, has_settled, reread, stop_watch};
