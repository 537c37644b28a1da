#include <criterion/criterion.h>
#include <stdlib.h>

#include "portcullis/base/clock.h"

static void set_up(void)
{
    setenv("TZ", "IST-5:30", 1);
    tzset();
}

TestSuite(clock, .init = set_up);

Test(clock, writes_each_text_of_the_same_second)
{
    clock_fix(784111777999, 5);
    cr_assert_eq(clock_wall(), 784111777);
    cr_assert_eq(clock_monotonic_ms(), 5);
    cr_expect(str_eq_z(clock_text_http(), "Sun, 06 Nov 1994 08:49:37 GMT"));
    cr_expect(str_eq_z(clock_text_error(), "1994/11/06 14:19:37"));
    cr_expect(str_eq_z(clock_text_access(), "06/Nov/1994:14:19:37 +0530"));
    cr_expect(str_eq_z(clock_text_iso8601(), "1994-11-06T14:19:37+05:30"));
}

Test(clock, texts_change_with_the_second)
{
    clock_fix(784111777000, 0);
    clock_text_http();
    clock_fix(784111778000, 0);
    cr_assert(str_eq_z(clock_text_http(), "Sun, 06 Nov 1994 08:49:38 GMT"));
}

Test(clock, an_update_does_not_move_a_fixed_one)
{
    clock_fix(1000, 1);
    clock_update();
    cr_assert_eq(clock_wall_ms(), 1000);
    clock_unfix();
    cr_assert_gt(clock_wall_ms(), 1000000);
}

Test(clock, west_of_greenwich_is_negative)
{
    setenv("TZ", "NST3:30", 1);
    tzset();
    clock_fix(784111777000, 0);
    cr_assert(str_eq_z(clock_text_access(), "06/Nov/1994:05:19:37 -0330"));
}
