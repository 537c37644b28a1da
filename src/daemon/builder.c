/* The life of a builder:
 *
 *   build    load ─▶ settings to the master ─▶ logs and sockets from it ─▶ fork workers ─▶ all
 * ready ─▶ READY, START watch    a worker that dies is replaced drain    RETIRE, QUIT or TERM from
 * the master, or its end: workers are told and waited for
 *
 * Until READY any failure ends the builder and its workers, and nothing else has changed. */
#include "builder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "detach.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "privilege.h"
#include "signals.h"
#include "title.h"
#include "worker.h"

/* bind() is tried so often, a pause between: the previous owner of the address may be on its way
 * out. */
#define BIND_TRIES    5
#define BIND_PAUSE_MS 200
/* A worker that lived shorter than this is replaced after a pause, which doubles up to a limit. */
#define SHORT_LIFE_MS 1000
#define PAUSE_MIN_MS  100
#define PAUSE_MAX_MS  5000
/* Deaths by signal (someone's kill, no memory) that a build survives. */
#define DEATHS_WHILE_BUILDING 3
/* Workers that were told to end at once get so long. */
#define KILL_AFTER_MS 1000

struct slot {    /* for one worker after the other */
    pid_t pid;   /* 0: none runs */
    int channel; /* to it */
    bool ready;
    int64_t started_ms, start_at_ms; /* start_at_ms: when to fork the next */
    int64_t pause_ms;
};

/* Sockets of one address, as the master gave them. */
struct address_sockets {
    int *fds;
    size_t count;
};

struct builder {
    const struct app *app;
    void *context, *conf;
    int channel, signal_fd;
    struct daemon_settings settings;
    struct privilege privilege;
    struct address_sockets *sockets; /* one for each of settings.listens */
    struct slot *slots;
    struct pollfd *polled;
    enum { BUILDING, SERVING, DRAINING, ENDING } state;
    unsigned deaths;
    int64_t kill_at_ms; /* 0: no */
    bool failed;
};

static void step(struct builder *b, enum build_step at)
{
    if (b->app->on_step != NULL)
        b->app->on_step(b->conf, at);
}

static void reopen_log(struct builder *b, struct message *m);

/* ------------------------------------------------------------------ asking the master */

static bool send_to_master(struct builder *b, const struct message *m)
{
    return channel_send(b->channel, m);
}

/* Anything but an answer means that the master wants us gone. */
static bool await_result(struct builder *b, struct message *m)
{
    for (;;) {
        if (channel_receive(b->channel, m, true) != CHANNEL_MESSAGE)
            return false;
        if (m->type != MESSAGE_REOPEN)
            return m->type == MESSAGE_RESULT;
        reopen_log(b, m);
        message_close_fds(m);
    }
}

static bool tell_settings(struct builder *b)
{
    struct message m;

    memset(&m, 0, sizeof m);
    m.type = MESSAGE_SETTINGS;
    m.settings.daemonize = b->settings.daemonize;
    m.settings.master_process = b->settings.master_process;
    (void)snprintf(m.settings.pid_path, sizeof m.settings.pid_path, "%s", b->settings.pid_path);
    return send_to_master(b, &m) && await_result(b, &m);
}

/* -1: not a destination of the process's own messages. */
static int level_for_master(const struct daemon_settings *s, const struct log_file *file)
{
    for (const struct log *l = s->error_log; l != NULL; l = l->next)
        if (l->file == file)
            return (int)l->level;
    return -1;
}

/* Every log is asked for, also stderr and syslog's: REOPEN names them by their number. */
static bool get_log(struct builder *b, struct log_file *file)
{
    struct message m;

    memset(&m, 0, sizeof m);
    m.type = MESSAGE_LOG;
    m.log.level = file->syslog != NULL ? -1 : level_for_master(&b->settings, file);
    if (file->syslog == NULL)
        (void)snprintf(m.log.path, sizeof m.log.path, "%.*s", STR_ARG(file->path));
    if (!send_to_master(b, &m) || !await_result(b, &m))
        return false;
    if (m.result.err != 0) {
        log_write_errno(&log_process, LOG_EMERG, m.result.err, "open() \"%.*s\" failed",
                        STR_ARG(file->path));
        return false;
    }
    if (m.fd_count == 1)
        file->fd = m.fds[0];
    return true;
}

static bool get_logs(struct builder *b)
{
    for (struct log_file *f = b->settings.log_files; f != NULL; f = f->next)
        if (!get_log(b, f))
            return false;
    return true;
}

static void log_listen_failure(const struct listen_spec *spec, const struct message_result *result)
{
    char text[ADDR_TEXT_MAX];

    log_write_errno(&log_process, LOG_EMERG, result->err, "%s %.*s failed",
                    listen_call_text(result->call), STR_ARG(addr_text_port(&spec->addr, text)));
}

/* Gathers the descriptors of as many results as they come in. */
static bool receive_sockets(struct builder *b, struct address_sockets *to,
                            struct message_result *result)
{
    struct message m;

    do {
        if (!await_result(b, &m)) {
            *result = (struct message_result){.err = 0};
            return false;
        }
        *result = m.result;
        to->fds = mem_realloc(to->fds, sizeof *to->fds * (to->count + m.fd_count + 1));
        memcpy(&to->fds[to->count], m.fds, sizeof *m.fds * m.fd_count);
        to->count += m.fd_count;
    } while (m.result.left > 0);
    return result->err == 0;
}

static bool ask_for_sockets(struct builder *b, size_t i, struct message_result *result)
{
    const struct listen_spec *spec = &b->settings.listens[i];
    struct message m;

    memset(&m, 0, sizeof m);
    m.type = MESSAGE_LISTEN;
    m.listen.spec = *spec;
    m.listen.wanted = spec->reuseport && addr_family(&spec->addr) != AF_UNIX ? b->settings.workers
                                                                             : 1;
    *result = (struct message_result){.err = 0};
    return send_to_master(b, &m) && receive_sockets(b, &b->sockets[i], result);
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
    clock_update();
}

static bool get_sockets_of(struct builder *b, size_t i, int *tries_left)
{
    struct message_result result;

    while (!ask_for_sockets(b, i, &result)) {
        if (result.err == 0)
            return false;
        log_listen_failure(&b->settings.listens[i], &result);
        if (result.err != EADDRINUSE || --*tries_left <= 0)
            return false;
        pause_ms(BIND_PAUSE_MS);
    }
    return true;
}

static bool get_sockets(struct builder *b)
{
    int tries_left = BIND_TRIES;

    b->sockets = mem_zalloc(sizeof *b->sockets * (b->settings.listen_count + 1));
    for (size_t i = 0; i < b->settings.listen_count; i++) {
        if (get_sockets_of(b, i, &tries_left))
            continue;
        if (tries_left <= 0)
            log_write(&log_process, LOG_EMERG, "still could not bind()");
        return false;
    }
    return true;
}

static void close_sockets(struct builder *b)
{
    for (size_t i = 0; b->sockets != NULL && i < b->settings.listen_count; i++) {
        for (size_t j = 0; j < b->sockets[i].count; j++)
            (void)close(b->sockets[i].fds[j]);
        mem_free(b->sockets[i].fds);
    }
    mem_free(b->sockets);
    b->sockets = NULL;
}

/* ------------------------------------------------------------------ forking workers */

/* With reuseport each worker has its own of an address's sockets, and the surplus ones are dealt
 * out. */
static bool is_for_worker(const struct builder *b, size_t listen, size_t socket, size_t worker)
{
    return !b->settings.listens[listen].reuseport || b->sockets[listen].count == 1 ||
           socket % b->settings.workers == worker;
}

/* Fills out with the worker's sockets and closes the others. */
static size_t deal_sockets(struct builder *b, size_t worker, struct app_socket **out)
{
    size_t total = 0, count = 0;

    for (size_t i = 0; i < b->settings.listen_count; i++)
        total += b->sockets[i].count;
    *out = mem_zalloc(sizeof **out * (total + 1));
    for (size_t i = 0; i < b->settings.listen_count; i++)
        for (size_t j = 0; j < b->sockets[i].count; j++) {
            if (is_for_worker(b, i, j, worker))
                (*out)[count++] = (struct app_socket){b->sockets[i].fds[j], i};
            else
                (void)close(b->sockets[i].fds[j]);
        }
    return count;
}

/* In the new worker: nothing of the builder's own stays open, or the ends of its channels would not
 * be seen. */
static void drop_builders_descriptors(struct builder *b)
{
    (void)close(b->channel);
    (void)close(b->signal_fd);
    for (unsigned i = 0; i < b->settings.workers; i++)
        if (b->slots[i].pid != 0)
            (void)close(b->slots[i].channel);
}

static void free_builders_memory(struct builder *b)
{
    for (size_t i = 0; b->sockets != NULL && i < b->settings.listen_count; i++)
        mem_free(b->sockets[i].fds);
    mem_free(b->sockets);
    mem_free(b->slots);
    mem_free(b->polled);
}

static __attribute__((noreturn)) void become_worker(struct builder *b, unsigned index, int channel)
{
    struct app_socket *sockets;

    drop_builders_descriptors(b);
    title_set("worker process");
    size_t count = deal_sockets(b, index, &sockets);
    struct worker_start start = {b->app,  b->conf, &b->settings, &b->privilege,
                                 sockets, count,   channel};
    int status = worker_run(&start);
    mem_free(sockets);
    free_builders_memory(b);
    b->app->unload(b->conf);
    exit(status);
}

static bool start_worker(struct builder *b, unsigned index)
{
    struct slot *slot = &b->slots[index];
    int ends[2];

    clock_update();
    *slot = (struct slot){
        .channel = -1, .started_ms = clock_monotonic_ms(), .pause_ms = slot->pause_ms};
    if (!channel_pair(ends)) {
        log_write_errno(&log_process, LOG_ALERT, errno,
                        "socketpair() failed while spawning \"worker process\"");
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        become_worker(b, index, ends[1]);
    }
    int err = errno;
    (void)close(ends[1]);
    if (pid == -1) {
        (void)close(ends[0]);
        log_write_errno(&log_process, LOG_ALERT, err,
                        "fork() failed while spawning \"worker process\"");
        return false;
    }
    slot->pid = pid;
    slot->channel = ends[0];
    return true;
}

static bool start_workers(struct builder *b)
{
    log_write(&log_process, LOG_NOTICE, "start worker processes");
    b->slots = mem_zalloc(sizeof *b->slots * b->settings.workers);
    b->polled = mem_zalloc(sizeof *b->polled * (b->settings.workers + 2));
    for (unsigned i = 0; i < b->settings.workers; i++)
        if (!start_worker(b, i))
            return false;
    return true;
}

/* ------------------------------------------------------------------ orders */

static unsigned running_workers(const struct builder *b)
{
    unsigned count = 0;

    for (unsigned i = 0; b->slots != NULL && i < b->settings.workers; i++)
        count += b->slots[i].pid != 0;
    return count;
}

static void send_to_worker(struct slot *slot, const struct message *m)
{
    /* A worker that does not read its few messages hangs. One that has ended is about to be reaped.
     */
    if (slot->pid != 0 && !channel_send(slot->channel, m) && errno == EAGAIN) {
        log_write(&log_process, LOG_ALERT, "worker process %d does not respond, killed",
                  (int)slot->pid);
        (void)kill(slot->pid, SIGKILL);
    }
}

static void send_to_workers(struct builder *b, const struct message *m)
{
    for (unsigned i = 0; b->slots != NULL && i < b->settings.workers; i++)
        send_to_worker(&b->slots[i], m);
}

static void order_workers(struct builder *b, enum message_type type)
{
    struct message m;

    m.type = type;
    m.fd_count = 0;
    send_to_workers(b, &m);
}

static void drain(struct builder *b, enum message_type order)
{
    if (b->state == BUILDING)
        b->failed = true;
    if (b->state < DRAINING)
        close_sockets(b);
    b->state = DRAINING;
    order_workers(b, order);
}

static void end_at_once(struct builder *b)
{
    drain(b, MESSAGE_TERM);
    b->state = ENDING;
    if (b->kill_at_ms == 0)
        b->kill_at_ms = clock_monotonic_ms() + KILL_AFTER_MS;
}

static void kill_workers(struct builder *b)
{
    for (unsigned i = 0; i < b->settings.workers; i++)
        if (b->slots[i].pid != 0)
            (void)kill(b->slots[i].pid, SIGKILL);
    b->kill_at_ms = clock_monotonic_ms() + KILL_AFTER_MS;
}

/* ------------------------------------------------------------------ messages */

static void when_all_ready(struct builder *b)
{
    for (unsigned i = 0; i < b->settings.workers; i++)
        if (!b->slots[i].ready)
            return;
    step(b, BUILD_READY);
    b->state = SERVING;
    order_workers(b, MESSAGE_START);
    /* A master that is gone is noticed by its channel's end. */
    (void)channel_send_type(b->channel, MESSAGE_READY);
}

static void on_worker_ready(struct builder *b, struct slot *slot)
{
    struct message m;

    slot->ready = true;
    log_write(&log_process, LOG_NOTICE, "start worker process %d", (int)slot->pid);
    if (b->state == BUILDING) {
        when_all_ready(b);
        return;
    }
    m.type = MESSAGE_START;
    m.fd_count = 0;
    send_to_worker(slot, &m);
}

static void on_worker_message(struct builder *b, struct slot *slot)
{
    struct message m;

    /* Its end is learnt by SIGCHLD. */
    if (channel_receive(slot->channel, &m, false) != CHANNEL_MESSAGE)
        return;
    if (m.type == MESSAGE_READY && b->state < DRAINING)
        on_worker_ready(b, slot);
    message_close_fds(&m);
}

static void reopen_log(struct builder *b, struct message *m)
{
    struct log_file *f = b->settings.log_files;

    for (unsigned i = 0; f != NULL && i < m->reopen.log; i++)
        f = f->next;
    if (f == NULL || m->fd_count != 1)
        return;
    (void)dup3(m->fds[0], f->fd, O_CLOEXEC);
    send_to_workers(b, m);
}

static void on_master_message(struct builder *b)
{
    struct message m;

    switch (channel_receive(b->channel, &m, false)) {
    case CHANNEL_EMPTY:
        return;
    case CHANNEL_GONE:
        /* The master was killed. Its sockets live as long as ours: drain, so that another may
         * start. */
        (void)close(b->channel);
        b->channel = -1;
        drain(b, MESSAGE_QUIT);
        return;
    case CHANNEL_MESSAGE:
        break;
    }
    if (m.type == MESSAGE_RETIRE || m.type == MESSAGE_QUIT)
        drain(b, m.type);
    else if (m.type == MESSAGE_TERM)
        end_at_once(b);
    else if (m.type == MESSAGE_REOPEN)
        reopen_log(b, &m);
    message_close_fds(&m);
}

/* ------------------------------------------------------------------ deaths */

static void log_death(pid_t pid, int status)
{
    if (WIFSIGNALED(status))
        log_write(&log_process, LOG_ALERT, "worker process %d exited on signal %d%s", (int)pid,
                  WTERMSIG(status), WCOREDUMP(status) ? " (core dumped)" : "");
    else
        log_write(&log_process, LOG_NOTICE, "worker process %d exited with code %d", (int)pid,
                  WEXITSTATUS(status));
}

/* Before all are ready, a worker that says no means that the configuration cannot run. */
static bool ends_the_build(struct builder *b, int status)
{
    if (b->state != BUILDING)
        return false;
    return !WIFSIGNALED(status) || ++b->deaths > DEATHS_WHILE_BUILDING;
}

static void plan_replacement(struct slot *slot)
{
    int64_t now = clock_monotonic_ms();
    bool lived = now - slot->started_ms >= SHORT_LIFE_MS;

    slot->start_at_ms = lived ? now : now + slot->pause_ms;
    slot->pause_ms = lived ? 0 : slot->pause_ms == 0 ? PAUSE_MIN_MS : slot->pause_ms * 2;
    if (slot->pause_ms > PAUSE_MAX_MS)
        slot->pause_ms = PAUSE_MAX_MS;
    if (slot->start_at_ms == 0)
        slot->start_at_ms = 1; /* zero means never */
}

static void on_death(struct builder *b, pid_t pid, int status)
{
    for (unsigned i = 0; i < b->settings.workers; i++) {
        struct slot *slot = &b->slots[i];
        if (slot->pid != pid)
            continue;
        log_death(pid, status);
        (void)close(slot->channel);
        slot->pid = 0;
        slot->ready = false;
        if (b->state >= DRAINING)
            return;
        if (ends_the_build(b, status))
            drain(b, MESSAGE_QUIT);
        else if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_CANNOT_START)
            log_write(&log_process, LOG_ALERT,
                      "worker process %d exited with fatal code %d and cannot be respawned",
                      (int)pid, WORKER_EXIT_CANNOT_START);
        else
            plan_replacement(slot);
        return;
    }
}

static void reap(struct builder *b)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_death(b, pid, status);
}

static void start_due_workers(struct builder *b)
{
    for (unsigned i = 0; i < b->settings.workers && b->state < DRAINING; i++) {
        struct slot *slot = &b->slots[i];
        if (slot->pid != 0 || slot->start_at_ms == 0 || slot->start_at_ms > clock_monotonic_ms())
            continue;
        if (!start_worker(b, i))
            plan_replacement(slot);
    }
}

static void on_signals(struct builder *b)
{
    struct signalfd_siginfo info;

    while (read(b->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(b);
        else if (info.ssi_signo == SIGTERM)
            end_at_once(b); /* not the master's way; someone else's wish */
    }
}

/* ------------------------------------------------------------------ the loop */

static int wait_ms(const struct builder *b)
{
    int64_t now = clock_monotonic_ms(), next = INT64_MAX;

    if (b->kill_at_ms != 0)
        next = b->kill_at_ms;
    for (unsigned i = 0; i < b->settings.workers && b->state < DRAINING; i++) {
        const struct slot *slot = &b->slots[i];
        if (slot->pid == 0 && slot->start_at_ms != 0 && slot->start_at_ms < next)
            next = slot->start_at_ms;
    }
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}

static void await_events(struct builder *b)
{
    unsigned workers = b->settings.workers;

    b->polled[0] = (struct pollfd){.fd = b->signal_fd, .events = POLLIN};
    b->polled[1] = (struct pollfd){.fd = b->channel, .events = POLLIN};
    for (unsigned i = 0; i < workers; i++)
        /* A worker that ended is SIGCHLD's. */
        b->polled[i + 2] = (struct pollfd){
            .fd = b->slots[i].pid != 0 && !b->slots[i].ready ? b->slots[i].channel : -1,
            .events = POLLIN};
    (void)poll(b->polled, workers + 2, wait_ms(b));
    clock_update();
}

static void handle_events(struct builder *b)
{
    for (unsigned i = 0; i < b->settings.workers; i++)
        if ((b->polled[i + 2].revents & POLLIN) != 0 && b->slots[i].pid != 0)
            on_worker_message(b, &b->slots[i]);
    if (b->polled[0].revents != 0)
        on_signals(b);
    if (b->polled[1].revents != 0)
        on_master_message(b);
    if (b->kill_at_ms != 0 && clock_monotonic_ms() >= b->kill_at_ms)
        kill_workers(b);
    start_due_workers(b);
}

static void run(struct builder *b)
{
    while (b->state < DRAINING || running_workers(b) > 0) {
        await_events(b);
        handle_events(b);
    }
}

/* ------------------------------------------------------------------ the build */

/* A master that went to the background had its file read before, and told what is wrong with it. */
static void *load_quietly(struct builder *b)
{
    const struct log *kept = log_process.log;
    struct log quiet = {.file = kept->file, .level = LOG_EMERG};

    log_set_process(&quiet);
    void *conf = b->app->load(b->context, &b->settings);
    log_set_process(kept);
    return conf;
}

static void close_logs(const struct log *log)
{
    for (const struct log *l = log; l != NULL; l = l->next)
        if (l->file->fd > STDERR_FILENO)
            (void)close(l->file->fd);
}

static bool logs_to_stderr(const struct log *log)
{
    for (const struct log *l = log; l != NULL; l = l->next)
        if (l->file->fd == STDERR_FILENO)
            return true;
    return false;
}

/* From here on messages go where the new configuration says; the master's descriptors, inherited,
 * would keep files alive that were rotated away. */
static void switch_logs(struct builder *b, enum builder_kind kind)
{
    const struct log *masters = log_process.log;

    log_set_process(b->settings.error_log);
    close_logs(masters);
    if (kind == BUILDER_DETACHED && !logs_to_stderr(log_process.log))
        leave_terminal(log_process.log->file->fd);
}

static bool build(struct builder *b, enum builder_kind kind)
{
    log_mirror_stderr(kind == BUILDER_FIRST);
    b->conf = kind == BUILDER_DETACHED ? load_quietly(b) : b->app->load(b->context, &b->settings);
    if (b->conf == NULL)
        return false;
    assert(b->settings.workers > 0);
    log_mirror_stderr(kind != BUILDER_RELOAD);
    if (!tell_settings(b))
        return false;
    step(b, BUILD_LOADED);
    if (!privilege_find(&b->privilege, &b->settings) || !get_logs(b))
        return false;
    step(b, BUILD_LOGS);
    if (!get_sockets(b))
        return false;
    step(b, BUILD_SOCKETS);
    if (b->app->provide != NULL)
        b->app->provide(b->conf, b->privilege.uid, b->privilege.gid);
    switch_logs(b, kind);
    if (!start_workers(b))
        return false;
    step(b, BUILD_FORKED);
    return true;
}

int builder_run(const struct app *app, void *context, int channel, enum builder_kind kind)
{
    struct builder b = {.app = app,
                        .context = context,
                        .channel = channel,
                        .signal_fd = signals_open((int[]){SIGCHLD, SIGTERM}, 2)};

    title_set("builder process");
    if (!build(&b, kind)) {
        b.failed = true;
        drain(&b, MESSAGE_QUIT);
    }
    log_mirror_stderr(false);
    run(&b);
    if (b.conf != NULL)
        app->unload(b.conf);
    close_sockets(&b);
    free_builders_memory(&b);
    return b.failed ? 1 : 0;
}
