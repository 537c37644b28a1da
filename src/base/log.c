#include "portcullis/base/log.h"

#include <string.h>
#include <unistd.h>

#include "portcullis/base/clock.h"
#include "portcullis/base/utf8.h"

/* A line is written by one call, at most so long that a pipe takes it whole. */
enum { LINE_MAX_BYTES = 4096 };

static struct log_file stderr_file = {.path = STR_INIT(""), .fd = STDERR_FILENO};
static const struct log stderr_log = {.file = &stderr_file, .level = LOG_NOTICE};
struct log_context log_process = {.log = &stderr_log};
static bool is_mirrored;

void log_set_process(const struct log *log)
{
    log_process.log = log == NULL ? &stderr_log : log;
}

void log_mirror_stderr(bool on)
{
    is_mirrored = on;
}

static const char *const level_names[] = {
    [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",   [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(struct str name, enum log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (str_eq_z(name, level_names[i])) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static bool mirrors(enum log_level level)
{
    return is_mirrored && level <= LOG_WARN;
}

bool log_is_on(const struct log_context *ctx, enum log_level level)
{
    for (const struct log *l = ctx->log; l != NULL; l = l->next)
        if (level <= l->level)
            return true;
    return mirrors(level);
}

static void append_hex(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char text[4] = {'\\', 'x', digits[c >> 4], digits[c & 15]};
    buf_append(out, text, sizeof text);
}

static void append_shown(struct buf *out, struct str s, const char *others)
{
    for (size_t at = 0, length; at < s.len; at += length) {
        length = utf8_shown(str_from(s, at));
        if (length > 0 && strchr(others, s.ptr[at]) == NULL) {
            buf_append(out, s.ptr + at, length);
            continue;
        }
        append_hex(out, (unsigned char)s.ptr[at]);
        length = 1;
    }
}

void log_append_shown(struct buf *out, struct str s)
{
    append_shown(out, s, "");
}

void log_append_escaped(struct buf *out, struct str s, bool quote)
{
    append_shown(out, s, quote ? "\\\"" : "\\");
}

const char *log_quoted(struct str s)
{
    static struct buf texts[4]; /* of one message's arguments */
    static size_t next;
    struct buf *text = &texts[next++ % (sizeof texts / sizeof texts[0])];

    buf_clear(text);
    log_append_escaped(text, s, true);
    buf_append_char(text, '\0');
    return text->data + text->start;
}

/* "message (111: Connection refused), client: …" */
static __attribute__((format(printf, 4, 0))) void append_message(struct buf *out,
                                                                 const struct log_context *ctx,
                                                                 int err, const char *format,
                                                                 va_list args)
{
    static struct buf raw;
    buf_clear(&raw);
    buf_vprintf(&raw, format, args);
    if (err != 0) {
        const char *text = strerrordesc_np(err);
        buf_printf(&raw, " (%d: %s)", err, text == NULL ? "Unknown error" : text);
    }
    if (ctx->describe != NULL)
        ctx->describe(ctx->owner, &raw);
    /* The last guard: whatever an argument held, a line stays one line. */
    append_shown(out, buf_str(&raw), "");
}

static void write_line(int fd, struct buf *line)
{
    struct str s = str_upto(buf_str(line), LINE_MAX_BYTES - 1);
    char end = s.len < buf_len(line) ? line->data[line->start + s.len] : '\0';
    if (s.len == buf_len(line))
        buf_reserve(line, 1);
    line->data[line->start + s.len] = '\n';
    /* A full disk must not stop the service: nobody is left to be told. */
    ssize_t written = write(fd, line->data + line->start, s.len + 1);
    (void)written;
    line->data[line->start + s.len] = end;
}

static void write_to(const struct log *l, enum log_level level, struct buf *line)
{
    if (level > l->level)
        return;
    if (l->file->syslog != NULL)
        syslog_send(l->file->syslog, level, buf_str(line));
    else if (l->file->fd >= 0)
        write_line(l->file->fd, line);
}

void log_vwrite(const struct log_context *ctx, enum log_level level, int err, const char *format,
                va_list args)
{
    /* Kept between calls: no memory is asked for while logging that there is none. */
    static struct buf message, line;
    bool on_stderr = false;
    if (!log_is_on(ctx, level))
        return;

    buf_clear(&message);
    append_message(&message, ctx, err, format, args);
    buf_clear(&line);
    buf_append_str(&line, clock_text_error());
    buf_printf(&line, " [%s] %d#%d: ", log_level_name(level), (int)getpid(), (int)gettid());
    if (ctx->connection != 0)
        buf_printf(&line, "*%llu ", (unsigned long long)ctx->connection);
    buf_append_str(&line, buf_str(&message));

    for (const struct log *l = ctx->log; l != NULL; l = l->next) {
        if (l == &stderr_log && mirrors(level))
            continue; /* Before any configuration the mirror says it in the short form. */
        write_to(l, level, &line);
        on_stderr = on_stderr || (level <= l->level && l->file->fd == STDERR_FILENO);
    }
    if (!mirrors(level) || on_stderr)
        return;
    buf_clear(&line);
    buf_printf(&line, "portcullis: [%s] ", log_level_name(level));
    buf_append_str(&line, buf_str(&message));
    write_line(STDERR_FILENO, &line);
}

void log_write(const struct log_context *ctx, enum log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_vwrite(ctx, level, 0, format, args);
    va_end(args);
}

void log_write_errno(const struct log_context *ctx, enum log_level level, int err,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_vwrite(ctx, level, err, format, args);
    va_end(args);
}
