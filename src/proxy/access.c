/* The gate: the only place that opens the way to an upstream. */
#include "access.h"

#include "client_rules.h"
#include "portcullis/base/clock.h"
#include "portcullis/proxy/client.h"
#include "refusal_log.h"
#include "respond.h"

/* ---- the verdict ---- */

static struct access_verdict passes(bool identity_counts)
{
    return (struct access_verdict){.kind = ACCESS_PASSES, .identity_counts = identity_counts};
}

/* A refusal without a reason would read as none: it gets one. */
static struct access_verdict refused(enum refusal why, bool identity_counts)
{
    return (struct access_verdict){.kind = ACCESS_REFUSED,
                                   .refusal = why == REFUSAL_NONE ? REFUSAL_INTERNAL : why,
                                   .identity_counts = identity_counts};
}

static bool is_good(const struct access_facts *f)
{
    return f->has_identity && f->is_verified && !f->has_expired;
}

/* By ssl_verify_client alone, for an identity that counts here. */
static struct access_verdict judge_certificate(const struct access_facts *f)
{
    if (!f->has_identity)
        return refused(REFUSAL_INTERNAL, false);
    if (f->is_verified)
        return is_good(f) ? passes(true) : refused(REFUSAL_CERT_EXPIRED, true);
    bool is_optional = f->mode == TLS_VERIFY_OPTIONAL || f->mode == TLS_VERIFY_OPTIONAL_NO_CA;
    if (f->refusal == REFUSAL_CERT_MISSING && is_optional)
        return passes(true);
    if (f->mode == TLS_VERIFY_OPTIONAL_NO_CA && f->is_about_issuer)
        return passes(true);
    return refused(f->refusal, true);
}

static struct access_verdict judge_identity(const struct access_facts *f)
{
    /* Who need not prove anything is told of, when he did: of others nobody vouches for a word. */
    if (f->mode == TLS_VERIFY_OFF)
        return passes(is_good(f));
    struct access_verdict v = judge_certificate(f);
    bool is_barred = v.kind == ACCESS_PASSES && f->rules != REFUSAL_NONE;
    return is_barred ? refused(f->rules, true) : v;
}

static struct access_verdict judge_tls(const struct access_facts *f)
{
    /* By what is trusted now nobody can be judged here: a new connection leads to whoever can. */
    if (f->is_outdated || (f->is_orphan && f->mode != TLS_VERIFY_OFF))
        return refused(REFUSAL_HOST_NOT_FOR_THIS_CONNECTION, false);
    if (f->same_server)
        return judge_identity(f);
    if (f->mode == TLS_VERIFY_OFF)
        return passes(false); /* what another block's CAs say means nothing here */
    /* RFC 9110, 7.4: nginx looks at SNI alone; a certificate accepted under other CAs is worth no
     * more. */
    if (f->sni_matched || !f->same_trust)
        return refused(REFUSAL_HOST_NOT_FOR_THIS_CONNECTION, false);
    return judge_identity(f);
}

struct access_verdict access_judge(const struct access_facts *f)
{
    if (!f->address_is_tls)
        return passes(false); /* the operator opened this address without TLS */
    if (!f->connection_is_tls)
        return (struct access_verdict){.kind = ACCESS_PLAIN_HTTP};
    struct access_verdict v = judge_tls(f);
    if (f->mode != TLS_VERIFY_REPORT || f->is_orphan)
        return v;
    return (struct access_verdict){
        .kind = ACCESS_PASSES, .reported = v.refusal, .identity_counts = v.identity_counts};
}

/* ---- the facts ---- */

static bool has_same_trust(const struct server_conf *a, const struct server_conf *b)
{
    return a && a->tls_context && b->tls_context &&
           tls_context_same_trust(a->tls_context, b->tls_context);
}

static bool is_orphan(const struct server_conf *s)
{
    return s && s->tls_context && tls_context_is_orphan(s->tls_context);
}

static bool is_outdated(const struct server_conf *s)
{
    return s && s->tls_context && tls_context_is_outdated(s->tls_context);
}

/* Who shows nothing good and is not let in by name is refused for that. */
static enum refusal refusal_by_rules(const struct location_conf *loc, struct identity *id)
{
    struct client_ruling ruling = client_rules_ask(loc, id);
    if (!ruling.refuses)
        return REFUSAL_NONE;
    bool is_unknown = !ruling.rule && id && identity_refusal(id) != REFUSAL_NONE;
    return is_unknown ? identity_refusal(id) : REFUSAL_NOT_PERMITTED;
}

static struct access_facts gather(const struct access_subject *s, const struct location_conf *loc)
{
    struct identity *id = s->identity;
    struct access_facts f = {
        .address_is_tls = s->bind->listen.ssl,
        .connection_is_tls = s->connection_is_tls,
        .same_server = s->handshake == s->server,
        .sni_matched = s->sni_matched,
        .is_orphan = is_orphan(s->handshake) || is_orphan(s->server),
        .is_outdated = is_outdated(s->handshake) || is_outdated(s->server),
        .mode = loc ? loc->verify : TLS_VERIFY_OFF,
        .has_identity = id != NULL,
    };
    if (!f.same_server)
        f.same_trust = has_same_trust(s->handshake, s->server);
    if (f.mode != TLS_VERIFY_OFF)
        f.rules = refusal_by_rules(loc, id);
    if (!id)
        return f;
    f.is_verified = identity_is_verified(id);
    f.has_expired = identity_valid_until(id) < s->now; /* since it was judged */
    f.is_about_issuer = identity_refusal_is_about_issuer(id);
    f.refusal = identity_refusal(id);
    return f;
}

struct access_verdict access_ask(const struct access_subject *s, const struct location_conf *loc)
{
    struct access_facts facts = gather(s, loc);
    return access_judge(&facts);
}

/* Where locations differ nobody can tell yet whether the certificate matters: what holds without it
 * is checked first, the rest by access_check_location before anything answers. */
const struct location_conf *access_first_location(const struct server_conf *s)
{
    return s->verify_varies ? NULL : s->root;
}

bool access_client_is_verified(const struct request *req)
{
    const struct identity *id = req->identity;
    return id && identity_is_verified(id) && identity_valid_until(id) >= clock_wall();
}

/* ---- what follows ---- */

/* The rule that decided, for whoever has to change it. */
static struct str rule_words(struct arena *a, const struct location_conf *loc, struct identity *id)
{
    struct client_ruling ruling = client_rules_ask(loc, id);
    const struct client_rule *rule = ruling.rule;
    if (rule)
        return arena_printf(a, ", by ssl_client_deny %s in %.*s:%u",
                            client_rule_kind_name(rule->kind), STR_ARG(rule->file), rule->line);
    rule = &loc->client_rules.items[loc->client_rules.count - 1];
    return arena_printf(a, ", by no ssl_client_allow (the last in %.*s:%u)", STR_ARG(rule->file),
                        rule->line);
}

struct str access_words(struct arena *a, enum refusal why, struct identity *id,
                        const struct location_conf *loc)
{
    if (why == REFUSAL_HOST_NOT_FOR_THIS_CONNECTION && is_orphan(loc ? loc->server : NULL))
        return STR(
            "the server is gone from the configuration, or asks something else of clients now");
    if (why == REFUSAL_HOST_NOT_FOR_THIS_CONNECTION)
        return STR("client attempted to request the server name different from the one that was "
                   "negotiated");
    if (!id)
        return STR("");
    bool is_barred = why == REFUSAL_NOT_PERMITTED;
    if (!identity_is_verified(id) && !is_barred)
        return identity_detail(id);
    if (!identity_has_certificate(id))
        return arena_concat(a, (struct str[]){STR("no certificate"), rule_words(a, loc, id)}, 2);
    /* Good when the connection began, so the verifier said nothing. */
    struct str subject = identity_fact(id, IDENTITY_SUBJECT),
               issuer = identity_fact(id, IDENTITY_ISSUER);
    struct str serial = identity_fact(id, IDENTITY_SERIAL);
    struct str rule = is_barred ? rule_words(a, loc, id) : STR("");
    return arena_printf(a, "%.*s, issuer %.*s, serial %.*s%.*s", STR_ARG(subject), STR_ARG(issuer),
                        STR_ARG(serial), STR_ARG(rule));
}

static bool refuse(struct request *req, enum refusal why, struct identity *id,
                   const struct location_conf *loc)
{
    req->refusal = why;
    req->reported = REFUSAL_NONE;
    req->refusal_detail = access_words(&req->arena, why, id, loc);
    (void)request_id(req); /* the page shows it, and the log line, too */
    refusal_log_add(access_logs_refusals(proxy_access_logs(req->proxy)), &req->log,
                    client_addr(req->client), why, req->refusal_detail);
    /* A wrong host is no refusal of the client: it is told to connect anew. */
    bool is_silent = req->server->client_refuse == REFUSE_CLOSE &&
                     why != REFUSAL_HOST_NOT_FOR_THIS_CONNECTION;
    if (is_silent)
        request_abort(req, 403, CLOSE_REFUSED);
    else
        respond_refusal(req);
    return false;
}

/* Once a request, however many locations it comes through. */
static void report(struct request *req, enum refusal why, struct identity *id,
                   const struct location_conf *loc)
{
    if (why == REFUSAL_NONE || req->reported != REFUSAL_NONE)
        return;
    req->reported = why;
    refusal_log_report(access_logs_refusals(proxy_access_logs(req->proxy)), &req->log,
                       client_addr(req->client), why, access_words(&req->arena, why, id, loc));
}

/* Of the connection, by what is trusted now; NULL without TLS. */
static struct identity *identity_of(const struct request *req, time_t now)
{
    struct tls_session *tls = stream_tls(client_stream(req->client));
    time_t max_age = (time_t)((req->server->client_recheck_ms + 999) / 1000);
    return tls ? tls_session_judged_identity(tls, now, max_age) : NULL;
}

static struct access_verdict ask(const struct request *req, const struct location_conf *loc)
{
    time_t now = clock_wall();
    struct access_subject subject = {
        .bind = req->bind,
        .handshake = client_tls_server(req->client),
        .server = req->server,
        .connection_is_tls = client_is_tls(req->client),
        .sni_matched = client_sni_matched(req->client),
        .identity = identity_of(req, now),
        .now = now,
    };
    return access_ask(&subject, loc);
}

static bool check(struct request *req, const struct location_conf *loc)
{
    struct access_verdict verdict = ask(req, loc);
    struct tls_session *tls = stream_tls(client_stream(req->client));
    struct identity *id = tls ? tls_session_identity(tls) : NULL;
    req->identity = verdict.identity_counts ? id : NULL;
    switch (verdict.kind) {
    case ACCESS_PASSES:
        report(req, verdict.reported, id, loc);
        if (access_client_is_verified(req))
            room_leave(req->client);
        return true;
    case ACCESS_REFUSED:
        return refuse(req, verdict.refusal, id, loc);
    case ACCESS_PLAIN_HTTP:
        break;
    }
    log_write(&req->log, LOG_INFO, "client sent plain HTTP request to HTTPS port");
    respond_status(req, 497);
    return false;
}

bool access_check_client(struct request *req)
{
    req->is_admitted = false;
    req->is_checked = true;
    return check(req, access_first_location(req->server));
}

void access_forget_refused(struct request *req)
{
    if (req->refusal != REFUSAL_NONE && !access_client_is_verified(req))
        req->identity = NULL;
}

bool access_check_location(struct request *req)
{
    /* error_page led here: the upstream hears of him what it does wherever it is open. */
    if (req->location->verify == TLS_VERIFY_OFF && req->location->proxy.is_set)
        access_forget_refused(req);
    /* Plain HTTP got its 497, and a page of error_page runs. */
    if (!req->server->verify_varies || req->check_failed || req->refusal != REFUSAL_NONE)
        return true;
    return check(req, req->location);
}

bool access_still_admits(struct request *req)
{
    struct access_verdict verdict = ask(req, req->location);
    if (verdict.kind != ACCESS_REFUSED) /* error_page 497 leads only to where nobody is asked */
        return true;
    struct tls_session *tls = stream_tls(client_stream(req->client));
    struct identity *id = tls ? tls_session_identity(tls) : NULL;
    req->refusal = verdict.refusal;
    req->refusal_detail = access_words(&req->arena, verdict.refusal, id, req->location);
    refusal_log_add(access_logs_refusals(proxy_access_logs(req->proxy)), &req->log,
                    client_addr(req->client), verdict.refusal, req->refusal_detail);
    return false;
}

bool access_address_passes(const struct location_conf *loc, const struct addr *a)
{
    VEC_FOR(const struct access_rule, rule, &loc->access_rules)
        if (cidr_contains(&rule->block, a))
            return rule->allow;
    return true;
}

/* `satisfy any` and `all` are the same while addresses are the only thing to satisfy. */
bool access_admit(struct request *req)
{
    req->is_admitted = false;
    /* error_page of a malformed request leads here without. */
    if (!req->is_checked && !access_check_client(req))
        return false;
    bool is_open = req->location->verify == TLS_VERIFY_OFF;
    /* error_page led here: it stays a refusal, but where nobody is refused. */
    if (req->refusal != REFUSAL_NONE && !is_open) {
        respond_refusal_page(req);
        return false;
    }
    if (!access_check_location(req))
        return false;
    /* error_page 497 may show a page, but is no way around the certificate. */
    if (req->check_failed && !is_open) {
        req->in_error_page = true;
        respond_status(req, 497);
        return false;
    }
    if (req->match_failed) { /* as where an `if` cannot tell */
        respond_status(req, 500);
        return false;
    }
    if (!access_address_passes(req->location, client_addr(req->client))) {
        log_write(&req->log, LOG_ERROR, "access forbidden by rule");
        respond_status(req, 403);
        return false;
    }
    if (req->refusal == REFUSAL_NONE)
        room_leave(req->client);
    return req->is_admitted = true;
}
