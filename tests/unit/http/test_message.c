#include <criterion/criterion.h>

#include "portcullis/http/message.h"

Test(message, methods_have_a_name_and_are_found_by_it)
{
    for (int m = METHOD_GET; m <= METHOD_UNLOCK; m++)
        cr_expect_eq((int)http_method_find(http_method_text((enum http_method)m)), m);
    cr_assert_eq(http_method_find(STR("get")), METHOD_OTHER);
    cr_assert_eq(http_method_find(STR("")), METHOD_OTHER);
}

/* RFC 9110, 9.2.2 */
Test(message, what_may_be_said_twice)
{
    cr_assert(http_method_is_idempotent(METHOD_GET));
    cr_assert(http_method_is_idempotent(METHOD_PUT));
    cr_assert_not(http_method_is_idempotent(METHOD_POST));
    cr_assert_not(http_method_is_idempotent(METHOD_PATCH));
    cr_assert_not(http_method_is_idempotent(METHOD_CONNECT));
    cr_assert_not(http_method_is_idempotent(METHOD_OTHER));
}

/* RFC 9110, 6.4.1 */
Test(message, statuses_have_reasons_and_some_have_no_body)
{
    cr_assert(str_eq_z(http_status_reason(403), "Forbidden"));
    cr_assert(str_eq_z(http_status_reason(504), "Gateway Time-out"));
    cr_assert_eq(http_status_reason(799).len, 0);
    cr_assert(http_status_has_body(200));
    cr_assert(http_status_has_body(205));
    cr_assert_not(http_status_has_body(101));
    cr_assert_not(http_status_has_body(204));
    cr_assert_not(http_status_has_body(304));
}

Test(message, versions_have_texts)
{
    cr_assert(str_eq_z(http_version_text(HTTP_1_0), "HTTP/1.0"));
    cr_assert(str_eq_z(http_version_text(HTTP_1_1), "HTTP/1.1"));
    cr_assert(str_eq_z(http_version_text(HTTP_2_0), "HTTP/2.0"));
}
