/* Files that change while the configuration serves. A child reads them again: what is wrong with
 * them, or too large, ends that child and nothing else. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "builder_impl.h"
#include "title.h"

void builder_watch(struct builder *b)
{
    if (b->app->watch != NULL)
        b->watch_fd = b->app->watch->start(b->conf);
}

void builder_stop_watching(struct builder *b)
{
    if (b->watch_fd != -1)
        b->app->watch->stop(b->conf);
    b->watch_fd = -1;
}

static __attribute__((noreturn)) void become_reader(struct builder *b, int channel)
{
    static const enum message_type types[] = {
        [APP_REREAD_IMAGE] = MESSAGE_IMAGE, [APP_REREAD_RELOAD] = MESSAGE_RELOAD};
    struct message m = {.fd_count = 0};
    int image = -1;

    builder_drop_descriptors(b);
    builder_close_sockets(b);
    title_set("reader process");
    enum app_reread found = b->app->watch->reread(b->conf, &image);
    if (found == APP_REREAD_NOTHING)
        exit(0);
    m.type = types[found];
    if (image != -1)
        m.fds[m.fd_count++] = image;
    exit(channel_send(channel, &m) ? 0 : 1);
}

static void start_reader(struct builder *b)
{
    int ends[2];

    if (!channel_pair(ends))
        return;
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        become_reader(b, ends[1]);
    }
    int err = errno;
    (void)close(ends[1]);
    b->reader = ends[0];
    if (pid != -1)
        return;
    log_write_errno(&log_process, LOG_ALERT, err,
                    "fork() failed while spawning \"reader process\"");
    builder_forget_reader(b);
}

void builder_reread(struct builder *b)
{
    if (b->app->watch == NULL || (b->state != SERVING && b->state != DRAINING))
        return;
    /* What it reads now may be the old ones: once more, when it is done. */
    if (b->reader != -1)
        b->must_reread = true;
    else
        start_reader(b);
}

void builder_on_watch(struct builder *b)
{
    if (b->app->watch->has_settled(b->conf))
        builder_reread(b);
}

void builder_forget_reader(struct builder *b)
{
    if (b->reader != -1)
        (void)close(b->reader);
    b->reader = -1;
}

/* The builder's own goes first: workers that it forks later are born with it. */
static void spread_image(struct builder *b, struct message *m)
{
    m->type = MESSAGE_IMAGE;
    b->app->take_image(b->conf, NULL, m->fds[0]);
    builder_send_to_workers(b, m);
    (void)channel_send(b->channel, m);
}

static void on_reader_message(struct builder *b, struct message *m)
{
    bool must_reload = m->type == MESSAGE_RELOAD;

    if (m->fd_count == 1)
        spread_image(b, m);
    if (must_reload)
        (void)channel_send_type(b->channel, MESSAGE_RELOAD);
    message_close_fds(m);
}

void builder_on_reader(struct builder *b)
{
    struct message m;
    enum channel_status status = channel_receive(b->reader, &m, false);

    if (status == CHANNEL_EMPTY)
        return;
    if (status == CHANNEL_MESSAGE) {
        on_reader_message(b, &m);
        return;
    }
    builder_forget_reader(b);
    if (!b->must_reread)
        return;
    b->must_reread = false;
    start_reader(b);
}
