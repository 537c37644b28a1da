/* error_log, access_log, log_format. Files are named here and opened by the master. */
#include <unistd.h>

#include "loader.h"

/* ---- destinations ---- */

static struct log_file *file_find(struct loader *l, struct str path)
{
    for (struct log_file *f = l->snapshot->log_files; f; f = f->next)
        if (!f->syslog && str_eq(f->path, path))
            return f;
    return NULL;
}

/* In the order in which they were named: the first place in the list does not change. */
static struct log_file *file_add(struct loader *l, struct str path)
{
    struct log_file **end = &l->snapshot->log_files;
    while (*end)
        end = &(*end)->next;
    *end = ARENA_NEW(l->arena, struct log_file);
    **end = (struct log_file){.path = path, .fd = -1};
    return *end;
}

static struct log_file *file_of(struct loader *l, struct str path)
{
    struct log_file *f = file_find(l, path);
    if (f)
        return f;
    f = file_add(l, path);
    if (path.len == 0)
        f->fd = STDERR_FILENO;
    return f;
}

/* A path, "stderr" (error_log only) or "syslog:…"; NULL: reported. */
static struct log_file *destination(struct loader *l, const struct conf_node *node, struct str text,
                                    bool is_error_log)
{
    const char *problem = NULL;
    if (is_error_log && str_eq_z(text, "stderr"))
        return file_of(l, STR(""));
    if (str_starts(text, STR("syslog:"))) {
        struct log_file *f = file_add(l, STR(""));
        f->syslog = syslog_parse(str_from(text, 7), &problem);
        if (!f->syslog)
            loader_error(l, node, NULL, "%s in \"%.*s\"", problem, STR_ARG(text));
        return f->syslog ? f : NULL;
    }
    if (text.len == 0 || has_variables(text) || str_starts(text, STR("memory:"))) {
        invalid_value(l, node, text, "log to a file, \"syslog:\" or stderr");
        return NULL;
    }
    return file_of(l, path_below(l, l->options->prefix, text));
}

/* ---- error_log ---- */

bool set_error_log(struct loader *l, const struct conf_node *node, void *field)
{
    const struct log **end = field;
    enum log_level level = LOG_ERROR;
    if (node->count == 2 && !log_level_parse(node->args[1], &level))
        return loader_error(l, node,
                            "it must be debug, info, notice, warn, error, crit, alert or emerg",
                            "invalid log level \"%.*s\"", STR_ARG(node->args[1]));
    struct log_file *f = destination(l, node, node->args[0], true);
    if (!f)
        return false;
    while (*end)
        end = (const struct log **)&(*end)->next;
    struct log *log = ARENA_NEW(l->arena, struct log);
    *log = (struct log){.file = f, .level = level};
    *end = log;
    return true;
}

const struct log *default_error_log(struct loader *l)
{
    struct log *log = ARENA_NEW(l->arena, struct log);
    struct str path = l->options->error_log;
    bool is_stderr = path.len == 0 || str_eq_z(path, "stderr");
    log->file = file_of(l, is_stderr ? STR("") : path_below(l, l->options->prefix, path));
    log->level = LOG_ERROR;
    return log;
}

/* ---- log_format ---- */

static const struct {
    const char *name;
    enum log_escape escape;
} escapes[] = {
    {"default", LOG_ESCAPE_DEFAULT}, {"json", LOG_ESCAPE_JSON}, {"none", LOG_ESCAPE_NONE}};

static bool read_escape(struct loader *l, const struct conf_node *node, struct str value,
                        enum log_escape *escape)
{
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
        if (str_eq_z(value, escapes[i].name)) {
            *escape = escapes[i].escape;
            return true;
        }
    return loader_error(l, node, "it must be default, json or none",
                        "unknown log format escaping \"%.*s\"", STR_ARG(value));
}

bool set_log_format(struct loader *l, const struct conf_node *node, void *field)
{
    struct log_format_conf *f = ARENA_NEW(l->arena, struct log_format_conf);
    struct str value;
    size_t first = 1;

    (void)field;
    f->name = node->args[0];
    if (value_of_parameter(node->args[1], "escape", &value)) {
        if (!read_escape(l, node, value, &f->escape))
            return false;
        first = 2;
    }
    struct str text = arena_concat(l->arena, node->args + first, node->count - first);
    if (!template_compile(l, node, text, &f->value))
        return false;
    if (strmap_add(&l->formats, f->name, f))
        return true;
    return loader_error(l, node, NULL, "duplicate \"log_format\" name \"%.*s\"", STR_ARG(f->name));
}

void add_default_formats(struct loader *l)
{
    static const char combined[] = "$remote_addr - $remote_user [$time_local] \"$request\" "
                                   "$status $body_bytes_sent \"$http_referer\" "
                                   "\"$http_user_agent\"";
    struct log_format_conf *f = ARENA_NEW(l->arena, struct log_format_conf);
    f->name = STR("combined");
    template_compile(l, NULL, STR(combined), &f->value);
    strmap_add(&l->formats, f->name, f);
}

/* ---- access_log ---- */

static bool read_log_arg(struct loader *l, const struct conf_node *node, struct access_log_conf *a,
                         struct str arg)
{
    struct str value;
    uint64_t size;
    if (value_of_parameter(arg, "buffer", &value)) {
        if (!value_to_size(value, &size) || size == 0 || size > 1 << 30)
            return loader_error(l, node, NULL, "invalid buffer size \"%.*s\"", STR_ARG(value));
        a->buffer_size = size;
        return true;
    }
    if (value_of_parameter(arg, "flush", &value)) {
        if (!value_to_msec(value, &a->flush_ms) || a->flush_ms == 0)
            return loader_error(l, node, NULL, "invalid flush time \"%.*s\"", STR_ARG(value));
        return true;
    }
    if (value_of_parameter(arg, "if", &value)) {
        a->has_condition = true;
        return template_compile(l, node, value, &a->condition);
    }
    if (str_eq_z(arg, "gzip") || str_starts(arg, STR("gzip=")))
        return invalid_parameter(l, node, arg, "logs are not compressed; remove it");
    return invalid_parameter(l, node, arg, "it must be buffer=, flush= or if=");
}

static bool check_log(struct loader *l, const struct conf_node *node,
                      const struct access_log_conf *a)
{
    if (a->flush_ms && !a->buffer_size)
        return loader_error(l, node, NULL, "no buffer is defined for access_log \"%.*s\"",
                            STR_ARG(node->args[0]));
    if (a->buffer_size && a->file->syslog)
        return loader_error(l, node, NULL, "logs to syslog cannot be buffered");
    return true;
}

bool set_access_log(struct loader *l, const struct conf_node *node, void *field)
{
    struct access_log_conf a = {0};
    struct location_conf *loc = loader_location(l);
    struct str format = node->count > 1 ? node->args[1] : STR("combined");

    (void)field;
    if (str_eq_z(node->args[0], "off")) {
        if (node->count > 1)
            return invalid_parameter(l, node, node->args[1], "\"off\" stands alone");
        loc->access_logs.count = 0;
        return true;
    }
    a.file = destination(l, node, node->args[0], false);
    a.format = strmap_find(&l->formats, format);
    if (!a.file)
        return false;
    if (!a.format)
        return loader_error(l, node, "a log_format before it must define it",
                            "unknown log format \"%.*s\"", STR_ARG(format));
    for (size_t i = 2; i < node->count; i++)
        if (!read_log_arg(l, node, &a, node->args[i]))
            return false;
    if (!check_log(l, node, &a))
        return false;
    *VEC_PUSH(l->arena, &loc->access_logs) = a;
    return true;
}

void add_default_access_log(struct loader *l, struct location_conf *loc)
{
    struct str path = l->options->access_log;
    if (path.len == 0)
        return;
    struct access_log_conf *a = VEC_PUSH(l->arena, &loc->access_logs);
    a->file = file_of(l, path_below(l, l->options->prefix, path));
    a->format = strmap_find(&l->formats, STR("combined"));
}
