#include <criterion/criterion.h>

#include "portcullis/base/utf8.h"

Test(utf8, tells_characters_from_other_octets)
{
    static const struct {
        struct str text;
        size_t length, shown;
    } rows[] = {
        {STR_INIT(""), 0, 0},
        {STR_INIT("a"), 1, 1},
        {STR_INIT("\n"), 1, 0},
        {STR_INIT("\x7f"), 1, 0},
        {STR_INIT("\xc3\xa9"), 2, 2},
        {STR_INIT("\xe2\x82\xac"), 3, 3},
        {STR_INIT("\xf0\x9f\x98\x80"), 4, 4},
        {STR_INIT("\xc2\x9b"), 2, 0},         /* a control of the second set */
        {STR_INIT("\xe2\x80\xae"), 3, 0},     /* right to left */
        {STR_INIT("\xe2\x80\xa8"), 3, 0},     /* line separator */
        {STR_INIT("\xef\xbb\xbf"), 3, 0},     /* byte order mark */
        {STR_INIT("\x9b"), 0, 0},             /* a continuation alone */
        {STR_INIT("\xc3"), 0, 0},             /* half */
        {STR_INIT("\xc3("), 0, 0},            /* another half */
        {STR_INIT("\xc0\x8a"), 0, 0},         /* a line end, written too long */
        {STR_INIT("\xe0\x80\x8a"), 0, 0},     /* and longer */
        {STR_INIT("\xed\xa0\x80"), 0, 0},     /* a surrogate */
        {STR_INIT("\xf4\x90\x80\x80"), 0, 0}, /* past the last */
        {STR_INIT("\xff"), 0, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(utf8_length(rows[i].text), rows[i].length, "row %zu", i);
        cr_expect_eq(utf8_shown(rows[i].text), rows[i].shown, "row %zu", i);
    }
}
