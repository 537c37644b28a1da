/* An explanation for programs: docs/explain.md has the schema. Members are added, never changed. */
#include "explain.h"
#include "portcullis/base/json.h"

static struct str or_null(struct str s)
{
    return s.len > 0 ? s : STR_NONE;
}

static void put_place(struct json *j, const struct conf_pos *pos)
{
    json_string(j, "file", pos->line > 0 ? pos->file : STR_NONE);
    if (pos->line > 0)
        json_number(j, "line", pos->line);
    else
        json_string(j, "line", STR_NONE);
}

static void put_server(struct json *j, const struct explain_answer *a)
{
    char text[ADDR_TEXT_MAX];
    json_open(j, "server", '{');
    json_string(j, "name", a->server->name);
    json_string(j, "address", addr_text_port(&a->bind->listen.addr, text));
    put_place(j, &a->server->pos);
    json_close(j, '}');
}

static void put_location(struct json *j, const struct location_conf *loc)
{
    json_open(j, "location", '{');
    json_string(j, "name", loc->kind == LOCATION_SERVER ? STR_NONE : loc->name);
    put_place(j, &loc->pos);
    json_close(j, '}');
}

static void put_rule(struct json *j, const struct explain_answer *a)
{
    json_open(j, "rule", '{');
    json_string(j, "text", a->rule);
    put_place(j, &a->rule_pos);
    json_close(j, '}');
}

static void put_returned(struct json *j, const struct explain_answer *a)
{
    json_open(j, "returned", '{');
    json_number(j, "status", a->returned);
    put_place(j, &a->returned_pos);
    json_close(j, '}');
}

static void put_certificate(struct json *j, struct str der)
{
    char text[32];
    struct identity *c = identity_new(&der, 1);
    json_string(j, "subject", or_null(identity_fact(c, IDENTITY_SUBJECT)));
    json_string(j, "issuer", or_null(identity_fact(c, IDENTITY_ISSUER)));
    json_string(j, "serial", or_null(identity_fact(c, IDENTITY_SERIAL)));
    json_string(j, "sha256", identity_fact(c, IDENTITY_SHA256));
    json_string(j, "not_before", explain_time(identity_not_before_time(c), text));
    json_string(j, "not_after", explain_time(identity_not_after_time(c), text));
    identity_unref(c);
}

static void put_chain(struct json *j, const struct explained *e)
{
    const struct verify_trace *t = &e->trace;
    static const char *const sources[] = {
        [VERIFY_SENT] = "sent", [VERIFY_KNOWN] = "known", [VERIFY_ANCHOR] = "trusted"};
    json_open(j, "chain", '[');
    for (size_t i = 0; i < t->length; i++) {
        json_open(j, NULL, '{');
        put_certificate(j, t->path[i].der);
        json_string(j, "source", str_of(sources[t->path[i].source]));
        json_bool(j, "good", explain_link_is_good(e, i));
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void put_unused(struct json *j, const struct explained *e)
{
    json_open(j, "unused", '[');
    VEC_FOR(const struct str, der, &e->sent.certificates) {
        if (!explain_is_unused(e, *der))
            continue;
        json_open(j, NULL, '{');
        put_certificate(j, *der);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void put_check(struct json *j, const struct explained *e, const struct verify_check *c)
{
    bool failed = c->refusal != REFUSAL_NONE;
    json_open(j, NULL, '{');
    json_string(j, "name", str_of(c->name));
    json_string(j, "outcome",
                failed                        ? STR("failed")
                : explain_check_is_idle(e, c) ? STR("not_made")
                                              : STR("passed"));
    if (failed) {
        json_string(j, "reason", str_of(refusal_code(c->refusal)));
        json_string(j, "words", c->words);
        json_number(j, "certificate", (long long)c->at);
    }
    json_close(j, '}');
}

static void put_judgement(struct json *j, const struct explained *e)
{
    put_chain(j, e);
    put_unused(j, e);
    json_bool(j, "is_complete", e->trace.is_complete);
    json_open(j, "checks", '[');
    for (size_t i = 0; i < e->trace.check_count; i++)
        put_check(j, e, &e->trace.checks[i]);
    json_close(j, ']');
}

static void put_upstream(struct json *j, const struct explain_answer *a)
{
    json_open(j, "upstream", '{');
    json_string(j, "url", a->upstream);
    json_open(j, "fields", '[');
    VEC_FOR(const struct explain_field, f, &a->told) {
        json_open(j, NULL, '{');
        json_string(j, "name", f->name);
        json_string(j, "value", f->value);
        json_bool(j, "is_sent", f->is_sent);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_close(j, '}');
}

void explain_json(const struct explained *e, struct buf *out)
{
    const struct explain_answer *a = &e->answer;
    struct json j = {.out = out};
    char text[32];
    json_open(&j, NULL, '{');
    json_bool(&j, "accepted", explain_lets_in(a));
    json_string(&j, "reason", or_null(str_of(refusal_code(a->refusal))));
    json_string(&j, "detail", or_null(a->detail));
    json_string(&j, "cure", or_null(e->cure));
    json_string(&j, "time", explain_time(e->now, text));
    json_string(&j, "verify", identity_verify_text(e->identity));
    if (a->server != NULL) {
        put_server(&j, a);
        put_location(&j, a->location);
        put_rule(&j, a);
    }
    if (a->returned != 0)
        put_returned(&j, a);
    if (explain_asks(e))
        put_judgement(&j, e);
    if (a->upstream.len > 0)
        put_upstream(&j, a);
    json_close(&j, '}');
    buf_append_char(out, '\n');
}
