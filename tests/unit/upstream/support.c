#include "support.h"

#include "portcullis/base/clock.h"

void group_init(struct group *g, enum balancer_id balancer)
{
    *g = (struct group){.loop = loop_new(), .conf = {.name = STR("app"), .balancer = balancer}};
    arena_init(&g->arena, 1024);
    g->backends.loop = g->loop;
    addr_parse_ip(&g->client, STR("192.0.2.7"), 5000);
}

struct peer_conf *group_add(struct group *g, unsigned weight)
{
    struct peer_conf *p = VEC_PUSH(&g->arena, &g->conf.peers);

    *p = (struct peer_conf){.weight = weight, .max_fails = 1, .fail_timeout_ms = 10000};
    addr_parse_ip(&p->addr, STR("127.0.0.1"), (uint16_t)g->conf.peers.count);
    return p;
}

void group_start(struct group *g)
{
    clock_update();
    g->upstream = upstream_new(&g->backends, &g->conf);
}

void group_deinit(struct group *g)
{
    upstream_free(g->upstream);
    loop_run(g->loop);
    loop_free(g->loop);
    arena_deinit(&g->arena);
}

char pick_letter(struct selection *s)
{
    struct peer *p = selection_next(s);

    return p == NULL ? '-' : (char)('a' + addr_port(&p->conf->addr) - 1);
}

struct str group_picks(struct group *g, size_t count)
{
    char *out = arena_zalloc(&g->arena, count + 1);

    for (size_t i = 0; i < count; i++) {
        struct selection s;
        selection_init(&s, g->upstream, &g->arena, &g->client, 0);
        out[i] = pick_letter(&s);
        selection_end(&s, PEER_OK, &log_process);
    }
    return str_make(out, count);
}
