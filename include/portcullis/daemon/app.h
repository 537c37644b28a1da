/* What the process skeleton runs: it knows processes, sockets, signals and logs, and nothing of
 * proxies. The proxy is one app, the tests' echo server another.
 *
 *   builder   load ──▶ settings, listening sockets, logs
 *   worker    start ──▶ … ──▶ drain ──▶ on_done        (or abort ──▶ on_done)
 */
#ifndef PORTCULLIS_DAEMON_APP_H
#define PORTCULLIS_DAEMON_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "portcullis/base/addr.h"
#include "portcullis/base/log.h"
#include "portcullis/base/zone.h"
#include "portcullis/daemon/sandbox.h"
#include "portcullis/net/loop.h"

/* A listening address. The master keeps its sockets over reloads. */
struct listen_spec {
    struct addr addr;
    int backlog; /* 0: the default, 511 */
    bool reuseport, ipv6only, so_keepalive;
};

struct daemon_settings {
    bool daemonize, master_process;
    unsigned workers;
    const char *pid_path;
    const char *user, *group;    /* NULL: as started; for root "nobody" */
    uint64_t rlimit_nofile;      /* 0: as started */
    uint64_t rlimit_core;        /* octets of a worker's core file; 0: none is written */
    int priority;                /* nice value */
    int64_t shutdown_timeout_ms; /* 0: none */
    enum sandbox_mode sandbox;
    const struct log *error_log;
    struct log_file *log_files; /* the master opens those with a path; their fd is filled in */
    struct zone *zones;         /* mapped before workers are forked */
    int image; /* a descriptor of what workers of older configurations take over, too; -1: nothing
                */
    const struct listen_spec *listens;
    size_t listen_count;
};

/* A socket of this worker. With reuseport a worker may have several of one address. */
struct app_socket {
    int fd;
    size_t listen; /* index in settings.listens */
};

enum app_drain {
    APP_DRAIN_QUIT,   /* finish what runs, close what is idle */
    APP_DRAIN_RELOAD, /* a newer configuration took over */
};

/* Where a build may be hit in the tests of the skeleton. */
enum build_step {
    BUILD_LOADED,
    BUILD_LOGS,
    BUILD_SOCKETS,
    BUILD_FORKED,
    BUILD_READY,
    BUILD_STEPS,
};

/* What became of files that were read again. */
enum app_reread {
    APP_REREAD_NOTHING,
    APP_REREAD_IMAGE,  /* for all workers, as daemon_settings.image */
    APP_REREAD_RELOAD, /* it takes a new configuration; there may be an image, too */
};

/* Files that may change while their configuration serves. */
struct app_watch {
    /* In the builder: a descriptor to poll; -1: nothing is watched. */
    int (*start)(void *conf);
    /* It can be read: is it time to read files again? */
    bool (*has_settled)(void *conf);
    /* In a child of the builder, also where nothing is watched. The log says what has changed, or
     * what is wrong. *image: -1, or as daemon_settings.image. */
    enum app_reread (*reread)(void *conf, int *image);
    void (*stop)(void *conf); /* in children, too */
};

struct app {
    /* In the builder. NULL: failed, and the log says why. context is daemon_run's. */
    void *(*load)(void *context, struct daemon_settings *s);
    void (*unload)(void *conf);
    /* In the builder, before it forks: makes what workers of that user will write to. May be NULL.
     */
    void (*provide)(void *conf, uid_t uid, gid_t gid);
    /* In the builder, after that: says what a worker opens and connects to beside the descriptors
     * it is given. May be NULL: nothing. */
    void (*confine)(void *conf, struct sandbox *s);
    /* In a worker, before others are told that it is ready; privileges are dropped. False: the log
     * says why. */
    bool (*prepare)(void *conf);
    /* In a worker, when all are ready. Begins to accept. */
    void *(*start)(void *conf, struct loop *l, const struct app_socket *sockets, size_t count);
    void (*drain)(void *running, enum app_drain how, void (*on_done)(void *owner), void *owner);
    const struct app_watch *watch; /* may be NULL */
    /* In a worker: an image of this configuration or a newer one; -1: there is one, and it cannot
     * be had. Also in the builder, its own. running may be NULL. Not called where no configuration
     * has an image. */
    void (*take_image)(void *conf, void *running, int image);
    void (*abort)(void *running); /* while draining: on_done follows soon */
    void (*flush_logs)(void *running);
    void (*stop)(void *running); /* after on_done, or when the process ends at once */
    /* In the builder, of a child that load has started and that has ended: can nothing go on
     * without it? May be NULL. */
    bool (*needs)(void *conf, pid_t pid);
    /* In the builder, when it serves and each day from then on: the log says what is about to end.
     * May be NULL. */
    void (*remind)(void *conf, bool is_first);
    /* For the tests; may be NULL. */
    void (*on_step)(void *conf, enum build_step step);
};

/* Runs until told to end; returns the program's exit status. argv is where the process title goes.
 */
int daemon_run(const struct app *app, void *context, char **argv);

#endif
