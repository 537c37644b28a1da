#include <criterion/criterion.h>
#include <string.h>

#include "portcullis/base/buf.h"

static struct buf b, other;

static void tear_down(void)
{
    buf_deinit(&b);
    buf_deinit(&other);
}

TestSuite(buf, .fini = tear_down);

Test(buf, zero_is_an_empty_buffer)
{
    cr_assert(buf_is_empty(&b));
    cr_assert_eq(buf_str(&b).len, 0);
    buf_consume(&b, 0);
    buf_append(&b, NULL, 0);
    cr_assert_null(b.data);
}

Test(buf, gives_back_the_octets_in_order)
{
    unsigned char written = 0, read = 0;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < round % 97; i++)
            buf_append_char(&b, (char)written++);
        size_t take = buf_len(&b) / 2;
        for (size_t i = 0; i < take; i++)
            cr_assert_eq((unsigned char)buf_str(&b).ptr[i], read++);
        buf_consume(&b, take);
        cr_assert(b.start <= b.end && b.end <= b.capacity);
    }
    cr_assert_lt(b.capacity, 4096);
}

Test(buf, prints_longer_than_its_room)
{
    buf_printf(&b, "%s", "x");
    buf_printf(&b, "%0900d", 7);
    cr_assert_eq(buf_len(&b), 901);
    cr_assert_eq(buf_str(&b).ptr[900], '7');
}

Test(buf, moves_by_exchange_into_an_empty_one)
{
    buf_append_str(&b, STR("abc"));
    const char *data = b.data;
    buf_move(&other, &b);
    cr_assert_eq(other.data, data);
    cr_assert(buf_is_empty(&b));
}

Test(buf, moves_behind_what_is_there)
{
    buf_append_str(&b, STR("cd"));
    buf_append_str(&other, STR("ab"));
    buf_move(&other, &b);
    cr_assert(str_eq_z(buf_str(&other), "abcd"));
    cr_assert(buf_is_empty(&b));
}

Test(buf, moves_at_most_so_much)
{
    buf_append_str(&b, STR("abcd"));
    cr_assert_eq(buf_move_some(&other, &b, 3), 3);
    cr_assert(str_eq_z(buf_str(&other), "abc"));
    cr_assert(str_eq_z(buf_str(&b), "d"));
    cr_assert_eq(buf_move_some(&other, &b, 3), 1);
}

Test(buf, appends_octets_as_hex_digits)
{
    buf_append_str(&b, STR("="));
    buf_append_hex(&b, "\x00\x9a\xff", 3, ASCII_HEX_LOWER);
    buf_append_hex(&b, "\x00\x9a\xff", 3, ASCII_HEX_UPPER);
    buf_append_hex(&b, "", 0, ASCII_HEX_UPPER);
    cr_expect(str_eq_z(buf_str(&b), "=009aff009AFF"), "%.*s", STR_ARG(buf_str(&b)));
}

Test(buf, gives_memory_back_only_when_empty)
{
    buf_append_str(&b, STR("abcd"));
    buf_release(&b);
    cr_assert(str_eq_z(buf_str(&b), "abcd"));
    buf_clear(&b);
    cr_assert_not_null(b.data);
    buf_release(&b);
    cr_assert_null(b.data);
}
