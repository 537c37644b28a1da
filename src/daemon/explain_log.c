/* A refusal that was logged. Of a client that is refused again and again the log has the first and
 * then a count, so not every id is there; what is gone is said. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "portcullis/base/json.h"
#include "proxy_app.h"

struct logged {
    struct str id;
    struct str file;
    size_t line_number;
    char *line;
    size_t capacity;
    struct str when, code, detail, rest; /* of the line */
    enum refusal why;
};

/* ------------------------------------------------------------------ finding */

/* What stands between two marks; *text moves to the second. */
static bool take_between(struct str *text, struct str before, struct str after, struct str *out)
{
    size_t start = str_search(*text, before);

    if (start == SIZE_MAX)
        return false;
    struct str rest = str_from(*text, start + before.len);
    size_t end = str_search(rest, after);
    if (end == SIZE_MAX)
        return false;
    *out = str_upto(rest, end);
    *text = str_from(rest, end);
    return true;
}

static bool read_code(struct logged *l)
{
    for (l->why = REFUSAL_NONE + 1; l->why < REFUSALS; l->why++)
        if (str_eq_z(l->code, refusal_code(l->why)))
            return true;
    return false;
}

/* "… client certificate refused: CODE: DETAIL, client: …, request id: "ID"" */
static bool matches(struct logged *l, struct str line)
{
    struct str rest = line, id;

    if (!take_between(&rest, STR("client certificate refused: "), STR(", client: "), &l->detail))
        return false;
    l->rest = str_from(rest, 2);
    if (!take_between(&rest, STR(", request id: \""), STR("\""), &id) || !str_starts(id, l->id))
        return false;
    l->when = str_upto(line, strlen("2026/11/24 13:41:30"));
    l->code = str_cut(&l->detail, ':');
    l->detail = str_trim(l->detail);
    return read_code(l);
}

static bool search_file(struct logged *l, FILE *f)
{
    ssize_t length;

    l->line_number = 0;
    while ((length = getline(&l->line, &l->capacity, f)) > 0) {
        struct str line = str_make(l->line, (size_t)length);
        l->line_number++;
        if (matches(l, str_cut(&line, '\n')))
            return true;
    }
    return false;
}

static bool search_path(struct logged *l, struct str path, struct buf *searched)
{
    FILE *f = fopen(path.ptr, "re");

    buf_printf(searched, "%s%.*s", buf_is_empty(searched) ? "" : ", ", STR_ARG(path));
    if (f == NULL) {
        buf_printf(searched, " (%s)", strerror(errno));
        return false;
    }
    bool found = search_file(l, f);
    (void)fclose(f);
    if (found)
        l->file = path;
    return found;
}

static bool search(struct logged *l, const struct snapshot *s, struct buf *searched)
{
    for (const struct log_file *f = s->log_files; f != NULL; f = f->next)
        if (f->syslog == NULL && f->path.len > 0 && search_path(l, f->path, searched))
            return true;
    return false;
}

/* ------------------------------------------------------------------ telling */

/* What steers a terminal is not in our logs, but in one that a worker in wrong hands wrote. */
static void print_text(const struct logged *l, struct str cure, struct buf *out)
{
    buf_printf(out, "refused: %.*s\n", STR_ARG(l->code));
    log_append_shown(out, l->detail);
    buf_printf(out, "%s\ntime      ", l->detail.len > 0 ? "\n" : "");
    log_append_shown(out, l->when);
    buf_printf(out, "\nlog       %.*s:%zu\nrequest   ", STR_ARG(l->file), l->line_number);
    log_append_shown(out, l->rest);
    buf_printf(out, "\n\ncure      %.*s\n", STR_ARG(cure));
}

static void print_json(const struct logged *l, struct str cure, struct buf *out)
{
    struct json j = {.out = out};

    json_open(&j, NULL, '{');
    json_bool(&j, "accepted", false);
    json_string(&j, "reason", l->code);
    json_string(&j, "detail", l->detail.len > 0 ? l->detail : STR_NONE);
    json_string(&j, "cure", cure);
    json_open(&j, "log", '{');
    json_string(&j, "file", l->file);
    json_number(&j, "line", (long long)l->line_number);
    json_string(&j, "time", l->when);
    json_string(&j, "request", l->rest);
    json_close(&j, '}');
    json_close(&j, '}');
    buf_append_char(out, '\n');
}

static int tell(const struct logged *l, bool as_json)
{
    struct buf out = {0};
    struct arena a;

    arena_init(&a, 1024);
    struct str cure = explain_cure(&a, l->why, STR(""), STR(""));
    (as_json ? print_json : print_text)(l, cure, &out);
    (void)fwrite(buf_str(&out).ptr, 1, buf_len(&out), stdout);
    arena_deinit(&a);
    buf_deinit(&out);
    return EXPLAIN_REFUSED;
}

static int not_found(const struct logged *l, struct str searched)
{
    if (searched.len == 0)
        (void)explain_untold("the logs of this configuration are no files: look there for the "
                             "request id \"%.*s\"",
                             STR_ARG(l->id));
    else
        (void)explain_untold("no refusal with the request id \"%.*s\" in %.*s. Of a client that is "
                             "refused again for the same reason within ten seconds the first is "
                             "written down and the others are counted; $request_id and "
                             "$ssl_client_refusal in an access log have each",
                             STR_ARG(l->id), STR_ARG(searched));
    return EXPLAIN_UNTOLD;
}

int explain_log(const struct command *c)
{
    struct snapshot *s = proxy_app_read(c);
    struct logged l = {.id = c->explain.log_id};
    struct buf searched = {0};

    if (s == NULL)
        return EXPLAIN_UNTOLD;
    int status = search(&l, s, &searched) ? tell(&l, c->explain.json)
                                          : not_found(&l, buf_str(&searched));
    free(l.line);
    buf_deinit(&searched);
    snapshot_free(s);
    return status;
}
