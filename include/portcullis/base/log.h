/* The error log, in nginx's format:
 *
 *     2026/11/24 13:41:30 [error] 123#123: *7 message, client: …, server: …, request: …
 *
 * A struct log is one error_log setting: a list of destinations, each with its level. A message
 * goes to every destination whose level takes it. Whoever logs on behalf of a connection or a
 * request passes a struct log_context, whose `describe` appends the ", client: …" part.
 * What is no character that can be seen (controls, halves of UTF-8, turns of direction) is written
 * as "\xHH" here, whoever sent it, so that nobody forges a line or steers a terminal. Who logs a
 * value from outside quotes it by log_quoted or log_append_escaped, so that nobody forges the
 * fields behind it. */
#ifndef PORTCULLIS_BASE_LOG_H
#define PORTCULLIS_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "portcullis/base/buf.h"
#include "portcullis/base/str.h"

enum log_level {
    LOG_EMERG,
    LOG_ALERT,
    LOG_CRIT,
    LOG_ERROR,
    LOG_WARN,
    LOG_NOTICE,
    LOG_INFO,
    LOG_DEBUG
};

struct syslog_target; /* server, facility, tag: log.c */

/* An open place to write to. A file is opened once per process tree and shared by all settings
 * that name it; reopening (USR1) replaces fd in place. */
struct log_file {
    struct str path;              /* empty: stderr */
    int fd;                       /* -1: not open */
    struct syslog_target *syslog; /* instead of fd */
    struct log_file *next;
};

struct log {
    struct log_file *file;
    enum log_level level;
    const struct log *next; /* a further destination */
};

struct log_context {
    const struct log *log; /* never NULL */
    uint64_t connection;   /* "*7"; 0: none */
    /* Appends ", client: …, server: …" ; NULL: nothing. */
    void (*describe)(const void *owner, struct buf *out);
    const void *owner;
};

/* Where messages go before and besides any configuration: stderr at notice, until replaced. */
extern struct log_context log_process;
void log_set_process(const struct log *log);
/* While on, everything at LOG_WARN and worse is also written to stderr, in the form of nginx's
 * start-up and -t: "portcullis: [emerg] message". Before log_set_process it is in that form alone.
 */
void log_mirror_stderr(bool on);

bool log_is_on(const struct log_context *ctx, enum log_level level);
void log_write(const struct log_context *ctx, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* With ": strerror" appended as nginx does: " (111: Connection refused)". */
void log_write_errno(const struct log_context *ctx, enum log_level level, int err,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
void log_vwrite(const struct log_context *ctx, enum log_level level, int err, const char *format,
                va_list args) __attribute__((format(printf, 4, 0)));

const char *log_level_name(enum log_level level);
bool log_level_parse(struct str name, enum log_level *level);

/* A syslog destination from nginx's "server=…,facility=…,tag=…,severity=…,nohostname"; on error
 * returns NULL and a sentence in *problem. UDP or unix datagram; sending never blocks. */
struct syslog_target *syslog_parse(struct str parameters, const char **problem);
void syslog_free(struct syslog_target *t);
int syslog_family(const struct syslog_target *t);              /* of its socket */
enum log_level syslog_severity(const struct syslog_target *t); /* of access logs; default info */
void syslog_send(struct syslog_target *t, enum log_level level, struct str message);

/* Appends s so that nothing behind it can be forged: what cannot be seen, '"' (when quote) and '\\'
 * are written as "\xHH". */
void log_append_escaped(struct buf *out, struct str s, bool quote);
/* The same of what cannot be seen alone: for what was escaped before. */
void log_append_shown(struct buf *out, struct str s);
/* The same as a text for "%s" between quotes; good for one message, up to four in it. */
const char *log_quoted(struct str s);

#endif
