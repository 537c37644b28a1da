#include "survey.h"

#include <stdlib.h>

#include "portcullis/tls/inventory.h"

enum { DAY = 86400, CAS_SHOWN = 20, NAMES_SHOWN = 6 };

struct printer {
    const struct snapshot *s;
    time_t now;
    struct arena arena;
    struct buf *out;
};

/* ------------------------------------------------------------------ words */

static void put_place(const struct printer *p, const struct conf_pos *pos)
{
    if (pos->line > 0)
        buf_printf(p->out, " (%.*s:%u)", STR_ARG(pos->file), pos->line);
}

static void put_time_left(const struct printer *p, const char *verb, time_t when)
{
    struct tm tm;
    long long days = ((long long)when - (long long)p->now) / DAY;

    gmtime_r(&when, &tm);
    buf_printf(p->out, "%s %04d-%02d-%02d", verb, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (when < p->now)
        buf_append_str(p->out, STR(", in the past"));
    else
        buf_printf(p->out, ", %lld day%s left", days, days == 1 ? "" : "s");
}

/* ------------------------------------------------------------------ servers */

static void put_name(const struct printer *p, const struct server_name_conf *n)
{
    static const char *const before[] = {[NAME_EXACT] = "",
                                         [NAME_HEAD] = "*.",
                                         [NAME_TAIL] = "",
                                         [NAME_DOT] = ".",
                                         [NAME_REGEX] = "~"};
    struct str text = n->kind == NAME_REGEX ? n->regex.source : n->text;

    buf_printf(p->out, " %s%.*s%s", before[n->kind], STR_ARG(text),
               n->kind == NAME_TAIL ? ".*"
               : text.len == 0      ? "\"\""
                                    : "");
}

static void put_names(const struct printer *p, const struct server_conf *s)
{
    for (size_t i = 0; i < s->names.count && i < NAMES_SHOWN; i++)
        put_name(p, &s->names.items[i]);
    if (s->names.count > NAMES_SHOWN)
        buf_printf(p->out, " and %zu more", s->names.count - NAMES_SHOWN);
}

static void put_demand(const struct printer *p, const struct location_conf *loc)
{
    buf_printf(p->out, "%s", verify_mode_name(loc->verify));
    if (loc->client_rules.count > 0)
        buf_printf(p->out, ", %zu rule%s of ssl_client_allow and ssl_client_deny",
                   loc->client_rules.count, loc->client_rules.count == 1 ? "" : "s");
    put_place(p, &loc->verify_pos);
    buf_append_char(p->out, '\n');
}

/* A location that asks for other things than its server. */
static void put_if_other(void *owner, const struct location_conf *loc)
{
    const struct printer *p = owner;
    const struct location_conf *root = loc->server->root;

    if (loc->kind == LOCATION_SERVER || loc->kind == LOCATION_IF ||
        loc->kind == LOCATION_LIMIT_EXCEPT ||
        (loc->verify == root->verify && loc->client_rules.items == root->client_rules.items))
        return;
    buf_printf(p->out, "      %-9.*s ", STR_ARG(loc->name));
    put_demand(p, loc);
}

static void put_own(struct printer *p, const struct server_conf *s)
{
    struct tls_inventory have;

    tls_context_inventory(s->tls_context, &p->arena, &have);
    VEC_FOR(const struct tls_own, own, &have.own) {
        buf_printf(p->out, "      %s%.*s, ", own->is_shown ? "shows     " : "not shown ",
                   STR_ARG(own->subject));
        put_time_left(p, "ends", own->not_after);
        buf_append_char(p->out, '\n');
    }
}

static void put_addresses(const struct printer *p, const struct server_conf *s)
{
    VEC_FOR(const struct listen_conf, listen, &s->listens) {
        char text[ADDR_TEXT_MAX];
        struct str address = addr_text_port(&listen->addr, text);
        bool is_default = false;
        for (size_t i = 0; i < p->s->http.binds.count; i++) {
            const struct bind_conf *b = p->s->http.binds.items[i];
            is_default |= b->default_server == s && addr_eq(&b->listen.addr, &listen->addr);
        }
        buf_printf(p->out, "      listens   %.*s%s%s\n", STR_ARG(address),
                   listen->ssl ? ", TLS" : "", is_default ? ", default" : "");
    }
}

/* For how long a client need not show its certificate again, and how old a verdict may be. */
static void put_times(const struct printer *p, const struct server_conf *s)
{
    const struct tls_settings *t = &s->tls;

    if (t->session_tickets || t->session_cache != NULL)
        buf_printf(p->out, "      sessions  resumed by %s within %lld s, judged anew each time\n",
                   t->session_tickets ? "tickets" : "the cache",
                   (long long)t->session_timeout_ms / 1000);
    else
        buf_append_str(p->out, STR("      sessions  not resumed\n"));
    buf_append_str(p->out, STR("      verdicts  "));
    if (s->client_recheck_ms > 0)
        buf_printf(p->out, "at most %lld s old, ", (long long)s->client_recheck_ms / 1000);
    buf_printf(p->out, "anew when the files change (%s)\n",
               s->watch_files ? "they are watched" : "at a reload");
}

static void put_server(struct printer *p, const struct server_conf *s)
{
    buf_append_str(p->out, STR("  server"));
    put_names(p, s);
    put_place(p, &s->pos);
    buf_append_char(p->out, '\n');
    put_addresses(p, s);
    if (s->tls_context == NULL)
        return;
    buf_append_str(p->out, STR("      clients   "));
    put_demand(p, s->root);
    server_each_location(s, put_if_other, p);
    put_own(p, s);
    if (tls_settings_ask(&s->tls))
        put_times(p, s);
}

/* ------------------------------------------------------------------ files */

static int sooner(const void *a, const void *b)
{
    const struct tls_ca *x = a, *y = b;
    return (x->not_after > y->not_after) - (x->not_after < y->not_after);
}

static void put_ca(const struct printer *p, const struct tls_ca *ca, bool partial_chain)
{
    bool is_anchor = ca->is_root || (partial_chain && !ca->is_intermediate);

    buf_printf(p->out, "      %.*s: %s, ", STR_ARG(ca->subject),
               ca->key_problem.len > 0 ? "its clients are refused"
               : !ca->is_ca            ? "no CA"
               : is_anchor             ? "trusted"
                                       : "intermediate");
    put_time_left(p, "ends", ca->not_after);
    buf_append_char(p->out, '\n');
}

static void put_list(const struct printer *p, const struct tls_list *l)
{
    buf_printf(p->out, "      list of %.*s: %zu %s, ", STR_ARG(l->issuer), l->entries,
               l->entries == 1 ? "entry" : "entries");
    if (l->next_update == 0)
        buf_append_str(p->out, STR("says no next update"));
    else
        put_time_left(p, "next update", l->next_update);
    buf_append_char(p->out, '\n');
}

static void put_paths(const struct printer *p, const struct tls_settings *t)
{
    const struct str paths[] = {t->client_certificate, t->trusted_certificate, t->intermediates,
                                t->crl};

    buf_append_str(p->out, STR("  authorities of"));
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (paths[i].len > 0)
            buf_printf(p->out, " %.*s", STR_ARG(paths[i]));
    buf_append_char(p->out, '\n');
}

/* Those that end first are shown, of many. */
static void put_authorities(struct printer *p, const struct server_conf *s)
{
    struct tls_inventory have;

    tls_context_inventory(s->tls_context, &p->arena, &have);
    put_paths(p, &s->tls);
    if (have.cas.count > 0)
        qsort(have.cas.items, have.cas.count, sizeof *have.cas.items, sooner);
    for (size_t i = 0; i < have.cas.count && i < CAS_SHOWN; i++)
        put_ca(p, &have.cas.items[i], s->tls.partial_chain);
    if (have.cas.count > CAS_SHOWN)
        buf_printf(p->out, "      and %zu more\n", have.cas.count - CAS_SHOWN);
    VEC_FOR(const struct tls_list, l, &have.lists) {
        put_list(p, l);
    }
}

static bool is_shown(const struct printer *p, const struct server_conf *s)
{
    for (size_t i = 0; p->s->http.servers.items[i] != s; i++) {
        const struct server_conf *before = p->s->http.servers.items[i];
        if (before->tls_context != NULL &&
            tls_context_same_trust(before->tls_context, s->tls_context))
            return true;
    }
    return false;
}

void survey(const struct snapshot *s, time_t now, struct buf *out)
{
    struct printer p = {.s = s, .now = now, .out = out};

    arena_init(&p.arena, 16384);
    for (size_t i = 0; i < s->http.servers.count; i++)
        put_server(&p, s->http.servers.items[i]);
    for (size_t i = 0; i < s->http.servers.count; i++) {
        const struct server_conf *server = s->http.servers.items[i];
        if (server->tls_context != NULL && tls_settings_ask(&server->tls) && !is_shown(&p, server))
            put_authorities(&p, server);
    }
    arena_deinit(&p.arena);
}
