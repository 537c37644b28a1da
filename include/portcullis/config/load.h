/* nginx's language to a snapshot. */
#ifndef PORTCULLIS_CONFIG_LOAD_H
#define PORTCULLIS_CONFIG_LOAD_H

#include "portcullis/config/snapshot.h"

struct config_options {
    struct str path;       /* -c, absolute or relative to the prefix */
    struct str prefix;     /* -p, ends with "/" */
    struct str directives; /* -g: main context, read first */
    struct str error_log;  /* -e: the default error log; empty: stderr */
    struct str access_log; /* where requests are logged when no access_log says; empty: nowhere */
    struct str default_pid_path;
    bool judges_only; /* nobody will be served: certificates and keys of servers are not read */
    /* For "ssl_key_process on": starts that process and returns a socket to it, or -1; NULL: keys
     * are read here all the same. */
    int (*start_key_process)(const struct process_conf *conf);
    /* Every problem, in nginx's form ("unknown directive \"foo\" in /x.conf:3"); LOG_EMERG means
     * that the load will fail, LOG_WARN not. All of a file's problems are reported in one run. */
    void (*problem)(void *owner, enum log_level level, struct str message);
    void *owner;
};

/* NULL after at least one LOG_EMERG problem. */
struct snapshot *config_load(const struct config_options *o);

/* The directive tables, for conf/reference.conf's test, the README and -t: calls each with every
 * row. */
struct directive_info {
    const char *name;
    const char *contexts; /* "http, server, location" */
    const char *initial;  /* NULL: none */
    bool is_ignored;      /* accepted with a warning */
};
void config_each_directive(void (*each)(void *owner, const struct directive_info *d), void *owner);

#endif
