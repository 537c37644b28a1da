/* The master owns what outlives a configuration: listening sockets, logs, the pid file. It forks a
 * builder for each configuration, gives it what it asks for, and reads nothing itself.
 *
 *   HUP ──▶ start_builder ──▶ SETTINGS, LOG…, LISTEN… ──▶ READY: the old builder must RETIRE
 *                                    └──▶ it ends: what was opened for it is closed, and the
 *                                         old one serves on
 *
 * A HUP during a build is remembered, once: reloads cannot pile up. USR2 and WINCH are
 * master_upgrade.c's. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detach.h"
#include "master_impl.h"
#include "pid_file.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "service.h"
#include "signals.h"
#include "single.h"
#include "title.h"
#include "upgrade.h"

/* A builder ends its workers one second after TERM; it gets a little longer itself. */
#define KILL_AFTER_MS 2000
/* A builder that died is replaced after a pause, which doubles. */
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 10000

/* ------------------------------------------------------------------ configurations */

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
    if (m->serving != NULL)
        service_notify_reload();
    m->reload_asked = false;
    m->rebuild_at_ms = 0;
    listen_set_begin(&m->sockets);
    m->building = ref_fork(m);
    if (m->building != NULL || m->serving != NULL)
        return;
    if (m->has_served) {
        plan_rebuild(m);
        return;
    }
    m->status = 1;
    m->state = QUITTING;
}

static void end_at_once(struct master *m);

static bool move_pid_file(struct master *m, const struct builder_ref *b)
{
    if (strcmp(m->pid_path, b->pid_path) == 0 || m->successor != 0)
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
    ref_share_image(m, b);
    master_tell_predecessor(m);
    if (m->serving != NULL)
        ref_order(m->serving, MESSAGE_RETIRE);
    m->serving = b;
    m->pause_ms = 0;
    m->is_resting = false;
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
    master_adopt_logs(m, b);
    on_first_ready(m);
    service_notify("READY=1\nMAINPID=%d\nSTATUS=Serving", (int)getpid());
    if (m->reload_asked)
        start_builder(m);
}

static void on_reload(struct master *m);

/* Files of the configuration that serves have changed. */
static void on_news(struct master *m, struct builder_ref *b, struct message *msg)
{
    if (msg->type == MESSAGE_RELOAD && m->successor == 0)
        on_reload(m);
    else if (msg->type == MESSAGE_RELOAD)
        log_write(&log_process, LOG_NOTICE, "the newer program has read it, this one does not");
    if (msg->type != MESSAGE_IMAGE)
        return;
    ref_on_image(b, msg);
    ref_share_image(m, b);
    master_tell_predecessor(m);
}

static void on_message(struct master *m, struct builder_ref *b, struct message *msg)
{
    if (m->state != RUNNING && msg->type != MESSAGE_IMAGE)
        return;
    if (msg->type == MESSAGE_READY)
        on_ready(m, b);
    else if (b == m->serving)
        on_news(m, b, msg);
    if (b != m->building)
        return;
    if (msg->type == MESSAGE_IMAGE)
        ref_on_image(b, msg);
    else if (msg->type == MESSAGE_SETTINGS)
        ref_on_settings(m, b, &msg->settings);
    else if (msg->type == MESSAGE_LOG)
        ref_on_log(m, b, &msg->log);
    else if (msg->type == MESSAGE_ZONE)
        ref_on_zone(m, b, &msg->zone);
    else if (msg->type == MESSAGE_LISTEN)
        ref_on_listen(m, b, &msg->listen);
}

static void on_channel(struct master *m, struct builder_ref *b)
{
    struct message msg;

    for (;;) {
        switch (channel_receive(b->channel, &msg, false)) {
        case CHANNEL_EMPTY:
            return;
        case CHANNEL_GONE:
            ref_close_channel(b); /* how it ended is SIGCHLD's to tell */
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
    if (m->serving != NULL) {
        log_write(&log_process, LOG_ERROR,
                  "the reload failed: the configuration before it serves on");
        service_notify(
            "READY=1\nSTATUS=The last reload failed; the configuration before it serves");
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
    ref_free(b);
    master_sweep(m);
}

static void on_child_end(struct master *m, pid_t pid, int status)
{
    if (pid == m->successor)
        master_on_successor_end(m, status);
    LIST_FOR_EACH(it, &m->builders)
    if (ref_of(it)->pid == pid) {
        on_death(m, ref_of(it), status);
        return;
    }
}

static void reap(struct master *m)
{
    int status;
    pid_t pid;

    /* As process 1 of a container, orphans too. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_child_end(m, pid, status);
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
    if (ref_of(it) != m->building)
        ref_order(ref_of(it), how);
    listen_set_close(&m->sockets);
}

static void on_quit(struct master *m)
{
    if (m->state != RUNNING)
        return;
    m->state = QUITTING;
    master_notify_end(m);
    /* With another program that serves, it is a change like a reload: who is connected has an
     * answer. */
    stop_serving(m, m->sockets.is_shared ? MESSAGE_RETIRE : MESSAGE_QUIT);
    /* A reader that was under way is forgotten by who retires. */
    if (m->successor != 0 && m->serving != NULL)
        ref_order(m->serving, MESSAGE_REREAD);
}

static void end_at_once(struct master *m)
{
    if (m->state == TERMINATING)
        return;
    m->state = TERMINATING;
    master_notify_end(m);
    m->kill_at_ms = clock_monotonic_ms() + KILL_AFTER_MS;
    stop_serving(m, MESSAGE_TERM);
}

static void on_reload(struct master *m)
{
    if (m->state != RUNNING || master_resume(m))
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
    master_reopen_logs(m);
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
    {SIGUSR2, "SIGUSR2", "changing binary", master_upgrade},
    {SIGWINCH, "SIGWINCH", "stop accepting connections", master_rest},
};

#define SIGNALS (sizeof signals / sizeof signals[0])

static void on_signal(struct master *m, const struct signalfd_siginfo *info)
{
    if (info->ssi_signo == SIGCHLD) {
        reap(m);
        return;
    }
    if (info->ssi_signo == SIGWINCH && info->ssi_code == SI_KERNEL)
        return; /* the terminal's window has another size */
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
    const int64_t planned[] = {m->kill_at_ms, m->rebuild_at_ms, m->watchdog_at_ms};
    int64_t now = clock_monotonic_ms(), next = INT64_MAX;

    for (size_t i = 0; i < sizeof planned / sizeof planned[0]; i++)
        if (planned[i] != 0 && planned[i] < next)
            next = planned[i];
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : (int)(next - now);
}

static void poll_once(struct master *m)
{
    enum { SIGNALS_AT, NEWS_AT, BUILDERS_AT };
    size_t count = BUILDERS_AT;

    LIST_FOR_EACH(it, &m->builders)
    count++;
    struct pollfd *polled = mem_zalloc(sizeof *polled * count);
    struct builder_ref **refs = mem_zalloc(sizeof *refs * count);
    polled[SIGNALS_AT] = (struct pollfd){.fd = m->signal_fd, .events = POLLIN};
    polled[NEWS_AT] = (struct pollfd){.fd = m->hears, .events = POLLIN};
    count = BUILDERS_AT;
    LIST_FOR_EACH(it, &m->builders)
    {
        refs[count] = ref_of(it);
        polled[count++] = (struct pollfd){.fd = ref_of(it)->channel, .events = POLLIN};
    }
    (void)poll(polled, count, wait_ms(m));
    clock_update();
    master_share_sockets(m);
    /* Messages first: signals may free builders. */
    for (size_t i = BUILDERS_AT; i < count; i++)
        if (polled[i].revents != 0)
            on_channel(m, refs[i]);
    if (polled[NEWS_AT].revents != 0)
        master_on_trust_news(m);
    if (polled[SIGNALS_AT].revents != 0)
        read_signals(m);
    mem_free(polled);
    mem_free(refs);
}

static void kill_builders(struct master *m)
{
    LIST_FOR_EACH(it, &m->builders)
    (void)kill(ref_of(it)->pid, SIGKILL);
    m->kill_at_ms = clock_monotonic_ms() + KILL_AFTER_MS;
}

static void on_time(struct master *m)
{
    int64_t now = clock_monotonic_ms();

    if (m->watchdog_at_ms != 0 && now >= m->watchdog_at_ms) {
        service_notify("WATCHDOG=1");
        m->watchdog_at_ms = now + service_watchdog_ms();
    }
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
    ref_close_channel(b);
    (void)waitpid(b->pid, &status, 0);
    ref_free(b);
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

static void end(struct master *m)
{
    listen_set_close(&m->sockets);
    master_remove_pid_file(m);
    if (m->has_served)
        log_write(&log_process, LOG_NOTICE, "exit");
    if (m->report_fd != -1)
        detach_report(m->report_fd, m->status);
    (void)close(m->signal_fd);
    master_close_all(m);
}

/* All would go down with the master. Whoever asks for the end meanwhile gets it. */
static bool wait_for_memory(void)
{
    static const struct timespec pause = {.tv_nsec = 100000000};
    sigset_t ends;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGQUIT);
    return sigtimedwait(&ends, NULL, &pause) == -1;
}

/* What the environment says is read, and taken out of it, before the title takes its place. */
static void start(struct master *m, char **argv)
{
    clock_update();
    list_init(&m->builders);
    listen_set_init(&m->sockets);
    upgrade_init(argv);
    master_adopt_inheritance(m);
    service_init(m->predecessor);
    m->watchdog_at_ms = service_watchdog_ms() > 0 ? clock_monotonic_ms() : 0;
    title_init(argv);
    title_set("master process");
    signals_block();
    mem_on_shortage(wait_for_memory);
    m->signal_fd = open_signals();
}

int daemon_run(const struct app *app, void *context, char **argv)
{
    struct master m = {.app = app, .context = context, .report_fd = -1};

    start(&m, argv);
    start_builder(&m);
    run(&m);
    if (m.place == MUST_DETACH)
        go_to_background(&m);
    if (m.place == MUST_BE_SINGLE) {
        dismiss_builder(&m);
        (void)close(m.signal_fd);
        mem_on_shortage(NULL);
        return single_run(app, context);
    }
    end(&m);
    return m.status;
}
