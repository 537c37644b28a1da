/* What the two files of the proxy as an app share: proxy_app.c has its life, proxy_watch.c the
 * files that change while it serves. */
#ifndef PORTCULLIS_SRC_DAEMON_PROXY_APP_IMPL_H
#define PORTCULLIS_SRC_DAEMON_PROXY_APP_IMPL_H

#include "listen_set.h"
#include "portcullis/config/snapshot.h"
#include "portcullis/daemon/app.h"

struct file_watch;

/* A configuration and what the skeleton is told of it. */
struct loaded {
    time_t since; /* files were read then, or later */
    pid_t loader; /* the process that did */
    struct file_watch *watch;
    struct snapshot *snapshot;
    struct listen_spec *listens;    /* one for each of http.binds that has a socket of its own */
    const struct bind_conf **binds; /* theirs */
    size_t count;
};

extern const struct app_watch proxy_watch;

#endif
