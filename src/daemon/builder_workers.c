#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder_impl.h"
#include "listen_set.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "title.h"
#include "worker.h"

/* A worker that lived shorter than this is replaced after a pause, which doubles up to a limit. */
#define SHORT_LIFE_MS 1000
#define PAUSE_MIN_MS  100
#define PAUSE_MAX_MS  5000
/* Deaths by signal (someone's kill, no memory) that a build survives. */
#define DEATHS_WHILE_BUILDING 3
/* Between one round of SIGKILL and the next. */
#define KILL_AGAIN_MS 1000

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

void builder_drop_descriptors(struct builder *b)
{
    builder_stop_watching(b);
    builder_forget_reader(b);
    (void)close(b->channel);
    (void)close(b->signal_fd);
    for (unsigned i = 0; i < b->slot_count; i++)
        if (b->slots[i].pid != 0)
            (void)close(b->slots[i].channel);
}

void builder_free_memory(struct builder *b)
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

    builder_drop_descriptors(b);
    title_set("worker process");
    size_t count = deal_sockets(b, index, &sockets);
    struct worker_start start = {b->app,      b->conf, &b->settings, &b->privilege,
                                 &b->sandbox, sockets, count,        channel};
    int status = worker_run(&start);
    mem_free(sockets);
    builder_free_memory(b);
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

bool builder_start_workers(struct builder *b)
{
    log_write(&log_process, LOG_NOTICE, "start worker processes");
    b->slots = mem_zalloc(sizeof *b->slots * b->settings.workers);
    b->slot_count = b->settings.workers;
    b->polled = mem_zalloc(sizeof *b->polled * (b->settings.workers + POLLED_OWN));
    for (unsigned i = 0; i < b->settings.workers; i++)
        if (!start_worker(b, i))
            return false;
    return true;
}

/* ------------------------------------------------------------------ orders */

unsigned builder_running_workers(const struct builder *b)
{
    unsigned count = 0;

    for (unsigned i = 0; b->slots != NULL && i < b->slot_count; i++)
        count += b->slots[i].pid != 0;
    return count;
}

void builder_send_to_worker(struct slot *slot, const struct message *m)
{
    /* A worker that does not read its few messages hangs, one that misses one does what nobody
     * knows. One that has ended is about to be reaped. */
    if (slot->pid != 0 && !channel_send(slot->channel, m) && !channel_is_gone(errno)) {
        log_write(&log_process, LOG_ALERT, "worker process %d does not respond, killed",
                  (int)slot->pid);
        (void)kill(slot->pid, SIGKILL);
    }
}

void builder_send_to_workers(struct builder *b, const struct message *m)
{
    for (unsigned i = 0; b->slots != NULL && i < b->slot_count; i++)
        builder_send_to_worker(&b->slots[i], m);
}

void builder_order_workers(struct builder *b, enum message_type type)
{
    struct message m;

    memset(&m, 0, sizeof m);
    m.type = type;
    builder_send_to_workers(b, &m);
}

void builder_kill_workers(struct builder *b)
{
    for (unsigned i = 0; i < b->slot_count; i++)
        if (b->slots[i].pid != 0)
            (void)kill(b->slots[i].pid, SIGKILL);
    b->kill_at_ms = clock_monotonic_ms() + KILL_AGAIN_MS;
}

/* Places behind the workers' own, of workers that have gone. */
static void forget_rested(struct builder *b)
{
    while (b->slot_count > b->settings.workers && b->slots[b->slot_count - 1].pid == 0)
        b->slot_count--;
}

void builder_rest(struct builder *b)
{
    unsigned workers = b->settings.workers;

    if (b->state != SERVING)
        return;
    builder_order_workers(b, MESSAGE_RETIRE);
    forget_rested(b);
    b->slots = mem_realloc(b->slots, sizeof *b->slots * (b->slot_count + workers));
    memcpy(&b->slots[b->slot_count], b->slots, sizeof *b->slots * workers);
    memset(b->slots, 0, sizeof *b->slots * workers);
    b->slot_count += workers;
}

void builder_resume(struct builder *b)
{
    for (unsigned i = 0; i < b->settings.workers && b->state == SERVING; i++)
        if (b->slots[i].pid == 0)
            b->slots[i].start_at_ms = clock_monotonic_ms();
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

/* Of a child that is no worker. Without one that the app needs the master begins anew with all of
 * it; another, a reader of watched files, is missed by nobody. */
static void on_other_death(struct builder *b, pid_t pid, int status)
{
    if (b->state >= DRAINING || b->app->needs == NULL || !b->app->needs(b->conf, pid))
        return;
    log_write(&log_process, LOG_ALERT, "key process %d exited on signal %d or with code %d",
              (int)pid, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
              WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    builder_end_at_once(b);
}

static void on_death(struct builder *b, pid_t pid, int status)
{
    for (unsigned i = 0; i < b->slot_count; i++) {
        struct slot *slot = &b->slots[i];
        if (slot->pid != pid)
            continue;
        bool was_ready = slot->ready;
        log_death(pid, status);
        (void)close(slot->channel);
        slot->pid = 0;
        slot->ready = false;
        if (b->state >= DRAINING || i >= b->settings.workers)
            return;
        if (ends_the_build(b, status))
            builder_drain(b, MESSAGE_QUIT);
        else if (!was_ready && WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_CANNOT_START)
            log_write(&log_process, LOG_ALERT,
                      "worker process %d exited with fatal code %d and cannot be respawned",
                      (int)pid, WORKER_EXIT_CANNOT_START);
        else
            plan_replacement(slot);
        return;
    }
    on_other_death(b, pid, status);
}

void builder_reap(struct builder *b)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_death(b, pid, status);
}

/* The one before it could have ended them with a call of connect(). */
static void listen_on(struct builder *b)
{
    for (size_t i = 0; i < b->settings.listen_count; i++)
        for (size_t j = 0; j < b->sockets[i].count; j++)
            (void)listen_again(b->sockets[i].fds[j], &b->settings.listens[i]);
}

void builder_start_due_workers(struct builder *b)
{
    for (unsigned i = 0; i < b->settings.workers && b->state < DRAINING; i++) {
        struct slot *slot = &b->slots[i];
        if (slot->pid != 0 || slot->start_at_ms == 0 || slot->start_at_ms > clock_monotonic_ms())
            continue;
        listen_on(b);
        if (!start_worker(b, i))
            plan_replacement(slot);
    }
}
