#include "support.h"

static const struct variable *variable(const struct loaded *c, const char *name)
{
    for (size_t i = 0; i < c->s->http.variables.count; i++)
        if (str_eq_z(c->s->http.variables.items[i]->name, name))
            return c->s->http.variables.items[i];
    cr_assert(false, "no variable %s", name);
    return NULL;
}

static const char *value(const struct strmap *m, const char *key)
{
    const struct template *t = strmap_find(m, str_of(key));
    return t ? arena_z(m->arena, t->source) : NULL;
}

Test(map, all_forms)
{
    struct loaded c;
    config_begin(&c);
    config_write(&c, "more.map", "x y; 'a b' $host;");
    config_write(&c, "test.conf",
                 "events{} http { map $host$uri $m { hostnames; volatile; default d; Exact 1; "
                 "*.head.com 2; tail.* 3; .dot.com 4; ~^re(?<n>.) $n; ~*RE2 6; \\default 7; '' 8; "
                 "include more.map; } }");
    config_load_file(&c, "");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct variable *v = variable(&c, "m");
    cr_assert_eq(v->kind, VARIABLE_MAP);
    const struct map_conf *m = v->map;
    cr_expect(m->hostnames && m->is_volatile && m->source.has_variables);
    EXPECT_STR(m->fallback.source, "d");
    cr_expect_str_eq(value(&m->exact, "exact"), "1");
    cr_expect_str_eq(value(&m->wildcard_head, "head.com"), "2");
    cr_expect_str_eq(value(&m->wildcard_tail, "tail"), "3");
    cr_expect_str_eq(value(&m->wildcard_head, "dot.com"), "4");
    cr_expect_str_eq(value(&m->exact, "dot.com"), "4");
    cr_expect_str_eq(value(&m->exact, "default"), "7");
    cr_expect_str_eq(value(&m->exact, ""), "8");
    cr_expect_str_eq(value(&m->exact, "x"), "y");
    cr_expect_str_eq(value(&m->exact, "a b"), "$host");
    cr_assert_eq(m->regexes.count, 2);
    cr_expect_eq(m->regexes.items[0].regex.groups.count, 1);
    cr_expect(m->regexes.items[1].regex.nocase);
    config_end(&c);
}

Test(map, without_hostnames_stars_are_plain)
{
    struct loaded c = config_of_http("map $host $m { *.a 1; .b 2; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct map_conf *m = variable(&c, "m")->map;
    cr_expect_str_eq(value(&m->exact, "*.a"), "1");
    cr_expect_str_eq(value(&m->exact, ".b"), "2");
    cr_expect_eq(m->wildcard_head.count, 0);
    cr_expect(template_is_empty(&m->fallback));
    config_end(&c);
}

Test(map, problems)
{
    static const struct problem_row rows[] = {
        {"map $host m {}", "invalid variable name \"m\""},
        {"map $host $host {}", "the duplicate \"host\" variable"},
        {"map $host {}", "invalid number of arguments in \"map\" directive"},
        {"map $host $m;", "directive \"map\" has no opening \"{\""},
        {"map $host $m { a b c; }", "invalid number of the map parameters"},
        {"map $host $m { a; }", "invalid number of the map parameters"},
        {"map $host $m { a 1; A 2; }", "conflicting parameter \"A\""},
        {"map $host $m { default 1; default 2; }", "duplicate default map parameter"},
        {"map $host $m { hostnames; a.*.b 1; }", "invalid hostname or wildcard \"a.*.b\""},
        {"map $host $m { hostnames; *. 1; }", "invalid hostname or wildcard \"*.\""},
        {"map $host $m { ~( 1; }", "missing closing parenthesis"},
        {"map $nope $m { a 1; }", "unknown \"nope\" variable in test.conf:1"},
        {"map $host $m {\na\n$nope; }", "unknown \"nope\" variable in test.conf:2"},
        {"map $host $m { a {} }", "unexpected \"{\""},
        {"server { map a b; }", "\"map\" directive is not allowed here"},
        {"map $host $a { a $b; } map $host $b { a 1; }", NULL},
    };
    EXPECT_PROBLEMS(rows, config_of_http);
}

static const char *geo_value(const struct geo_conf *g, const char *address)
{
    struct addr a;
    cr_assert(addr_parse_ip(&a, str_of(address), 0));
    const struct geo_entry *e = geo_find(g, &a);
    return e != NULL ? e->value.ptr : g->fallback.ptr;
}

Test(geo, longest_block_first)
{
    struct loaded c = config_of_http(
        "geo $arg_ip $g { default d; 10.0.0.0/8 a; 10.1.0.0/16 b; 10.1.2.3 c; ::1 l; 2001:db8::/32 "
        "e; 192.0.2.0/24 x; delete 192.0.2.0/24; proxy 127.0.0.1; proxy_recursive; }");
    static const char *const rows[][2] = {
        {"10.2.0.1", "a"},        {"10.1.0.1", "b"},
        {"10.1.2.3", "c"},        {"::1", "l"},
        {"1.1.1.1", "d"},         {"::2", "d"},
        {"2001:db8::5", "e"},     {"192.0.2.1", "d"},
        {"::ffff:10.1.0.1", "b"}, {"255.255.255.255", "d"},
        {"0.0.0.0", "d"},
    };
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct geo_conf *g = variable(&c, "g")->geo;
    EXPECT_STR(g->source->name, "arg_ip");
    cr_expect(g->proxy_recursive && g->proxies.count == 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(geo_value(g, rows[i][0]), rows[i][1], "%s", rows[i][0]);
    config_end(&c);
}

static const struct geo_entry *longest_that_contains(const struct geo_conf *g, const struct addr *a)
{
    const struct geo_entry *best = NULL;
    VEC_FOR(const struct geo_entry, e, &g->entries) {
        if (cidr_contains(&e->block, a) && (best == NULL || e->block.bits > best->block.bits))
            best = e;
    }
    return best;
}

/* Few different octets, so that blocks lie in each other. */
static struct str random_address(struct arena *a, uint32_t *seed)
{
    uint32_t octets[4];
    for (size_t i = 0; i < 4; i++) {
        *seed = *seed * 1664525 + 1013904223;
        octets[i] = *seed >> 30 == 0 ? *seed >> 20 & 0xff : *seed >> 28;
    }
    return arena_printf(a, "%u.%u.%u.%u", octets[0], octets[1], octets[2], octets[3]);
}

Test(geo, finds_what_a_walk_through_all_blocks_finds)
{
    struct arena arena;
    struct buf text = {0};
    uint32_t seed = 1;
    arena_init(&arena, 4096);
    buf_append_str(&text, STR("geo $g { default d; "));
    for (int i = 0; i < 1000; i++) {
        struct str net = random_address(&arena, &seed);
        buf_printf(&text, "%.*s/%u v; ", STR_ARG(net), (seed >> 8) % 33);
    }
    buf_append_str(&text, STR("}"));
    struct loaded c = config_of_http(arena_z(&arena, buf_str(&text)));
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct geo_conf *g = variable(&c, "g")->geo;
    cr_assert_gt(g->entries.count, 300);
    for (int i = 0; i < 2000; i++) {
        struct addr a;
        struct str address = random_address(&arena, &seed);
        cr_assert(addr_parse_ip(&a, address, 0));
        cr_expect_eq(geo_find(g, &a), longest_that_contains(g, &a), "%.*s", STR_ARG(address));
    }
    config_end(&c);
    buf_deinit(&text);
    arena_deinit(&arena);
}

Test(geo, ranges_cover_what_they_say)
{
    struct loaded c = config_of_http("geo $g { ranges; default d; 10.0.0.3-10.0.0.9 a; "
                                     "10.0.0.10-10.0.0.10 b; 0.0.0.0-1.255.255.255 c; "
                                     "255.0.0.0-255.255.255.255 e; }");
    static const char *const rows[][2] = {
        {"10.0.0.2", "d"}, {"10.0.0.3", "a"}, {"10.0.0.4", "a"},  {"10.0.0.7", "a"},
        {"10.0.0.8", "a"}, {"10.0.0.9", "a"}, {"10.0.0.10", "b"}, {"10.0.0.11", "d"},
        {"0.0.0.0", "c"},  {"1.2.3.4", "c"},  {"2.0.0.0", "d"},   {"255.255.255.255", "e"},
    };
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct geo_conf *g = variable(&c, "g")->geo;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(geo_value(g, rows[i][0]), rows[i][1], "%s", rows[i][0]);
    config_end(&c);
}

Test(geo, problems)
{
    static const struct problem_row rows[] = {
        {"geo g {}", "invalid variable name \"g\""},
        {"geo $g { x 1; }", "invalid network \"x\""},
        {"geo $g { 10.0.0.0/33 1; }", "invalid network \"10.0.0.0/33\""},
        {"geo $g { 10.0.0.1/8 1; }", "[warn] low address bits of 10.0.0.1/8 are meaningless"},
        {"geo $g { 1.1.1.1 a; 1.1.1.1 b; }", "[warn] duplicate network \"1.1.1.1\", value: \"b\", "
                                             "old value: \"a\""},
        {"geo $g { delete 1.1.1.1; }", "[warn] no network \"1.1.1.1\" to delete"},
        {"geo $g { a b c; }", "invalid number of the geo parameters"},
        {"geo $g { 1.1.1.1 a; ranges; }", "must be the first directive inside \"geo\" block"},
        {"geo $g { ranges; 1.1.1.5-1.1.1.1 a; }", "invalid range \"1.1.1.5-1.1.1.1\""},
        {"geo $g { ranges; 1.1.1.1 a; }", "invalid range \"1.1.1.1\""},
        {"geo $g { ranges; 1.1.1.1-1.1.1.9 a; 1.1.1.5-1.1.1.20 b; }",
         "range \"1.1.1.5-1.1.1.20\" overlaps an earlier one"},
        {"geo $nope $g {}", "unknown \"nope\" variable"},
    };
    EXPECT_PROBLEMS(rows, config_of_http);
}
