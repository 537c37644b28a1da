#include <criterion/criterion.h>

#include "portcullis/base/str.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

Test(str, cuts_at_the_first_separator_and_ends_with_none)
{
    struct str rest = STR("a,,b");
    cr_assert(str_eq_z(str_cut(&rest, ','), "a"));
    cr_assert(str_eq_z(str_cut(&rest, ','), ""));
    cr_assert(str_eq_z(rest, "b"));
    cr_assert(str_eq_z(str_cut(&rest, ','), "b"));
    cr_assert_null(rest.ptr);
}

Test(str, an_empty_piece_behind_the_last_separator_is_not_none)
{
    struct str rest = STR("a=");
    str_cut(&rest, '=');
    cr_assert_not_null(rest.ptr);
    cr_assert_eq(rest.len, 0);
}

Test(str, trims_blanks_and_nothing_else)
{
    cr_assert(str_eq_z(str_trim(STR(" \t a b\t ")), "a b"));
    cr_assert(str_eq_z(str_trim(STR(" \t ")), ""));
    cr_assert(str_eq_z(str_trim(STR("\va\n")), "\va\n"));
}

Test(str, reads_numbers_whole_or_not_at_all)
{
    static const struct {
        const char *text;
        bool is_number, is_hex;
        uint64_t number, hex;
    } cases[] = {
        {"0", true, true, 0, 0},
        {"10", true, true, 10, 16},
        {"00000000000000000000000001", true, true, 1, 1},
        {"18446744073709551615", true, false, UINT64_MAX, 0},
        {"18446744073709551616", false, false, 0, 0},
        {"99999999999999999999", false, false, 0, 0},
        {"ffffffffffffffff", false, true, 0, UINT64_MAX},
        {"10000000000000000", true, false, 10000000000000000U, 0},
        {"aF", false, true, 0, 0xaf},
        {"", false, false, 0, 0},
        {"+1", false, false, 0, 0},
        {"-1", false, false, 0, 0},
        {" 1", false, false, 0, 0},
        {"1 ", false, false, 0, 0},
        {"0x1", false, false, 0, 0},
        {"g", false, false, 0, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 0;
        struct str text = str_of(cases[i].text);
        cr_expect_eq(str_to_u64(text, &value), cases[i].is_number, "%s", cases[i].text);
        cr_expect(!cases[i].is_number || value == cases[i].number, "%s", cases[i].text);
        cr_expect_eq(str_hex_to_u64(text, &value), cases[i].is_hex, "hex %s", cases[i].text);
        cr_expect(!cases[i].is_hex || value == cases[i].hex, "hex %s", cases[i].text);
    }
}

Test(str, compares_case_of_letters_alone)
{
    cr_assert(str_eq_nocase(STR("Client-Cert"), STR("cLIENT-cERT")));
    cr_assert_not(str_eq_nocase(STR("a@"), STR("a`")));
    cr_assert_not(str_eq_nocase(STR("\xc4"), STR("\xe4")));
    cr_assert(str_starts_nocase(STR("Bearer x"), STR("bearer ")));
    cr_assert(str_ends_nocase(STR("a.PEM"), STR(".pem")));
    cr_assert_not(str_ends(STR("a.PEM"), STR(".pem")));
    cr_assert_not(str_starts(STR("a"), STR("ab")));
}

Test(str, orders_by_octet_then_length)
{
    cr_assert_lt(str_compare(STR("a"), STR("b")), 0);
    cr_assert_lt(str_compare(STR("a"), STR("ab")), 0);
    cr_assert_gt(str_compare(STR("\xff"), STR("a")), 0);
    cr_assert_eq(str_compare(STR(""), STR_NONE), 0);
}

Test(str, finds_octets_and_strings)
{
    cr_assert_eq(str_find(STR("a:b:c"), ':'), 1);
    cr_assert_eq(str_find_last(STR("a:b:c"), ':'), 3);
    cr_assert_eq(str_find(STR("abc"), ':'), SIZE_MAX);
    cr_assert_eq(str_find_last(STR_NONE, ':'), SIZE_MAX);
    cr_assert_eq(str_search(STR("ab://"), STR("://")), 2);
    cr_assert_eq(str_search(STR("ab:/"), STR("://")), SIZE_MAX);
}

Test(str, hashes_agree_when_strings_do)
{
    cr_assert_eq(str_hash(STR("www.example.com")), str_hash(STR("www.example.com")));
    cr_assert_neq(str_hash(STR("www.example.com")), str_hash(STR("www.example.con")));
    cr_assert_eq(str_hash_nocase(STR("WWW.Example.COM")), str_hash_nocase(STR("www.example.com")));
    cr_assert_neq(str_hash(STR("ab")), str_hash(STR("ab\0")));
}

Test(str, parts_beyond_the_end_are_empty)
{
    cr_assert(str_eq_z(str_from(STR("abc"), 1), "bc"));
    cr_assert_eq(str_from(STR("abc"), 7).len, 0);
    cr_assert(str_eq_z(str_upto(STR("abc"), 2), "ab"));
    cr_assert(str_eq_z(str_upto(STR("abc"), 7), "abc"));
}
