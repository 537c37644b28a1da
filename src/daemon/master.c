/* The master owns what outlives a configuration: listening sockets, logs, the pid file. It forks a
 * builder for each configuration, gives it what it asks for, and reads nothing itself.
 *
 *   HUP ──▶ start_builder ──▶ SETTINGS, LOG…, LISTEN… ──▶ READY: the old builder is told to RETIRE
 *                                    └──▶ builder ends: what was opened for it is closed, the old
 * one serves on
 *
 * A HUP during a build is remembered, once: reloads cannot pile up. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder.h"
#include "channel.h"
#include "detach.h"
#include "listen_set.h"
#include "log_set.h"
#include "pid_file.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "signals.h"
#include "single.h"
#include "title.h"

/* A builder ends its workers one second after TERM; it gets a little longer itself. */
#define KILL_AFTER_MS 2000
/* A builder that died is replaced after a pause, which doubles. */
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 10000

struct builder_log {
    struct log_file *file; /* NULL: syslog */
    int level;             /* of the master's own messages; -1: none */
};

struct builder_ref {
    struct list link;
    pid_t pid;
    int channel; /* -1: it closed its end */
    struct builder_log *logs;
    size_t log_count;
    char pid_path[PATH_MAX];
};

struct master {
    const struct app *app;
    void *context;
    int signal_fd;
    int report_fd; /* where the shell waits for the outcome; -1 */
    struct list builders;
    struct builder_ref *building, *serving; /* others are leaving */
    struct listen_set sockets;
    struct log_set logs;
    struct log *log;         /* the chain of the serving configuration */
    char pid_path[PATH_MAX]; /* empty: not written */
    enum { RUNNING, QUITTING, TERMINATING } state;
    enum { IN_FOREGROUND, MUST_DETACH, DETACHED, MUST_BE_SINGLE } place;
    bool has_served, reload_asked;
    int64_t kill_at_ms, rebuild_at_ms; /* 0: not planned */
    int64_t pause_ms;
    int status;
};

static struct log_file stderr_file = {.path = STR_INIT(""), .fd = STDERR_FILENO};

/* ------------------------------------------------------------------ builders */

static struct builder_ref *builder_of(struct list *link)
{
    return CONTAINER_OF(link, struct builder_ref, link);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* In the child: every descriptor of the master's but these, or sockets and channels would live on
 * in it. */
static void close_all_but(int *keep, size_t count)
{
    unsigned from = STDERR_FILENO + 1;

    qsort(keep, count, sizeof *keep, compare_ints);
    for (size_t i = 0; i < count; i++) {
        if (keep[i] < (int)from)
            continue;
        if (keep[i] > (int)from)
            (void)close_range(from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    (void)close_range(from, ~0U, 0);
}

#define KEPT_MAX 32

static void keep_channel_and_log(int channel)
{
    int keep[KEPT_MAX] = {channel};
    size_t count = 1;

    for (const struct log *l = log_process.log; l != NULL && count < KEPT_MAX; l = l->next)
        if (l->file->fd > STDERR_FILENO)
            keep[count++] = l->file->fd;
    close_all_but(keep, count);
}

static enum builder_kind next_kind(const struct master *m)
{
    if (m->has_served)
        return BUILDER_RELOAD;
    return m->place == DETACHED ? BUILDER_DETACHED : BUILDER_FIRST;
}

static struct builder_ref *builder_fork(struct master *m)
{
    int ends[2];

    if (!channel_pair(ends)) {
        log_write_errno(&log_process, LOG_ALERT, errno,
                        "socketpair() failed while spawning \"builder process\"");
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        keep_channel_and_log(ends[1]);
        exit(builder_run(m->app, m->context, ends[1], next_kind(m)));
    }
    int err = errno;
    (void)close(ends[1]);
    if (pid == -1) {
        (void)close(ends[0]);
        log_write_errno(&log_process, LOG_ALERT, err,
                        "fork() failed while spawning \"builder process\"");
        return NULL;
    }
    struct builder_ref *b = MEM_NEW(struct builder_ref);
    b->pid = pid;
    b->channel = ends[0];
    list_push_back(&m->builders, &b->link);
    return b;
}

static void plan_rebuild(struct master *m)
{
    m->pause_ms = m->pause_ms == 0 ? PAUSE_MIN_MS : m->pause_ms * 2;
    if (m->pause_ms > PAUSE_MAX_MS)
        m->pause_ms = PAUSE_MAX_MS;
    m->rebuild_at_ms = clock_monotonic_ms() + m->pause_ms;
}

static void start_builder(struct master *m)
{
    assert(m->building == NULL);
    m->reload_asked = false;
    m->rebuild_at_ms = 0;
    listen_set_begin(&m->sockets);
    m->building = builder_fork(m);
    if (m->building == NULL && m->serving == NULL)
        plan_rebuild(m);
}

static void close_channel(struct builder_ref *b)
{
    if (b->channel != -1)
        (void)close(b->channel);
    b->channel = -1;
}

static void builder_free(struct builder_ref *b)
{
    list_remove(&b->link);
    close_channel(b);
    mem_free(b->logs);
    mem_free(b);
}

/* A builder that takes no messages is beyond help. */
static void send_to(struct builder_ref *b, const struct message *msg)
{
    if (b->channel == -1 || channel_send(b->channel, msg) || errno != EAGAIN)
        return;
    log_write(&log_process, LOG_ALERT, "builder process %d does not respond, killed", (int)b->pid);
    (void)kill(b->pid, SIGKILL);
}

static void order(struct builder_ref *b, enum message_type type)
{
    struct message msg;

    msg.type = type;
    msg.fd_count = 0;
    send_to(b, &msg);
}

/* ------------------------------------------------------------------ logs */

static bool is_log_needed(void *owner, const struct log_file *file)
{
    struct master *m = owner;

    LIST_FOR_EACH(it, &m->builders)
    {
        struct builder_ref *b = builder_of(it);
        for (size_t i = 0; i < b->log_count; i++)
            if (b->logs[i].file == file)
                return true;
    }
    for (const struct log *l = m->log; l != NULL; l = l->next)
        if (l->file == file)
            return true;
    return false;
}

static void free_chain(struct log *log)
{
    while (log != NULL) {
        struct log *next = (struct log *)log->next;
        mem_free(log);
        log = next;
    }
}

static struct log *make_chain(const struct builder_ref *b)
{
    struct log *first = NULL;

    for (size_t i = b->log_count; i-- > 0;) {
        if (b->logs[i].level < 0 || b->logs[i].file == NULL)
            continue;
        struct log *l = MEM_NEW(struct log);
        *l = (struct log){b->logs[i].file, (enum log_level)b->logs[i].level, first};
        first = l;
    }
    return first;
}

/* The master logs where the configuration that serves says. */
static void adopt_logs(struct master *m, const struct builder_ref *b)
{
    struct log *old = m->log;
    const struct log *before = log_process.log;

    m->log = make_chain(b);
    log_set_process(m->log);
    /* That of the command line (-e), opened before there was a master. */
    if (old == NULL && before->file->fd > STDERR_FILENO)
        (void)close(before->file->fd);
    free_chain(old);
    log_set_sweep(&m->logs, is_log_needed, m);
    if (!m->has_served && m->place == DETACHED && m->log != NULL && m->log->file != &stderr_file)
        leave_terminal(m->log->file->fd);
}

static void send_log(struct builder_ref *b, unsigned number)
{
    struct message msg;

    if (b->logs[number].file == NULL || b->logs[number].file == &stderr_file)
        return;
    memset(&msg, 0, sizeof msg);
    msg.type = MESSAGE_REOPEN;
    msg.reopen.log = number;
    msg.fds[0] = b->logs[number].file->fd;
    msg.fd_count = 1;
    send_to(b, &msg);
}

static void reopen_logs(struct master *m)
{
    log_set_reopen(&m->logs);
    LIST_FOR_EACH(it, &m->builders)
    for (unsigned i = 0; i < builder_of(it)->log_count; i++)
        send_log(builder_of(it), i);
}

/* ------------------------------------------------------------------ what builders ask for */

static void reply(struct builder_ref *b, const struct message_result *result, const int *fds,
                  size_t count)
{
    struct message msg;

    msg.type = MESSAGE_RESULT;
    msg.result = *result;
    if (count > 0)
        memcpy(msg.fds, fds, sizeof *fds * count);
    msg.fd_count = count;
    send_to(b, &msg);
}

static void on_settings(struct master *m, struct builder_ref *b, const struct message_settings *s)
{
    static const struct message_result ok = {.err = 0};

    memcpy(b->pid_path, s->pid_path, sizeof b->pid_path);
    if (!m->has_served && !s->master_process)
        m->place = MUST_BE_SINGLE;
    else if (!m->has_served && s->daemonize && m->place == IN_FOREGROUND)
        m->place = MUST_DETACH;
    else
        reply(b, &ok, NULL, 0);
}

static struct log_file *open_log(struct master *m, const struct message_log *asked)
{
    if (asked->path[0] != '\0')
        return log_set_take(&m->logs, asked->path);
    return asked->level < 0 ? NULL : &stderr_file;
}

static void on_log(struct master *m, struct builder_ref *b, const struct message_log *asked)
{
    struct log_file *file = open_log(m, asked);
    struct message_result result = {.err = file == NULL && asked->path[0] != '\0' ? errno : 0};
    bool has_fd = file != NULL && file != &stderr_file;

    b->logs = mem_realloc(b->logs, sizeof *b->logs * (b->log_count + 1));
    b->logs[b->log_count++] = (struct builder_log){file, asked->level};
    reply(b, &result, has_fd ? &file->fd : NULL, has_fd ? 1 : 0);
}

static void send_sockets(struct builder_ref *b, const struct listen_fds *sockets)
{
    size_t sent = 0;

    do {
        size_t left = sockets->count - sent, now = left < CHANNEL_FDS_MAX ? left : CHANNEL_FDS_MAX;
        struct message_result result = {.left = (unsigned)(left - now)};
        reply(b, &result, &sockets->fds[sent], now);
        sent += now;
    } while (sent < sockets->count);
}

static void on_listen(struct master *m, struct builder_ref *b, const struct message_listen *asked)
{
    struct listen_fds sockets = {0};
    struct message_result failed = {0};

    if (listen_set_get(&m->sockets, &asked->spec, asked->wanted, &sockets, &failed.call)) {
        send_sockets(b, &sockets);
    } else {
        failed.err = errno;
        reply(b, &failed, NULL, 0);
    }
    mem_free(sockets.fds);
}

/* ------------------------------------------------------------------ one configuration after the
 * other */

static void end_at_once(struct master *m);

static bool move_pid_file(struct master *m, const struct builder_ref *b)
{
    if (strcmp(m->pid_path, b->pid_path) == 0)
        return true;
    if (!pid_file_write(b->pid_path))
        return m->has_served; /* a reload goes on with the old one */
    if (m->pid_path[0] != '\0')
        pid_file_remove(m->pid_path);
    memcpy(m->pid_path, b->pid_path, sizeof m->pid_path);
    return true;
}

static void on_first_ready(struct master *m)
{
    if (m->report_fd != -1)
        detach_report(m->report_fd, 0);
    m->report_fd = -1;
    m->has_served = true;
}

static void on_ready(struct master *m, struct builder_ref *b)
{
    if (b != m->building)
        return;
    m->building = NULL;
    if (m->serving != NULL)
        order(m->serving, MESSAGE_RETIRE);
    m->serving = b;
    m->pause_ms = 0;
    listen_set_commit(&m->sockets);
    if (!m->has_served)
        log_mirror_stderr(true); /* the pid file's trouble is told where the start's was */
    bool ok = move_pid_file(m, b);
    log_mirror_stderr(false);
    if (!ok) {
        m->status = 1;
        end_at_once(m);
        return;
    }
    adopt_logs(m, b);
    on_first_ready(m);
    if (m->reload_asked)
        start_builder(m);
}

static void on_message(struct master *m, struct builder_ref *b, struct message *msg)
{
    if (m->state != RUNNING)
        return;
    if (msg->type == MESSAGE_READY)
        on_ready(m, b);
    if (b != m->building)
        return;
    if (msg->type == MESSAGE_SETTINGS)
        on_settings(m, b, &msg->settings);
    else if (msg->type == MESSAGE_LOG)
        on_log(m, b, &msg->log);
    else if (msg->type == MESSAGE_LISTEN)
        on_listen(m, b, &msg->listen);
}

static void on_channel(struct master *m, struct builder_ref *b)
{
    struct message msg;

    for (;;) {
        switch (channel_receive(b->channel, &msg, false)) {
        case CHANNEL_EMPTY:
            return;
        case CHANNEL_GONE:
            close_channel(b); /* how it ended is SIGCHLD's to tell */
            return;
        case CHANNEL_MESSAGE:
            on_message(m, b, &msg);
            message_close_fds(&msg);
        }
    }
}

/* ------------------------------------------------------------------ deaths */

static void on_failed_build(struct master *m)
{
    m->building = NULL;
    listen_set_rollback(&m->sockets);
    if (m->state != RUNNING)
        return;
    if (!m->has_served) {
        m->status = 1;
        m->state = QUITTING;
        return;
    }
    if (m->reload_asked)
        start_builder(m);
    else if (m->serving == NULL)
        plan_rebuild(m);
}

static void on_death_of_serving(struct master *m)
{
    m->serving = NULL;
    if (m->state == RUNNING && m->building == NULL)
        plan_rebuild(m);
}

static void on_death(struct master *m, struct builder_ref *b, int status)
{
    if (b->channel != -1)
        on_channel(m, b); /* what it said last */
    if (WIFSIGNALED(status))
        log_write(&log_process, LOG_ALERT, "builder process %d exited on signal %d%s", (int)b->pid,
                  WTERMSIG(status), WCOREDUMP(status) ? " (core dumped)" : "");
    if (b == m->building)
        on_failed_build(m);
    else if (b == m->serving)
        on_death_of_serving(m);
    builder_free(b);
    log_set_sweep(&m->logs, is_log_needed, m);
}

static void reap(struct master *m)
{
    int status;
    pid_t pid;

    /* As process 1 of a container, orphans too. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        LIST_FOR_EACH(it, &m->builders)
    if (builder_of(it)->pid == pid) {
        on_death(m, builder_of(it), status);
        break;
    }
}

/* ------------------------------------------------------------------ signals */

static void kill_building(struct master *m)
{
    if (m->building != NULL)
        (void)kill(m->building->pid, SIGKILL); /* its workers see its end before they began */
}

static void stop_serving(struct master *m, enum message_type how)
{
    kill_building(m);
    LIST_FOR_EACH(it, &m->builders)
    if (builder_of(it) != m->building)
        order(builder_of(it), how);
    listen_set_close(&m->sockets);
}

static void on_quit(struct master *m)
{
    if (m->state != RUNNING)
        return;
    m->state = QUITTING;
    stop_serving(m, MESSAGE_QUIT);
}

static void end_at_once(struct master *m)
{
    if (m->state == TERMINATING)
        return;
    m->state = TERMINATING;
    m->kill_at_ms = clock_monotonic_ms() + KILL_AFTER_MS;
    stop_serving(m, MESSAGE_TERM);
}

static void on_reload(struct master *m)
{
    if (m->state != RUNNING)
        return;
    log_write(&log_process, LOG_NOTICE, "reconfiguring");
    if (m->building != NULL)
        m->reload_asked = true;
    else
        start_builder(m);
}

static void on_reopen(struct master *m)
{
    log_write(&log_process, LOG_NOTICE, "reopening logs");
    reopen_logs(m);
}

static void on_unsupported(struct master *m)
{
    (void)m;
}

static const struct signal_row {
    int number;
    const char *name, *action;
    void (*act)(struct master *m);
} signals[] = {
    {SIGHUP, "SIGHUP", "reconfiguring", on_reload},
    {SIGQUIT, "SIGQUIT", "shutting down", on_quit},
    {SIGTERM, "SIGTERM", "exiting", end_at_once},
    {SIGINT, "SIGINT", "exiting", end_at_once},
    {SIGUSR1, "SIGUSR1", "reopening logs", on_reopen},
    {SIGUSR2, "SIGUSR2", "ignored: changing the binary is not supported", on_unsupported},
    {SIGWINCH, "SIGWINCH", "ignored: stopping workers alone is not supported", on_unsupported},
};

#define SIGNALS (sizeof signals / sizeof signals[0])

static void on_signal(struct master *m, const struct signalfd_siginfo *info)
{
    if (info->ssi_signo == SIGCHLD) {
        reap(m);
        return;
    }
    for (size_t i = 0; i < SIGNALS; i++) {
        const struct signal_row *row = &signals[i];
        if ((uint32_t)row->number != info->ssi_signo)
            continue;
        log_write(&log_process, LOG_NOTICE, "signal %d (%s) received from %d, %s", row->number,
                  row->name, (int)info->ssi_pid, row->action);
        row->act(m);
    }
}

static void read_signals(struct master *m)
{
    struct signalfd_siginfo info;

    while (read(m->signal_fd, &info, sizeof info) == sizeof info)
        on_signal(m, &info);
}

static int open_signals(void)
{
    int numbers[SIGNALS + 1];

    for (size_t i = 0; i < SIGNALS; i++)
        numbers[i] = signals[i].number;
    numbers[SIGNALS] = SIGCHLD;
    return signals_open(numbers, SIGNALS + 1);
}

/* ------------------------------------------------------------------ the loop */

static int wait_ms(const struct master *m)
{
    int64_t now = clock_monotonic_ms(), next = INT64_MAX;

    if (m->kill_at_ms != 0)
        next = m->kill_at_ms;
    if (m->rebuild_at_ms != 0 && m->rebuild_at_ms < next)
        next = m->rebuild_at_ms;
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : (int)(next - now);
}

static void poll_once(struct master *m)
{
    size_t count = 1;

    LIST_FOR_EACH(it, &m->builders)
    count++;
    struct pollfd *polled = mem_zalloc(sizeof *polled * count);
    struct builder_ref **refs = mem_zalloc(sizeof *refs * count);
    polled[0] = (struct pollfd){.fd = m->signal_fd, .events = POLLIN};
    count = 1;
    LIST_FOR_EACH(it, &m->builders)
    {
        refs[count] = builder_of(it);
        polled[count++] = (struct pollfd){.fd = builder_of(it)->channel, .events = POLLIN};
    }
    (void)poll(polled, count, wait_ms(m));
    clock_update();
    /* Messages first: signals may free builders. */
    for (size_t i = 1; i < count; i++)
        if (polled[i].revents != 0)
            on_channel(m, refs[i]);
    if (polled[0].revents != 0)
        read_signals(m);
    mem_free(polled);
    mem_free(refs);
}

static void kill_builders(struct master *m)
{
    LIST_FOR_EACH(it, &m->builders)
    (void)kill(builder_of(it)->pid, SIGKILL);
    m->kill_at_ms = clock_monotonic_ms() + KILL_AFTER_MS;
}

static void on_time(struct master *m)
{
    int64_t now = clock_monotonic_ms();

    if (m->kill_at_ms != 0 && now >= m->kill_at_ms)
        kill_builders(m);
    if (m->rebuild_at_ms != 0 && now >= m->rebuild_at_ms && m->state == RUNNING &&
        m->building == NULL)
        start_builder(m);
}

static bool is_over(const struct master *m)
{
    return m->state != RUNNING && list_is_empty(&m->builders);
}

/* Until the end, or until the first configuration says that this process is in the wrong place. */
static void run(struct master *m)
{
    while (!is_over(m) && m->place != MUST_DETACH && m->place != MUST_BE_SINGLE) {
        poll_once(m);
        on_time(m);
    }
}

/* The builder that told its settings waits for an answer; its end of file makes it go. */
static void dismiss_builder(struct master *m)
{
    struct builder_ref *b = m->building;
    int status;

    m->building = NULL;
    close_channel(b);
    (void)waitpid(b->pid, &status, 0);
    builder_free(b);
}

static void go_to_background(struct master *m)
{
    dismiss_builder(m);
    m->place = DETACHED;
    m->report_fd = detach();
    if (m->report_fd == -1) {
        log_write_errno(&log_process, LOG_ALERT, errno, "fork() failed");
        m->status = 1;
        m->state = TERMINATING;
        return;
    }
    start_builder(m);
    run(m);
}

static bool keep_no_log(void *owner, const struct log_file *file)
{
    (void)owner;
    (void)file;
    return false;
}

static void end(struct master *m)
{
    listen_set_close(&m->sockets);
    if (m->pid_path[0] != '\0')
        pid_file_remove(m->pid_path);
    if (m->has_served)
        log_write(&log_process, LOG_NOTICE, "exit");
    if (m->report_fd != -1)
        detach_report(m->report_fd, m->status);
    (void)close(m->signal_fd);
    if (m->log != NULL)
        log_set_process(NULL);
    free_chain(m->log);
    log_set_sweep(&m->logs, keep_no_log, NULL);
}

int daemon_run(const struct app *app, void *context, char **argv)
{
    struct master m = {.app = app, .context = context, .report_fd = -1};

    title_init(argv);
    title_set("master process");
    signals_block();
    clock_update();
    m.signal_fd = open_signals();
    list_init(&m.builders);
    listen_set_init(&m.sockets);
    start_builder(&m);
    run(&m);
    if (m.place == MUST_DETACH)
        go_to_background(&m);
    if (m.place == MUST_BE_SINGLE) {
        dismiss_builder(&m);
        (void)close(m.signal_fd);
        return single_run(app, context);
    }
    end(&m);
    return m.status;
}
