#include <criterion/criterion.h>
#include <stdio.h>

#include "portcullis/http/uri.h"
#include "support.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 1024);
}

static void tear_down(void)
{
    arena_deinit(&arena);
}

TestSuite(uri, .init = set_up, .fini = tear_down);

struct row {
    struct str target, path; /* path NULL: refused */
};
#define ROW(target, path) {STR_INIT(target), STR_INIT(path)}
#define REFUSED(target)   {STR_INIT(target), {NULL, 0}}

static void expect_paths(const struct row *rows, size_t count, bool merge_slashes)
{
    for (size_t i = 0; i < count; i++) {
        struct uri u;
        const char *problem = NULL;
        bool is_good = uri_parse(&u, &arena, rows[i].target, merge_slashes, &problem);
        cr_expect_eq(is_good, rows[i].path.ptr != NULL, "%s: %s", rows[i].target.ptr, problem);
        cr_expect_eq(is_good, problem == NULL, "%s", rows[i].target.ptr);
        if (is_good)
            cr_expect(str_eq(u.path, rows[i].path), "%s gave %.*s", rows[i].target.ptr,
                      STR_ARG(u.path));
    }
}

Test(uri, paths_are_normalised_as_nginx_does)
{
    static const struct row rows[] = {
        ROW("/", "/"),
        ROW("/a/b", "/a/b"),
        ROW("/a//b///", "/a/b/"),
        ROW("//", "/"),
        ROW("/a/./b", "/a/b"),
        ROW("/a/.", "/a/"),
        ROW("/.", "/"),
        ROW("/./", "/"),
        ROW("/a/../b", "/b"),
        ROW("/a/..", "/"),
        ROW("/a/b/..", "/a/"),
        ROW("/a/b/../", "/a/"),
        ROW("/a/b/../../c", "/c"),
        ROW("/a//../b", "/b"),
        ROW("/a/.//../b", "/b"),
        ROW("/...", "/..."),
        ROW("/a/..b", "/a/..b"),
        ROW("/a/.b", "/a/.b"),
        ROW("/a/b..", "/a/b.."),
        ROW("/a%2fb", "/a/b"),
        ROW("/a%2F%2fb", "/a/b"),
        ROW("/a/%2e%2E/b", "/b"),
        ROW("/a/.%2e/b", "/b"),
        ROW("/a%2f..%2fb", "/b"),
        ROW("/%61", "/a"),
        ROW("/a%20b", "/a b"),
        ROW("/a%0ab", "/a\nb"),
        ROW("/%25", "/%"),
        ROW("/%252e%252e/", "/%2e%2e/"),
        ROW("/a%23b", "/a#b"),
        ROW("/a%3Fb", "/a?b"),
        ROW("/a/..%3Fb", "/a/..?b"),
        ROW("/\xc3\xa4", "/\xc3\xa4"),
        ROW("/a+b", "/a+b"),
        ROW("/a/%2e", "/a/"),
        ROW("/a?b", "/a"),
        ROW("/a/..?b/../..", "/"),
        ROW("/a/.?b", "/a/"),
        ROW("/a#b", "/a"),
        ROW("/a/..#/../..", "/"),
        ROW("/a#b?c", "/a"),
        ROW("/a\\..\\b", "/a\\..\\b"),
        ROW("/a;x=1/b", "/a;x=1/b"),
    };
    expect_paths(rows, COUNT(rows), true);
}

Test(uri, slashes_stay_when_not_merged)
{
    static const struct row rows[] = {
        ROW("/a//b", "/a//b"),   ROW("//", "//"),         ROW("//a", "//a"),
        ROW("/a//../b", "/a/b"), ROW("/a/.//b", "/a//b"), ROW("/a%2f%2fb", "/a//b"),
        ROW("//..", "/"),        ROW("//../", "/"),       ROW("/a/b//..", "/a/b/"),
    };
    expect_paths(rows, COUNT(rows), false);
}

Test(uri, what_leads_above_the_root_or_is_malformed_is_refused)
{
    static const struct row rows[] = {
        REFUSED(""),
        REFUSED("/.."),
        REFUSED("/../"),
        REFUSED("/a/../.."),
        REFUSED("/%2e%2e/"),
        REFUSED("/..?a"),
        REFUSED("/..#a"),
        REFUSED("/a/../../b"),
        REFUSED("/%"),
        REFUSED("/%a"),
        REFUSED("/%g0"),
        REFUSED("/%0g"),
        REFUSED("/%00"),
        REFUSED("/a%00b"),
        REFUSED("/a b"),
        REFUSED("/a\tb"),
        REFUSED("/a\nb"),
        REFUSED("/a\0b"),
        REFUSED("/a\x7f"),
        REFUSED("/?a b"),
        REFUSED("a"),
        REFUSED("**"),
        REFUSED("*/"),
        REFUSED("?a"),
        REFUSED("#a"),
        REFUSED("http://"),
        REFUSED("http:///a"),
        REFUSED("://a/"),
        REFUSED("1a://b/"),
        REFUSED("ht_p://b/"),
        REFUSED("http://a@b/"),
        REFUSED("http://a:b/"),
        REFUSED("a:80/b"),
        REFUSED("http://[::1/"),
        REFUSED("http://a b/"),
        REFUSED("//../.."),
    };
    expect_paths(rows, COUNT(rows), true);
}

Test(uri, what_a_server_of_parameters_reads_as_dots_is_refused)
{
    static const struct row rows[] = {
        REFUSED("/a/..;/b"),       REFUSED("/a/..;x=1/b"),  REFUSED("/a/..;"),
        REFUSED("/.;/b"),          REFUSED("/a/.;x/b"),     REFUSED("/;/b"),
        REFUSED("/;x/b"),          REFUSED("/a/;/b"),       REFUSED("/a/..%3b/"),
        REFUSED("/a/%2e%2e;/"),    REFUSED("/a%2f..;/b"),   REFUSED("/a/.;"),
        ROW("/;x", "/;x"), /* as Tomcat writes links to "/" */
        ROW("/a/;x?y", "/a/;x"),   ROW("/a;x/b", "/a;x/b"), ROW("/a..;/b", "/a..;/b"),
        ROW("/...;/b", "/...;/b"), ROW("/a?/..;/b", "/a"),
    };
    expect_paths(rows, COUNT(rows), true);
    expect_paths(rows, COUNT(rows), false);
}

Test(uri, tells_what_leads_up)
{
    static const struct {
        const char *target;
        bool leads_up;
    } rows[] = {
        {"", false},           {"/", false},      {"/a", false},       {"/..", true},
        {"/a/../b", true},     {"/a/..", true},   {"..", true},        {"/a/..b", false},
        {"/a../b", false},     {"/...", false},   {"/a?/../b", false}, {"/a/%2e%2E/b", true},
        {"/a/.%2e%2fb", true}, {"/a%2f..", true}, {"/..;x/b", true},   {"/a;../b", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        cr_expect_eq(uri_leads_up(&arena, str_of(rows[i].target)), rows[i].leads_up, "%s",
                     rows[i].target);
}

Test(uri, parts_are_cut_and_kept_raw)
{
    static const struct {
        const char *target, *raw, *path, *args; /* args NULL: no "?" */
        bool is_changed;
    } rows[] = {
        {"/a?b=c?d", "/a?b=c?d", "/a", "b=c?d", false},
        {"/a?", "/a?", "/a", "", false},
        {"/a", "/a", "/a", NULL, false},
        {"/a?b#c", "/a?b", "/a", "b", false},
        {"/%41?%41", "/%41?%41", "/A", "%41", true},
        {"//a", "//a", "/a", NULL, true},
        {"/.a", "/.a", "/.a", NULL, false},
        {"http://a", "/", "/", NULL, false},
        {"http://a?b", "/?b", "/", "b", false},
        {"http://a/b/../c", "/b/../c", "/c", NULL, true},
        {"http://a#b", "/", "/", NULL, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct uri u;
        const char *problem, *name = rows[i].target;
        cr_assert(uri_parse(&u, &arena, str_of(name), true, &problem), "%s: %s", name, problem);
        cr_expect(str_eq_z(u.raw, rows[i].raw), "%s: raw %.*s", name, STR_ARG(u.raw));
        cr_expect(str_eq_z(u.path, rows[i].path), "%s: path %.*s", name, STR_ARG(u.path));
        cr_expect(str_eq_z(u.args, rows[i].args), "%s: args %.*s", name, STR_ARG(u.args));
        cr_expect_eq(u.has_args, rows[i].args != NULL, "%s", name);
        cr_expect_eq(u.is_changed, rows[i].is_changed, "%s", name);
    }
}

/* RFC 9112, 3.2 */
Test(uri, the_four_forms_of_a_target)
{
    static const struct {
        const char *target;
        enum uri_form form;
        const char *scheme, *authority;
    } rows[] = {
        {"/", URI_ORIGIN, "", ""},
        {"*", URI_ASTERISK, "", ""},
        {"http://A.example:81/b", URI_ABSOLUTE, "http", "A.example:81"},
        {"HTTPS://a", URI_ABSOLUTE, "HTTPS", "a"},
        {"http://[::1]:80/", URI_ABSOLUTE, "http", "[::1]:80"},
        {"a.example:443", URI_AUTHORITY, "", "a.example:443"},
        {"[::1]:443", URI_AUTHORITY, "", "[::1]:443"},
        {"/http://a/", URI_ORIGIN, "", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct uri u;
        const char *problem;
        cr_assert(uri_parse(&u, &arena, str_of(rows[i].target), true, &problem), "%s",
                  rows[i].target);
        cr_expect_eq(u.form, rows[i].form, "%s", rows[i].target);
        cr_expect(str_eq_z(u.scheme, rows[i].scheme), "%s", rows[i].target);
        cr_expect(str_eq_z(u.authority, rows[i].authority), "%s", rows[i].target);
    }
}

/* RFC 3986, 3.2.2 */
Test(uri, hosts)
{
    static const struct {
        struct str text;
        const char *name, *port; /* name NULL: refused */
    } rows[] = {
        {STR_INIT("a"), "a", ""},
        {STR_INIT("WWW.Example.COM"), "www.example.com", ""},
        {STR_INIT("a.example."), "a.example", ""},
        {STR_INIT("a.example.:80"), "a.example", "80"},
        {STR_INIT("a:8443"), "a", "8443"},
        {STR_INIT("a:"), "a", ""},
        {STR_INIT("a_b-c~d"), "a_b-c~d", ""},
        {STR_INIT("127.0.0.1:80"), "127.0.0.1", "80"},
        {STR_INIT("[::1]"), "[::1]", ""},
        {STR_INIT("[2001:DB8::1]:443"), "[2001:db8::1]", "443"},
        {STR_INIT(""), NULL, NULL},
        {STR_INIT(":80"), NULL, NULL},
        {STR_INIT("."), NULL, NULL},
        {STR_INIT("a..b"), NULL, NULL},
        {STR_INIT(".a"), NULL, NULL},
        {STR_INIT("a b"), NULL, NULL},
        {STR_INIT("a,b c"), NULL, NULL},
        {STR_INIT("a/b"), NULL, NULL},
        {STR_INIT("a?b"), NULL, NULL},
        {STR_INIT("a#b"), NULL, NULL},
        {STR_INIT("u@a"), NULL, NULL},
        {STR_INIT("a\0b"), NULL, NULL},
        {STR_INIT("a\tb"), NULL, NULL},
        {STR_INIT("a%2eb"), NULL, NULL},
        {STR_INIT("\xc3\xa4"), NULL, NULL},
        {STR_INIT("a:b"), NULL, NULL},
        {STR_INIT("a:80:80"), NULL, NULL},
        {STR_INIT("a:+80"), NULL, NULL},
        {STR_INIT("a:65536"), NULL, NULL},
        {STR_INIT("[::1"), NULL, NULL},
        {STR_INIT("[::1]a"), NULL, NULL},
        {STR_INIT("[::g]"), NULL, NULL},
        {STR_INIT("[a]"), NULL, NULL},
        {STR_INIT("[]"), NULL, NULL},
        {STR_INIT("[127.0.0.1]"), NULL, NULL},
        {STR_INIT("::1"), NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str name, port;
        bool is_good = uri_host_parse(&arena, rows[i].text, &name, &port);
        cr_expect_eq(is_good, rows[i].name != NULL, "%s", rows[i].text.ptr);
        if (!is_good)
            continue;
        cr_expect(str_eq_z(name, rows[i].name), "%s", rows[i].text.ptr);
        cr_expect(str_eq_z(port, rows[i].port), "%s", rows[i].text.ptr);
    }
}

/* RFC 6066, 3 */
Test(uri, one_rule_for_names_of_servers)
{
    static const struct {
        struct str text;
        const char *name; /* NULL: no host name */
    } rows[] = {
        {STR_INIT("A.Example"), "a.example"},
        {STR_INIT("a.example."), "a.example"},
        {STR_INIT("a.example.."), NULL},
        {STR_INIT("a_b.example"), "a_b.example"},
        {STR_INIT("xn--4ca.example"), "xn--4ca.example"},
        {STR_INIT("10.0.0.1"), "10.0.0.1"},
        {STR_INIT(""), NULL},
        {STR_INIT("."), NULL},
        {STR_INIT("a..b"), NULL},
        {STR_INIT(".a"), NULL},
        {STR_INIT("a\0.b"), NULL},
        {STR_INIT("a b"), NULL},
        {STR_INIT("*.a"), NULL},
        {STR_INIT("[::1]"), NULL},
        {STR_INIT("a:80"), NULL},
        {STR_INIT("0123456789012345678901234567890123456789012345678901234567890123"), NULL},
        {STR_INIT("012345678901234567890123456789012345678901234567890123456789012"),
         "012345678901234567890123456789012345678901234567890123456789012"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str name;
        bool is_good = host_normalise(rows[i].text, &arena, &name);
        cr_expect_eq(is_good, rows[i].name != NULL, "%s", rows[i].text.ptr);
        cr_expect(!is_good || str_eq_z(name, rows[i].name), "%s", rows[i].text.ptr);
    }
}

Test(uri, a_name_has_at_most_253_octets)
{
    struct buf name = {0};
    struct str out;
    for (int i = 0; i < 126; i++)
        buf_append_str(&name, STR("a."));
    buf_append_str(&name, STR("a"));
    cr_assert_eq(buf_len(&name), 253);
    cr_assert(host_normalise(buf_str(&name), &arena, &out));
    buf_append_str(&name, STR("a"));
    cr_assert_not(host_normalise(buf_str(&name), &arena, &out));
    buf_deinit(&name);
}

Test(uri, escapes_what_nginx_escapes)
{
    struct str all = STR("/a-._~ %?#\"<>\\^`{|}&+;=:@!$'()*,[]\n\x7f\xff");
    cr_expect(str_eq_z(uri_escape_path(&arena, all),
                       "/a-._~%20%25%3F%23%22%3C%3E%5C%5E%60%7B%7C%7D&+;=:@!$'()*,[]%0A%7F%FF"));
    cr_expect(
        str_eq_z(uri_escape_args(&arena, all),
                 "/a-._~%20%25%3F%23%22%3C%3E%5C%5E%60%7B%7C%7D%26%2B%3B=:@!$'()*,[]%0A%7F%FF"));
    cr_expect(str_eq_z(uri_escape_component(&arena, all),
                       "%2Fa-._~%20%25%3F%23%22%3C%3E%5C%5E%60%7B%7C%7D%26%2B%3B%3D%3A%40%21%24%27"
                       "%28%29%2A%2C%5B%5D%0A%7F%FF"));
    cr_expect(str_eq_z(uri_escape_path(&arena, STR("/a")), "/a"));
}

Test(uri, unescapes_and_leaves_malformed_escapes)
{
    cr_assert(str_eq_z(uri_unescape(&arena, STR("a%20b%")), "a b%"));
    cr_assert(str_eq_z(uri_unescape(&arena, STR("%4%41%4g%g4%4")), "%4A%4g%g4%4"));
    cr_assert(str_eq(uri_unescape(&arena, STR("%00")), STR("\0")));
    cr_assert(str_eq_z(uri_unescape(&arena, STR("plain")), "plain"));
}

Test(uri, unescape_undoes_escape)
{
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct str s = str_make(all, sizeof all);
    cr_assert(str_eq(uri_unescape(&arena, uri_escape_path(&arena, s)), s));
    cr_assert(str_eq(uri_unescape(&arena, uri_escape_component(&arena, s)), s));
}

Test(uri, arguments_are_found_whole_names_only)
{
    struct str args = STR("ab=1&a=2&A=3&b&c=&d=x=y");
    cr_assert(str_eq_z(uri_arg(args, STR("a")), "2"));
    cr_assert(str_eq_z(uri_arg(args, STR("AB")), "1"));
    cr_assert(str_eq_z(uri_arg(args, STR("d")), "x=y"));
    cr_assert_not_null(uri_arg(args, STR("c")).ptr);
    cr_assert_eq(uri_arg(args, STR("c")).len, 0);
    cr_assert_null(uri_arg(args, STR("b")).ptr);
    cr_assert_null(uri_arg(args, STR("z")).ptr);
    cr_assert_null(uri_arg(STR_NONE, STR("a")).ptr);
}
