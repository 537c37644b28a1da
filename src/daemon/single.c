#include "single.h"

#include <errno.h>
#include <unistd.h>

#include "channel.h"
#include "listen_set.h"
#include "log_set.h"
#include "pid_file.h"
#include "portcullis/base/memory.h"
#include "worker.h"
#include "zone_set.h"

struct single {
    const struct app *app;
    void *conf;
    struct daemon_settings settings;
    struct listen_set listening;
    struct app_socket *sockets;
    size_t socket_count;
};

static bool open_logs(struct single *s)
{
    for (struct log_file *f = s->settings.log_files; f != NULL; f = f->next) {
        if (f->syslog != NULL || f->path.len == 0)
            continue;
        f->fd = log_open(f->path.ptr);
        if (f->fd != -1)
            continue;
        log_write_errno(&log_process, LOG_EMERG, errno, "open() \"%s\" failed", f->path.ptr);
        return false;
    }
    return true;
}

static bool make_zone(struct zone *z)
{
    int fd = zone_create(z->size);
    bool mapped = fd != -1 && zone_map(z, fd);

    if (!mapped)
        zone_log_failure(z, errno);
    if (fd != -1)
        (void)close(fd);
    return mapped;
}

static bool make_zones(struct single *s)
{
    for (struct zone *z = s->settings.zones; z != NULL; z = z->next)
        if (!make_zone(z))
            return false;
    return true;
}

static bool open_one(struct single *s, size_t i)
{
    const struct listen_spec *spec = &s->settings.listens[i];
    struct listen_fds got = {0};
    enum listen_call failed;
    char text[ADDR_TEXT_MAX];

    if (!listen_set_get(&s->listening, spec, 1, &got, &failed)) {
        log_write_errno(&log_process, LOG_EMERG, errno, "%s %.*s failed", listen_call_text(failed),
                        STR_ARG(addr_text_port(&spec->addr, text)));
        mem_free(got.fds);
        return false;
    }
    s->sockets[s->socket_count++] = (struct app_socket){got.fds[0], i};
    mem_free(got.fds);
    return true;
}

static bool open_sockets(struct single *s)
{
    s->sockets = mem_zalloc(sizeof *s->sockets * (s->settings.listen_count + 1));
    for (size_t i = 0; i < s->settings.listen_count; i++)
        if (!open_one(s, i))
            return false;
    return true;
}

static int run(struct single *s)
{
    const struct privilege as_started = {.drop = false};
    struct sandbox none = SANDBOX_NONE; /* the master's work is to be done, too */
    struct worker_start start = {s->app, s->conf,    &s->settings,    &as_started,
                                 &none,  s->sockets, s->socket_count, -1};

    if (s->app->provide != NULL)
        s->app->provide(s->conf, geteuid(), getegid());
    log_set_process(s->settings.error_log);
    if (!pid_file_write(s->settings.pid_path))
        return 1;
    log_mirror_stderr(false);
    int status = worker_run(&start);
    pid_file_remove(s->settings.pid_path);
    return status;
}

int single_run(const struct app *app, void *context)
{
    struct single s = {.app = app};

    log_mirror_stderr(true);
    s.conf = app->load(context, &s.settings);
    if (s.conf == NULL)
        return 1;
    if (s.settings.image != -1)
        (void)close(s.settings.image); /* there are no other workers */
    listen_set_init(&s.listening);
    int status = open_logs(&s) && make_zones(&s) && open_sockets(&s) ? run(&s) : 1;
    listen_set_close(&s.listening);
    mem_free(s.sockets);
    app->unload(s.conf);
    return status;
}
