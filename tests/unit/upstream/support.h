/* Upstreams without a file: peers by weight, all on loopback. */
#ifndef TESTS_UNIT_UPSTREAM_SUPPORT_H
#define TESTS_UNIT_UPSTREAM_SUPPORT_H

#include "portcullis/upstream/upstream.h"

struct group {
    struct loop *loop;
    struct arena arena;
    struct backends backends;
    struct upstream_conf conf;
    struct upstream *upstream;
    struct addr client;
};

void group_init(struct group *g, enum balancer_id balancer);
/* Before group_start; ports count up from 1. */
struct peer_conf *group_add(struct group *g, unsigned weight);
void group_start(struct group *g);
void group_deinit(struct group *g);

/* A letter for each pick, the peer's; each request ends at once and well. '-': no live upstream. */
struct str group_picks(struct group *g, size_t count);
/* The letter of one pick in a selection. */
char pick_letter(struct selection *s);

#endif
