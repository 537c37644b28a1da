/* What the files of the builder share: builder.c decides the order of things,
 * builder_request.c gets what the master has, builder_workers.c forks and watches workers,
 * builder_watch.c watches files. */
#ifndef PORTCULLIS_SRC_DAEMON_BUILDER_IMPL_H
#define PORTCULLIS_SRC_DAEMON_BUILDER_IMPL_H

#include <poll.h>

#include "builder.h"
#include "channel.h"
#include "privilege.h"

/* In builder.polled, before the workers' channels. */
enum { POLLED_SIGNALS, POLLED_MASTER, POLLED_WATCH, POLLED_READER, POLLED_OWN };

/* For one worker after the other. */
struct slot {
    pid_t pid;   /* 0: none runs */
    int channel; /* to it */
    bool ready;
    int64_t started_ms, start_at_ms; /* start_at_ms: when to fork the next; 0: never */
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
    int watch_fd, reader; /* -1: files are not watched, and not read again */
    bool must_reread;
    struct daemon_settings settings;
    struct privilege privilege;
    struct sandbox sandbox;
    struct address_sockets *sockets; /* one for each of settings.listens */
    struct slot *slots; /* settings.workers of them, and behind them those that rest; NULL: none
                           were forked yet */
    unsigned slot_count;
    struct pollfd *polled;
    enum { BUILDING, SERVING, DRAINING, ENDING } state;
    unsigned deaths;                  /* by signal, while building */
    int64_t kill_at_ms, remind_at_ms; /* 0: no */
    bool failed;
};

/* ---- builder.c ---- */

void builder_drain(struct builder *b, enum message_type order);
/* Workers are told to end now, and killed soon. */
void builder_end_at_once(struct builder *b);
void builder_reopen_log(struct builder *b, struct message *m);

/* ---- builder_request.c: false when the master wants us gone, or the log says why ---- */

bool builder_tell_settings(struct builder *b);
/* Hands settings.image over. */
bool builder_tell_image(struct builder *b);
bool builder_get_logs(struct builder *b);
bool builder_get_zones(struct builder *b);
bool builder_get_sockets(struct builder *b);
void builder_close_sockets(struct builder *b);

/* ---- builder_watch.c ---- */

void builder_watch(struct builder *b);
void builder_stop_watching(struct builder *b);
/* A child reads the files again, watched or not, and workers get what they say. */
void builder_reread(struct builder *b);
/* watch_fd, or the reader's channel, can be read. */
void builder_on_watch(struct builder *b);
void builder_on_reader(struct builder *b);
void builder_forget_reader(struct builder *b);

/* ---- builder_workers.c ---- */

bool builder_start_workers(struct builder *b);
/* Those whose time has come. */
void builder_start_due_workers(struct builder *b);
unsigned builder_running_workers(const struct builder *b);
void builder_send_to_worker(struct slot *slot, const struct message *m);
void builder_send_to_workers(struct builder *b, const struct message *m);
void builder_order_workers(struct builder *b, enum message_type type);
/* In a child: nothing of the builder's own stays open, or the ends of its channels would not be
 * seen. */
void builder_drop_descriptors(struct builder *b);
void builder_kill_workers(struct builder *b);
/* WINCH: they drain, and nobody takes their place until the configuration resumes. */
void builder_rest(struct builder *b);
void builder_resume(struct builder *b);
/* After SIGCHLD. */
void builder_reap(struct builder *b);
void builder_free_memory(struct builder *b);

#endif
