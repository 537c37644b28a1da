/* One line for each request and access_log, in nginx's formats and escapes. Without buffer= a line
 * is written before its answer is sent: what upstreams answer goes to clients in the loop's next
 * round, so the lines of this one are one write(2), of no more than a pipe takes whole. Lines of
 * several workers never mix. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "portcullis/base/json.h"
#include "portcullis/base/memory.h"
#include "refusal_log.h"

/* What is not written out yet, one for each file. */
struct log_buffer {
    struct log_file *file;
    struct buf text;
    struct timer *timer; /* flush= */
    bool is_deferred;    /* without buffer=: until the next round of the loop */
    struct access_logs *logs;
    struct log_buffer *next;
};

struct access_logs {
    struct loop *loop;
    struct log_buffer *buffers;
    struct buf line;
    struct refusal_log *refusals; /* the worker's other log that outlives a request */
    int64_t complained_s;         /* about a failed write, at most once a second */
};

struct access_logs *access_logs_new(struct loop *l, const struct snapshot *s)
{
    (void)s;
    struct access_logs *logs = MEM_NEW(struct access_logs);
    logs->loop = l;
    logs->refusals = refusal_log_new(l);
    return logs;
}

struct refusal_log *access_logs_refusals(struct access_logs *logs)
{
    return logs->refusals;
}

/* ---- escapes ---- */

static bool is_special_default(unsigned char c)
{
    return c < 0x20 || c > 0x7e || c == '"' || c == '\\';
}

static void append_hex(struct buf *out, unsigned char c)
{
    buf_printf(out, "\\x%02X", c);
}

static void append_escaped(struct buf *out, struct str s)
{
    buf_append_escaped(out, s, is_special_default, append_hex);
}

static const struct {
    void (*append)(struct buf *out, struct str s);
    const char *missing;
} escapes[] = {
    [LOG_ESCAPE_DEFAULT] = {append_escaped, "-"},
    [LOG_ESCAPE_JSON] = {json_append_escaped, ""},
    [LOG_ESCAPE_NONE] = {buf_append_str, ""},
};

static void append_line(struct request *req, const struct log_format_conf *f, struct buf *out)
{
    VEC_FOR(const struct template_part, part, &f->value.parts) {
        if (!part->variable) {
            buf_append_str(out, part->text);
            continue;
        }
        bool found;
        struct str value = variable_value(req, part->variable, &found);
        if (found)
            escapes[f->escape].append(out, value);
        else
            buf_append_str(out, str_of(escapes[f->escape].missing));
    }
}

/* ---- files ---- */

static void complain(struct access_logs *logs, const struct log_file *file, ssize_t written,
                     size_t wanted)
{
    int err = errno;
    int64_t now = (int64_t)time(NULL);
    if (now == logs->complained_s)
        return;
    logs->complained_s = now;
    if (written < 0)
        log_write_errno(&log_process, LOG_ALERT, err, "write() to \"%.*s\" failed",
                        STR_ARG(file->path));
    else
        log_write(&log_process, LOG_ALERT, "write() to \"%.*s\" was incomplete: %zd of %zu",
                  STR_ARG(file->path), written, wanted);
}

static void write_out(struct access_logs *logs, const struct log_file *file, struct str text)
{
    if (file->fd < 0 || text.len == 0)
        return;
    ssize_t n;
    do
        n = write(file->fd, text.ptr, text.len);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)text.len)
        complain(logs, file, n, text.len);
}

static void flush(struct log_buffer *b)
{
    write_out(b->logs, b->file, buf_str(&b->text));
    buf_clear(&b->text);
    if (b->timer)
        timer_stop(b->timer);
}

static void on_flush(void *owner)
{
    struct log_buffer *b = owner;

    b->is_deferred = false;
    flush(b);
}

static struct log_buffer *buffer_of(struct access_logs *logs, const struct access_log_conf *conf)
{
    for (struct log_buffer *b = logs->buffers; b; b = b->next)
        if (b->file == conf->file)
            return b;
    struct log_buffer *b = MEM_NEW(struct log_buffer);
    b->file = conf->file;
    b->logs = logs;
    b->next = logs->buffers;
    if (conf->flush_ms > 0 && logs->loop) {
        b->timer = timer_new(logs->loop, on_flush, b);
        timer_set_weak(b->timer, true);
    }
    return logs->buffers = b;
}

static void flush_later(struct log_buffer *b, const struct access_log_conf *conf)
{
    if (b->timer)
        timer_start(b->timer, conf->flush_ms);
    if (conf->buffer_size > 0 || b->is_deferred)
        return;
    b->is_deferred = true;
    loop_defer(b->logs->loop, on_flush, b);
}

static void write_buffered(struct access_logs *logs, const struct access_log_conf *conf,
                           struct str line, bool may_wait)
{
    struct log_buffer *b = buffer_of(logs, conf);
    size_t most = conf->buffer_size > 0 ? conf->buffer_size : PIPE_BUF;

    if (buf_len(&b->text) + line.len > most)
        flush(b);
    if (line.len > most) {
        write_out(logs, conf->file, line);
        return;
    }
    if (buf_is_empty(&b->text) && may_wait)
        flush_later(b, conf);
    buf_append_str(&b->text, line);
    if (!may_wait)
        flush(b);
}

static void write_line(struct access_logs *logs, const struct access_log_conf *conf,
                       struct buf *line, bool is_sent_later)
{
    if (conf->file->syslog) {
        syslog_send(conf->file->syslog, LOG_INFO, buf_str(line));
        return;
    }
    buf_append_char(line, '\n');
    write_buffered(logs, conf, buf_str(line), conf->buffer_size > 0 || is_sent_later);
}

static bool is_wanted(struct request *req, const struct access_log_conf *conf)
{
    if (!conf->has_condition)
        return true;
    struct str value = template_value(req, &conf->condition);
    return value.len > 0 && !str_eq(value, STR("0"));
}

void access_log_write(struct request *req)
{
    struct access_logs *logs = proxy_access_logs(req->proxy);
    bool is_sent_later = req->exchange != NULL;
    if (!req->location)
        return;
    VEC_FOR(const struct access_log_conf, conf, &req->location->access_logs) {
        if (!conf->file || !is_wanted(req, conf))
            continue;
        buf_clear(&logs->line);
        append_line(req, conf->format, &logs->line);
        write_line(logs, conf, &logs->line, is_sent_later);
    }
}

void access_logs_flush(struct access_logs *logs)
{
    for (struct log_buffer *b = logs->buffers; b; b = b->next)
        flush(b);
    refusal_log_flush(logs->refusals);
}

void access_logs_free(struct access_logs *logs)
{
    if (!logs)
        return;
    access_logs_flush(logs);
    while (logs->buffers) {
        struct log_buffer *b = logs->buffers;
        logs->buffers = b->next;
        if (b->is_deferred)
            loop_defer_cancel(logs->loop, on_flush, b);
        timer_free(b->timer);
        buf_deinit(&b->text);
        mem_free(b);
    }
    buf_deinit(&logs->line);
    refusal_log_free(logs->refusals);
    mem_free(logs);
}
