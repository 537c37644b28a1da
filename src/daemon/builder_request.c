#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "builder_impl.h"
#include "listen_set.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "zone_set.h"

/* bind() is tried so often, a pause between: the previous owner of the address may be on its way
 * out. */
#define BIND_TRIES    5
#define BIND_PAUSE_MS 200

static bool send_to_master(struct builder *b, const struct message *m)
{
    return channel_send(b->channel, m);
}

static bool is_complete(const struct message *m)
{
    if (m->lost_fds)
        log_write_errno(&log_process, LOG_EMERG, EMFILE, "sockets and logs could not be received");
    return m->type == MESSAGE_RESULT && !m->lost_fds;
}

/* Anything but an answer means that the master wants us gone. */
static bool await_result(struct builder *b, struct message *m)
{
    for (;;) {
        if (channel_receive(b->channel, m, true) != CHANNEL_MESSAGE)
            return false;
        if (m->type != MESSAGE_REOPEN)
            return is_complete(m);
        builder_reopen_log(b, m);
        message_close_fds(m);
    }
}

bool builder_tell_settings(struct builder *b)
{
    struct message m;

    memset(&m, 0, sizeof m);
    m.type = MESSAGE_SETTINGS;
    m.settings.daemonize = b->settings.daemonize;
    m.settings.master_process = b->settings.master_process;
    (void)snprintf(m.settings.pid_path, sizeof m.settings.pid_path, "%s", b->settings.pid_path);
    return send_to_master(b, &m) && await_result(b, &m);
}

bool builder_tell_image(struct builder *b)
{
    struct message m;

    if (b->settings.image == -1)
        return true;
    memset(&m, 0, sizeof m);
    m.type = MESSAGE_IMAGE;
    m.fds[0] = b->settings.image;
    m.fd_count = 1;
    bool told = send_to_master(b, &m);
    message_close_fds(&m);
    b->settings.image = -1;
    return told;
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

bool builder_get_logs(struct builder *b)
{
    for (struct log_file *f = b->settings.log_files; f != NULL; f = f->next)
        if (!get_log(b, f))
            return false;
    return true;
}

static bool get_zone(struct builder *b, struct zone *z)
{
    struct message m;

    memset(&m, 0, sizeof m);
    m.type = MESSAGE_ZONE;
    m.zone.size = z->size;
    (void)snprintf(m.zone.name, sizeof m.zone.name, "%.*s", STR_ARG(z->name));
    if (!send_to_master(b, &m) || !await_result(b, &m))
        return false;
    bool mapped = m.result.err == 0 && m.fd_count == 1 && zone_map(z, m.fds[0]);
    if (!mapped)
        zone_log_failure(z, m.result.err != 0 ? m.result.err : errno);
    message_close_fds(&m);
    return mapped;
}

bool builder_get_zones(struct builder *b)
{
    for (struct zone *z = b->settings.zones; z != NULL; z = z->next)
        if (!get_zone(b, z))
            return false;
    return true;
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
        if (*tries_left == BIND_TRIES || result.err != EADDRINUSE)
            listen_log_failure(&b->settings.listens[i].addr, result.call, result.err);
        if (result.err != EADDRINUSE || --*tries_left <= 0)
            return false;
        pause_ms(BIND_PAUSE_MS);
    }
    return true;
}

bool builder_get_sockets(struct builder *b)
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

void builder_close_sockets(struct builder *b)
{
    for (size_t i = 0; b->sockets != NULL && i < b->settings.listen_count; i++) {
        for (size_t j = 0; j < b->sockets[i].count; j++)
            (void)close(b->sockets[i].fds[j]);
        mem_free(b->sockets[i].fds);
    }
    mem_free(b->sockets);
    b->sockets = NULL;
}
