#include <criterion/criterion.h>

#include "portcullis/base/strmap.h"

static struct arena a;
static int one, two;

static void set_up(void)
{
    arena_init(&a, 1024);
}

static void tear_down(void)
{
    arena_deinit(&a);
}

TestSuite(strmap, .init = set_up, .fini = tear_down);

Test(strmap, finds_each_of_many_and_no_other)
{
    struct strmap m;
    static int values[1000];
    strmap_init(&m, &a, false);
    cr_assert_null(strmap_find(&m, STR("key 0")));
    for (int i = 0; i < 1000; i++)
        cr_assert(strmap_add(&m, arena_printf(&a, "key %d", i), &values[i]));
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(strmap_find(&m, arena_printf(&a, "key %d", i)), &values[i]);
    cr_assert_null(strmap_find(&m, STR("key 1000")));
    cr_assert_eq(m.count, 1000);
}

Test(strmap, the_first_value_stays_until_it_is_set)
{
    struct strmap m;
    strmap_init(&m, &a, false);
    cr_assert(strmap_add(&m, STR("a"), &one));
    cr_assert_not(strmap_add(&m, STR("a"), &two));
    cr_assert_eq(strmap_find(&m, STR("a")), &one);
    strmap_set(&m, STR("a"), &two);
    cr_assert_eq(strmap_find(&m, STR("a")), &two);
    cr_assert_eq(m.count, 1);
}

Test(strmap, ignores_case_when_made_so)
{
    struct strmap m;
    strmap_init(&m, &a, true);
    strmap_add(&m, STR("Example.COM"), &one);
    cr_assert_eq(strmap_find(&m, STR("eXAMPLE.com")), &one);
    strmap_init(&m, &a, false);
    strmap_add(&m, STR("Example.COM"), &one);
    cr_assert_null(strmap_find(&m, STR("example.com")));
}

Test(strmap, the_empty_key_is_a_key)
{
    struct strmap m;
    strmap_init(&m, &a, false);
    strmap_add(&m, STR(""), &one);
    cr_assert_eq(strmap_find(&m, STR_NONE), &one);
}
