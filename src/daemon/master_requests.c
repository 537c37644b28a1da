#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "detach.h"
#include "master_impl.h"
#include "portcullis/base/memory.h"

static struct log_file stderr_file = {.path = STR_INIT(""), .fd = STDERR_FILENO};

/* ------------------------------------------------------------------ logs */

static bool is_log_needed(void *owner, const struct log_file *file)
{
    struct master *m = owner;

    LIST_FOR_EACH(it, &m->builders)
    {
        struct builder_ref *b = ref_of(it);
        for (size_t i = 0; i < b->log_count; i++)
            if (b->logs[i].file == file)
                return true;
    }
    for (const struct log *l = m->log; l != NULL; l = l->next)
        if (l->file == file)
            return true;
    return false;
}

static bool is_zone_needed(void *owner, const struct kept_zone *zone)
{
    struct master *m = owner;

    LIST_FOR_EACH(it, &m->builders)
    {
        struct builder_ref *b = ref_of(it);
        for (size_t i = 0; i < b->zone_count; i++)
            if (b->zones[i] == zone)
                return true;
    }
    return false;
}

void master_sweep(struct master *m)
{
    log_set_sweep(&m->logs, is_log_needed, m);
    zone_set_sweep(&m->zones, is_zone_needed, m);
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
void master_adopt_logs(struct master *m, const struct builder_ref *b)
{
    struct log *old = m->log;
    const struct log *before = log_process.log;

    m->log = make_chain(b);
    log_set_process(m->log);
    /* That of the command line (-e), opened before there was a master. */
    if (old == NULL && before->file->fd > STDERR_FILENO)
        (void)close(before->file->fd);
    free_chain(old);
    master_sweep(m);
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
    ref_send(b, &msg);
}

void master_reopen_logs(struct master *m)
{
    log_set_reopen(&m->logs);
    LIST_FOR_EACH(it, &m->builders)
    for (unsigned i = 0; i < ref_of(it)->log_count; i++)
        send_log(ref_of(it), i);
}

/* ------------------------------------------------------------------ what builders ask for */

static void reply(struct builder_ref *b, const struct message_result *result, const int *fds,
                  size_t count)
{
    struct message msg;

    memset(&msg, 0, sizeof msg);
    msg.type = MESSAGE_RESULT;
    msg.result = *result;
    if (count > 0)
        memcpy(msg.fds, fds, sizeof *fds * count);
    msg.fd_count = count;
    ref_send(b, &msg);
}

void ref_on_settings(struct master *m, struct builder_ref *b, const struct message_settings *s)
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

void ref_on_log(struct master *m, struct builder_ref *b, const struct message_log *asked)
{
    struct log_file *file = open_log(m, asked);
    struct message_result result = {.err = file == NULL && asked->path[0] != '\0' ? errno : 0};
    bool has_fd = file != NULL && file != &stderr_file;

    b->logs = mem_realloc(b->logs, sizeof *b->logs * (b->log_count + 1));
    b->logs[b->log_count++] = (struct builder_log){file, asked->level};
    reply(b, &result, has_fd ? &file->fd : NULL, has_fd ? 1 : 0);
}

void ref_on_zone(struct master *m, struct builder_ref *b, const struct message_zone *asked)
{
    struct kept_zone *zone = zone_set_take(&m->zones, asked->name, asked->size);
    struct message_result result = {.err = zone == NULL ? errno : 0};

    if (zone != NULL) {
        b->zones = mem_realloc(b->zones, sizeof(struct kept_zone *) * (b->zone_count + 1));
        b->zones[b->zone_count++] = zone;
    }
    reply(b, &result, zone != NULL ? &zone->fd : NULL, zone != NULL ? 1 : 0);
}

void ref_on_image(struct builder_ref *b, struct message *image)
{
    if (image->fd_count != 1 || b->image != -1)
        return;
    b->image = image->fds[0];
    image->fd_count = 0;
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

void ref_on_listen(struct master *m, struct builder_ref *b, const struct message_listen *asked)
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

static bool keep_none(void *owner, const struct log_file *file)
{
    (void)owner;
    (void)file;
    return false;
}

void master_close_all(struct master *m)
{
    if (m->log != NULL)
        log_set_process(NULL);
    free_chain(m->log);
    m->log = NULL;
    log_set_sweep(&m->logs, keep_none, NULL);
    zone_set_sweep(&m->zones, is_zone_needed, m);
}
