#include "handshake_rate.h"

#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"

enum { FLUSH_MS = 10000, WHOLE = 1000 }; /* a handshake is worth WHOLE: it refills by the ms */

struct handshake_rate {
    struct timer *timer;
    uint64_t limit, level; /* WHOLE for each that may begin now */
    int64_t filled_ms;
    uint64_t shed, told;
    bool is_counting; /* the first was told, ten seconds ago at most */
};

static void on_timer(void *owner)
{
    handshake_rate_flush(owner);
}

struct handshake_rate *handshake_rate_new(struct loop *l, uint64_t limit)
{
    struct handshake_rate *r = MEM_NEW(struct handshake_rate);

    r->limit = limit;
    r->level = limit * WHOLE;
    r->filled_ms = clock_monotonic_ms();
    if (l == NULL)
        return r;
    r->timer = timer_new(l, on_timer, r);
    timer_set_weak(r->timer, true);
    return r;
}

void handshake_rate_free(struct handshake_rate *r)
{
    if (r == NULL)
        return;
    handshake_rate_flush(r);
    timer_free(r->timer);
    mem_free(r);
}

static void refill(struct handshake_rate *r)
{
    int64_t now = clock_monotonic_ms();
    int64_t passed = now - r->filled_ms;

    r->filled_ms = now;
    if (passed < 0)
        return;
    r->level = passed >= 1000 ? r->limit * WHOLE : r->level + r->limit * (uint64_t)passed;
    if (r->level > r->limit * WHOLE)
        r->level = r->limit * WHOLE;
}

/* The first of a flood is told at once, the others when the ten seconds are over. */
static void count_shed(struct handshake_rate *r, const struct log_context *ctx)
{
    r->shed++;
    if (r->is_counting)
        return;
    r->is_counting = true;
    r->told = r->shed;
    log_write(ctx, LOG_ERROR, "TLS handshake shed: more than ssl_handshake_rate %llu",
              (unsigned long long)r->limit);
    if (r->timer != NULL)
        timer_start(r->timer, FLUSH_MS);
}

bool handshake_rate_take(struct handshake_rate *r, const struct log_context *ctx)
{
    if (r->limit == 0)
        return true;
    refill(r);
    if (r->level >= WHOLE) {
        r->level -= WHOLE;
        return true;
    }
    count_shed(r, ctx);
    return false;
}

void handshake_rate_flush(struct handshake_rate *r)
{
    uint64_t more = r->shed - r->told;

    r->is_counting = more > 0;
    if (more == 0)
        return;
    r->told = r->shed;
    log_write(&log_process, LOG_ERROR, "TLS handshakes shed: %llu more, %llu in all",
              (unsigned long long)more, (unsigned long long)r->shed);
    if (r->timer != NULL)
        timer_start(r->timer, FLUSH_MS);
}
