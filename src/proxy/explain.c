#include "portcullis/proxy/explain.h"

#include "access.h"
#include "client_rules.h"
#include "explain_request.h"
#include "route.h"

/* ---- which blocks ---- */

/* The first address with TLS whose servers know the name. */
static bool find_server(const struct explain_question *q, struct str name, struct str port,
                        struct explain_answer *answer)
{
    const struct http_conf *http = &q->snapshot->http;
    uint64_t number = 0;
    if (port.len > 0 && !str_to_u64(port, &number))
        return false;
    for (size_t i = 0; i < http->binds.count; i++) {
        const struct bind_conf *b = http->binds.items[i];
        bool matched = name.len == 0;
        if (!b->listen.ssl || (port.len > 0 && addr_port(&b->listen.addr) != number))
            continue;
        answer->server = name.len > 0 ? bind_find_server(b, name, &matched, NULL, NULL)
                                      : b->default_server;
        answer->bind = b;
        if (matched)
            return true;
    }
    return false;
}

static bool is_reached_by(const struct server_conf *s, const struct bind_conf *b)
{
    VEC_FOR(const struct listen_conf, listen, &s->listens)
        if (b->listen.ssl && addr_eq(&listen->addr, &b->listen.addr))
            return true;
    return false;
}

static bool use_server(const struct explain_question *q, struct explain_answer *answer)
{
    const struct http_conf *http = &q->snapshot->http;
    answer->server = q->at;
    for (size_t i = 0; i < http->binds.count && !answer->bind; i++)
        if (is_reached_by(q->at, http->binds.items[i]))
            answer->bind = http->binds.items[i];
    return answer->bind != NULL;
}

static bool choose_server(const struct explain_question *q, struct arena *a,
                          struct explain_answer *answer, struct str *problem)
{
    struct str name = STR(""), port = STR("");
    if (q->at && use_server(q, answer))
        return true;
    if (q->server.len > 0 && q->server.ptr[0] == ':')
        port = str_from(q->server, 1);
    else if (q->server.len > 0 && !uri_host_parse(a, q->server, &name, &port)) {
        *problem = arena_printf(a, "\"%.*s\" is no server name", STR_ARG(q->server));
        return false;
    }
    if (find_server(q, name, port, answer))
        return true;
    *problem = q->server.len == 0
                   ? STR("no server of this configuration listens with ssl")
                   : arena_printf(a, "no server \"%.*s\" listens with ssl", STR_ARG(q->server));
    return false;
}

static enum match_result match(void *owner, const struct regex_conf *r, struct str path)
{
    bool has_failed = false;
    (void)owner;
    if (regex_match(r->regex, path, NULL, &has_failed))
        return MATCH_YES;
    return has_failed ? MATCH_FAILED : MATCH_NO;
}

static bool choose_location(const struct explain_question *q, struct arena *a,
                            struct explain_answer *answer, struct str *problem)
{
    struct uri uri;
    const char *words;
    if (!uri_parse(&uri, a, q->target, answer->server->merge_slashes, &words)) {
        *problem = arena_printf(a, "the path \"%.*s\" is not one: %s", STR_ARG(q->target), words);
        return false;
    }
    struct route_search s = {.path = uri.path, .match = match};
    route_search(&s, &answer->server->locations);
    answer->path = uri.path;
    if (s.has_failed) {
        *problem = STR("a regular expression of a location gave up on this path");
        return false;
    }
    answer->location = s.found ? s.found : answer->server->root;
    return true;
}

/* ---- what they say ---- */

static void name_rule(struct explain_answer *answer, struct arena *a,
                      const struct client_ruling *ruling, bool is_barred)
{
    const struct location_conf *loc = answer->location;
    const struct client_rule *rule = ruling->rule;
    bool has_rules = loc->verify != TLS_VERIFY_OFF && loc->client_rules.count > 0;
    bool decides = is_barred || (has_rules && answer->refusal == REFUSAL_NONE);
    answer->matched = decides ? rule : NULL;
    if (!decides) {
        answer->rule = arena_printf(a, "ssl_verify_client %s", verify_mode_name(loc->verify));
        answer->rule_pos = loc->verify_pos;
        return;
    }
    const char *words = "";
    if (!rule) {
        rule = &loc->client_rules.items[loc->client_rules.count - 1];
        words = ruling->refuses ? ", the last; none matched" : ", the last; no deny matched";
    }
    answer->rule = arena_printf(a, "%s %s%s", rule->allow ? "ssl_client_allow" : "ssl_client_deny",
                                client_rule_kind_name(rule->kind), words);
    answer->rule_pos = (struct conf_pos){rule->file, rule->line};
}

/* As a request comes through: what holds everywhere, then what its location says. */
static struct access_verdict ask(const struct explain_question *q,
                                 const struct explain_answer *answer)
{
    const struct access_subject s = {
        .bind = answer->bind,
        .handshake = answer->server,
        .server = answer->server,
        .connection_is_tls = true,
        .sni_matched = true,
        .identity = q->identity,
        .now = q->now,
    };
    const struct location_conf *first = access_first_location(answer->server);
    struct access_verdict v = access_ask(&s, first);
    return first || v.kind != ACCESS_PASSES ? v : access_ask(&s, answer->location);
}

/* What happens to a request that passes the gate. */
static void look_behind(const struct explain_question *q, struct arena *a,
                        struct explain_answer *answer, struct identity *identity)
{
    struct request req;
    explain_request_init(&req, q, answer, identity);
    explain_follow(&req, answer);
    explain_tell(&req, a, answer);
    explain_request_deinit(&req);
}

bool explain_ask(const struct explain_question *q, struct arena *a, struct explain_answer *answer,
                 struct str *problem)
{
    *answer = (struct explain_answer){0};
    if (!choose_server(q, a, answer, problem) || !choose_location(q, a, answer, problem))
        return false;
    if (answer->server->tls.reject_handshake) {
        *problem = STR("this server rejects every handshake (ssl_reject_handshake)");
        return false;
    }
    tls_context_judge(answer->server->tls_context, q->identity, q->now);
    struct access_verdict v = ask(q, answer);
    answer->passes = v.kind == ACCESS_PASSES;
    answer->refusal = answer->passes ? v.reported : v.refusal;
    if (answer->refusal != REFUSAL_NONE)
        answer->detail = access_words(a, answer->refusal, q->identity, answer->location);
    struct client_ruling ruling = client_rules_ask(answer->location, q->identity);
    name_rule(answer, a, &ruling, answer->refusal == REFUSAL_NOT_PERMITTED);
    if (answer->passes)
        look_behind(q, a, answer, v.identity_counts ? q->identity : NULL);
    return true;
}
