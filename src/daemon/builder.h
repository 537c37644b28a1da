/* Makes one configuration and is the parent of its workers until the last of them has ended. */
#ifndef PORTCULLIS_SRC_DAEMON_BUILDER_H
#define PORTCULLIS_SRC_DAEMON_BUILDER_H

#include "portcullis/daemon/app.h"

enum builder_kind {
    BUILDER_FIRST,    /* problems are also told on stderr */
    BUILDER_DETACHED, /* the first of a master that went to the background: the file's problems were
                         told already; ends by leaving the terminal */
    BUILDER_RELOAD,   /* problems are logged */
};

/* Runs to the end and returns the exit status: 0, or 1 when the configuration could not be built.
 * All signals are blocked; channel leads to the master. */
int builder_run(const struct app *app, void *context, int channel, enum builder_kind kind);

#endif
