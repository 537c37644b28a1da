#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "portcullis/base/regex.h"

static char problem[256];

static struct regex *compile(const char *pattern)
{
    struct regex *r = regex_new(str_of(pattern), false, problem, sizeof problem);
    cr_assert_not_null(r, "%s", problem);
    return r;
}

Test(regex, captures_point_into_the_subject)
{
    struct regex *r = compile("^/(a)?(b+)(c)?");
    struct regex_captures c;
    struct str subject = STR("/bbd");
    cr_assert(regex_match(r, subject, &c, NULL));
    cr_assert_eq(c.group[0].ptr, subject.ptr);
    cr_assert(str_eq_z(c.group[0], "/bb"));
    cr_assert_null(c.group[1].ptr);
    cr_assert(str_eq_z(c.group[2], "bb"));
    cr_assert_null(c.group[3].ptr);
    cr_assert_null(c.group[31].ptr);
    cr_assert_eq(regex_group_count(r), 3);
    regex_free(r);
}

Test(regex, knows_its_named_groups)
{
    struct regex *r = compile("^(?<user>[a-z]+)-(?<id>\\d+)$");
    size_t group;
    cr_assert_eq(regex_name_count(r), 2);
    cr_assert(str_eq_z(regex_name(r, 0, &group), "id"));
    cr_assert_eq(group, 2);
    cr_assert(str_eq_z(regex_name(r, 1, &group), "user"));
    cr_assert_eq(group, 1);
    regex_free(r);
}

Test(regex, ignores_case_when_told)
{
    struct regex *r = regex_new(STR("\\.PHP$"), true, problem, sizeof problem);
    cr_assert(regex_match(r, STR("/index.php"), NULL, NULL));
    regex_free(r);
    r = compile("\\.PHP$");
    cr_assert_not(regex_match(r, STR("/index.php"), NULL, NULL));
    regex_free(r);
}

Test(regex, matches_octets_that_are_no_text)
{
    struct regex *r = compile("^/.\\x00b$");
    cr_assert(regex_match(r, STR("/\xff\0b"), NULL, NULL));
    cr_assert_not(regex_match(r, STR_NONE, NULL, NULL));
    regex_free(r);
}

Test(regex, says_what_is_wrong_with_a_pattern_in_nginxs_words)
{
    cr_assert_null(regex_new(STR("a(b"), false, problem, sizeof problem));
    cr_assert_str_eq(problem, "pcre2_compile() failed: missing closing parenthesis in \"a(b\"");
    cr_assert_null(regex_new(STR("a)b"), false, problem, sizeof problem));
    cr_assert_str_eq(problem, "pcre2_compile() failed: unmatched closing parenthesis in \"a)b\" "
                              "at \")b\"");
}

Test(regex, more_groups_than_places_are_cut)
{
    char pattern[256] = "";
    for (int i = 0; i < 40; i++)
        strcat(pattern, "(x)");
    struct regex *r = compile(pattern);
    struct regex_captures c;
    cr_assert(regex_match(r, STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), &c, NULL));
    cr_assert_eq(c.count, REGEX_CAPTURES_MAX);
    cr_assert(str_eq_z(c.group[31], "x"));
    regex_free(r);
}

Test(regex, work_is_bounded_whatever_the_subject)
{
    struct regex *r = compile("^(a+)+$");
    bool failed = false;
    cr_assert_not(
        regex_match(r, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"), NULL, &failed));
    cr_assert(failed);
    cr_assert_not(regex_match(r, STR("b"), NULL, &failed));
    cr_assert_not(failed);
    regex_free(r);
}
