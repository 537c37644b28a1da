/* The proxy as what the process skeleton runs, and the default paths. */
#ifndef PORTCULLIS_SRC_DAEMON_PROXY_APP_H
#define PORTCULLIS_SRC_DAEMON_PROXY_APP_H

#include "portcullis/config/snapshot.h"
#include "portcullis/daemon/app.h"
#include "portcullis/daemon/command.h"

#ifndef PORTCULLIS_PREFIX
#define PORTCULLIS_PREFIX "/etc/portcullis/"
#endif
#ifndef PORTCULLIS_PID
#define PORTCULLIS_PID "/run/portcullis.pid"
#endif
/* Used where its folder is there and can be written to: an installed server, not a first try. */
#ifndef PORTCULLIS_ACCESS_LOG
#define PORTCULLIS_ACCESS_LOG "/var/log/portcullis/access.log"
#endif

extern const struct app proxy_app; /* its context is the struct command */

/* Problems go to the log. NULL: there was one that counts. */
struct snapshot *proxy_app_read(const struct command *c);
/* What -t tries besides: user, logs, addresses. One that is in use is fine: it may be ours. */
bool proxy_app_try(const struct snapshot *s);

#endif
