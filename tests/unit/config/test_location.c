#include "support.h"

Test(location, kinds)
{
    struct loaded c = config_of_server(
        "location / {} location = /e {} location ^~ /f {} location ~ \\.php$ {} location ~* "
        "\\.GIF$ "
        "{} location @n {} location =/joined {} location ~joined {}");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    cr_expect_eq(config_location(&c, 0, "/")->kind, LOCATION_PREFIX);
    cr_expect_eq(config_location(&c, 0, "=/e")->kind, LOCATION_EXACT);
    cr_expect_eq(config_location(&c, 0, "/f")->kind, LOCATION_PREFIX_FINAL);
    cr_expect_eq(config_location(&c, 0, "@n")->kind, LOCATION_NAMED);
    cr_expect_eq(config_location(&c, 0, "=/joined")->kind, LOCATION_EXACT);
    cr_expect_eq(config_location(&c, 0, "~joined")->kind, LOCATION_REGEX);
    const struct location_conf *php = config_location(&c, 0, "~\\.php$");
    cr_expect(regex_match(php->regex.regex, STR("/x.php"), NULL, NULL));
    cr_expect(!regex_match(php->regex.regex, STR("/x.PHP"), NULL, NULL));
    cr_expect(
        regex_match(config_location(&c, 0, "~\\.GIF$")->regex.regex, STR("/x.gif"), NULL, NULL));
    config_end(&c);
}

Test(location, the_longest_prefix_is_found)
{
    static const struct {
        const char *path, *found;
    } rows[] = {
        {"/", "/"},
        {"/b", "/"},
        {"/a", "/a"},
        {"/a/", "/a"},
        {"/a/b", "/a/b"},
        {"/a/bb/c", "/a/b"},
        {"/a/b/d", "/a/b"},
        {"/a/b/c/d", "/a/b/c"},
        {"/a/b/ccc", "/a/b/c"},
        {"/a!", "/a"},
        {"/ab", "/ab"},
        {"/abc", "/ab"},
        {"/aa", "/a"},
        {"/z", "/"},
        {"", ""},
    };
    struct loaded c = config_of_server("location / {} location /a/b {} location /ab {} location /a "
                                       "{} location ^~ /a/b/c {} location '' {}");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_set *set = &config_server(&c, 0)->locations;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool is_redirect;
        const struct location_conf *loc = location_find_prefix(set, str_of(rows[i].path),
                                                               &is_redirect);
        EXPECT_STR(loc->name, rows[i].found);
        cr_expect(!is_redirect);
    }
    config_end(&c);
}

Test(location, no_prefix_fits)
{
    struct loaded c = config_of_server("location /b {} location /b/c {}");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_set *set = &config_server(&c, 0)->locations;
    static const char *const paths[] = {"", "/", "/a", "/a/b", "/c", "/B"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        bool is_redirect;
        cr_expect(location_find_prefix(set, str_of(paths[i]), &is_redirect) == NULL, "%s",
                  paths[i]);
    }
    config_end(&c);
}

Test(location, what_lacks_a_slash_is_redirected_unless_it_is_a_location)
{
    struct loaded c = config_of_server(
        "location / {} location /p/ { proxy_pass http://127.0.0.1:1; } location /q/ { proxy_pass "
        "http://127.0.0.1:1; } location /q {} location /r/ {} location = /s/ { proxy_pass "
        "http://127.0.0.1:1; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_set *set = &config_server(&c, 0)->locations;
    bool is_redirect;
    EXPECT_STR(location_find_prefix(set, STR("/p"), &is_redirect)->name, "/p/");
    cr_expect(is_redirect);
    EXPECT_STR(location_find_prefix(set, STR("/p/x"), &is_redirect)->name, "/p/");
    cr_expect(!is_redirect);
    EXPECT_STR(location_find_prefix(set, STR("/q"), &is_redirect)->name, "/q");
    cr_expect(!is_redirect);
    EXPECT_STR(location_find_prefix(set, STR("/r"), &is_redirect)->name, "/");
    cr_expect(!is_redirect);
    EXPECT_STR(location_find_prefix(set, STR("/s"), &is_redirect)->name, "/s/");
    cr_expect(is_redirect);
    config_end(&c);
}

Test(location, regexes_stand_in_order)
{
    struct loaded c = config_of_server("location ~ b {} location ~ a {}");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_set *set = &config_server(&c, 0)->locations;
    EXPECT_STR(set->regexes.items[0]->name, "b");
    EXPECT_STR(set->regexes.items[1]->name, "a");
    config_end(&c);
}

Test(location, problems)
{
    static const struct problem_row rows[] = {
        {"location /a {}\nlocation /a {}", "duplicate location \"/a\" in test.conf:2; the first is "
                                           "in test.conf:1"},
        {"location /a {} location ^~ /a {}", "duplicate location \"/a\""},
        {"location = /a {} location = /a {}", "duplicate location \"/a\""},
        {"location = /a {} location /a {}", NULL},
        {"location ~ a {} location ~ a {}", NULL},
        {"location @n {} location @n {}", "[warn] duplicate location \"@n\""},
        {"location /a { location /b {} }", "location \"/b\" is outside location \"/a\""},
        {"location /a { location /ab {} location ~ b {} location = /ac {} }", NULL},
        {"location = /a { location /ab {} }",
         "location \"/ab\" cannot be inside the exact location \"/a\""},
        {"location @n { location /ab {} }",
         "location \"/ab\" cannot be inside the named location \"@n\""},
        {"location /a { location @n {} }", "named location \"@n\" can be on the server level only"},
        {"location ~ a { location ~ b {} }", NULL},
        {"location == /a {}",
         "invalid location modifier \"==\" in test.conf:1; it must be =, ^~, ~ "
         "or ~*"},
        {"location ~ ( {}", "missing closing parenthesis"},
        {"location / { limit_except FOO {} }", "invalid method \"FOO\""},
        {"location / { limit_except TRACE {} }", "invalid method \"TRACE\""},
        {"location / { limit_except GET { return 403; } }",
         "\"return\" directive is not allowed here"},
        {"location / { limit_except GET {} limit_except POST {} }",
         "\"limit_except\" directive is duplicate"},
        /* What is wrong inside a location out of place is told too. */
        {"location /a { location /b { foo; } }", "unknown directive \"foo\""},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
}

Test(location, limit_except_lets_head_where_get_may)
{
    struct loaded c = config_of_server("location / { limit_except get POST { deny all; } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    uint32_t methods = config_location(&c, 0, "/")->limit_except->methods;
    cr_expect_eq(methods, 1U << METHOD_GET | 1U << METHOD_HEAD | 1U << METHOD_POST);
    config_end(&c);
}
