/* The proxy as an app of the process skeleton: its configuration read, tried, provided for, run. */
#include "proxy_app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "key_keeper.h"
#include "listen_set.h"
#include "log_set.h"
#include "portcullis/base/memory.h"
#include "portcullis/config/lint.h"
#include "portcullis/config/load.h"
#include "portcullis/proxy/folders.h"
#include "portcullis/proxy/proxy.h"
#include "portcullis/tls/context.h"
#include "portcullis/tls/key_process.h"
#include "portcullis/tls/trust_image.h"
#include "privilege.h"
#include "proxy_app_impl.h"

/* ------------------------------------------------------------------ reading */

static void on_problem(void *owner, enum log_level level, struct str message)
{
    const struct command *c = owner;
    bool is_silenced = c->action == COMMAND_TEST && c->quiet && level > LOG_ERROR;

    /* Whoever signals or asks for health has read the warnings, or will. */
    if (!is_silenced &&
        (level <= LOG_ERROR || c->action == COMMAND_RUN || c->action == COMMAND_TEST))
        log_write(&log_process, level, "%.*s", STR_ARG(message));
}

static struct str default_access_log(void)
{
    static const char path[] = PORTCULLIS_ACCESS_LOG;
    char folder[sizeof path];

    memcpy(folder, path, sizeof path);
    *strrchr(folder, '/') = '\0';
    return access(folder, W_OK | X_OK) == 0 ? STR(PORTCULLIS_ACCESS_LOG) : STR("");
}

struct snapshot *proxy_app_read(const struct command *c)
{
    struct config_options o = {
        .path = c->conf_path,
        .prefix = c->prefix,
        .directives = c->directives,
        .error_log = c->error_log,
        .access_log = default_access_log(),
        .default_pid_path = STR(PORTCULLIS_PID),
        .judges_only = c->action == COMMAND_EXPLAIN,
        .start_key_process = c->action == COMMAND_RUN ? key_keeper_start : NULL,
        .problem = on_problem,
        .owner = (void *)c,
    };

    return config_load(&o);
}

static const char *z_or_null(struct str s)
{
    return s.len > 0 ? s.ptr : NULL;
}

static void fill_settings(struct daemon_settings *s, const struct loaded *l)
{
    const struct process_conf *p = &l->snapshot->process;

    *s = (struct daemon_settings){
        .daemonize = p->daemon,
        .master_process = p->master_process,
        .workers = p->worker_processes > 0 ? p->worker_processes : 1,
        .pid_path = p->pid_path.ptr,
        .user = z_or_null(p->user),
        .group = z_or_null(p->group),
        .rlimit_nofile = p->worker_rlimit_nofile,
        .rlimit_core = p->worker_rlimit_core,
        .priority = p->worker_priority,
        .shutdown_timeout_ms = p->worker_shutdown_timeout_ms,
        .sandbox = p->sandbox,
        .error_log = p->error_log,
        .log_files = l->snapshot->log_files,
        .zones = l->snapshot->zones,
        .image = -1,
        .listens = l->listens,
        .listen_count = l->count,
    };
}

static struct listen_spec spec_of(const struct listen_conf *l)
{
    return (struct listen_spec){.addr = l->addr,
                                .backlog = l->backlog,
                                .reuseport = l->reuseport,
                                .ipv6only = l->ipv6only,
                                .so_keepalive = l->so_keepalive};
}

/* env NAME=value; a bare NAME is there already, since nothing of the environment is thrown away. */
static void set_environment(const struct process_conf *p)
{
    for (size_t i = 0; i < p->env.count; i++) {
        struct str rest = p->env.items[i], name = str_cut(&rest, '=');
        char *name_z = rest.ptr != NULL ? mem_zalloc(name.len + 1) : NULL;
        if (name_z == NULL)
            continue;
        memcpy(name_z, name.ptr, name.len);
        (void)setenv(name_z, rest.ptr, 1);
        mem_free(name_z);
    }
}

static void add_listens(struct loaded *l)
{
    const struct http_conf *http = &l->snapshot->http;

    l->listens = mem_zalloc(sizeof *l->listens * (http->binds.count + 1));
    l->binds = mem_zalloc(sizeof *l->binds * (http->binds.count + 1));
    for (size_t i = 0; i < http->binds.count; i++) {
        const struct bind_conf *b = http->binds.items[i];
        if (b->wildcard != NULL) /* its connections come over that one's socket */
            continue;
        l->listens[l->count] = spec_of(&b->listen);
        l->binds[l->count++] = b;
    }
}

/* One without TLS, too: older ones learn that their servers are gone. */
static bool share_trust(struct snapshot *snapshot, struct daemon_settings *s)
{
    if (snapshot->tls_pool == NULL)
        snapshot->tls_pool = tls_pool_new();
    s->image = trust_image_share(snapshot->tls_pool);
    if (s->image == -1)
        log_write_errno(&log_process, LOG_EMERG, errno, "the trust image could not be made");
    return s->image != -1;
}

static void unload(void *conf)
{
    struct loaded *l = conf;

    proxy_close_folders();
    for (struct log_file *f = l->snapshot->log_files; f != NULL; f = f->next)
        if (f->fd > STDERR_FILENO)
            (void)close(f->fd);
    for (struct zone *z = l->snapshot->zones; z != NULL; z = z->next)
        zone_unmap(z);
    snapshot_free(l->snapshot);
    mem_free(l->listens);
    mem_free(l->binds);
    mem_free(l);
}

static void *load(void *context, struct daemon_settings *s)
{
    time_t since = time(NULL);
    struct snapshot *snapshot = proxy_app_read(context);

    if (snapshot == NULL)
        return NULL;
    struct loaded *l = MEM_NEW(struct loaded);
    l->snapshot = snapshot;
    l->since = since;
    l->loader = getpid();
    add_listens(l);
    fill_settings(s, l);
    set_environment(&snapshot->process);
    if (share_trust(snapshot, s))
        return l;
    unload(l);
    return NULL;
}

/* ------------------------------------------------------------------ -t */

static bool try_logs(const struct snapshot *s)
{
    for (const struct log_file *f = s->log_files; f != NULL; f = f->next) {
        if (f->syslog != NULL || f->path.len == 0)
            continue;
        int fd = log_open(f->path.ptr);
        if (fd == -1) {
            log_write_errno(&log_process, LOG_EMERG, errno, "open() \"%s\" failed", f->path.ptr);
            return false;
        }
        (void)close(fd);
    }
    return true;
}

static bool try_address(struct listen_set *set, const struct listen_conf *l)
{
    struct listen_spec spec = spec_of(l);
    struct listen_fds fds = {0};
    enum listen_call failed;
    bool ok = listen_set_get(set, &spec, 1, &fds, &failed) || errno == EADDRINUSE;

    if (!ok)
        listen_log_failure(&l->addr, failed, errno);
    mem_free(fds.fds);
    return ok;
}

static bool try_addresses(const struct snapshot *s)
{
    struct listen_set set;
    bool ok = true;

    listen_set_init(&set);
    for (size_t i = 0; i < s->http.binds.count && ok; i++) {
        const struct bind_conf *b = s->http.binds.items[i];
        ok = b->wildcard != NULL || try_address(&set, &b->listen);
    }
    listen_set_close(&set);
    return ok;
}

bool proxy_app_try(const struct snapshot *s)
{
    const struct daemon_settings settings = {.user = z_or_null(s->process.user),
                                             .group = z_or_null(s->process.group)};
    struct privilege privilege;

    return privilege_find(&privilege, &settings) && try_logs(s) && try_addresses(s);
}

/* ------------------------------------------------------------------ running */

static void provide(void *conf, uid_t uid, gid_t gid)
{
    const struct loaded *l = conf;

    proxy_make_folders(l->snapshot, uid, gid);
}

static void may_write_in(void *owner, int fd)
{
    sandbox_may_write_in(owner, fd);
}

/* Bodies go to /tmp when their folder fails. */
static void confine_files(struct sandbox *s)
{
    int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

    sandbox_may_read(s, "/etc/resolv.conf"); /* c-ares does, before it is told its servers */
    folders_each(may_write_in, s);
    if (tmp == -1)
        return;
    sandbox_may_write_in(s, tmp);
    (void)close(tmp);
}

static void confine_peers(struct sandbox *s, const struct upstream_conf *u)
{
    VEC_FOR(struct peer_conf, it, &u->peers)
        if (addr_family(&it->addr) == AF_UNIX)
            sandbox_may_open(s, SANDBOX_UNIX_SOCKETS);
        else
            sandbox_may_connect(s, addr_port(&it->addr));
}

/* A lookup whose answer is too long for a datagram is made over TCP. */
static void confine_lookups(struct sandbox *s, const struct resolver_conf *r)
{
    sandbox_may_open(s, SANDBOX_DATAGRAMS);
    VEC_FOR(struct addr, it, &r->servers)
        sandbox_may_connect(s, addr_port(it));
}

/* "proxy_pass http://$to;" may be any of them, unix sockets too. */
static void confine_variables(struct sandbox *s)
{
    sandbox_may_connect_anywhere(s);
    sandbox_may_open(s, SANDBOX_UNIX_SOCKETS);
}

/* A syslog that went away is opened anew. */
static void confine_logs(struct sandbox *s, const struct log_file *files)
{
    for (const struct log_file *f = files; f != NULL; f = f->next)
        if (f->syslog != NULL)
            sandbox_may_open(s, syslog_family(f->syslog) == AF_UNIX ? SANDBOX_UNIX_SOCKETS
                                                                    : SANDBOX_DATAGRAMS);
}

static void confine(void *conf, struct sandbox *s)
{
    const struct snapshot *snapshot = ((struct loaded *)conf)->snapshot;
    const struct http_conf *http = &snapshot->http;

    confine_files(s);
    confine_logs(s, snapshot->log_files);
    if (http->proxies_by_variable)
        confine_variables(s);
    VEC_FOR(struct upstream_conf *, it, &http->upstreams)
        confine_peers(s, *it);
    VEC_FOR(struct resolver_conf *, it, &http->resolvers)
        confine_lookups(s, *it);
}

static bool prepare(void *conf)
{
    const struct loaded *l = conf;

    if (!tls_process_start()) {
        log_write(&log_process, LOG_EMERG, "no entropy for the random generator");
        return false;
    }
    /* Who loaded it himself (master_process off) has the first line, which the others live by. */
    if (l->loader == getpid() || tls_pool_reconnect_keys(l->snapshot->tls_pool))
        return true;
    log_write_errno(&log_process, LOG_EMERG, errno, "the key process cannot be reached");
    return false;
}

static void *start(void *conf, struct loop *l, const struct app_socket *sockets, size_t count)
{
    const struct loaded *loaded = conf;
    struct proxy_socket *bound = mem_zalloc(sizeof *bound * (count + 1));

    for (size_t i = 0; i < count; i++)
        bound[i] = (struct proxy_socket){sockets[i].fd, loaded->binds[sockets[i].listen]};
    struct proxy *p = proxy_start(l, loaded->snapshot, bound, count);
    mem_free(bound);
    return p;
}

static void drain(void *running, enum app_drain how, void (*on_done)(void *owner), void *owner)
{
    proxy_drain(running, how == APP_DRAIN_QUIT ? PROXY_DRAIN_QUIT : PROXY_DRAIN_RELOAD, on_done,
                owner);
}

static void take_image(void *conf, void *running, int image)
{
    struct loaded *l = conf;

    if (!trust_image_adopt(l->snapshot->tls_pool, image))
        log_write(&log_process, LOG_ALERT,
                  "what the newer configuration trusts cannot be read: clients are refused");
    if (running != NULL)
        proxy_trust_changed(running);
}

static void abort_running(void *running)
{
    proxy_abort(running);
}

static void flush_logs(void *running)
{
    proxy_flush_logs(running);
}

static void stop(void *running)
{
    proxy_free(running);
}

static bool needs(void *conf, pid_t pid)
{
    (void)conf;
    return key_keeper_is(pid);
}

static void on_reminder(void *owner, enum log_level level, struct str message)
{
    (void)owner;
    log_write(&log_process, level, "%.*s", STR_ARG(message));
}

static void remind(void *conf, bool is_first)
{
    const struct loaded *l = conf;

    config_remind(l->snapshot, time(NULL), is_first, on_reminder, NULL);
}

const struct app proxy_app = {
    .load = load,
    .unload = unload,
    .provide = provide,
    .confine = confine,
    .prepare = prepare,
    .start = start,
    .drain = drain,
    .watch = &proxy_watch,
    .take_image = take_image,
    .abort = abort_running,
    .flush_logs = flush_logs,
    .needs = needs,
    .remind = remind,
    .stop = stop,
};
