/* master_process off: everything in one process, for debuggers. No reload, no other user. */
#ifndef PORTCULLIS_SRC_DAEMON_SINGLE_H
#define PORTCULLIS_SRC_DAEMON_SINGLE_H

#include "portcullis/daemon/app.h"

int single_run(const struct app *app, void *context);

#endif
