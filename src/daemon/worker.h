/* One loop, one app, and a channel to the builder. */
#ifndef PORTCULLIS_SRC_DAEMON_WORKER_H
#define PORTCULLIS_SRC_DAEMON_WORKER_H

#include "portcullis/daemon/app.h"
#include "privilege.h"

struct worker_start {
    const struct app *app;
    void *conf;
    const struct daemon_settings *settings;
    const struct privilege *privilege;
    struct sandbox *sandbox;
    const struct app_socket *sockets;
    size_t socket_count;
    int channel; /* -1: no builder (master_process off), starts at once */
};

#define WORKER_EXIT_CANNOT_START 2 /* nginx's: not started again */

/* Runs to the end and returns the exit status. All signals are blocked. */
int worker_run(const struct worker_start *start);

#endif
