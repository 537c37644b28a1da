#include <criterion/criterion.h>

#include "portcullis/http/headers.h"

static struct arena arena;
static struct headers h;

static void set_up(void)
{
    arena_init(&arena, 1024);
    h = (struct headers){0};
    headers_add(&h, &arena, STR("Cookie"), STR("a=1"));
    headers_add(&h, &arena, STR("X-One"), STR("1"));
    headers_add(&h, &arena, STR("cookie"), STR("b=2"));
    headers_add(&h, &arena, STR("x-one"), STR("2"));
}

static void tear_down(void)
{
    arena_deinit(&arena);
}

TestSuite(headers, .init = set_up, .fini = tear_down);

Test(headers, are_found_whatever_their_case)
{
    cr_assert_eq(headers_find(&h, HEADER_COOKIE), &h.items[0]);
    cr_assert_eq(headers_find_name(&h, STR("COOKIE")), &h.items[0]);
    cr_assert_eq(headers_find_name(&h, STR("X-ONE")), &h.items[1]);
    cr_assert_eq(headers_find_next(&h, &h.items[0]), &h.items[2]);
    cr_assert_eq(headers_find_next(&h, &h.items[1]), &h.items[3]);
    cr_assert_null(headers_find_next(&h, &h.items[3]));
    cr_assert_null(headers_find_name(&h, STR("X-Two")));
    cr_assert_eq(headers_count(&h, HEADER_COOKIE), 2);
    cr_assert_not(headers_has(&h, HEADER_HOST));
    cr_assert_null(headers_value(&h, HEADER_HOST).ptr);
}

Test(headers, join_their_values_in_order)
{
    cr_assert(str_eq_z(headers_joined(&h, &arena, STR("cookie"), STR("; ")), "a=1; b=2"));
    cr_assert(str_eq_z(headers_joined(&h, &arena, STR("x-one"), STR(", ")), "1, 2"));
    cr_assert_null(headers_joined(&h, &arena, STR("x-two"), STR(", ")).ptr);
}

Test(headers, join_an_empty_second_value_too)
{
    headers_add(&h, &arena, STR("X-E"), STR(""));
    cr_assert(str_eq_z(headers_joined(&h, &arena, STR("x-e"), STR("")), ""));
    headers_add(&h, &arena, STR("X-E"), STR(""));
    cr_assert(str_eq_z(headers_joined(&h, &arena, STR("x-e"), STR(", ")), ", "));
}

Test(headers, set_replaces_the_first_and_removes_the_others)
{
    headers_set(&h, &arena, STR("X-ONE"), STR("3"));
    cr_assert(str_eq_z(headers_joined(&h, &arena, STR("x-one"), STR(", ")), "3"));
    headers_set(&h, &arena, STR("Host"), STR("a"));
    cr_assert(str_eq_z(headers_value(&h, HEADER_HOST), "a"));
}

Test(headers, a_removed_one_is_a_hole_that_nothing_sees)
{
    headers_remove(&h, HEADER_COOKIE);
    headers_remove_name(&h, STR("X-ONE"));
    HEADERS_FOR(it, &h)
        cr_assert_fail("%.*s", STR_ARG(it->name));
    cr_assert_eq(headers_count(&h, HEADER_COOKIE), 0);
    cr_assert_null(headers_find_name(&h, STR("cookie")));
}

Test(headers, grow_without_losing_any)
{
    for (int i = 0; i < 200; i++)
        headers_add(&h, &arena, arena_printf(&arena, "N-%d", i), STR("v"));
    for (int i = 0; i < 200; i++)
        cr_assert_not_null(headers_find_name(&h, arena_printf(&arena, "n-%d", i)));
}

/* RFC 9110, 5.6.1 */
Test(headers, lists_have_elements_without_blanks_and_empty_ones)
{
    struct str rest = STR(" a ,,\tb c , "), element;
    cr_assert(header_list_next(&rest, &element));
    cr_assert(str_eq_z(element, "a"));
    cr_assert(header_list_next(&rest, &element));
    cr_assert(str_eq_z(element, "b c"));
    cr_assert_not(header_list_next(&rest, &element));
    cr_assert(header_list_has(STR("x, UPGRADE"), STR("upgrade")));
    cr_assert_not(header_list_has(STR("upgrades"), STR("upgrade")));
    cr_assert_not(header_list_has(STR_NONE, STR("upgrade")));
}

Test(headers, names_are_tokens_and_values_have_no_line_ends)
{
    cr_assert(header_name_is_token(STR("!#$%&'*+-.^_`|~aZ09")));
    cr_assert_not(header_name_is_token(STR("")));
    cr_assert_not(header_name_is_token(STR("a b")));
    cr_assert_not(header_name_is_token(STR("a:")));
    cr_assert_not(header_name_is_token(STR("a\0")));
    cr_assert_not(header_name_is_token(STR("\xe4")));
    cr_assert(header_value_is_valid(STR("a\tb\xff")));
    cr_assert_not(header_value_is_valid(STR("a\rb")));
    cr_assert_not(header_value_is_valid(STR("a\nb")));
    cr_assert_not(header_value_is_valid(STR("a\0b")));
}

Test(headers, folded_lines_become_one)
{
    static const struct {
        struct str folded, line;
    } rows[] = {
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("a\tb"), STR_INIT("a\tb")},
        {STR_INIT("a\n\tb"), STR_INIT("a b")},
        {STR_INIT("a\n\t\n\tb\n\t"), STR_INIT("a  b ")},
        {STR_INIT("a\nb\n\tc"), STR_INIT("a\nb c")},
        {STR_INIT("a\r\n\tb"), STR_INIT("a\r b")},
        {STR_INIT("a\n"), STR_INIT("a\n")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect(str_eq(header_value_unfold(&arena, rows[i].folded), rows[i].line), "row %zu", i);
}
