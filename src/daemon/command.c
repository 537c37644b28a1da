#include "portcullis/daemon/command.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "explain.h"
#include "log_set.h"
#include "pid_file.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "portcullis/config/lint.h"
#include "portcullis/daemon/app.h"
#include "portcullis/tls/context.h"
#include "proxy_app.h"
#include "survey.h"

#define CONF_NAME "portcullis.conf"

static const char help_text[] =
    "Usage: portcullis [-?hvVtTq] [-s signal] [-p prefix]\n"
    "                  [-e filename] [-c filename] [-g directives]\n"
    "       portcullis -t [--clients dir]\n"
    "       portcullis --check [host:port]\n"
    "       portcullis explain [options] certificate...\n"
    "\n"
    "Options:\n"
    "  -?,-h         : this help\n"
    "  -v            : show version and exit\n"
    "  -V            : show version, libraries and default paths, then exit\n"
    "  -t            : test configuration and exit\n"
    "  --clients dir : with -t, say who of a folder of certificates would be let in\n"
    "  -T            : test configuration, dump it and exit\n"
    "  -q            : suppress non-error messages during configuration testing\n"
    "  -s signal     : send signal to a master process: stop, quit, reopen, reload\n"
    "  -p prefix     : set prefix path (default: " PORTCULLIS_PREFIX ")\n"
    "  -e filename   : set error log file (default: stderr)\n"
    "  -c filename   : set configuration file (default: " CONF_NAME " under the prefix)\n"
    "  -g directives : set global directives out of configuration file\n"
    "  --check       : is the server healthy? Any answer over TLS, without a certificate, says "
    "yes\n"
    "  explain       : would a client with these certificates be let in, and why not? "
    "\"portcullis explain -h\" has its options\n"
    "\n";

/* ------------------------------------------------------------------ reading */

static __attribute__((format(printf, 2, 3))) void wrong(struct command *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fputs("portcullis: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    c->action = COMMAND_WRONG;
}

/* Arguments are copied: the process title takes their place. */
static struct str kept(const char *z)
{
    return str_of(mem_strdup(z));
}

static void replace(struct str *field, const char *value)
{
    mem_free((void *)field->ptr);
    *field = kept(value);
}

struct words {
    int count, at;
    char **items;
};

static void set_signal(struct command *c, const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"stop", SIGTERM}, {"quit", SIGQUIT}, {"reopen", SIGUSR1}, {"reload", SIGHUP}};

    c->action = COMMAND_SIGNAL;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (strcmp(name, signals[i].name) == 0) {
            c->signal = signals[i].number;
            return;
        }
    wrong(c, "invalid option: \"-s %s\"; it takes stop, quit, reopen or reload", name);
}

static void set_value(struct command *c, char option, const char *value)
{
    switch (option) {
    case 'p':
        replace(&c->prefix, value);
        return;
    case 'c':
        replace(&c->conf_path, value);
        return;
    case 'e':
        replace(&c->error_log, strcmp(value, "stderr") == 0 ? "" : value);
        return;
    case 'g':
        replace(&c->directives, value);
        return;
    default:
        set_signal(c, value);
    }
}

/* "-cFILE" and "-c FILE". */
static void take_value(struct command *c, char option, const char *rest, struct words *w)
{
    static const char *const lacks[] = {['p'] = "directory name",
                                        ['c'] = "file name",
                                        ['e'] = "file name",
                                        ['g'] = "parameter",
                                        ['s'] = "parameter"};

    if (*rest != '\0')
        set_value(c, option, rest);
    else if (w->at + 1 < w->count)
        set_value(c, option, w->items[++w->at]);
    else
        wrong(c, "option \"-%c\" requires %s", option, lacks[(unsigned char)option]);
}

/* True when the option stands alone and further letters may follow. */
static bool take_flag(struct command *c, char option)
{
    switch (option) {
    case '?':
    case 'h':
        c->show_help = true;
        c->action = COMMAND_VERSION;
        return true;
    case 'V':
        c->show_details = true;
        c->action = COMMAND_VERSION;
        return true;
    case 'v':
        c->action = COMMAND_VERSION;
        return true;
    case 'T':
        c->dump = true;
        c->action = COMMAND_TEST;
        return true;
    case 't':
        c->action = COMMAND_TEST;
        return true;
    case 'q':
        c->quiet = true;
        return true;
    default:
        return false;
    }
}

static void take_letters(struct command *c, const char *letters, struct words *w)
{
    if (*letters == '-')
        wrong(c, "invalid option: \"-%s\"", letters);
    for (; *letters != '\0' && c->action != COMMAND_WRONG; letters++) {
        if (take_flag(c, *letters))
            continue;
        if (strchr("pcegs", *letters) != NULL) {
            take_value(c, *letters, letters + 1, w);
            return;
        }
        wrong(c, "invalid option: \"%c\"", *letters);
    }
}

static void take_check(struct command *c, struct words *w)
{
    c->action = COMMAND_CHECK;
    if (w->at + 1 < w->count && w->items[w->at + 1][0] != '-')
        replace(&c->check, w->items[++w->at]);
}

static void take_clients(struct command *c, struct words *w)
{
    c->action = COMMAND_TEST;
    if (w->at + 1 < w->count)
        c->clients = w->items[++w->at];
    else
        wrong(c, "option \"--clients\" requires directory name");
}

static void begin_explain(struct command *c, struct words *w)
{
    w->at = 2;
    c->action = COMMAND_EXPLAIN;
    c->explain = (struct explain_options){.location = STR("/"),
                                          .files = mem_zalloc(sizeof(char *) * (size_t)w->count)};
}

/* Where a long option's value goes; NULL: there is no such option. */
static struct str *explain_field(struct explain_options *e, const char *name)
{
    const struct {
        const char *name;
        struct str *field;
    } options[] = {{"--server", &e->server},
                   {"--location", &e->location},
                   {"--ca", &e->ca},
                   {"--intermediates", &e->intermediates},
                   {"--crl", &e->crl},
                   {"--depth", &e->depth},
                   {"--password-file", &e->password_file},
                   {"--connect", &e->connect},
                   {"--log-id", &e->log_id},
                   {"--time", &e->time}};

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(name, options[i].name) == 0)
            return options[i].field;
    return NULL;
}

static void take_explain_word(struct command *c, struct words *w)
{
    const char *word = w->items[w->at];
    struct str *field = explain_field(&c->explain, word);

    if (field != NULL && w->at + 1 < w->count)
        *field = str_of(w->items[++w->at]);
    else if (field != NULL)
        wrong(c, "option \"%s\" requires a value", word);
    else if (strcmp(word, "--json") == 0)
        c->explain.json = true;
    else if (word[0] != '-' || word[1] == '\0')
        c->explain.files[c->explain.file_count++] = word;
    else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
        c->show_help = true;
    else if (strchr("cpeg", word[1]) != NULL)
        take_value(c, word[1], word + 2, w);
    else
        wrong(c, "invalid option: \"%s\"", word);
}

static void take_word(struct command *c, struct words *w)
{
    const char *word = w->items[w->at];

    if (c->action == COMMAND_EXPLAIN) {
        take_explain_word(c, w);
        return;
    }
    if (strcmp(word, "--check") == 0)
        take_check(c, w);
    else if (strcmp(word, "--clients") == 0)
        take_clients(c, w);
    else if (strcmp(word, "--help") == 0)
        (void)take_flag(c, 'h');
    else if (word[0] != '-')
        wrong(c, "invalid option: \"%s\"", word);
    else
        take_letters(c, word + 1, w);
}

/* A relative prefix is the working directory's, as long as that is the same. */
static void complete_prefix(struct command *c)
{
    char cwd[4096] = "";
    struct buf full = {0};

    if (c->prefix.len == 0)
        replace(&c->prefix, PORTCULLIS_PREFIX);
    if (c->prefix.ptr[0] != '/' && getcwd(cwd, sizeof cwd) != NULL)
        buf_printf(&full, "%s/", cwd);
    buf_append_str(&full, c->prefix);
    if (!str_ends(buf_str(&full), STR("/")))
        buf_append_char(&full, '/');
    buf_append_char(&full, '\0');
    replace(&c->prefix, full.data + full.start);
    buf_deinit(&full);
}

static void put_under_prefix(const struct command *c, struct str *path)
{
    struct buf full = {0};

    if (path->len == 0 || path->ptr[0] == '/')
        return;
    buf_printf(&full, "%s%s", c->prefix.ptr, path->ptr);
    buf_append_char(&full, '\0');
    replace(path, full.data + full.start);
    buf_deinit(&full);
}

void command_parse(struct command *c, int argc, char **argv)
{
    struct words w = {.count = argc, .at = 1, .items = argv};

    *c = (struct command){.action = COMMAND_RUN,
                          .conf_path = kept(CONF_NAME),
                          .prefix = kept(""),
                          .error_log = kept(""),
                          .directives = kept(""),
                          .check = kept("")};
    if (w.count > 1 && strcmp(w.items[1], "explain") == 0)
        begin_explain(c, &w);
    for (; w.at < w.count && c->action != COMMAND_WRONG; w.at++)
        take_word(c, &w);
    complete_prefix(c);
    put_under_prefix(c, &c->conf_path);
    put_under_prefix(c, &c->error_log);
}

void command_free(struct command *c)
{
    mem_free((void *)c->conf_path.ptr);
    mem_free((void *)c->prefix.ptr);
    mem_free((void *)c->error_log.ptr);
    mem_free((void *)c->directives.ptr);
    mem_free((void *)c->check.ptr);
    mem_free(c->explain.files);
}

/* ------------------------------------------------------------------ doing */

static int show_version(const struct command *c)
{
    (void)fprintf(stderr, "portcullis version: portcullis/" PC_VERSION "\n");
    if (c->show_details)
        (void)fprintf(stderr,
                      "built with %s\nprefix: %s\nconfiguration: %s\npid file: %s\naccess log: %s, "
                      "where its folder exists\n",
                      tls_library_version(), PORTCULLIS_PREFIX, PORTCULLIS_PREFIX CONF_NAME,
                      PORTCULLIS_PID, PORTCULLIS_ACCESS_LOG);
    if (c->show_help)
        (void)fputs(help_text, stderr);
    return 0;
}

static int send_signal(const struct command *c)
{
    struct snapshot *s = proxy_app_read(c);

    if (s == NULL)
        return 1;
    pid_t pid = pid_file_read(s->process.pid_path.ptr);
    snapshot_free(s);
    if (pid == 0)
        return 1;
    if (kill(pid, c->signal) == 0)
        return 0;
    log_write_errno(&log_process, LOG_ALERT, errno, "kill(%d, %d) failed", (int)pid, c->signal);
    return 1;
}

static void dump(const struct snapshot *s)
{
    for (size_t i = 0; i < s->files.count; i++) {
        const struct conf_text *f = &s->files.items[i];
        (void)printf("# configuration file %.*s:\n", STR_ARG(f->path));
        (void)fwrite(f->text.ptr, 1, f->text.len, stdout);
        (void)putchar('\n');
    }
}

/* Warnings where all are; what is only idle with the table. */
static void on_finding(void *owner, enum log_level level, struct str message)
{
    if (level <= LOG_WARN)
        log_write(&log_process, level, "%.*s", STR_ARG(message));
    else
        buf_printf(owner, "  note: %.*s\n", STR_ARG(message));
}

/* -q has asked for errors alone, and -T's text is for programs. */
static void look_over(const struct command *c, const struct snapshot *s)
{
    struct buf table = {0};

    if (c->quiet || c->dump)
        return;
    survey(s, clock_wall(), &table);
    if (c->clients != NULL && !survey_clients(s, c->clients, clock_wall(), &table))
        log_write_errno(&log_process, LOG_ERROR, errno, "cannot read the folder \"%s\"",
                        c->clients);
    config_lint(s, clock_wall(), on_finding, &table);
    (void)fwrite(buf_str(&table).ptr, 1, buf_len(&table), stdout);
    buf_deinit(&table);
}

static int test(const struct command *c)
{
    struct snapshot *s = proxy_app_read(c);
    bool ok = false;

    if (s != NULL && !c->quiet)
        (void)fprintf(stderr, "portcullis: the configuration file %s syntax is ok\n",
                      c->conf_path.ptr);
    if (s != NULL)
        ok = proxy_app_try(s);
    if (!ok)
        (void)fprintf(stderr, "portcullis: configuration file %s test failed\n", c->conf_path.ptr);
    else if (!c->quiet)
        (void)fprintf(stderr, "portcullis: configuration file %s test is successful\n",
                      c->conf_path.ptr);
    if (ok && c->dump)
        dump(s);
    if (ok)
        look_over(c, s);
    if (s != NULL)
        snapshot_free(s);
    return ok ? 0 : 1;
}

/* Messages before a configuration names a log. */
static void open_first_log(const struct command *c)
{
    static struct log_file file;
    static struct log log = {.file = &file, .level = LOG_NOTICE};

    log_mirror_stderr(true);
    if (c->error_log.len == 0)
        return;
    file = (struct log_file){.path = c->error_log, .fd = log_open(c->error_log.ptr)};
    if (file.fd == -1) {
        /* As nginx: it says so and goes on with stderr. */
        log_write_errno(&log_process, LOG_ALERT, errno,
                        "could not open error log file: open() \"%s\" failed", c->error_log.ptr);
        return;
    }
    log_set_process(&log);
}

int command_execute(struct command *c, char **argv)
{
    clock_update();
    if (c->action == COMMAND_WRONG)
        return c->explain.files != NULL ? EXPLAIN_UNTOLD : 1;
    if (c->action == COMMAND_VERSION)
        return show_version(c);
    open_first_log(c);
    switch (c->action) {
    case COMMAND_TEST:
        return test(c);
    case COMMAND_SIGNAL:
        return send_signal(c);
    case COMMAND_CHECK:
        return check_run(c);
    case COMMAND_EXPLAIN:
        return explain_run(c);
    default:
        return daemon_run(&proxy_app, c, argv);
    }
}
