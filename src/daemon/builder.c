/* The life of a builder:
 *
 *   build   load ─▶ settings to the master ─▶ logs and sockets from it ─▶ fork workers
 *                ─▶ all are ready ─▶ READY to the master, START to the workers
 *   serve   a worker that dies is replaced
 *   drain   RETIRE, QUIT or TERM from the master, or its end: workers are told and waited for
 *
 * Until READY any failure ends the builder and its workers, and nothing else has changed. */
#include "builder.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "builder_impl.h"
#include "detach.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "signals.h"
#include "title.h"

/* Workers that were told to end at once get so long. */
#define KILL_AFTER_MS 1000
#define DAY_MS        86400000

static void step(struct builder *b, enum build_step at)
{
    if (b->app->on_step != NULL)
        b->app->on_step(b->conf, at);
}

/* ------------------------------------------------------------------ the end */

/* At the latest: of several times the first one holds. */
static void kill_in(struct builder *b, int64_t ms)
{
    int64_t at = clock_monotonic_ms() + ms;

    if (b->kill_at_ms == 0 || at < b->kill_at_ms)
        b->kill_at_ms = at;
}

void builder_drain(struct builder *b, enum message_type order)
{
    if (b->state == BUILDING)
        b->failed = true;
    if (b->state < DRAINING)
        builder_close_sockets(b);
    builder_stop_watching(b);
    builder_forget_reader(b);
    b->state = DRAINING;
    builder_order_workers(b, order);
    /* They see to it themselves, as long as they do as they are told. */
    if (b->settings.shutdown_timeout_ms > 0)
        kill_in(b, b->settings.shutdown_timeout_ms + KILL_AFTER_MS);
}

void builder_end_at_once(struct builder *b)
{
    builder_drain(b, MESSAGE_TERM);
    b->state = ENDING;
    kill_in(b, KILL_AFTER_MS);
}

/* ------------------------------------------------------------------ messages */

/* At the start, and each day. */
static void remind_daily(struct builder *b)
{
    int64_t now = clock_monotonic_ms();

    if (b->state != SERVING || b->app->remind == NULL || now < b->remind_at_ms)
        return;
    b->app->remind(b->conf, b->remind_at_ms == 0);
    b->remind_at_ms = now + DAY_MS;
}

static void when_all_ready(struct builder *b)
{
    for (unsigned i = 0; i < b->settings.workers; i++)
        if (!b->slots[i].ready)
            return;
    step(b, BUILD_READY);
    b->state = SERVING;
    builder_order_workers(b, MESSAGE_START);
    if (channel_send_type(b->channel, MESSAGE_READY))
        return;
    /* Unheard it would serve beside the old one, and no reload be possible any more. */
    b->failed = true;
    builder_drain(b, MESSAGE_QUIT);
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
    memset(&m, 0, sizeof m);
    m.type = MESSAGE_START;
    builder_send_to_worker(slot, &m);
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

void builder_reopen_log(struct builder *b, struct message *m)
{
    struct log_file *f = b->settings.log_files;

    for (unsigned i = 0; f != NULL && i < m->reopen.log; i++)
        f = f->next;
    if (f == NULL || m->fd_count != 1)
        return;
    (void)dup3(m->fds[0], f->fd, O_CLOEXEC);
    builder_send_to_workers(b, m);
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
        builder_drain(b, MESSAGE_QUIT);
        return;
    case CHANNEL_MESSAGE:
        break;
    }
    if (m.type == MESSAGE_RETIRE || m.type == MESSAGE_QUIT)
        builder_drain(b, m.type);
    else if (m.type == MESSAGE_TERM)
        builder_end_at_once(b);
    else if (m.type == MESSAGE_REOPEN)
        builder_reopen_log(b, &m);
    else if (m.type == MESSAGE_IMAGE)
        builder_send_to_workers(b, &m);
    else if (m.type == MESSAGE_REST)
        builder_rest(b);
    else if (m.type == MESSAGE_RESUME)
        builder_resume(b);
    else if (m.type == MESSAGE_REREAD)
        builder_reread(b);
    message_close_fds(&m);
}

/* ------------------------------------------------------------------ the loop */

static void on_signals(struct builder *b)
{
    struct signalfd_siginfo info;

    while (read(b->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            builder_reap(b);
        else if (info.ssi_signo == SIGTERM)
            builder_end_at_once(b); /* not the master's way; someone else's wish */
    }
}

static int wait_ms(const struct builder *b)
{
    int64_t now = clock_monotonic_ms(), next = INT64_MAX;

    if (b->kill_at_ms != 0)
        next = b->kill_at_ms;
    else if (b->state == SERVING && b->remind_at_ms != 0)
        next = b->remind_at_ms;
    for (unsigned i = 0; i < b->settings.workers && b->state < DRAINING; i++) {
        const struct slot *slot = &b->slots[i];
        if (slot->pid == 0 && slot->start_at_ms != 0 && slot->start_at_ms < next)
            next = slot->start_at_ms;
    }
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : next - now > DAY_MS ? DAY_MS : (int)(next - now);
}

static void await_events(struct builder *b)
{
    unsigned workers = b->settings.workers;
    bool serves = b->state == SERVING;

    b->polled[POLLED_SIGNALS] = (struct pollfd){.fd = b->signal_fd, .events = POLLIN};
    b->polled[POLLED_MASTER] = (struct pollfd){.fd = b->channel, .events = POLLIN};
    b->polled[POLLED_WATCH] = (struct pollfd){.fd = serves ? b->watch_fd : -1, .events = POLLIN};
    b->polled[POLLED_READER] = (struct pollfd){.fd = b->reader, .events = POLLIN};
    for (unsigned i = 0; i < workers; i++)
        /* A worker that ended is SIGCHLD's. */
        b->polled[i + POLLED_OWN] = (struct pollfd){
            .fd = b->slots[i].pid != 0 && !b->slots[i].ready ? b->slots[i].channel : -1,
            .events = POLLIN};
    (void)poll(b->polled, workers + POLLED_OWN, wait_ms(b));
    clock_update();
}

static void handle_events(struct builder *b)
{
    for (unsigned i = 0; i < b->settings.workers; i++)
        if ((b->polled[i + POLLED_OWN].revents & POLLIN) != 0 && b->slots[i].pid != 0)
            on_worker_message(b, &b->slots[i]);
    if (b->polled[POLLED_SIGNALS].revents != 0)
        on_signals(b);
    if (b->polled[POLLED_MASTER].revents != 0)
        on_master_message(b);
    if (b->polled[POLLED_WATCH].revents != 0 && b->watch_fd != -1)
        builder_on_watch(b);
    if (b->polled[POLLED_READER].revents != 0 && b->reader != -1)
        builder_on_reader(b);
    if (b->kill_at_ms != 0 && clock_monotonic_ms() >= b->kill_at_ms)
        builder_kill_workers(b);
    remind_daily(b);
    builder_start_due_workers(b);
}

static void run(struct builder *b)
{
    while (b->state < DRAINING || builder_running_workers(b) > 0) {
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

/* The kernel writes a core file with its process's rights. */
static void let_dump(struct builder *b)
{
    int folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (folder == -1)
        return;
    sandbox_may_write_in(&b->sandbox, folder);
    (void)close(folder);
}

static void make_sandbox(struct builder *b)
{
    sandbox_open(&b->sandbox, b->settings.sandbox);
    if (b->app->confine != NULL)
        b->app->confine(b->conf, &b->sandbox);
    if (b->settings.rlimit_core > 0)
        let_dump(b);
    sandbox_describe(&b->sandbox);
}

static bool build(struct builder *b, enum builder_kind kind)
{
    log_mirror_stderr(kind == BUILDER_FIRST);
    b->conf = kind == BUILDER_DETACHED ? load_quietly(b) : b->app->load(b->context, &b->settings);
    if (b->conf == NULL)
        return false;
    assert(b->settings.workers > 0);
    log_mirror_stderr(kind != BUILDER_RELOAD);
    if (!builder_tell_settings(b) || !builder_tell_image(b))
        return false;
    step(b, BUILD_LOADED);
    if (!privilege_find(&b->privilege, &b->settings) || !builder_get_logs(b) ||
        !builder_get_zones(b))
        return false;
    step(b, BUILD_LOGS);
    if (!builder_get_sockets(b))
        return false;
    step(b, BUILD_SOCKETS);
    if (b->app->provide != NULL)
        b->app->provide(b->conf, b->privilege.uid, b->privilege.gid);
    switch_logs(b, kind);
    make_sandbox(b);
    if (!builder_start_workers(b))
        return false;
    builder_watch(b);
    step(b, BUILD_FORKED);
    return true;
}

int builder_run(const struct app *app, void *context, int channel, enum builder_kind kind)
{
    struct builder b = {.app = app,
                        .context = context,
                        .channel = channel,
                        .watch_fd = -1,
                        .reader = -1,
                        .signal_fd = signals_open((int[]){SIGCHLD, SIGTERM}, 2),
                        .sandbox = SANDBOX_NONE};

    mem_on_shortage(NULL); /* another one is made */
    title_set("builder process");
    privilege_hide_memory();
    if (!build(&b, kind)) {
        b.failed = true;
        builder_drain(&b, MESSAGE_QUIT);
    }
    log_mirror_stderr(false);
    run(&b);
    if (b.conf != NULL)
        app->unload(b.conf);
    builder_close_sockets(&b);
    sandbox_close(&b.sandbox);
    builder_free_memory(&b);
    return b.failed ? 1 : 0;
}
