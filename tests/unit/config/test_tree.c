#include "support.h"

Test(tree, broken_grammar_is_told_with_its_line)
{
    static const struct problem_row rows[] = {
        {"events {\n", "[emerg] unexpected end of file, expecting \"}\" in test.conf:2; the block "
                       "\"events\" that begins in line 1 is not closed"},
        {"events {}\n}\n", "[emerg] unexpected \"}\" in test.conf:2; no block is open here"},
        {"events {}\nuser root }",
         "[emerg] unexpected \"}\" in test.conf:2; is a \";\" missing before it?"},
        {"events {}\nuser 'a\n;", "expecting \";\" or \"}\" in test.conf:3; the ' that begins a "
                                  "text in line 2 is not closed"},
        {"events {};", "[emerg] unexpected \";\" in test.conf:1"},
    };
    EXPECT_PROBLEMS(rows, config_of);
}

Test(tree, missing_file_is_told)
{
    struct loaded c;
    config_begin(&c);
    config_load_file(&c, "");
    cr_expect(c.s == NULL);
    cr_expect_str_eq(config_problems(&c),
                     "[emerg] open() \"test.conf\" failed (2: No such file or directory)\n");
    config_end(&c);
}

Test(tree, includes_are_relative_to_the_file_and_sorted)
{
    struct loaded c;
    config_begin(&c);
    config_write(&c, "b.inc", "server { server_name b; }");
    config_write(&c, "a.inc", "server { server_name a; }");
    config_write(&c, "test.conf", "events {}\nhttp { include [ab].inc; include none*.inc; }");
    config_load_file(&c, "");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    EXPECT_STR(config_server(&c, 0)->name, "a");
    EXPECT_STR(config_server(&c, 1)->name, "b");
    cr_expect_eq(c.s->files.count, 3);
    config_end(&c);
}

Test(tree, include_problems)
{
    static const struct problem_row rows[] = {
        {"events {}\ninclude none.inc;",
         "[emerg] open() \"none.inc\" failed (2: No such file or directory) in test.conf:2"},
        {"events {} include test.conf;", "[emerg] \"test.conf\" includes itself in test.conf:1"},
        {"events {} include test.con*;", "[emerg] \"test.conf\" includes itself in test.conf:1"},
        {"events {} include /tmp;", "[emerg] read() \"/tmp\" failed (21: Is a directory)"},
        {"events {} include a b;", "invalid number of arguments in \"include\" directive"},
        {"events {} include *.none;", NULL},
    };
    EXPECT_PROBLEMS(rows, config_of);
}

Test(tree, problems_of_an_included_file_carry_its_name)
{
    struct loaded c;
    config_begin(&c);
    config_write(&c, "x.inc", "\nfoo bar;");
    config_write(&c, "y.inc", "\n\nuser {");
    config_write(&c, "test.conf", "events {} include x.inc;");
    config_load_file(&c, "");
    cr_expect_eq(config_count(&c, "unknown directive \"foo\" in x.inc:2"), 1);
    config_end(&c);
    config_begin(&c);
    config_write(&c, "y.inc", "\n\nuser {");
    config_write(&c, "test.conf", "events {} include y.inc; include z.inc;");
    config_load_file(&c, "");
    cr_expect_eq(config_count(&c, "in y.inc:3"), 1, "%s", config_problems(&c));
    cr_expect_eq(config_count(&c, "z.inc\" failed"), 1, "the rest is looked at too");
    config_end(&c);
}

Test(tree, a_brace_in_a_regular_expression_is_told_where_it_stands)
{
    static const struct problem_row rows[] = {
        {"events {}\nhttp {\nmap $uri $x {\n~^/[0-9]{3}$ 1;\n}\nserver {}\n}",
         "[emerg] unexpected \"{\" in test.conf:4; a regular expression with \"{\", \"}\" or \";\" "
         "must be in quotes"},
        {"events {}\nhttp { server {\nlocation ~ ^/[0-9]{3}$ { return 204; } } }",
         "unexpected \"{\" in test.conf:3"},
        {"events {} http { map $uri $x { \"~^/[0-9]{3}$\" 1; } server { location ~ "
         "\"^/[0-9]{3}$\" { return 204; } } }",
         NULL},
    };
    EXPECT_PROBLEMS(rows, config_of);
}

Test(tree, a_missing_include_does_not_hide_what_else_is_wrong)
{
    struct loaded c;
    config_begin(&c);
    config_write(&c, "test.conf",
                 "include a.inc;\nevents {}\nhttp { include b.inc; foo bar; server { location / { "
                 "include c.inc; proxy_pass ftp://x; } } }");
    config_load_file(&c, "");
    static const char *const parts[] = {"a.inc\" failed", "b.inc\" failed", "c.inc\" failed",
                                        "unknown directive \"foo\"", "invalid URL prefix"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect_eq(config_count(&c, parts[i]), 1, "%s in\n%s", parts[i], config_problems(&c));
    cr_expect(c.s == NULL);
    config_end(&c);
}

Test(tree, deep_blocks_are_refused)
{
    struct buf text = {0};
    for (int i = 0; i < 5000; i++)
        buf_append_str(&text, STR("a {"));
    buf_append_char(&text, '\0');
    struct loaded c = config_of(buf_str(&text).ptr);
    cr_expect_eq(config_count(&c, "blocks are nested too deeply"), 1);
    config_end(&c);
    buf_deinit(&text);
}

Test(tree, command_line_directives_come_first)
{
    struct loaded c;
    config_begin(&c);
    config_write(&c, "test.conf", "events {}");
    config_load_file(&c, "daemon off; error_log e.log info;");
    cr_assert(c.s != NULL);
    cr_expect(!c.s->process.daemon);
    cr_expect_eq(c.s->process.error_log->level, LOG_INFO);
    config_end(&c);

    config_begin(&c);
    config_write(&c, "test.conf", "daemon on; events {}");
    config_load_file(&c, "daemon off;");
    cr_expect_eq(config_count(&c, "\"daemon\" directive is duplicate in test.conf:1"), 1);
    config_end(&c);

    config_begin(&c);
    config_write(&c, "test.conf", "events {}");
    config_load_file(&c, "foo bar;");
    cr_expect_eq(config_count(&c, "unknown directive \"foo\" in command line;"), 1, "%s",
                 config_problems(&c));
    config_end(&c);
}
