#include "portcullis/upstream/peer.h"

#include <assert.h>

void peer_init(struct peer *p, const struct peer_conf *conf, struct arena *a)
{
    char text[ADDR_TEXT_MAX];

    *p = (struct peer){.conf = conf, .effective_weight = conf->weight};
    p->addr_text = arena_str(a, addr_text_port(&conf->addr, text));
}

static bool has_failed_too_often(const struct peer *p, int64_t now_ms)
{
    return p->conf->max_fails > 0 && p->fails >= p->conf->max_fails &&
           now_ms - p->checked_ms <= p->conf->fail_timeout_ms;
}

static bool is_full(const struct peer *p)
{
    return p->conf->max_conns > 0 && p->conns >= p->conf->max_conns;
}

bool peer_is_available(const struct peer *p, int64_t now_ms)
{
    return !p->conf->down && !is_full(p) && !has_failed_too_often(p, now_ms);
}

bool peer_is_worth_a_try(const struct peer *p)
{
    return !p->conf->down && !is_full(p) && !p->timed_out;
}

void peer_begin_early(struct peer *p, int64_t now_ms)
{
    p->checked_ms = now_ms;
    p->conns++;
}

void peer_begin(struct peer *p, int64_t now_ms)
{
    /* After fail_timeout this request is the probe: no other one is until fail_timeout again. */
    if (now_ms - p->checked_ms > p->conf->fail_timeout_ms)
        p->checked_ms = now_ms;
    p->conns++;
}

void peer_release(struct peer *p)
{
    assert(p->conns > 0);
    p->conns--;
}

static bool count_failure(struct peer *p, int64_t now_ms)
{
    p->fails++;
    p->failed_ms = p->checked_ms = now_ms;
    if (p->conf->max_fails == 0)
        return false;
    p->effective_weight -= (int64_t)(p->conf->weight / p->conf->max_fails);
    if (p->effective_weight < 0)
        p->effective_weight = 0;
    return p->fails >= p->conf->max_fails;
}

bool peer_end(struct peer *p, enum peer_result result, int64_t now_ms)
{
    peer_release(p);
    p->timed_out = result == PEER_TIMED_OUT;
    if (result == PEER_FAILED || result == PEER_TIMED_OUT)
        return count_failure(p, now_ms);
    /* It was asked again since its last failure and did well. */
    if (p->failed_ms < p->checked_ms)
        p->fails = 0;
    return false;
}
