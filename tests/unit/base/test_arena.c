#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "portcullis/base/arena.h"
#include "portcullis/base/vec.h"

static struct arena a;

static void set_up(void)
{
    arena_init(&a, 256);
}

static void tear_down(void)
{
    arena_deinit(&a);
}

TestSuite(arena, .init = set_up, .fini = tear_down);

Test(arena, aligns_for_any_type_between_strings)
{
    for (int i = 0; i < 100; i++) {
        arena_str(&a, STR("abc"));
        cr_assert_eq((uintptr_t)arena_alloc(&a, 8) % _Alignof(max_align_t), 0);
    }
}

Test(arena, keeps_what_was_given_when_it_grows)
{
    char *texts[500];
    for (size_t i = 0; i < 500; i++)
        texts[i] = (char *)(uintptr_t)arena_printf(&a, "text %zu", i).ptr;
    for (size_t i = 0; i < 500; i++)
        cr_assert(str_eq(str_of(texts[i]), arena_printf(&a, "text %zu", i)));
}

Test(arena, takes_large_sizes_without_losing_the_rest_of_a_block)
{
    char *before = arena_alloc(&a, 16);
    memset(arena_alloc(&a, 100000), 1, 100000);
    char *behind = arena_alloc(&a, 16);
    cr_assert_eq(behind - before, 16);
}

Test(arena, a_reset_keeps_one_block_for_the_next)
{
    char *first = arena_alloc(&a, 16);
    for (int i = 0; i < 1000; i++)
        arena_alloc(&a, 100);
    arena_alloc(&a, 100000);
    arena_reset(&a);
    cr_assert_eq(arena_alloc(&a, 16), first);
}

Test(arena, a_reset_after_large_ones_alone_is_harmless)
{
    arena_alloc(&a, 100000);
    arena_reset(&a);
    cr_assert_not_null(arena_zalloc(&a, 16));
}

Test(arena, copies_are_c_strings_and_none_stays_none)
{
    struct str copy = arena_str(&a, str_make("abcdef", 3));
    cr_assert_str_eq(copy.ptr, "abc");
    cr_assert_null(arena_str(&a, STR_NONE).ptr);
    cr_assert_str_eq(arena_z(&a, STR_NONE), "");
}

Test(arena, joins_parts)
{
    struct str parts[] = {STR("a"), STR_NONE, STR("bc")};
    cr_assert_str_eq(arena_concat(&a, parts, 3).ptr, "abc");
}

Test(vec, items_are_zeroed_and_keep_their_values)
{
    VEC(int) v = {0};
    for (int i = 0; i < 100; i++) {
        int *item = VEC_PUSH(&a, &v);
        cr_assert_eq(*item, 0);
        *item = i;
    }
    int expected = 0;
    VEC_FOR(int, it, &v)
        cr_assert_eq(*it, expected++);
    cr_assert_eq(expected, 100);
    arena_deinit(&a);
}
