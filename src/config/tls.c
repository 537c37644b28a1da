/* TLS contexts: one for each server that any "listen ... ssl" leads to. */
#include "loader.h"
#include "portcullis/tls/key_process.h"

/* The address through which a server is reached by TLS; NULL: by none. */
static const struct bind_conf *ssl_bind(const struct http_conf *http, const struct server_conf *s)
{
    VEC_FOR(const struct listen_conf, listen, &s->listens) {
        for (size_t i = 0; i < http->binds.count; i++) {
            const struct bind_conf *b = http->binds.items[i];
            if (b->listen.ssl && addr_eq(&b->listen.addr, &listen->addr))
                return b;
        }
    }
    return NULL;
}

bool verify_needs_ca(enum tls_verify_mode mode)
{
    return mode != TLS_VERIFY_OFF && mode != TLS_VERIFY_OPTIONAL_NO_CA;
}

/* A check that never happens must not look as if it did. */
static void warn_of_plain(struct loader *l, const struct server_conf *s,
                          const struct server_conf *outer)
{
    bool asks = s->tls.verify != TLS_VERIFY_OFF && s->tls.verify != outer->tls.verify;
    if (asks || s->tls.location_verifies)
        report_warn(
            &l->report, &s->pos, "write listen ... ssl",
            "\"ssl_verify_client\" has no effect in a server without TLS: nobody is asked for a "
            "certificate");
}

/* nginx shows the default server's certificate for a server that has none; its check of clients
 * stays its own. */
static void borrow_certificate(struct server_conf *s, const struct bind_conf *b)
{
    const struct server_conf *d = b->default_server;
    if (s->tls.certificates.count || s->tls.reject_handshake || s == d)
        return;
    s->tls.certificates.items = d->tls.certificates.items;
    s->tls.certificates.count = d->tls.certificates.count;
    s->tls.certificate_keys.items = d->tls.certificate_keys.items;
    s->tls.certificate_keys.count = d->tls.certificate_keys.count;
    s->tls.password_file = d->tls.password_file;
    s->tls_pos = d->tls_pos;
}

static bool has_keys(struct loader *l, const struct server_conf *s)
{
    const struct tls_settings *t = &s->tls;
    if (t->certificate_keys.count < t->certificates.count) {
        report_error(&l->report, &s->tls_pos, "write one for each ssl_certificate",
                     "no \"ssl_certificate_key\" is defined for certificate \"%.*s\"",
                     STR_ARG(t->certificates.items[t->certificate_keys.count]));
        return false;
    }
    return true;
}

static bool is_complete(struct loader *l, const struct server_conf *s)
{
    const struct tls_settings *t = &s->tls;
    if (t->certificates.count == 0 && !t->reject_handshake) {
        report_error(&l->report, &s->pos, "name the server's certificate and its key",
                     "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive");
        return false;
    }
    bool needs_ca = s->needs_ca || verify_needs_ca(t->verify);
    if (needs_ca && t->client_certificate.len == 0 && t->trusted_certificate.len == 0) {
        report_error(&l->report, s->needs_ca ? &s->needs_ca->pos : &s->pos,
                     "name the CA that issues the clients' certificates",
                     "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client");
        return false;
    }
    return true;
}

struct telling {
    struct loader *l;
    const struct conf_pos *pos;
};

static void tell(void *owner, enum log_level level, const char *message)
{
    const struct telling *t = owner;
    if (level <= LOG_ERROR)
        report_error(&t->l->report, t->pos, NULL, "%s", message);
    else
        report_warn(&t->l->report, t->pos, NULL, "%s", message);
}

/* Keys of their own for each timeout: they last as long as what they seal. */
static const struct zone *ticket_zone(struct loader *l, const struct tls_settings *t)
{
    if ((!t->session_tickets && !t->session_cache) || t->ticket_keys.count > 0)
        return NULL;
    struct str name = arena_printf(l->arena, "ssl_session_tickets:%lld",
                                   (long long)t->session_timeout_ms);
    return zone_of(l, name, TLS_TICKET_ZONE_SIZE);
}

/* The first name at the first address is the server's own key. */
static void add_keys(struct loader *l, struct server_conf *s, const struct listen_conf *listen)
{
    char text[ADDR_TEXT_MAX];
    struct str address = addr_text_port(&listen->addr, text);
    VEC_FOR(const struct server_name_conf, n, &s->names) {
        struct str name = n->kind == NAME_REGEX ? n->regex.source : n->text;
        *VEC_PUSH(l->arena, &s->tls.keys) = arena_printf(l->arena, "%.*s %d %.*s", STR_ARG(address),
                                                         (int)n->kind, STR_ARG(name));
    }
}

static struct tls_pool *make_pool(struct loader *l)
{
    struct tls_pool *p = tls_pool_new();
    const struct process_conf *conf = &l->snapshot->process;
    if (conf->key_process && l->options->start_key_process)
        tls_pool_ask_for_keys(p, l->options->start_key_process(conf));
    return p;
}

static void build(struct loader *l, struct server_conf *s)
{
    VEC_FOR(const struct listen_conf, listen, &s->listens)
        add_keys(l, s, listen);
    s->tls.ticket_zone = ticket_zone(l, &s->tls);
    struct telling t = {l, s->tls_pos.line ? &s->tls_pos : &s->pos};
    s->tls.judges_only = l->options->judges_only;
    s->tls.certificate_keys.count = s->tls.certificates.count; /* nginx: spare keys are left */
    s->tls_context = tls_context_new(l->snapshot->tls_pool, &s->tls,
                                     (struct tls_report){.problem = tell, .owner = &t});
}

void tls_build(struct loader *l, const struct server_conf *outer)
{
    struct http_conf *http = &l->snapshot->http;
    for (size_t i = 0; i < http->servers.count; i++) {
        struct server_conf *s = http->servers.items[i];
        const struct bind_conf *b = ssl_bind(http, s);
        if (!b)
            warn_of_plain(l, s, outer);
        else
            borrow_certificate(s, b);
        if (!has_keys(l, s) || !b || !is_complete(l, s))
            continue;
        if (!l->snapshot->tls_pool)
            l->snapshot->tls_pool = make_pool(l);
        build(l, s);
    }
}
