#include "support.h"

Test(types, what_is_refused)
{
    static const struct problem_row rows[] = {
        {"types { text/html html htm shtml; text/css css; }", NULL},
        {"types { }", NULL},
        {"types { text/html; }", "[emerg] invalid type \"text/html\" in \"types\""},
        {"types { text/html { } }", "[emerg] invalid type \"text/html\" in \"types\""},
        {"types { text/a x; text/b x; }",
         "[warn] duplicate extension \"x\", content type: \"text/b\", previous content type: "
         "\"text/a\" in test.conf:1"},
        {"types text/html;", "[emerg] invalid number of arguments"},
        {"types;", "[emerg] directive \"types\" has no opening"},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
}

Test(types, may_be_included)
{
    struct loaded c;
    config_begin(&c);
    config_write(&c, "mime.types", "types { text/html html; image/png png; }\n");
    config_write(&c, "test.conf", "events {} http { include mime.types; server { listen 8080; } }");
    config_load_file(&c, "");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    EXPECT_STR(*(struct str *)strmap_find(config_server(&c, 0)->root->types, STR("png")),
               "image/png");
    config_end(&c);
}
