#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builder.h"
#include "descriptors.h"
#include "master_impl.h"
#include "portcullis/base/memory.h"

struct builder_ref *ref_of(struct list *link)
{
    return CONTAINER_OF(link, struct builder_ref, link);
}

static enum builder_kind next_kind(const struct master *m)
{
    if (m->has_served || m->place == UPGRADED)
        return BUILDER_RELOAD;
    return m->place == DETACHED ? BUILDER_DETACHED : BUILDER_FIRST;
}

struct builder_ref *ref_fork(struct master *m)
{
    int ends[2];

    if (!channel_pair(ends)) {
        log_write_errno(&log_process, LOG_ALERT, errno,
                        "socketpair() failed while spawning \"builder process\"");
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        descriptors_keep(ends[1]);
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
    b->image = -1;
    list_push_back(&m->builders, &b->link);
    return b;
}

void ref_close_channel(struct builder_ref *b)
{
    if (b->channel != -1)
        (void)close(b->channel);
    b->channel = -1;
}

void ref_free(struct builder_ref *b)
{
    list_remove(&b->link);
    ref_close_channel(b);
    if (b->image != -1)
        (void)close(b->image);
    mem_free(b->logs);
    mem_free(b->zones);
    mem_free(b);
}

/* A builder that takes no messages, or misses one, is beyond help. */
void ref_send(struct builder_ref *b, const struct message *msg)
{
    if (b->channel == -1 || channel_send(b->channel, msg) || channel_is_gone(errno))
        return;
    log_write(&log_process, LOG_ALERT, "builder process %d does not respond, killed", (int)b->pid);
    (void)kill(b->pid, SIGKILL);
}

void ref_share_image(struct master *m, struct builder_ref *b)
{
    struct message msg;

    if (b->image == -1)
        return;
    memset(&msg, 0, sizeof msg);
    msg.type = MESSAGE_IMAGE;
    msg.fds[0] = b->image;
    msg.fd_count = 1;
    LIST_FOR_EACH(it, &m->builders)
    if (ref_of(it) != b && ref_of(it) != m->building) /* it reads for itself */
        ref_send(ref_of(it), &msg);
    message_close_fds(&msg);
    b->image = -1;
}

void ref_order(struct builder_ref *b, enum message_type type)
{
    struct message msg;

    memset(&msg, 0, sizeof msg);
    msg.type = type;
    ref_send(b, &msg);
}
