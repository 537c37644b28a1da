/* An explanation for people. */
#include <string.h>

#include "explain.h"

/* ------------------------------------------------------------------ words */

enum mark { MARK_GOOD, MARK_BAD, MARK_IDLE };

struct printer {
    const struct explained *e;
    struct buf *out;
    bool with_colour;
};

static void put(const struct printer *p, enum mark mark, const char *words)
{
    static const char *const colours[] = {
        [MARK_GOOD] = "\033[32m", [MARK_BAD] = "\033[31m", [MARK_IDLE] = "\033[2m"};
    if (p->with_colour)
        buf_append_str(p->out, str_of(colours[mark]));
    buf_append_str(p->out, str_of(words));
    if (p->with_colour)
        buf_append_str(p->out, STR("\033[0m"));
}

static void put_mark(const struct printer *p, enum mark mark)
{
    static const char *const words[] = {[MARK_GOOD] = "ok", [MARK_BAD] = "NO", [MARK_IDLE] = "--"};
    put(p, mark, words[mark]);
}

static void put_date(const struct printer *p, time_t when)
{
    char text[32];
    buf_append_str(p->out, str_upto(explain_time(when, text), strlen("2026-11-25")));
}

static void put_place(const struct printer *p, const struct conf_pos *pos)
{
    if (pos->line > 0)
        buf_printf(p->out, " (%.*s:%u)", STR_ARG(pos->file), pos->line);
}

/* ------------------------------------------------------------------ the verdict */

static void put_verdict(const struct printer *p)
{
    const struct explain_answer *a = &p->e->answer;
    if (a->is_barred) {
        put(p, MARK_BAD, "refused: return ");
        buf_printf(p->out, "%u", a->returned);
        put_place(p, &a->returned_pos);
    } else if (!a->passes) {
        put(p, MARK_BAD, "refused: ");
        put(p, MARK_BAD, refusal_code(a->refusal));
    } else if (a->refusal != REFUSAL_NONE) {
        put(p, MARK_GOOD, "accepted");
        buf_printf(p->out, ", but would be refused without ssl_verify_client report: %s",
                   refusal_code(a->refusal));
    } else {
        put(p, MARK_GOOD, "accepted");
    }
    buf_append_char(p->out, '\n');
    if (a->detail.len > 0) {
        log_append_escaped(p->out, a->detail, false);
        buf_append_char(p->out, '\n');
    }
    buf_append_char(p->out, '\n');
}

/* What the upstream's variables say, and by whose word. */
static void put_facts(const struct printer *p)
{
    const struct explain_answer *a = &p->e->answer;
    char text[ADDR_TEXT_MAX], when[32];
    if (a->server != NULL) {
        struct str address = addr_text_port(&a->bind->listen.addr, text);
        struct str name = a->server->name.len > 0 ? a->server->name : STR("\"\"");
        buf_printf(p->out, "server    %.*s on %.*s", STR_ARG(name), STR_ARG(address));
        put_place(p, &a->server->pos);
        buf_printf(p->out, "\nlocation  ");
        buf_append_str(p->out,
                       a->location->kind == LOCATION_SERVER ? STR("none") : a->location->name);
        if (a->location->kind != LOCATION_SERVER)
            put_place(p, &a->location->pos);
        buf_printf(p->out, "\nrule      %.*s", STR_ARG(a->rule));
        put_place(p, &a->rule_pos);
        buf_append_char(p->out, '\n');
    }
    struct str time = explain_time(p->e->now, when), verify = identity_verify_text(p->e->identity);
    buf_printf(p->out, "time      %.*s\nverify    %.*s\n", STR_ARG(time), STR_ARG(verify));
    if (a->returned != 0) {
        buf_printf(p->out, "script    return %u", a->returned);
        put_place(p, &a->returned_pos);
        buf_append_char(p->out, '\n');
    }
    if (a->open.line > 0)
        buf_printf(p->out, "note      %.*s:%u depends on the request, too, and was not followed\n",
                   STR_ARG(a->open.file), a->open.line);
    if (a->location != NULL && a->location->access_rules.count > 0)
        buf_append_str(p->out, STR("note      allow and deny look at the client's address, too\n"));
}

/* ------------------------------------------------------------------ the chain */

static void put_certificate(const struct printer *p, struct str der)
{
    struct identity *c = identity_new(&der, 1);
    struct str subject = identity_fact(c, IDENTITY_SUBJECT),
               serial = identity_fact(c, IDENTITY_SERIAL);
    buf_append_str(p->out, subject.len > 0 ? subject : STR("(no subject that can be read)"));
    buf_printf(p->out, "  serial %.*s, ", STR_ARG(serial));
    put_date(p, identity_not_before_time(c));
    buf_append_str(p->out, STR(" to "));
    put_date(p, identity_not_after_time(c));
    identity_unref(c);
}

static void put_branch(const struct printer *p, size_t depth)
{
    buf_printf(p->out, "  %*s%s", (int)depth * 3, "", depth > 0 ? "`- " : "");
}

/* Where a path ends that leads to no anchor. */
static void put_end(const struct printer *p)
{
    const struct verify_trace *t = &p->e->trace;
    struct identity *last = identity_new(&t->path[t->length - 1].der, 1);
    struct str issuer = identity_fact(last, IDENTITY_ISSUER);
    enum refusal r = identity_refusal(p->e->identity);
    bool is_signature = r == REFUSAL_SIGNATURE_BAD || r == REFUSAL_ALG_UNSUPPORTED;

    put_branch(p, t->length);
    put_mark(p, MARK_IDLE);
    if (str_eq(issuer, identity_fact(last, IDENTITY_SUBJECT)))
        buf_append_str(p->out, STR(" it is its own issuer, and not trusted\n"));
    else
        buf_printf(p->out, " %.*s  %s\n", STR_ARG(issuer),
                   is_signature ? "did not sign it in a way that is accepted"
                                : "neither sent nor known to the server");
    identity_unref(last);
}

static void put_path(const struct printer *p)
{
    static const char *const sources[] = {[VERIFY_SENT] = "sent",
                                          [VERIFY_KNOWN] = "known to the server",
                                          [VERIFY_ANCHOR] = "trusted"};
    const struct verify_trace *t = &p->e->trace;

    for (size_t i = 0; i < t->length; i++) {
        put_branch(p, i);
        put_mark(p, explain_link_is_good(p->e, i) ? MARK_GOOD : MARK_BAD);
        buf_append_char(p->out, ' ');
        put_certificate(p, t->path[i].der);
        buf_printf(p->out, ", %s\n", sources[t->path[i].source]);
    }
    if (t->length > 0 && !t->is_complete)
        put_end(p);
}

static void put_unused(const struct printer *p)
{
    VEC_FOR(const struct str, der, &p->e->sent.certificates) {
        if (!explain_is_unused(p->e, *der))
            continue;
        buf_append_str(p->out, STR("  "));
        put_mark(p, MARK_IDLE);
        buf_append_char(p->out, ' ');
        put_certificate(p, *der);
        buf_append_str(p->out, STR(", sent, not part of it\n"));
    }
}

static void put_check(const struct printer *p, const struct verify_check *c)
{
    bool is_idle = explain_check_is_idle(p->e, c);
    buf_append_str(p->out, STR("  "));
    put_mark(p, c->refusal != REFUSAL_NONE ? MARK_BAD : is_idle ? MARK_IDLE : MARK_GOOD);
    buf_append_char(p->out, ' ');
    for (const char *at = c->name; *at != '\0'; at++)
        buf_append_char(p->out, *at == '_' ? ' ' : *at);
    if (c->refusal != REFUSAL_NONE) {
        struct identity *about = identity_new(&p->e->trace.path[c->at].der, 1);
        struct str subject = identity_fact(about, IDENTITY_SUBJECT);
        buf_printf(p->out, ": %.*s %.*s", STR_ARG(subject), STR_ARG(c->words));
        identity_unref(about);
    } else if (is_idle) {
        buf_append_str(p->out, STR(": no list is given"));
    }
    buf_append_char(p->out, '\n');
}

static void put_checks(const struct printer *p)
{
    const struct verify_trace *t = &p->e->trace;
    buf_append_str(p->out, STR("\nchecks\n  "));
    put_mark(p, t->is_complete ? MARK_GOOD : MARK_BAD);
    buf_append_str(p->out, STR(" signatures up to a trusted CA\n"));
    for (size_t i = 0; i < t->check_count; i++)
        put_check(p, &t->checks[i]);
}

/* ------------------------------------------------------------------ the upstream */

enum { VALUE_SHOWN = 160 };

static void put_field(const struct printer *p, const struct explain_field *f)
{
    buf_printf(p->out, "  %.*s: ", STR_ARG(f->name));
    if (!f->is_sent) {
        put(p, MARK_BAD, "not sent, there are line ends in its value");
    } else {
        log_append_escaped(p->out, str_upto(f->value, VALUE_SHOWN), false);
        if (f->value.len > VALUE_SHOWN)
            buf_printf(p->out, "... (%zu octets)", f->value.len);
    }
    buf_append_char(p->out, '\n');
}

static void put_upstream(const struct printer *p)
{
    const struct explain_answer *a = &p->e->answer;
    if (a->upstream.len == 0)
        return;
    buf_printf(p->out, "\nupstream  %.*s is told %s\n", STR_ARG(a->upstream),
               a->told.count > 0 ? "of the client" : "nothing of the client");
    VEC_FOR(const struct explain_field, f, &a->told) {
        put_field(p, f);
    }
}

void explain_text(const struct explained *e, bool with_colour, struct buf *out)
{
    const struct printer p = {e, out, with_colour};
    put_verdict(&p);
    put_facts(&p);
    if (explain_asks(e)) {
        buf_append_str(out, STR("\nchain\n"));
        put_path(&p);
        put_unused(&p);
        put_checks(&p);
    }
    put_upstream(&p);
    if (e->cure.len > 0)
        buf_printf(out, "\ncure      %.*s\n", STR_ARG(e->cure));
}
