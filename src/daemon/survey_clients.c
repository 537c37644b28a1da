#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "portcullis/proxy/explain.h"
#include "portcullis/tls/bundle.h"
#include "survey.h"

struct visit {
    const struct snapshot *s;
    const struct server_conf *server;
    const char *folder;
    time_t now;
    struct buf *out;
};

/* Servers that would say the same are asked once. */
static bool is_asked(const struct snapshot *s, size_t at)
{
    const struct server_conf *server = s->http.servers.items[at];

    if (server->tls_context == NULL || server->root->verify == TLS_VERIFY_OFF)
        return false;
    for (size_t i = 0; i < at; i++) {
        const struct server_conf *before = s->http.servers.items[i];
        if (before->tls_context != NULL &&
            tls_context_same_trust(before->tls_context, server->tls_context) &&
            before->root->verify == server->root->verify &&
            before->root->client_rules.items == server->root->client_rules.items)
            return false;
    }
    return true;
}

/* A folder may hold names that a terminal must not see. */
static void put_name(const struct visit *v, const char *mark, const char *name)
{
    buf_printf(v->out, "      %s ", mark);
    log_append_escaped(v->out, str_of(name), false);
    buf_append_str(v->out, STR(": "));
}

static void put_problem(const struct visit *v, const char *name, struct str problem)
{
    put_name(v, "--", name);
    buf_append_str(v->out, problem);
    buf_append_char(v->out, '\n');
}

static void put_answer(const struct visit *v, const char *name, struct identity *identity,
                       const struct explain_answer *answer)
{
    struct str subject = identity_fact(identity, IDENTITY_SUBJECT);

    put_name(v, explain_lets_in(answer) ? "ok" : "NO", name);
    if (answer->is_barred)
        buf_printf(v->out, "return %u (%.*s:%u)", answer->returned,
                   STR_ARG(answer->returned_pos.file), answer->returned_pos.line);
    else if (answer->refusal == REFUSAL_NONE)
        buf_append_str(v->out, subject);
    else
        buf_printf(v->out, "%s, %.*s", refusal_code(answer->refusal), STR_ARG(answer->detail));
    buf_append_char(v->out, '\n');
}

static void ask(const struct visit *v, const char *name, const struct bundle *b, struct arena *a)
{
    struct identity *identity = identity_new(b->certificates.items, b->certificates.count);
    const struct explain_question q = {
        .snapshot = v->s, .at = v->server, .target = STR("/"), .identity = identity, .now = v->now};
    struct explain_answer answer;
    struct str problem;

    if (explain_ask(&q, a, &answer, &problem))
        put_answer(v, name, identity, &answer);
    else
        put_problem(v, name, problem);
    identity_unref(identity);
}

static void visit_file(const struct visit *v, const char *name)
{
    struct arena a;
    struct bundle b = {0};
    const char *problem;

    arena_init(&a, 16384);
    if (bundle_read(&b, &a, arena_printf(&a, "%s/%s", v->folder, name), &problem))
        ask(v, name, &b, &a);
    else
        put_problem(v, name, str_of(problem));
    arena_deinit(&a);
}

static int is_file(const struct dirent *e)
{
    return e->d_type == DT_REG || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN;
}

bool survey_clients(const struct snapshot *s, const char *folder, time_t now, struct buf *out)
{
    struct dirent **files;
    int count = scandir(folder, &files, is_file, alphasort);

    if (count < 0)
        return false;
    for (size_t i = 0; i < s->http.servers.count; i++) {
        struct visit v = {s, s->http.servers.items[i], folder, now, out};
        if (!is_asked(s, i))
            continue;
        buf_printf(out, "  clients of %s at server \"%.*s\" (%.*s:%u)\n", folder,
                   STR_ARG(v.server->name), STR_ARG(v.server->pos.file), v.server->pos.line);
        for (int n = 0; n < count; n++)
            visit_file(&v, files[n]->d_name);
    }
    while (count > 0)
        free(files[--count]);
    free(files);
    return true;
}
