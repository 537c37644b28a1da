#include "support.h"

static const struct rewrite_op *ops_of(struct loaded *c, size_t count)
{
    cr_assert(c->s != NULL, "%s", config_problems(c));
    const struct script *script = &config_server(c, 0)->root->script;
    cr_assert_eq(script->ops.count, count);
    return script->ops.items;
}

Test(rewrite, keeps_the_order_of_the_file)
{
    struct loaded c = config_of_server(
        "set $a 1; if ($a) { set $b 2; break; } rewrite ^/x /y last; "
        "client_max_body_size 1m; return 403; break;");
    const struct rewrite_op *op = ops_of(&c, 5);
    static const enum rewrite_kind kinds[] = {REWRITE_SET, REWRITE_IF, REWRITE_REWRITE,
                                              REWRITE_RETURN, REWRITE_BREAK};
    for (size_t i = 0; i < 5; i++)
        cr_expect_eq(op[i].kind, kinds[i]);
    EXPECT_STR(op[0].variable->name, "a");
    cr_expect(op[0].variable->is_set);
    cr_expect_eq(op[1].then->script.ops.count, 2);
    cr_expect_eq(op[3].status, 403);
    cr_expect(!op[3].has_value);
    config_end(&c);
}

Test(rewrite, conditions)
{
    static const struct {
        const char *text;
        enum if_kind kind;
        const char *left, *right; /* right: text or pattern */
        bool nocase, negate;
    } rows[] = {
        {"if ($host) {}", IF_TRUE, "$host", "", false, false},
        {"if ( $host ) {}", IF_TRUE, "$host", "", false, false},
        {"if ($host = a) {}", IF_EQUAL, "$host", "a", false, false},
        {"if ($host = \"\") {}", IF_EQUAL, "$host", "", false, false},
        {"if ($host = 'a b') {}", IF_EQUAL, "$host", "a b", false, false},
        {"if ($host != $http_x) {}", IF_NOT_EQUAL, "$host", "$http_x", false, false},
        {"if ($host ~ ^a) {}", IF_MATCH, "$host", "^a", false, false},
        {"if ($host ~* \"(a|b)\") {}", IF_MATCH, "$host", "(a|b)", true, false},
        {"if ($host !~ a) {}", IF_NOT_MATCH, "$host", "a", false, false},
        {"if ($host !~* a) {}", IF_NOT_MATCH, "$host", "a", true, false},
        {"if (-f $request_filename) {}", IF_FILE, "$request_filename", "", false, false},
        {"if (!-d /x$uri) {}", IF_DIRECTORY, "/x$uri", "", false, true},
        {"if (-e a) {}", IF_EXISTS, "a", "", false, false},
        {"if (!-x a) {}", IF_EXECUTABLE, "a", "", false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded c = config_of_server(rows[i].text);
        const struct rewrite_op *op = ops_of(&c, 1);
        cr_expect_eq(op->condition, rows[i].kind, "%s", rows[i].text);
        cr_expect_eq(op->negate, rows[i].negate, "%s", rows[i].text);
        EXPECT_STR(op->left.source, rows[i].left);
        if (op->regex.regex) {
            EXPECT_STR(op->regex.source, rows[i].right);
            cr_expect_eq(op->regex.nocase, rows[i].nocase, "%s", rows[i].text);
        } else if (op->right.source.ptr) {
            EXPECT_STR(op->right.source, rows[i].right);
        }
        config_end(&c);
    }
}

Test(rewrite, replacements)
{
    static const struct {
        const char *text;
        enum rewrite_flag flag;
        bool is_redirect, drops_args;
    } rows[] = {
        {"rewrite ^ /a;", REWRITE_FLAG_NONE, false, false},
        {"rewrite ^ /a last;", REWRITE_FLAG_LAST, false, false},
        {"rewrite ^ /a break;", REWRITE_FLAG_BREAK, false, false},
        {"rewrite ^ /a redirect;", REWRITE_FLAG_REDIRECT, true, false},
        {"rewrite ^ /a? permanent;", REWRITE_FLAG_PERMANENT, true, true},
        {"rewrite ^ https://$host/a;", REWRITE_FLAG_NONE, true, false},
        {"rewrite ^ $scheme://x;", REWRITE_FLAG_NONE, true, false},
        {"rewrite ^ $uri?;", REWRITE_FLAG_NONE, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded c = config_of_server(rows[i].text);
        const struct rewrite_op *op = ops_of(&c, 1);
        cr_expect_eq(op->flag, rows[i].flag, "%s", rows[i].text);
        cr_expect_eq(op->is_redirect, rows[i].is_redirect, "%s", rows[i].text);
        cr_expect_eq(op->drops_args, rows[i].drops_args, "%s", rows[i].text);
        config_end(&c);
    }
}

Test(rewrite, problems)
{
    static const struct problem_row rows[] = {
        {"return x;", "invalid return code \"x\""},
        {"return 1000;", "invalid return code \"1000\""},
        {"return;", "invalid number of arguments in \"return\" directive"},
        {"return http://x;", NULL},
        {"return 444;", NULL},
        {"set host 1;", "invalid variable name \"host\""},
        {"set $ 1;", "invalid variable name \"$\""},
        {"set $host 1;", "the duplicate \"host\" variable in test.conf:1; it is built in"},
        {"set $ssl_client_verify SUCCESS;", "the duplicate \"ssl_client_verify\" variable"},
        {"set $http_host 1;", "the duplicate \"http_host\" variable"},
        {"set $args a=b; set $http_mine 1; set $arg_mine 1;", NULL},
        {"set $1 x;", "the duplicate \"1\" variable"},
        {"if ($host ~ (?<uri>.)) {}", "the duplicate \"uri\" variable"},
        {"if ($host ~ (?<mine>.)) { return 200 $mine; }", NULL},
        {"if host {}", "invalid condition \"host\" in test.conf:1; it must be ($variable)"},
        {"if (host) {}", "invalid condition \"host\""},
        {"if ($host {}", "invalid condition"},
        {"if ($host == a) {}", "unexpected \"==\" in condition in test.conf:1; it must be ="},
        {"if ($host =) {}", "invalid condition"},
        {"if ($host=a) {}",
         "invalid condition \"$host=a\" in test.conf:1; write spaces around the operator"},
        {"if ($host$uri) {}", "invalid condition \"$host$uri\""},
        {"if ($host = a b) {}", "invalid condition"},
        {"if (-q $host) {}", "invalid condition \"-q\""},
        {"if (-f) {}", "invalid condition \"-f\""},
        {"if () {}", "invalid condition \"()\""},
        {"if ($nope) {}", "unknown \"nope\" variable in test.conf:1"},
        {"if ($host) { if ($host) {} }", "\"if\" directive is not allowed here"},
        {"if ($host) { proxy_pass http://127.0.0.1; }", "it belongs in: location, if in location"},
        {"if ($host) { add_header a b; }", "\"add_header\" directive is not allowed here"},
        {"location / { if ($host) { add_header a b; error_page 404 /x; root r; } }", NULL},
        {"rewrite ( /x;", "missing closing parenthesis"},
        {"rewrite ^ /x foo;", "invalid parameter \"foo\""},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
}
