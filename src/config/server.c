/* The http block and its servers. */
#include "loader.h"
#include "portcullis/base/hash.h"
#include "portcullis/http/names.h"

static void load_server(struct loader *l, const struct conf_node *node, void *conf)
{
    struct server_conf *s = conf, *outer = loader_server(l);
    struct location_conf *root = location_new(l, node, LOCATION_SERVER);
    struct block b = {.where = IN_SERVER};

    *s = *outer;
    s->pos = node->pos;
    s->root = root;
    *root = *loader_location(l);
    root->kind = LOCATION_SERVER;
    root->pos = node->pos;
    root->server = s;
    b.fields[OF_SERVER] = s;
    b.fields[OF_LOCATION] = root;
    directives_reset_own(l, &b);
    block_load(l, &b, node->children.items, node->children.count);
    prefixes_build(l, &s->locations);
    add_default_listen(l, s);
    add_default_name(l, s);
}

bool set_server(struct loader *l, const struct conf_node *node, void *field)
{
    struct server_conf *s = ARENA_NEW(l->arena, struct server_conf);
    (void)field;
    *VEC_PUSH(l->arena, &l->snapshot->http.servers) = s;
    block_postpone(l, load_server, node, s);
    return true;
}

/* ---- what only the whole can tell ---- */

static bool sets_header(const struct proxy_conf *p, struct str name)
{
    VEC_FOR(const struct set_header_conf, h, &p->set_headers) {
        if (str_eq_nocase(h->name, name))
            return true;
    }
    return false;
}

/* The first location that passes X-Forwarded-For on as it came. */
static const struct location_conf *find_unset(const struct location_set *set)
{
    const struct location_conf *found = NULL;
    for (size_t kind = 0; kind < 2; kind++) {
        size_t count = kind ? set->regexes.count : set->prefixes.count;
        struct location_conf *const *items = kind ? set->regexes.items : set->prefixes.items;
        for (size_t i = 0; i < count && !found; i++) {
            const struct proxy_conf *p = &items[i]->proxy;
            bool passes = p->is_set && !sets_header(p, STR("X-Forwarded-For"));
            found = passes ? items[i] : find_unset(&items[i]->nested);
        }
    }
    return found;
}

static void warn_of_forwarded_for(struct loader *l, const struct server_conf *s)
{
    const struct location_conf *loc = find_unset(&s->locations);
    if (loc)
        report_warn(&l->report, &loc->pos,
                    "write proxy_set_header X-Forwarded-For $remote_addr, or "
                    "$proxy_add_x_forwarded_for behind a trusted proxy",
                    "\"X-Forwarded-For\" is passed on as the client wrote it");
}

/* proxy_set_header fields that tell who the client is. */
static void finish_location(struct loader *l, struct location_conf *loc);

static void finish_script(struct loader *l, const struct script *script)
{
    VEC_FOR(const struct rewrite_op, op, &script->ops) {
        if (op->then)
            finish_location(l, op->then);
    }
}

static void finish_set(struct loader *l, const struct location_set *set)
{
    for (size_t i = 0; i < set->prefixes.count; i++)
        finish_location(l, set->prefixes.items[i]);
    for (size_t i = 0; i < set->regexes.count; i++)
        finish_location(l, set->regexes.items[i]);
    for (size_t i = 0; i < set->exact.capacity; i++)
        if (set->exact.entries[i].value)
            finish_location(l, set->exact.entries[i].value);
    for (size_t i = 0; i < set->named.capacity; i++)
        if (set->named.entries[i].value)
            finish_location(l, set->named.entries[i].value);
}

/* nginx runs nothing of a location's script for the methods that its limit_except names, so that
 * `if ($ssl_client_verify != SUCCESS) { return 403; }` does not hold for them. Here what refuses
 * goes on refusing: the block gets those conditions, and the variables that they look at. */
static bool only_refuses(const struct rewrite_op *op)
{
    if (op->kind == REWRITE_SET)
        return true;
    if (op->kind != REWRITE_IF)
        return op->kind == REWRITE_RETURN && op->status >= 400;
    VEC_FOR(const struct rewrite_op, inner, &op->then->script.ops) {
        if (!only_refuses(inner))
            return false;
    }
    return op->then->script.ops.count > 0;
}

static void keep_refusals(struct loader *l, const struct location_conf *loc)
{
    struct script *to = &loc->limit_except->conf->script;
    to->ops.count = 0;
    VEC_FOR(const struct rewrite_op, op, &loc->script.ops) {
        if (op->kind != REWRITE_RETURN && only_refuses(op))
            *VEC_PUSH(l->arena, &to->ops) = *op;
    }
}

/* Only those that differ from the server, and in any order: a location more is not another policy.
 */
static void note_policy(struct server_conf *s, const struct location_conf *loc)
{
    const struct location_conf *root = s->root;
    if (loc != root && loc->verify == root->verify &&
        loc->client_rules.items == root->client_rules.items)
        return;
    uint64_t hash = client_rules_hash(loc->client_rules.items, loc->client_rules.count);
    hash = hash_number(hash_number(hash, loc->verify), loc->kind);
    s->tls.policy += loc == root ? hash : hash_str(hash, loc->name);
}

/* The handshake ends before the request says which location it is for. */
static void check_alert(struct loader *l, const struct server_conf *s,
                        const struct location_conf *loc)
{
    if (s->client_refuse == REFUSE_ALERT && loc->verify != s->root->verify)
        report_error(&l->report, &loc->verify_pos, "write ssl_client_refuse 403",
                     "a location's own \"ssl_verify_client\" cannot be kept where "
                     "\"ssl_client_refuse alert\" refuses in the handshake");
}

/* What the locations say of the client's check, as far as the server and its TLS must know. */
static void note_verify(struct server_conf *s, const struct location_conf *loc)
{
    note_policy(s, loc);
    if (loc->client_rules.items != s->root->client_rules.items)
        s->verify_varies = true;
    if (loc->verify == s->root->verify)
        return;
    s->verify_varies = true;
    if (loc->verify != TLS_VERIFY_OFF)
        s->tls.location_verifies = true;
    if (!s->needs_ca && verify_needs_ca(loc->verify))
        s->needs_ca = loc;
}

/* Rules that nobody is asked by must not look as if they held. */
static void warn_of_idle_rules(struct loader *l, const struct server_conf *s)
{
    const struct location_conf *root = s->root;
    if (root->client_rules.count == 0 || root->verify != TLS_VERIFY_OFF || s->verify_varies)
        return;
    const struct client_rule *first = &root->client_rules.items[0];
    const struct conf_pos pos = {first->file, first->line};
    report_warn(&l->report, &pos, "write ssl_verify_client on",
                "\"%s\" has no effect where \"ssl_verify_client\" is off",
                first->allow ? "ssl_client_allow" : "ssl_client_deny");
}

/* An application that trusts a name trusts it whatever location a request came through.
 * Authorization and its like are HTTP's own: where they are not set, they are the client's. */
static void note_identity_name(struct loader *l, struct str name)
{
    struct http_conf *http = &l->snapshot->http;
    VEC_FOR(const struct str, known, &http->identity_names) {
        if (str_eq_nocase(*known, name))
            return;
    }
    if (header_name_find(name) == HEADER_OTHER)
        *VEC_PUSH(l->arena, &http->identity_names) = name;
}

static void finish_location(struct loader *l, struct location_conf *loc)
{
    note_verify(l->finishing, loc);
    check_alert(l, l->finishing, loc);
    VEC_FOR(struct set_header_conf, h, &loc->proxy.set_headers) {
        h->is_identity = template_is_identity(l, &h->value);
        if (h->is_identity)
            note_identity_name(l, h->name);
    }
    finish_script(l, &loc->script);
    finish_set(l, &loc->nested);
    if (loc->limit_except && loc->kind != LOCATION_IF) {
        keep_refusals(l, loc);
        finish_location(l, loc->limit_except->conf);
    }
}

static void finish(struct loader *l, const struct server_conf *outer)
{
    struct http_conf *http = &l->snapshot->http;
    variables_finish(l);
    binds_build(l);
    for (size_t i = 0; i < http->servers.count; i++) {
        struct server_conf *s = http->servers.items[i];
        l->finishing = s;
        s->tls.refuses_by_alert = s->client_refuse == REFUSE_ALERT;
        finish_location(l, s->root);
        finish_set(l, &s->locations);
        warn_of_idle_rules(l, s);
        if (l->report.errors == 0)
            warn_of_forwarded_for(l, s);
    }
    limits_finish(l);
    tls_build(l, outer);
}

void http_load(struct loader *l, const struct conf_node *nodes, size_t count)
{
    struct server_conf *s = ARENA_NEW(l->arena, struct server_conf);
    struct location_conf *loc = ARENA_NEW(l->arena, struct location_conf);
    struct block b = {.where = IN_HTTP};

    b.fields[OF_SERVER] = s;
    b.fields[OF_LOCATION] = loc;
    s->http = &l->snapshot->http;
    loc->kind = LOCATION_SERVER;
    loc->error_log = l->snapshot->process.error_log;
    directives_set_initial(l, &b);
    add_default_access_log(l, loc);
    block_load(l, &b, nodes, count);
    finish(l, s);
}
