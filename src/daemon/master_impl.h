/* What the files of the master share: master.c decides the order of things, master_builders.c forks
 * builders and talks to them, master_requests.c gives them what they ask for, master_upgrade.c
 * knows older and newer programs. */
#ifndef PORTCULLIS_SRC_DAEMON_MASTER_IMPL_H
#define PORTCULLIS_SRC_DAEMON_MASTER_IMPL_H

#include "channel.h"
#include "listen_set.h"
#include "log_set.h"
#include "zone_set.h"

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
    struct kept_zone **zones;
    size_t zone_count;
    int image; /* to be sent to the others when this one serves; -1: none */
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
    struct zone_set zones;
    struct log *log;         /* the chain of the serving configuration */
    char pid_path[PATH_MAX]; /* empty: not written */
    enum { RUNNING, QUITTING, TERMINATING } state;
    enum {
        IN_FOREGROUND,
        MUST_DETACH,
        DETACHED,
        UPGRADED, /* started by an older master, to where that was */
        MUST_BE_SINGLE
    } place;
    bool has_served, reload_asked;
    pid_t predecessor, successor; /* masters of an older and a newer program; 0: none */
    int tells, hears; /* eventfds: what is trusted has changed; to the older and from the
                         newer one; -1 */
    bool is_resting;  /* WINCH */
    int64_t kill_at_ms, rebuild_at_ms, watchdog_at_ms; /* 0: not planned */
    int64_t pause_ms;
    int status;
};

/* ---- master_builders.c ---- */

struct builder_ref *ref_of(struct list *link);
struct builder_ref *ref_fork(struct master *m);
void ref_close_channel(struct builder_ref *b);
void ref_free(struct builder_ref *b);
void ref_send(struct builder_ref *b, const struct message *msg);
/* Others are told what this one trusts. */
void ref_share_image(struct master *m, struct builder_ref *b);
void ref_order(struct builder_ref *b, enum message_type type);

/* ---- master_upgrade.c ---- */

/* At the start: sockets and zones of an older program. */
void master_adopt_inheritance(struct master *m);
/* Whenever another master may have come or gone. */
void master_share_sockets(struct master *m);
void master_upgrade(struct master *m);
void master_rest(struct master *m);
/* False: there is no newer program, HUP means what it always does. */
bool master_resume(struct master *m);
void master_on_successor_end(struct master *m, int status);
/* Another one is trusted now: the older program's workers are to know, too. */
void master_tell_predecessor(const struct master *m);
void master_on_trust_news(struct master *m);
void master_notify_end(const struct master *m);
void master_remove_pid_file(const struct master *m);

/* ---- master_requests.c ---- */

void ref_on_settings(struct master *m, struct builder_ref *b, const struct message_settings *s);
void ref_on_log(struct master *m, struct builder_ref *b, const struct message_log *asked);
void ref_on_zone(struct master *m, struct builder_ref *b, const struct message_zone *asked);
void ref_on_image(struct builder_ref *b, struct message *image);
void ref_on_listen(struct master *m, struct builder_ref *b, const struct message_listen *asked);
/* The master logs where the configuration that serves says. */
void master_adopt_logs(struct master *m, const struct builder_ref *b);
/* Closes logs and zones that nobody needs any more. */
void master_sweep(struct master *m);
void master_reopen_logs(struct master *m);
/* At the end: the builders are gone. */
void master_close_all(struct master *m);

#endif
