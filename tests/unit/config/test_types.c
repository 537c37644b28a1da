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
        {"types text/html;", "[emerg] directive \"types\" has no opening"},
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

Test(types, of_a_block_replace_those_further_out)
{
    struct loaded c = config_of_http(
        "types { text/html html; } types { text/css css CSS; } server { listen 8080; "
        "location / { proxy_pass http://127.0.0.1; } location /own { types { text/x-a A; } "
        "return 200; } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct strmap *outer = config_location(&c, 0, "/")->types,
                        *own = config_location(&c, 0, "/own")->types;
    EXPECT_STR(*(struct str *)strmap_find(outer, STR("html")), "text/html");
    EXPECT_STR(*(struct str *)strmap_find(outer, STR("css")), "text/css");
    EXPECT_STR(*(struct str *)strmap_find(own, STR("a")), "text/x-a");
    cr_expect(strmap_find(own, STR("html")) == NULL);
    cr_expect_eq(config_count(&c, "[warn] duplicate extension \"CSS\""), 1);
    config_end(&c);
}
