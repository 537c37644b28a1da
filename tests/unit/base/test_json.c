#include <criterion/criterion.h>

#include "portcullis/base/json.h"

static void check(struct buf *out, const char *expected)
{
    cr_expect(str_eq_z(buf_str(out), expected), "%.*s is not %s", STR_ARG(buf_str(out)), expected);
    buf_deinit(out);
}

Test(json, puts_commas_between_and_nowhere_else)
{
    struct buf out = {0};
    struct json j = {.out = &out};
    json_open(&j, NULL, '{');
    json_open(&j, "none", '[');
    json_close(&j, ']');
    json_open(&j, "some", '[');
    json_number(&j, NULL, -1);
    json_open(&j, NULL, '{');
    json_bool(&j, "a", true);
    json_bool(&j, "b", false);
    json_close(&j, '}');
    json_close(&j, ']');
    json_string(&j, "null", STR_NONE);
    json_string(&j, "text", STR(""));
    json_close(&j, '}');
    check(&out, "{\"none\":[],\"some\":[-1,{\"a\":true,\"b\":false}],\"null\":null,\"text\":\"\"}");
}

Test(json, an_octet_that_is_no_character_breaks_nothing)
{
    struct buf out = {0};
    json_append_escaped(&out, STR("\xff\xc3(\xc3\xa9\xe2\x82"));
    check(&out, "\\u00FF\\u00C3(\xc3\xa9\\u00E2\\u0082");
}

Test(json, escapes_what_a_string_may_not_hold)
{
    struct buf out = {0};
    json_append_escaped(&out, STR("a\"b\\c\n\r\t\b\f\x01\x1f/\x7f\xc3\xa9"));
    check(&out, "a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001F/\x7f\xc3\xa9");
}
