#include <criterion/criterion.h>
#include <ctype.h>

#include "portcullis/http/names.h"

Test(names, each_of_the_table_is_found_in_every_case)
{
    for (int id = HEADER_REMOVED + 1; id < HEADER_NAMES; id++) {
        char other[64];
        struct str text = header_name_text((enum header_name)id);
        cr_assert_lt(text.len, sizeof other);
        for (size_t i = 0; i < text.len; i++)
            other[i] = (char)(isupper(text.ptr[i]) ? tolower(text.ptr[i]) : toupper(text.ptr[i]));
        cr_expect_eq((int)header_name_find(text), id, "%s", text.ptr);
        cr_expect_eq((int)header_name_find(str_make(other, text.len)), id, "%s", text.ptr);
        cr_expect_eq(header_name_find(str_upto(text, text.len - 1)) == (enum header_name)id, false);
    }
}

Test(names, others_are_other)
{
    cr_assert_eq(header_name_find(STR("")), HEADER_OTHER);
    cr_assert_eq(header_name_find(STR("X")), HEADER_OTHER);
    cr_assert_eq(header_name_find(STR("Content_Length")), HEADER_OTHER);
    cr_assert_eq(header_name_find(STR("Client-Cert")), HEADER_OTHER);
}
