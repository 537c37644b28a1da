/* The life of a request. Each step decides one thing; what it waits for calls request_resume. */
#include "portcullis/proxy/request.h"

#include <assert.h>

#include "access.h"
#include "limit.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "portcullis/proxy/client.h"
#include "portcullis/proxy/exchange.h"

#define REDIRECTS_MAX 10
#define REQUEST_STAY  REQUEST_STEPS /* next_step: nobody has said where to go */

/* ------------------------------------------------------------------ the steps */

static enum step_result step_route(struct request *req)
{
    route_server(req);
    return STEP_NEXT;
}

static void check_client(struct request *req)
{
    req->is_checked = true;
    req->checked_ms = clock_monotonic_ms();
    req->check_failed = !access_check_client(req); /* then it answered, and next_step says so */
}

static enum step_result step_verify(struct request *req)
{
    check_client(req);
    return STEP_NEXT;
}

/* True when the path was changed and the location must be found again. */
static bool run_script(struct request *req, const struct script *script)
{
    switch (rewrite_run(req, script)) {
    case REWRITE_CONTINUE:
    case REWRITE_ANSWERED:
        return false;
    case REWRITE_RELOCATE:
        return true;
    case REWRITE_FAILED:
        if (req->next_step == REQUEST_STAY)
            respond_status(req, 500);
        return false;
    }
    return false;
}

static enum step_result step_rewrite(struct request *req)
{
    bool is_refused = req->server->verify_varies && req->refusal != REFUSAL_NONE;
    struct identity *known = req->identity;

    if (is_refused) /* what the script keeps may go to an open location's upstream */
        access_forget_refused(req);
    request_set_location(req, req->server->root);
    (void)run_script(req, &req->server->root->script);
    if (is_refused)
        req->identity = known;
    return STEP_NEXT;
}

static bool body_is_too_large(const struct request *req)
{
    uint64_t most = req->location->client_max_body_size;

    return most > 0 && !req->body_is_lost && req->framing.kind == BODY_LENGTH &&
           req->framing.length > most;
}

/* False: answered. */
static bool find_location(struct request *req)
{
    /* error_page @name and X-Accel-Redirect @name have said which; limit_except may stand in for
     * it.
     */
    if (req->outer_location->kind == LOCATION_NAMED)
        return true;
    const struct location_conf *found = route_location(req);
    if (req->next_step != REQUEST_STAY)
        return false;
    request_set_location(req, found);
    if (!found->internal || req->is_internal)
        return true;
    respond_status(req, 404);
    return false;
}

static bool find_cycle(struct request *req)
{
    if (req->redirects++ < REDIRECTS_MAX)
        return false;
    log_write(&req->log, LOG_ERROR, "rewrite or internal redirection cycle while processing \"%s\"",
              log_quoted(req->path));
    respond_status(req, 500);
    return true;
}

/* A malformed request comes here by error_page: a page is all it gets to, step_admit sees to that.
 */
static bool may_run(struct request *req)
{
    return !req->is_checked || access_check_location(req);
}

static enum step_result step_locate(struct request *req)
{
    for (;;) {
        if (!find_location(req) || !may_run(req))
            return STEP_NEXT;
        if (body_is_too_large(req)) {
            log_write(&req->log, LOG_ERROR, "client intended to send too large body: %llu bytes",
                      (unsigned long long)req->framing.length);
            req->must_close = req->body_is_lost = true;
            respond_status(req, 413);
            return STEP_NEXT;
        }
        if (!run_script(req, &req->location->script) || find_cycle(req))
            return STEP_NEXT;
        req->is_internal = true;
        req->path_is_original = false;
        request_set_location(req, req->server->root);
    }
}

/* Certificates end and trust changes while a request waits: for its turn, its body, an address, an
 * upstream before this one. What was refused shows its page. */
static bool has_waited(const struct request *req)
{
    return req->checked_ms != clock_monotonic_ms() && !req->check_failed &&
           req->refusal == REFUSAL_NONE;
}

static enum step_result step_admit(struct request *req)
{
    /* A malformed request may come here by error_page without having been routed. */
    if (!req->is_checked || has_waited(req))
        check_client(req);
    if (req->next_step == REQUEST_STAY)
        (void)access_admit(req); /* false: it answered */
    return STEP_NEXT;
}

/* RFC 9110, 7.6.2: who is asked with Max-Forwards: 0 answers by himself. */
static bool must_not_be_forwarded(const struct request *req)
{
    return req->head.method == METHOD_OPTIONS &&
           str_eq(headers_value(&req->head.headers, HEADER_MAX_FORWARDS), STR("0"));
}

static enum step_result step_answer(struct request *req)
{
    if (!req->location->proxy.is_set)
        respond_status(req, 404);
    else if (must_not_be_forwarded(req))
        respond_text(req, 200, STR(""), STR_NONE);
    return STEP_NEXT;
}

static enum step_result step_end(struct request *req)
{
    exchange_release(req);
    if (!req->transport->is_sent(req))
        return STEP_WAIT;
    limits_release(req); /* who reads slowly counts as long as his answer takes */
    access_log_write(req);
    client_request_done(req);
    return STEP_NEXT;
}

static enum step_result (*const steps[REQUEST_STEPS])(struct request *req) = {
    [REQUEST_ROUTE] = step_route,      [REQUEST_VERIFY] = step_verify,
    [REQUEST_REWRITE] = step_rewrite,  [REQUEST_LOCATE] = step_locate,
    [REQUEST_LIMIT] = limits_step,     [REQUEST_ADMIT] = step_admit,
    [REQUEST_ANSWER] = step_answer,    [REQUEST_CONNECT] = exchange_connect,
    [REQUEST_EXCHANGE] = exchange_run, [REQUEST_END] = step_end,
};

/* ------------------------------------------------------------------ the machine */

static void take_next_step(struct request *req)
{
    req->step = req->next_step;
    req->next_step = REQUEST_STAY;
}

void request_resume(struct request *req)
{
    if (req->is_running)
        return; /* the step on the stack has said where to go */
    req->is_running = true;
    if (req->next_step != REQUEST_STAY)
        take_next_step(req);
    while (req->step != REQUEST_STEPS) {
        enum step_result result = steps[req->step](req);
        if (req->next_step != REQUEST_STAY)
            take_next_step(req);
        else if (result == STEP_NEXT)
            req->step++;
        else
            break;
    }
    req->is_running = false;
}

void request_start(struct request *req)
{
    req->step = REQUEST_ROUTE;
    request_resume(req);
}

void request_abort(struct request *req, unsigned status, enum close_reason why)
{
    if (req->step == REQUEST_STEPS)
        return;
    if (!req->response_started)
        req->status = status;
    req->transport->abort(req, why);
    req->next_step = REQUEST_END;
    request_resume(req);
}

void request_fail(struct request *req, unsigned status, enum close_reason why)
{
    if (req->step >= REQUEST_END)
        return;
    if (req->response_started) {
        request_abort(req, status, why);
        return;
    }
    exchange_release(req);
    respond_status(req, status);
    request_resume(req);
}

/* ------------------------------------------------------------------ internal redirects */

static void begin_again(struct request *req)
{
    exchange_free(req);
    req->is_internal = true;
}

/* Too many: answered, without any further error_page. */
static bool redirect_is_one_too_many(struct request *req, struct str to)
{
    if (req->redirects++ < REDIRECTS_MAX)
        return false;
    log_write(&req->log, LOG_ERROR,
              "rewrite or internal redirection cycle while internally redirecting to \"%s\"",
              log_quoted(to));
    req->in_error_page = true;
    respond_status(req, 500);
    return true;
}

void request_redirect(struct request *req, struct str path, struct str args)
{
    if (redirect_is_one_too_many(req, path))
        return;
    begin_again(req);
    req->path = path;
    req->args = args;
    req->path_is_original = false;
    req->path_fits_location = true;
    req->next_step = REQUEST_REWRITE;
}

bool request_redirect_named(struct request *req, struct str name)
{
    const struct location_conf *loc = strmap_find(&req->server->locations.named, name);

    if (loc == NULL) {
        log_write(&req->log, LOG_ERROR, "could not find named location \"%s\"", log_quoted(name));
        return false;
    }
    if (redirect_is_one_too_many(req, name))
        return true;
    begin_again(req);
    request_set_location(req, loc);
    req->next_step = REQUEST_LOCATE;
    return true;
}

/* ------------------------------------------------------------------ what the log says of it */

static void describe_upstream(const struct request *req, struct buf *out)
{
    const struct exchange *x = req->exchange;

    if (x == NULL || req->tries.count == 0)
        return;
    struct str addr = req->tries.items[req->tries.count - 1].addr;
    buf_append_str(out, STR(", upstream: \"http://"));
    buf_append_str(out, addr);
    if (str_starts(addr, STR("unix:")))
        buf_append_char(out, ':');
    log_append_escaped(out, x->target, true);
    buf_append_char(out, '"');
}

static void describe_field(struct buf *out, const char *name, struct str value)
{
    if (value.ptr == NULL)
        return;
    buf_printf(out, ", %s: \"", name);
    log_append_escaped(out, value, true);
    buf_append_char(out, '"');
}

void request_describe(const void *owner, struct buf *out)
{
    const struct request *req = owner;

    if (req->action != NULL)
        buf_printf(out, " %s", req->action);
    buf_printf(out, ", client: %s, server: ", req->client->addr_text);
    buf_append_str(out, req->server->name);
    describe_field(out, "request", req->head.line);
    describe_upstream(req, out);
    describe_field(out, "host", headers_value(&req->head.headers, HEADER_HOST));
    describe_field(out, "referrer", headers_value(&req->head.headers, HEADER_REFERER));
    if (req->refusal != REFUSAL_NONE)
        describe_field(out, "request id", req->id);
}

uint64_t request_octets(const struct request *req)
{
    const struct h1_parser *p = &req->client->h1.parser;

    return p->head_bytes + p->body_bytes + p->framing_bytes;
}

struct str request_body_text(const struct request *req)
{
    if (req->spool == NULL || req->spool->in_file)
        return STR("");
    return buf_str(&req->spool->memory);
}

/* ------------------------------------------------------------------ making */

static void make_values(struct request *req)
{
    size_t count = proxy_snapshot(req->proxy)->http.variables.count;

    req->values = ARENA_ARRAY(&req->arena, struct str, count + 1);
}

struct request *request_new(struct client *c, const struct transport *t)
{
    struct request *req = MEM_NEW(struct request);
    const struct server_conf *server = c->tls_server != NULL ? c->tls_server
                                                             : c->bind->default_server;

    arena_init(&req->arena, 8192);
    req->proxy = c->proxy;
    req->client = c;
    req->transport = t;
    req->bind = c->bind;
    req->server = server;
    req->location = req->outer_location = server->root;
    req->log = (struct log_context){proxy_error_log(c->proxy, server->root), c->number,
                                    request_describe, req};
    req->next_step = REQUEST_STAY;
    req->path_is_original = req->path_fits_location = true;
    req->started_ms = clock_monotonic_ms();
    req->started_wall_ms = clock_wall_ms();
    make_values(req);
    return req;
}

void request_free(struct request *req)
{
    exchange_free(req);
    if (req->spool != NULL)
        spool_deinit(req->spool);
    arena_deinit(&req->arena);
    mem_free(req);
}
