#include "refusal_log.h"

#include "portcullis/base/memory.h"

#define FLUSH_MS    10000
#define ENTRIES_MAX 256

struct entry {
    struct addr from;
    enum refusal why;
    bool is_report;
    uint64_t repeats; /* not told yet */
    const struct log *log;
};

struct refusal_log {
    struct timer *timer;
    struct entry entries[ENTRIES_MAX];
    size_t count;
    uint64_t others;             /* from addresses that found no room */
    const struct log *other_log; /* of the last of them */
};

static void on_timer(void *owner)
{
    struct refusal_log *r = owner;
    refusal_log_flush(r);
    if (r->count)
        timer_start(r->timer, FLUSH_MS);
}

struct refusal_log *refusal_log_new(struct loop *l)
{
    struct refusal_log *r = MEM_NEW(struct refusal_log);
    if (l) {
        r->timer = timer_new(l, on_timer, r);
        timer_set_weak(r->timer, true);
    }
    return r;
}

void refusal_log_free(struct refusal_log *r)
{
    if (!r)
        return;
    refusal_log_flush(r);
    timer_free(r->timer);
    mem_free(r);
}

static const char *verb(bool is_report)
{
    return is_report ? "would be refused" : "refused";
}

static struct entry *find(struct refusal_log *r, const struct addr *from, enum refusal why,
                          bool is_report)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->entries[i].why == why && r->entries[i].is_report == is_report &&
            addr_eq_host(&r->entries[i].from, from))
            return &r->entries[i];
    return NULL;
}

static void add(struct refusal_log *r, const struct log_context *ctx, const struct entry *new,
                struct str detail)
{
    struct entry *e = find(r, &new->from, new->why, new->is_report);
    if (e) {
        e->repeats++;
        return;
    }
    if (r->count == ENTRIES_MAX) {
        r->others++;
        r->other_log = ctx->log;
        return;
    }
    r->entries[r->count++] = *new;
    if (r->timer && !timer_is_running(r->timer))
        timer_start(r->timer, FLUSH_MS);
    log_write(ctx, LOG_ERROR, "client certificate %s: %s%s%.*s", verb(new->is_report),
              refusal_code(new->why), detail.len ? ": " : "", STR_ARG(detail));
}

void refusal_log_add(struct refusal_log *r, const struct log_context *ctx, const struct addr *from,
                     enum refusal why, struct str detail)
{
    add(r, ctx, &(struct entry){.from = *from, .why = why, .log = ctx->log}, detail);
}

void refusal_log_report(struct refusal_log *r, const struct log_context *ctx,
                        const struct addr *from, enum refusal why, struct str detail)
{
    add(r, ctx, &(struct entry){.from = *from, .why = why, .is_report = true, .log = ctx->log},
        detail);
}

static void tell(const struct entry *e)
{
    char text[ADDR_TEXT_MAX];
    struct str from = addr_text(&e->from, text);
    struct log_context ctx = {.log = e->log};
    log_write(&ctx, LOG_ERROR, "client certificate %s: %s: %llu more time%s, client: %.*s",
              verb(e->is_report), refusal_code(e->why), (unsigned long long)e->repeats,
              e->repeats == 1 ? "" : "s", STR_ARG(from));
}

void refusal_log_flush(struct refusal_log *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct entry *e = &r->entries[i];
        if (e->repeats == 0)
            continue; /* quiet: its next refusal is told at once again */
        tell(e);
        e->repeats = 0;
        r->entries[kept++] = *e;
    }
    r->count = kept;
    if (r->others) {
        struct log_context ctx = {.log = r->other_log};
        log_write(&ctx, LOG_ERROR, "client certificate refused: %llu times from further addresses",
                  (unsigned long long)r->others);
        r->others = 0;
    }
}
