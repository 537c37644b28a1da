/* What the command line asks for; each option as nginx has it. */
#ifndef PORTCULLIS_DAEMON_COMMAND_H
#define PORTCULLIS_DAEMON_COMMAND_H

#include <stdbool.h>

#include "portcullis/base/str.h"

enum command_action {
    COMMAND_RUN,
    COMMAND_TEST,    /* -t, -T */
    COMMAND_SIGNAL,  /* -s */
    COMMAND_CHECK,   /* --check */
    COMMAND_EXPLAIN, /* explain */
    COMMAND_VERSION, /* -v, -V, -h */
    COMMAND_WRONG,   /* stderr says why */
};

/* What follows "explain". Borrowed from the command line. */
struct explain_options {
    struct str server, location;              /* of the configuration */
    struct str ca, intermediates, crl, depth; /* without one: ca is not empty */
    struct str password_file;                 /* for PKCS #12; empty: the terminal is asked */
    struct str connect; /* host[:port]: another server is asked what it wants */
    struct str log_id;  /* instead of files */
    struct str time;    /* RFC 3339; empty: now */
    const char **files;
    size_t file_count;
    bool json;
};

struct command {
    enum command_action action;
    struct str conf_path;  /* -c: absolute, or under the prefix */
    struct str prefix;     /* -p: absolute, ends with "/" */
    struct str error_log;  /* -e: empty: stderr */
    struct str directives; /* -g */
    int signal;            /* -s */
    struct str check;      /* --check HOST:PORT; empty: the configuration's first TLS address */
    const char *clients;   /* -t --clients DIR; NULL: none. Borrowed */
    struct explain_options explain;
    bool dump, quiet;             /* -T, -q */
    bool show_details, show_help; /* -V, -h */
};

/* Strings are the process's as long as it lives. */
void command_parse(struct command *c, int argc, char **argv);
void command_free(struct command *c);
/* Does what was asked for and returns the exit status. */
int command_execute(struct command *c, char **argv);

#endif
