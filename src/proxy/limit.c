#include "limit.h"

#include <assert.h>

#include "limit_table.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "portcullis/tls/context.h"

enum {
    RENEW_MS = COUNT_LEASE_MS / 3,
    KEY_MAX = 65535, /* nginx's */
};

struct limits {
    const struct snapshot *snapshot;
    unsigned *workers; /* this one's number in each zone; 0: it counts nothing there yet */
    struct timer *renewal;
};

/* ---- the worker ------------------------------------------------------------------------------ */

static void renew(void *owner)
{
    struct limits *l = owner;
    const struct http_conf *http = &l->snapshot->http;
    for (size_t i = 0; i < http->limit_zones.count; i++)
        if (l->workers[i] != 0)
            count_renew(http->limit_zones.items[i]->memory, l->workers[i], clock_monotonic_ms());
    timer_start(l->renewal, RENEW_MS);
}

struct limits *limits_new(struct loop *loop, const struct snapshot *s)
{
    struct limits *l = MEM_NEW(struct limits);
    l->snapshot = s;
    l->workers = mem_zalloc(sizeof *l->workers * (s->http.limit_zones.count + 1));
    l->renewal = timer_new(loop, renew, l);
    timer_set_weak(l->renewal, true);
    return l;
}

void limits_free(struct limits *l)
{
    const struct http_conf *http = &l->snapshot->http;
    for (size_t i = 0; i < http->limit_zones.count; i++)
        if (l->workers[i] != 0)
            count_leave(http->limit_zones.items[i]->memory, l->workers[i]);
    timer_free(l->renewal);
    mem_free(l->workers);
    mem_free(l);
}

static unsigned worker_in(struct limits *l, const struct limit_zone *z)
{
    unsigned *number = &l->workers[z->index];
    if (*number == 0) {
        *number = count_join(z->memory, clock_monotonic_ms());
        if (!timer_is_running(l->renewal))
            timer_start(l->renewal, RENEW_MS);
    }
    return *number;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* False: the request does not count there. */
static bool tag_of(struct request *req, const struct limit_zone *z, uint64_t *tag)
{
    struct str key = template_value(req, &z->key);
    if (key.len > KEY_MAX)
        log_write(&req->log, LOG_ERROR,
                  "the value of the \"%.*s\" key is more than 65535 bytes: it is not limited",
                  STR_ARG(z->key.source));
    if (key.len == 0 || key.len > KEY_MAX)
        return false;
    *tag = tls_tag(z->memory->birth->seed, key);
    return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

static const char *dry(const struct limit_answer *a)
{
    return a->dry_run ? ", dry run" : "";
}

static enum limit_status reject(struct request *req, const struct limit_answer *a)
{
    if (a->dry_run)
        return LIMIT_REJECTED_DRY_RUN;
    respond_status(req, a->status);
    return LIMIT_REJECTED;
}

/* ---- rates ----------------------------------------------------------------------------------- */

struct excess {
    const struct limit_req *limit; /* the one that was reached; NULL: none counts */
    uint64_t thousandths;
    int64_t delay_ms;
    bool is_full; /* its zone */
};

static struct rate rate_of(const struct limit_req *r)
{
    return (struct rate){r->zone->interval_ns, r->burst * 1000};
}

static void note_delay(struct excess *e, const struct limit_req *r, uint64_t excess)
{
    if (r->delay == UINT64_MAX || excess <= r->delay * 1000)
        return;
    uint64_t early = excess - r->delay * 1000;
    int64_t delay_ms = (int64_t)(early * (r->zone->interval_ns / 1000) / 1000000);
    if (delay_ms > e->delay_ms)
        *e = (struct excess){.limit = r, .thousandths = excess, .delay_ms = delay_ms};
}

/* Nothing is taken from any when one of them says no: all are asked before the first is. */
static bool ask_rates(struct request *req, const struct location_conf *loc, bool take,
                      struct excess *e)
{
    int64_t now = clock_monotonic_ms();
    VEC_FOR(const struct limit_req, r, &loc->limit_reqs) {
        struct rate rate = rate_of(r);
        uint64_t tag, excess;
        if (!tag_of(req, r->zone, &tag))
            continue;
        enum rate_verdict v = take ? rate_take(r->zone->memory, tag, &rate, now, &excess)
                                   : rate_look(r->zone->memory, tag, &rate, now, &excess);
        if (v != RATE_PASSES) {
            *e = (struct excess){.limit = r, .thousandths = excess, .is_full = v == RATE_NO_ROOM};
            return false;
        }
        if (!e->limit)
            e->limit = r;
        note_delay(e, r, excess);
    }
    return true;
}

static void log_excess(struct request *req, const struct limit_answer *a, enum log_level level,
                       const char *what, const struct excess *e)
{
    log_write(&req->log, level, "%s%s, excess: %llu.%03llu by zone \"%.*s\"", what, dry(a),
              (unsigned long long)e->thousandths / 1000, (unsigned long long)e->thousandths % 1000,
              STR_ARG(e->limit->zone->name));
}

static void log_limited(struct request *req, const struct limit_answer *a, const struct excess *e)
{
    if (e->is_full)
        log_write(&req->log, a->level,
                  "limiting requests%s by zone \"%.*s\": it is full, make it "
                  "larger",
                  dry(a), STR_ARG(e->limit->zone->name));
    else
        log_excess(req, a, a->level, "limiting requests", e);
}

static void on_waited(void *owner)
{
    request_resume(owner);
}

static bool wait(struct request *req, const struct limit_answer *a, const struct excess *e)
{
    log_excess(req, a, a->level < LOG_INFO ? a->level + 1 : a->level, "delaying request", e);
    req->limit_req = a->dry_run ? LIMIT_DELAYED_DRY_RUN : LIMIT_DELAYED;
    if (a->dry_run)
        return false;
    req->limit_wait = timer_new(proxy_loop(req->proxy), on_waited, req);
    timer_start(req->limit_wait, e->delay_ms);
    return true;
}

/* True: the request waits. */
static bool limit_rate(struct request *req)
{
    const struct location_conf *loc = req->location;
    const struct limit_answer *a = &loc->limit_req;
    struct excess e = {0};
    bool is_only = loc->limit_reqs.count == 1;
    bool passes = (is_only || ask_rates(req, loc, false, &e)) &&
                  (e = (struct excess){0}, ask_rates(req, loc, true, &e));
    if (!passes) {
        log_limited(req, a, &e);
        req->limit_req = reject(req, a);
        return false;
    }
    if (!e.limit)
        return false;
    req->limit_req = LIMIT_PASSED;
    return e.delay_ms > 0 && wait(req, a, &e);
}

/* ---- connections ----------------------------------------------------------------------------- */

struct limit_hold {
    struct count_entry *entry;
    unsigned worker;
    uint64_t tag;
    struct limit_hold *next;
};

static bool hold(struct request *req, const struct limit_conn *c, uint64_t tag)
{
    const struct zone *memory = c->zone->memory;
    unsigned worker = worker_in(proxy_limits(req->proxy), c->zone);
    bool is_full = true;
    struct count_entry *e = worker == 0 ? NULL
                                        : count_take(memory, worker, tag, c->most,
                                                     clock_monotonic_ms(), &is_full);
    if (e == NULL) {
        const struct limit_answer *a = &req->location->limit_conn;
        log_write(&req->log, a->level, "limiting connections%s by zone \"%.*s\"%s", dry(a),
                  STR_ARG(c->zone->name), is_full ? ": it is full, make it larger" : "");
        return false;
    }
    struct limit_hold *h = ARENA_NEW(&req->arena, struct limit_hold);
    *h = (struct limit_hold){e, worker, tag, req->limit_holds};
    req->limit_holds = h;
    return true;
}

static void limit_connections(struct request *req)
{
    const struct location_conf *loc = req->location;
    VEC_FOR(const struct limit_conn, c, &loc->limit_conns) {
        uint64_t tag;
        if (!tag_of(req, c->zone, &tag))
            continue;
        req->limit_conn = LIMIT_PASSED;
        if (hold(req, c, tag))
            continue;
        limits_release(req);
        req->limit_conn = reject(req, &loc->limit_conn);
        return;
    }
}

/* ---- the step -------------------------------------------------------------------------------- */

/* What error_page and redirects lead to is the same request. */
enum step_result limits_step(struct request *req)
{
    /* What the connection sent before is on its way, and said so. */
    if (req->limit_wait != NULL && timer_is_running(req->limit_wait))
        return STEP_WAIT;
    if (req->limit_req == LIMIT_NOT_ASKED && req->location->limit_reqs.count > 0 && limit_rate(req))
        return STEP_WAIT;
    if (req->limit_req != LIMIT_REJECTED && req->limit_conn == LIMIT_NOT_ASKED)
        limit_connections(req);
    return STEP_NEXT;
}

void limits_release(struct request *req)
{
    for (struct limit_hold *h = req->limit_holds; h != NULL; h = h->next)
        count_release(h->entry, h->worker, h->tag);
    req->limit_holds = NULL;
    timer_free(req->limit_wait);
    req->limit_wait = NULL;
}

static const char *const statuses[] = {
    [LIMIT_PASSED] = "PASSED",
    [LIMIT_DELAYED] = "DELAYED",
    [LIMIT_REJECTED] = "REJECTED",
    [LIMIT_DELAYED_DRY_RUN] = "DELAYED_DRY_RUN",
    [LIMIT_REJECTED_DRY_RUN] = "REJECTED_DRY_RUN",
};

struct str limits_req_status(const struct request *req)
{
    return str_of(statuses[req->limit_req]);
}

struct str limits_conn_status(const struct request *req)
{
    return str_of(statuses[req->limit_conn]);
}
