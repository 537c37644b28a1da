#include "portcullis/config/lint.h"

#include "portcullis/tls/inventory.h"
#include "report.h"

enum { DAY = 86400, SOON_DAYS = 30, MAP_DEPTH_MAX = 8 };

struct lint {
    struct arena arena;
    struct report report;
    const struct snapshot *s;
    time_t now;
    VEC(struct conf_pos) told;            /* by location lints: what is inherited is told once */
    const struct location_conf **guarded; /* by upstream: one that asks for certificates */
    const struct server_conf *server;     /* whose locations are looked at */
};

/* ---- what depends on the client ---- */

typedef bool variable_test(const struct variable *v);

static bool tells(const struct template *t, variable_test *is, unsigned depth)
{
    VEC_FOR(const struct template_part, part, &t->parts) {
        const struct variable *v = part->variable;
        if (!v)
            continue;
        if (is(v))
            return true;
        if (v->kind == VARIABLE_MAP && depth < MAP_DEPTH_MAX &&
            tells(&v->map->source, is, depth + 1))
            return true;
    }
    return false;
}

/* What `set` makes may come from anywhere: it has the benefit of the doubt. */
static bool is_of_client(const struct variable *v)
{
    return v->kind == VARIABLE_SET || str_starts(v->name, STR("ssl_client_"));
}

static bool is_verdict(const struct variable *v)
{
    return v->kind == VARIABLE_SET || str_eq_z(v->name, "ssl_client_verify") ||
           str_eq_z(v->name, "ssl_client_refusal");
}

/* What a certificate says, which is worth what its CA is. The certificate as a whole and its hashes
 * are for who checks them himself, and to own the key was proved. */
static bool is_claim(const struct variable *v)
{
    static const char *const others[] = {
        "cert",  "raw_cert",    "escaped_cert",       "fingerprint",
        "chain", "spki_sha256", "fingerprint_sha256", "x5t_s256",
    };
    if (!str_starts(v->name, STR("ssl_client_")) || is_verdict(v))
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (str_eq_z(str_from(v->name, sizeof "ssl_client_" - 1), others[i]))
            return false;
    }
    return true;
}

static const struct rewrite_op *find_if(const struct script *s, variable_test *is)
{
    VEC_FOR(const struct rewrite_op, op, &s->ops) {
        if (op->kind == REWRITE_IF && tells(&op->left, is, 0))
            return op;
    }
    return NULL;
}

static bool is_checked_by_script(const struct location_conf *loc, variable_test *is)
{
    return find_if(&loc->script, is) || find_if(&loc->server->root->script, is);
}

static bool is_told_upstream(const struct proxy_conf *p)
{
    VEC_FOR(const struct set_header_conf, h, &p->set_headers) {
        if (h->is_identity)
            return true;
    }
    return p->client_identity != 0;
}

static bool is_optional(enum tls_verify_mode mode)
{
    return mode == TLS_VERIFY_OPTIONAL || mode == TLS_VERIFY_OPTIONAL_NO_CA;
}

static bool is_told(struct lint *l, const struct conf_pos *pos)
{
    VEC_FOR(const struct conf_pos, told, &l->told) {
        if (told->line == pos->line && str_eq(told->file, pos->file))
            return true;
    }
    *VEC_PUSH(&l->arena, &l->told) = *pos;
    return false;
}

/* ---- of a location ---- */

static void lint_optional(struct lint *l, const struct location_conf *loc)
{
    bool is_looked_at = loc->client_rules.count > 0 || is_checked_by_script(loc, is_of_client) ||
                        is_told_upstream(&loc->proxy);
    if (!loc->proxy.is_set || !is_optional(loc->verify) || is_looked_at ||
        is_told(l, &loc->verify_pos))
        return;
    report_warn(&l->report, &loc->verify_pos,
                "write ssl_client_allow, or tell the upstream: proxy_set_header "
                "X-Client-Verify $ssl_client_verify",
                "\"ssl_verify_client %s\" lets in who has no certificate, and nothing in location "
                "\"%.*s\" looks at it",
                verify_mode_name(loc->verify), STR_ARG(loc->name));
}

static bool is_vouched_for(const struct location_conf *loc)
{
    VEC_FOR(const struct set_header_conf, h, &loc->proxy.set_headers) {
        if (tells(&h->value, is_verdict, 0))
            return true;
    }
    bool has_rules = loc->client_rules.count > 0 && loc->verify != TLS_VERIFY_REPORT;
    return has_rules || is_checked_by_script(loc, is_verdict);
}

static void lint_unvouched(struct lint *l, const struct location_conf *loc)
{
    bool passes_any = loc->verify == TLS_VERIFY_OPTIONAL_NO_CA || loc->verify == TLS_VERIFY_REPORT;
    if (!loc->proxy.is_set || !passes_any || is_vouched_for(loc))
        return;
    VEC_FOR(const struct set_header_conf, h, &loc->proxy.set_headers) {
        if (tells(&h->value, is_claim, 0) && !is_told(l, &h->pos))
            report_warn(&l->report, &h->pos,
                        "send $ssl_client_verify, too, for the application to look at, or write "
                        "if ($ssl_client_verify != SUCCESS) { return 403; }",
                        "\"%.*s\" tells the upstream what any certificate claims: "
                        "\"ssl_verify_client %s\" passes those of unknown CAs,",
                        STR_ARG(h->name), verify_mode_name(loc->verify));
    }
}

static bool has_line_ends(const struct template *t)
{
    VEC_FOR(const struct template_part, part, &t->parts) {
        const struct variable *v = part->variable;
        if (v && v->kind == VARIABLE_BUILTIN && v->id == VARIABLE_ID_SSL_CLIENT_RAW_CERT)
            return true;
    }
    return false;
}

static void lint_unsendable(struct lint *l, const struct location_conf *loc)
{
    VEC_FOR(const struct set_header_conf, h, &loc->proxy.set_headers) {
        if (has_line_ends(&h->value) && !is_told(l, &h->pos))
            report_warn(&l->report, &h->pos, "use $ssl_client_escaped_cert",
                        "\"%.*s\" is never sent: a certificate in PEM has line ends, which no "
                        "header field can hold",
                        STR_ARG(h->name));
    }
}

static bool listens_plain(const struct server_conf *s)
{
    VEC_FOR(const struct listen_conf, listen, &s->listens) {
        if (!listen->ssl)
            return true;
    }
    return false;
}

/* The refusal comes first, as nginx's 400 does. */
static void lint_idle_if(struct lint *l, const struct location_conf *loc)
{
    const struct rewrite_op *op = find_if(&loc->script, is_of_client);
    if (!op || loc->verify != TLS_VERIFY_ON || listens_plain(loc->server) ||
        !str_eq(op->left.source, STR("$ssl_client_verify")) || is_told(l, &op->pos))
        return;
    report_notice(&l->report, &op->pos,
                  "\"if ($ssl_client_verify ...)\" decides nothing where ssl_verify_client is on: "
                  "whoever it means is refused before");
}

static void lint_plain(struct lint *l, const struct location_conf *loc)
{
    const struct upstream_conf *u = loc->proxy.is_set ? loc->proxy.upstream : NULL;
    const struct location_conf *guarded = u ? l->guarded[u->index] : NULL;
    if (!guarded || !listens_plain(l->server) || is_checked_by_script(loc, is_of_client) ||
        is_told(l, &loc->pos))
        return;
    report_warn(&l->report, &loc->pos,
                "let it listen on an address that clients cannot reach, or redirect to https",
                "clients reach \"%.*s\" without TLS, though location \"%.*s\" (%.*s:%u) asks for a "
                "certificate before it,",
                STR_ARG(u->name), STR_ARG(guarded->name), STR_ARG(guarded->pos.file),
                guarded->pos.line);
}

/* ---- files, which nginx would show ---- */

static bool has_op(const struct script *s, enum rewrite_kind kind)
{
    VEC_FOR(const struct rewrite_op, op, &s->ops) {
        if (op->kind == kind)
            return true;
    }
    return false;
}

static bool is_answered(const struct location_conf *loc)
{
    bool is_shut = loc->access_rules.count > 0 && !loc->access_rules.items[0].allow &&
                   loc->access_rules.items[0].block.family == AF_UNSPEC;
    return loc->proxy.is_set || is_shut || has_op(&loc->script, REWRITE_RETURN) ||
           has_op(&loc->script, REWRITE_REWRITE) ||
           has_op(&loc->server->root->script, REWRITE_RETURN);
}

static bool is_covered(const struct server_conf *s)
{
    return s->locations.prefix_names.count > 0 &&
           strmap_find(&s->locations.prefix_names, STR("/")) != NULL;
}

static void lint_files(struct lint *l, const struct location_conf *loc)
{
    bool is_server = loc->kind == LOCATION_SERVER;
    struct str name = is_server ? loc->server->name : loc->name;
    if (loc->root_pos.line == 0 || is_answered(loc) || (is_server && is_covered(loc->server)))
        return;
    report_warn(&l->report, &loc->pos,
                "files are not served yet; write proxy_pass to a server that has them",
                "%s \"%.*s\" answers 404, whatever is in its root \"%.*s\",",
                is_server ? "outside its locations server" : "location", STR_ARG(name),
                STR_ARG(loc->root));
}

static void look_at_location(void *owner, const struct location_conf *loc)
{
    static void (*const rows[])(struct lint *, const struct location_conf *) = {
        lint_optional, lint_unvouched, lint_unsendable, lint_idle_if, lint_plain, lint_files};
    if (loc->kind == LOCATION_IF || loc->kind == LOCATION_LIMIT_EXCEPT)
        return; /* they inherit what is looked at */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        rows[i](owner, loc);
}

/* ---- of a server's files ---- */

static struct str in_days(struct lint *l, time_t when)
{
    long long days = ((long long)when - (long long)l->now) / DAY;
    if (when < l->now)
        return STR("has expired");
    return arena_printf(&l->arena, "ends in %lld day%s", days, days == 1 ? "" : "s");
}

static bool is_soon(const struct lint *l, time_t when)
{
    return when < l->now + (time_t)SOON_DAYS * DAY;
}

static struct str day_text(struct lint *l, time_t when)
{
    struct tm tm;
    gmtime_r(&when, &tm);
    return arena_printf(&l->arena, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static void lint_own(struct lint *l, const struct server_conf *s, const struct tls_inventory *have)
{
    VEC_FOR(const struct tls_own, own, &have->own) {
        struct str since = day_text(l, own->not_before);
        if (own->not_before > l->now)
            report_warn(&l->report, &s->tls_pos,
                        "clients refuse it; is this machine's clock right?",
                        "the server's certificate \"%.*s\" (%.*s) is not valid before %.*s",
                        STR_ARG(own->path), STR_ARG(own->subject), STR_ARG(since));
        struct str words = in_days(l, own->not_after);
        if (is_soon(l, own->not_after))
            report_warn(&l->report, &s->tls_pos, "renew it",
                        "the server's certificate \"%.*s\" (%.*s) %.*s", STR_ARG(own->path),
                        STR_ARG(own->subject), STR_ARG(words));
    }
}

/* Modern clients do. */
static void lint_own_strength(struct lint *l, const struct server_conf *s,
                              const struct tls_inventory *have)
{
    VEC_FOR(const struct tls_own, own, &have->own) {
        if (own->problem.len > 0)
            report_warn(&l->report, &s->tls_pos,
                        "renew it, with RSA of 2048 bits or more, or ECDSA, and SHA-256",
                        "the server's certificate \"%.*s\" (%.*s) %.*s: clients refuse it",
                        STR_ARG(own->path), STR_ARG(own->subject), STR_ARG(own->problem));
    }
}

static void lint_ca_dates(struct lint *l, const struct server_conf *s,
                          const struct tls_inventory *have)
{
    VEC_FOR(const struct tls_ca, ca, &have->cas) {
        struct str words = in_days(l, ca->not_after), since = day_text(l, ca->not_before);
        bool has_expired = ca->not_after < l->now;
        if (is_soon(l, ca->not_after))
            report_warn(&l->report, &s->pos,
                        has_expired ? "replace it by its successor"
                                    : "add its successor beside it in good time",
                        "the CA %.*s %.*s: %sits clients are refused", STR_ARG(ca->subject),
                        STR_ARG(words), has_expired ? "" : "then ");
        if (ca->not_before > l->now)
            report_warn(&l->report, &s->pos, "is this machine's clock right?",
                        "the CA %.*s is not valid before %.*s: its clients are refused",
                        STR_ARG(ca->subject), STR_ARG(since));
    }
}

static void lint_ca(struct lint *l, const struct server_conf *s, const struct tls_inventory *have)
{
    VEC_FOR(const struct tls_ca, ca, &have->cas) {
        if (!ca->is_ca)
            report_warn(&l->report, &s->pos, NULL,
                        "%.*s is among the CA certificates and is none: %s", STR_ARG(ca->subject),
                        ca->is_root ? "it lets in a client that shows this very certificate, and "
                                      "nobody else"
                                    : "nobody is verified by it");
    }
}

static void lint_ca_keys(struct lint *l, const struct server_conf *s,
                         const struct tls_inventory *have)
{
    VEC_FOR(const struct tls_ca, ca, &have->cas) {
        if (ca->key_problem.len > 0)
            report_warn(&l->report, &s->pos, "use " TLS_KEY_KINDS,
                        "the CA %.*s %.*s: its clients are refused", STR_ARG(ca->subject),
                        STR_ARG(ca->key_problem));
    }
}

static bool needs_list(const struct server_conf *s, const struct tls_ca *ca)
{
    return ca->is_ca && s->tls.crl_check == TLS_CRL_CHAIN && !ca->has_list &&
           s->tls.crl_missing == TLS_CRL_MISSING_REFUSE;
}

static void lint_list_dates(struct lint *l, const struct server_conf *s,
                            const struct tls_inventory *have)
{
    VEC_FOR(const struct tls_list, list, &have->lists) {
        time_t lifetime = list->next_update - list->this_update;
        time_t margin = lifetime / 10 > DAY ? lifetime / 10 : DAY;
        struct str words = in_days(l, list->next_update);
        bool is_near = list->next_update >= l->now && list->next_update < l->now + margin;
        if (list->next_update != 0 && is_near)
            report_warn(&l->report, &s->pos, "fetch the next one",
                        "the revocation list of %.*s %.*s: then its clients are refused (ssl_crl)",
                        STR_ARG(list->issuer), STR_ARG(words));
    }
}

static void lint_old_lists(struct lint *l, const struct server_conf *s,
                           const struct tls_inventory *have)
{
    VEC_FOR(const struct tls_list, list, &have->lists) {
        time_t ended = list->next_update, counts = ended + s->tls.crl_grace_ms / 1000;
        if (ended != 0 && ended < l->now)
            report_warn(&l->report, &s->pos, "fetch the next one",
                        "the revocation list of %.*s ended %lld days ago: %s (ssl_crl)",
                        STR_ARG(list->issuer), ((long long)l->now - (long long)ended) / DAY,
                        counts >= l->now ? "it counts until ssl_crl_grace is over"
                                         : "its clients are refused");
    }
}

static void lint_forged_lists(struct lint *l, const struct server_conf *s,
                              const struct tls_inventory *have)
{
    VEC_FOR(const struct tls_list, list, &have->lists) {
        if (list->is_forged)
            report_warn(&l->report, &s->pos,
                        "fetch it anew; it may be of another CA of this name, or of its older key",
                        "the revocation list of %.*s is not signed by that CA: without another one "
                        "its clients are refused (crl_invalid)",
                        STR_ARG(list->issuer));
    }
}

static void lint_lists(struct lint *l, const struct server_conf *s,
                       const struct tls_inventory *have)
{
    if (have->lists.count == 0)
        return;
    VEC_FOR(const struct tls_ca, ca, &have->cas) {
        if (needs_list(s, ca))
            report_warn(&l->report, &s->pos,
                        "add it to ssl_crl, or write ssl_crl_check leaf, ssl_crl_missing allow",
                        "there is no revocation list of %.*s: %s", STR_ARG(ca->subject),
                        "whoever has it in the chain is refused (crl_missing)");
    }
}

/* Servers that share files are told of once. */
static bool is_first_with_files(const struct lint *l, const struct server_conf *s)
{
    for (size_t i = 0; i < l->s->http.servers.count; i++) {
        const struct server_conf *other = l->s->http.servers.items[i];
        if (other == s)
            return true;
        if (other->tls_context &&
            str_eq(other->tls.client_certificate, s->tls.client_certificate) &&
            str_eq(other->tls.trusted_certificate, s->tls.trusted_certificate) &&
            str_eq(other->tls.intermediates, s->tls.intermediates) &&
            str_eq(other->tls.crl, s->tls.crl) && other->tls_pos.line == s->tls_pos.line)
            return false;
    }
    return true;
}

typedef void file_lint(struct lint *l, const struct server_conf *s,
                       const struct tls_inventory *have);

static void look_at_files(struct lint *l, const struct server_conf *s, file_lint *const *rows)
{
    struct tls_inventory have;
    if (!s->tls_context || !is_first_with_files(l, s))
        return;
    tls_context_inventory(s->tls_context, &l->arena, &have);
    for (; *rows; rows++)
        (*rows)(l, s, &have);
}

/* ---- of an address ---- */

static void find_proxied(void *owner, const struct location_conf *loc)
{
    bool *proxies = owner;
    *proxies |= loc->proxy.is_set && loc->verify == TLS_VERIFY_OFF;
}

static const struct server_conf *find_strict(const struct lint *l, const struct bind_conf *b)
{
    for (size_t i = 0; i < l->s->http.servers.count; i++) {
        const struct server_conf *s = l->s->http.servers.items[i];
        VEC_FOR(const struct listen_conf, listen, &s->listens) {
            if (addr_eq(&listen->addr, &b->listen.addr) && s->root->verify == TLS_VERIFY_ON)
                return s;
        }
    }
    return NULL;
}

/* Whoever gives no name, or an unknown one, comes to the default server. */
static void lint_default(struct lint *l, const struct bind_conf *b)
{
    const struct server_conf *d = b->default_server, *strict = find_strict(l, b);
    bool is_open = false;
    char text[ADDR_TEXT_MAX];
    if (!b->listen.ssl || !strict || d->tls.reject_handshake)
        return;
    server_each_location(d, find_proxied, &is_open);
    struct str address = addr_text_port(&b->listen.addr, text);
    if (is_open && d->root->verify == TLS_VERIFY_OFF)
        report_warn(&l->report, &d->pos,
                    "make a server the default that does ssl_reject_handshake or return 444",
                    "the default server of %.*s passes clients on without a certificate, and "
                    "\"%.*s\" in %.*s:%u on the same address does not",
                    STR_ARG(address), STR_ARG(strict->name), STR_ARG(strict->pos.file),
                    strict->pos.line);
}

/* ---- all ---- */

static void note_guarded(void *owner, const struct location_conf *loc)
{
    struct lint *l = owner;
    const struct proxy_conf *p = &loc->proxy;
    bool asks = loc->verify == TLS_VERIFY_ON || loc->client_rules.count > 0;
    if (loc->server->tls_context && p->is_set && p->upstream && asks)
        l->guarded[p->upstream->index] = loc;
}

static void init(struct lint *l, const struct snapshot *s, time_t now,
                 void (*problem)(void *owner, enum log_level level, struct str message),
                 void *owner)
{
    *l = (struct lint){.s = s, .now = now};
    arena_init(&l->arena, 16384);
    l->report = (struct report){.arena = &l->arena, .problem = problem, .owner = owner};
}

void config_remind(const struct snapshot *s, time_t now, bool is_first,
                   void (*problem)(void *owner, enum log_level level, struct str message),
                   void *owner)
{
    static file_lint *const first[] = {lint_own, lint_ca_dates, lint_list_dates, NULL};
    static file_lint *const daily[] = {lint_own, lint_ca_dates, lint_list_dates, lint_old_lists,
                                       NULL};
    struct lint l;
    init(&l, s, now, problem, owner);
    for (size_t i = 0; i < s->http.servers.count; i++)
        look_at_files(&l, s->http.servers.items[i], is_first ? first : daily);
    arena_deinit(&l.arena);
}

void config_lint(const struct snapshot *s, time_t now,
                 void (*problem)(void *owner, enum log_level level, struct str message),
                 void *owner)
{
    /* Old lists were told of when they were read. */
    static file_lint *const rows[] = {lint_own,          lint_own_strength, lint_ca_dates,
                                      lint_ca,           lint_ca_keys,      lint_list_dates,
                                      lint_forged_lists, lint_lists,        NULL};
    struct lint l;
    init(&l, s, now, problem, owner);
    l.guarded = ARENA_ARRAY(&l.arena, const struct location_conf *, s->http.upstreams.count + 1);
    for (size_t i = 0; i < s->http.servers.count; i++)
        server_each_location(s->http.servers.items[i], note_guarded, &l);
    for (size_t i = 0; i < s->http.binds.count; i++)
        lint_default(&l, s->http.binds.items[i]);
    for (size_t i = 0; i < s->http.servers.count; i++) {
        l.server = s->http.servers.items[i];
        look_at_files(&l, l.server, rows);
        server_each_location(l.server, look_at_location, &l);
    }
    arena_deinit(&l.arena);
}
