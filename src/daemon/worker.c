#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "channel.h"
#include "log_set.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "signals.h"
#include "title.h"

struct worker {
    const struct worker_start *start;
    struct loop *loop;
    struct watch *channel, *signals;
    struct timer *shutdown; /* worker_shutdown_timeout */
    int signal_fd;
    int spare;     /* a descriptor that makes room for that of a message; -1: there was none left */
    void *running; /* NULL: not yet */
    bool draining, ending, done;
};

static void finish(struct worker *w)
{
    w->done = true;
    loop_stop(w->loop);
}

/* ------------------------------------------------------------------ draining */

static void on_drained(void *owner)
{
    finish(owner);
}

static void on_shutdown_timeout(void *owner)
{
    struct worker *w = owner;

    log_write(&log_process, LOG_NOTICE, "worker_shutdown_timeout: closing what is left");
    w->start->app->abort(w->running);
}

static void close_listening(struct worker *w)
{
    for (size_t i = 0; i < w->start->socket_count; i++)
        (void)close(w->start->sockets[i].fd);
}

static void say_draining(struct worker *w)
{
    const struct daemon_settings *s = w->start->settings;

    log_write(&log_process, LOG_NOTICE, "gracefully shutting down");
    title_set("worker process is shutting down");
    if (s->shutdown_timeout_ms > 0)
        timer_start(w->shutdown, s->shutdown_timeout_ms);
}

static void drain(struct worker *w, enum app_drain how)
{
    bool first = !w->draining;

    if (w->running == NULL) {
        finish(w);
        return;
    }
    w->draining = true;
    if (first && !w->ending)
        say_draining(w);
    w->start->app->drain(w->running, how, on_drained, w);
    /* An address that no configuration wants any more must end, and it does with its last
     * descriptor. */
    if (first)
        close_listening(w);
}

/* Connections are cut, not finished; the loop still sees them closed. */
static void end_at_once(struct worker *w)
{
    w->ending = true;
    drain(w, APP_DRAIN_QUIT);
    if (w->running != NULL)
        w->start->app->abort(w->running);
}

/* ------------------------------------------------------------------ the builder's messages */

static void start_app(struct worker *w)
{
    const struct worker_start *s = w->start;

    if (w->running == NULL)
        w->running = s->app->start(s->conf, w->loop, s->sockets, s->socket_count);
}

static struct log_file *log_numbered(const struct daemon_settings *s, unsigned number)
{
    struct log_file *f = s->log_files;

    while (f != NULL && number-- > 0)
        f = f->next;
    return f;
}

static void replace_log(struct worker *w, struct message *m)
{
    struct log_file *f = log_numbered(w->start->settings, m->reopen.log);

    if (m->lost_fds)
        log_write_errno(&log_process, LOG_ALERT, EMFILE, "a log could not be reopened");
    if (f == NULL || m->fd_count != 1)
        return;
    if (w->running != NULL)
        w->start->app->flush_logs(w->running);
    (void)dup3(m->fds[0], f->fd, O_CLOEXEC);
}

static void take_image(struct worker *w, const struct message *m)
{
    const struct worker_start *s = w->start;

    if (m->fd_count != 1)
        log_write_errno(&log_process, LOG_ALERT, EMFILE,
                        "what the newer configuration trusts could not be received");
    s->app->take_image(s->conf, w->running, m->fd_count == 1 ? m->fds[0] : -1);
}

static void on_message(struct worker *w, struct message *m)
{
    switch (m->type) {
    case MESSAGE_START:
        start_app(w);
        return;
    case MESSAGE_RETIRE:
        drain(w, APP_DRAIN_RELOAD);
        return;
    case MESSAGE_QUIT:
        drain(w, APP_DRAIN_QUIT);
        return;
    case MESSAGE_TERM:
        end_at_once(w);
        return;
    case MESSAGE_IMAGE:
        take_image(w, m);
        return;
    case MESSAGE_REOPEN:
        replace_log(w, m);
        return;
    default:
        assert(!"a message for a worker");
    }
}

static void hold_spare(struct worker *w)
{
    if (w->spare == -1)
        w->spare = fcntl(w->signal_fd, F_DUPFD_CLOEXEC, 0);
}

/* However many connections there are: what is trusted, and logs, must come through. */
static enum channel_status receive(struct worker *w, struct message *m)
{
    if (w->spare != -1)
        (void)close(w->spare);
    w->spare = -1;
    return channel_receive(w->start->channel, m, false);
}

static void read_channel(struct worker *w)
{
    struct message m;

    while (w->channel != NULL) {
        enum channel_status status = receive(w, &m);
        if (status == CHANNEL_EMPTY)
            return;
        if (status == CHANNEL_GONE) {
            /* The builder was killed, or the master before it: nobody would tell us anything any
             * more. */
            watch_free(w->channel);
            w->channel = NULL;
            drain(w, APP_DRAIN_QUIT);
            return;
        }
        on_message(w, &m);
        message_close_fds(&m);
    }
}

static void on_channel(void *owner)
{
    struct worker *w = owner;

    read_channel(w);
    hold_spare(w);
}

/* ------------------------------------------------------------------ signals */

static void on_signal(void *owner)
{
    struct worker *w = owner;
    struct signalfd_siginfo info;

    while (read(w->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            end_at_once(w);
        else if (info.ssi_signo == SIGQUIT)
            drain(w, APP_DRAIN_QUIT);
    }
}

/* ------------------------------------------------------------------ life */

static bool set_up(struct worker *w)
{
    const struct worker_start *s = w->start;

    if (!privilege_drop(s->privilege, s->settings) || !s->app->prepare(s->conf) ||
        !sandbox_enter(s->sandbox))
        return false;
    /* After it: the loop would keep an io_uring, which no filter sees into. */
    w->loop = loop_new();
    /* Ctrl-C reaches the whole group; whoever has a master leaves it to the master. */
    w->signal_fd = signals_open((int[]){SIGTERM, SIGQUIT, SIGINT}, s->channel == -1 ? 3 : 2);
    if (w->loop == NULL)
        return false;
    w->shutdown = timer_new(w->loop, on_shutdown_timeout, w);
    w->signals = watch_new(w->loop, w->signal_fd, on_signal, w);
    hold_spare(w);
    if (s->channel != -1)
        w->channel = watch_new(w->loop, s->channel, on_channel, w);
    return w->signals != NULL && (s->channel == -1 || w->channel != NULL);
}

static void tear_down(struct worker *w)
{
    if (w->running != NULL)
        w->start->app->stop(w->running);
    watch_free(w->channel);
    watch_free(w->signals);
    timer_free(w->shutdown);
    loop_free(w->loop);
    (void)close(w->signal_fd);
    if (w->spare != -1)
        (void)close(w->spare);
}

int worker_run(const struct worker_start *start)
{
    struct worker w = {.start = start, .signal_fd = -1, .spare = -1};

    if (!set_up(&w))
        return WORKER_EXIT_CANNOT_START;
    log_mirror_stderr(false); /* what the start had to tell was told */
    if (start->channel == -1)
        start_app(&w);
    else if (!channel_send_type(start->channel, MESSAGE_READY))
        finish(&w);
    while (!w.done)
        loop_run(w.loop);
    log_write(&log_process, LOG_NOTICE, w.ending ? "exit" : "exiting");
    tear_down(&w);
    return 0;
}
