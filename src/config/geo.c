/* geo: a value by address. Ranges become blocks, so that there is one way to look up. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "loader.h"

struct geo_load {
    struct loader *l;
    struct geo_conf *geo;
    struct strmap places;
    uint64_t highest; /* end of the highest range so far, and one */
};

static bool read_block(struct geo_load *g, const struct conf_node *node, struct str text,
                       struct cidr *block)
{
    bool low_bits = false;
    if (str_eq_z(text, "255.255.255.255"))
        text = STR("255.255.255.255/32");
    if (!cidr_parse(block, text, &low_bits) || block->family == AF_UNSPEC ||
        block->family == AF_UNIX)
        return loader_error(g->l, node, "it must be an address or a block (192.0.2.0/24)",
                            "invalid network \"%.*s\"", STR_ARG(text));
    if (low_bits)
        loader_warn(g->l, node, NULL, "low address bits of %.*s are meaningless", STR_ARG(text));
    return true;
}

/* Networks by their octets: what was said of one before. The value is the entry's place and one. */
static struct str block_key(struct geo_load *g, const struct cidr *block)
{
    return arena_str(g->l->arena, str_make((const char *)block, sizeof *block));
}

static struct geo_entry *entry_find(struct geo_load *g, const struct cidr *block)
{
    uintptr_t place = (uintptr_t)strmap_find(&g->places, block_key(g, block));
    return place ? &g->geo->entries.items[place - 1] : NULL;
}

static void add_entry(struct geo_load *g, const struct conf_node *node, const struct cidr *block)
{
    struct geo_entry *e = entry_find(g, block);
    if (e && e->value.ptr) {
        loader_warn(g->l, node, NULL,
                    "duplicate network \"%.*s\", value: \"%.*s\", old value: \"%.*s\"",
                    STR_ARG(node->name), STR_ARG(node->args[0]), STR_ARG(e->value));
    } else if (!e) {
        e = VEC_PUSH(g->l->arena, &g->geo->entries);
        strmap_add(&g->places, block_key(g, block), (void *)(uintptr_t)g->geo->entries.count);
    }
    *e = (struct geo_entry){.block = *block, .value = node->args[0]};
}

static bool delete_entry(struct geo_load *g, const struct conf_node *node)
{
    struct cidr block;
    if (!read_block(g, node, node->args[0], &block))
        return false;
    struct geo_entry *e = entry_find(g, &block);
    if (!e || !e->value.ptr)
        loader_warn(g->l, node, NULL, "no network \"%.*s\" to delete", STR_ARG(node->args[0]));
    else
        e->value = STR_NONE;
    return true;
}

static void drop_deleted(struct geo_conf *geo)
{
    size_t kept = 0;
    VEC_FOR(const struct geo_entry, e, &geo->entries) {
        if (e->value.ptr)
            geo->entries.items[kept++] = *e;
    }
    geo->entries.count = kept;
}

static bool add_proxy(struct geo_load *g, const struct conf_node *node)
{
    struct cidr block;
    if (!read_block(g, node, node->args[0], &block))
        return false;
    *VEC_PUSH(g->l->arena, &g->geo->proxies) = block;
    return true;
}

/* ---- ranges ---- */

static bool read_ipv4(struct str text, uint32_t *number)
{
    struct addr a;
    if (!addr_parse_ip(&a, text, 0) || addr_family(&a) != AF_INET)
        return false;
    *number = ntohl(a.in.sin_addr.s_addr);
    return true;
}

static uint32_t block_first(const struct cidr *block)
{
    uint32_t net;
    memcpy(&net, block->net, sizeof net);
    return ntohl(net);
}

static bool overlaps(const struct geo_load *g, uint32_t first, uint32_t last)
{
    if (first >= g->highest) /* ranges are mostly sorted */
        return false;
    VEC_FOR(const struct geo_entry, e, &g->geo->entries) {
        uint64_t start = block_first(&e->block),
                 end = start + (UINT64_C(1) << (32 - e->block.bits));
        if (first < end && start <= last)
            return true;
    }
    return false;
}

/* The largest block that begins at first and does not reach past last. */
static unsigned block_bits(uint32_t first, uint32_t last)
{
    unsigned bits = 32;
    while (bits > 0) {
        uint64_t size = UINT64_C(1) << (33 - bits);
        if (first % size != 0 || first + size - 1 > last)
            break;
        bits--;
    }
    return bits;
}

static bool add_range(struct geo_load *g, const struct conf_node *node)
{
    size_t dash = str_find(node->name, '-');
    uint32_t first, last;
    if (dash == SIZE_MAX || !read_ipv4(str_upto(node->name, dash), &first) ||
        !read_ipv4(str_from(node->name, dash + 1), &last) || first > last)
        return loader_error(g->l, node, "it must be first-last, IPv4 addresses",
                            "invalid range \"%.*s\"", STR_ARG(node->name));
    if (overlaps(g, first, last))
        return loader_error(g->l, node, "cut the ranges so that each address is in one",
                            "range \"%.*s\" overlaps an earlier one", STR_ARG(node->name));
    for (uint64_t at = first; at <= last;) {
        struct cidr block = {.family = AF_INET};
        uint32_t net = htonl((uint32_t)at);
        memcpy(block.net, &net, sizeof net);
        block.bits = block_bits((uint32_t)at, last);
        add_entry(g, node, &block);
        at += UINT64_C(1) << (32 - block.bits);
    }
    if (g->highest <= last)
        g->highest = UINT64_C(1) + last;
    return true;
}

/* ---- lines ---- */

static bool read_word(struct geo_load *g, const struct conf_node *node)
{
    if (str_eq_z(node->name, "ranges")) {
        if (g->geo->entries.count)
            return loader_error(g->l, node, NULL,
                                "the \"ranges\" directive must be the first directive inside "
                                "\"geo\" block");
        return g->geo->ranges = true;
    }
    if (str_eq_z(node->name, "proxy_recursive"))
        return g->geo->proxy_recursive = true;
    return loader_error(g->l, node, "a line of a geo is a network and its value",
                        "invalid number of the geo parameters");
}

static bool read_line(struct geo_load *g, const struct conf_node *node)
{
    struct cidr block = {0};
    if (node->has_block)
        return loader_error(g->l, node, NULL, "unexpected \"{\"");
    if (node->count == 0)
        return read_word(g, node);
    if (node->count != 1)
        return loader_error(g->l, node, "a line of a geo is a network and its value",
                            "invalid number of the geo parameters");
    if (str_eq_z(node->name, "default")) {
        g->geo->fallback = node->args[0];
        return true;
    }
    if (str_eq_z(node->name, "proxy"))
        return add_proxy(g, node);
    if (str_eq_z(node->name, "delete") && !g->geo->ranges)
        return delete_entry(g, node);
    if (g->geo->ranges)
        return add_range(g, node);
    if (!read_block(g, node, node->name, &block))
        return false;
    add_entry(g, node, &block);
    return true;
}

/* ---- the look-up: as prefixes.c finds locations, with bits for octets ---- */

static int compare_blocks(const void *a, const void *b)
{
    const struct cidr *x = &((const struct geo_entry *)a)->block;
    const struct cidr *y = &((const struct geo_entry *)b)->block;
    if (x->family != y->family)
        return x->family < y->family ? -1 : 1;
    int order = memcmp(x->net, y->net, sizeof x->net);
    return order != 0 ? order : (x->bits > y->bits) - (x->bits < y->bits);
}

static const struct geo_entry *first_that_holds(const struct geo_entry *e, const struct cidr *block)
{
    while (e != NULL && !cidr_holds(&e->block, block))
        e = e->around;
    return e;
}

static void build(struct geo_conf *geo)
{
    if (geo->entries.count == 0)
        return;
    qsort(geo->entries.items, geo->entries.count, sizeof *geo->entries.items, compare_blocks);
    for (size_t i = 1; i < geo->entries.count; i++) {
        struct geo_entry *e = &geo->entries.items[i];
        e->around = first_that_holds(e - 1, &e->block);
    }
}

const struct geo_entry *geo_find(const struct geo_conf *geo, const struct addr *a)
{
    const struct geo_entry wanted = {.block = cidr_of(a)};
    size_t low = 0, high = geo->entries.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_blocks(&geo->entries.items[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? first_that_holds(&geo->entries.items[low - 1], &wanted.block) : NULL;
}

/* ---- the directive ---- */

bool set_geo(struct loader *l, const struct conf_node *node, void *field)
{
    struct geo_conf *geo = ARENA_NEW(l->arena, struct geo_conf);
    struct geo_load g = {.l = l, .geo = geo};
    struct str name, source;
    bool good = true;

    (void)field;
    if (!variable_name(l, node, node->args[node->count - 1], &name))
        return false;
    if (node->count == 2) {
        if (!variable_name(l, node, node->args[0], &source))
            return false;
        geo->source = variable_use(l, node, source);
    }
    struct variable *v = variable_define(l, node, name, VARIABLE_GEO);
    if (!v)
        return false;
    v->geo = geo;
    geo->fallback = STR("");
    strmap_init(&g.places, l->arena, false);
    VEC_FOR(const struct conf_node, line, &node->children) {
        good &= read_line(&g, line);
    }
    drop_deleted(geo);
    build(geo);
    return good;
}
