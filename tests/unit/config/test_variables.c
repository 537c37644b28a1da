#include <stdio.h>
#include <string.h>

#include "support.h"

static const struct rewrite_op *first_op(struct loaded *c)
{
    cr_assert(c->s != NULL, "%s", config_problems(c));
    return config_server(c, 0)->root->script.ops.items;
}

/* Parts as text{name}text. */
static struct str shown(struct arena *a, const struct template *t)
{
    struct str out = STR("");
    for (size_t i = 0; i < t->parts.count; i++) {
        const struct template_part *part = &t->parts.items[i];
        out = part->variable
                  ? arena_printf(a, "%.*s{%.*s}", STR_ARG(out), STR_ARG(part->variable->name))
                  : arena_printf(a, "%.*s%.*s", STR_ARG(out), STR_ARG(part->text));
    }
    return out;
}

Test(template, parts)
{
    static const char *const rows[][2] = {
        {"a", "a"},
        {"''", ""},
        {"$host", "{host}"},
        {"a$host", "a{host}"},
        {"a${host}b", "a{host}b"},
        {"$host$uri", "{host}{uri}"},
        {"$host:$server_port/", "{host}:{server_port}/"},
        {"$1$2", "{1}{2}"},
        {"$10", "{1}0"},
        {"${1}0", "{1}0"},
        {"$HOST", "{host}"},
        {"$http_X_foo-bar", "{http_x_foo}-bar"},
        {"'$arg_a b'", "{arg_a} b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        snprintf(text, sizeof text, "return 200 %s;", rows[i][0]);
        struct loaded c = config_of_server(text);
        const struct template *t = &first_op(&c)->value;
        EXPECT_STR(shown(&c.s->arena, t), rows[i][1]);
        cr_expect_eq(t->has_variables, strchr(rows[i][0], '$') != NULL);
        config_end(&c);
    }
}

Test(template, problems)
{
    static const struct problem_row rows[] = {
        {"return 200 $;", "invalid variable name in test.conf:1"},
        {"return 200 a$-b;", "invalid variable name"},
        {"return 200 ${};", "invalid variable name"},
        {"return 200 ${host;", "the closing bracket in \"host\" variable is missing"},
        {"return 200 '${host-x}';", "the closing bracket in \"host\" variable is missing"},
        {"return 200 $nope;", "unknown \"nope\" variable in test.conf:1"},
        {"return 200 $remote_adr;",
         "unknown \"remote_adr\" variable in test.conf:1; did you mean \"$remote_addr\"?"},
        {"set $colour red; return 200 $color;", "did you mean \"$colour\"?"},
        {"return 200 $http_;", "unknown \"http_\" variable"},
        {"return 200 $later; set $later 1;", NULL},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
}

Test(variables, one_for_each_name)
{
    struct loaded c = config_of_server("return 200 $http_x_a$HTTP_X_A$1$mine; set $mine 1;");
    const struct template_part *p = first_op(&c)->value.parts.items;
    cr_expect_eq(p[0].variable, p[1].variable);
    cr_expect_eq(p[0].variable->kind, VARIABLE_BUILTIN);
    cr_expect_eq(p[0].variable->id, VARIABLE_ID_HTTP_);
    EXPECT_STR(p[0].variable->argument, "x_a");
    cr_expect_eq(p[2].variable->kind, VARIABLE_CAPTURE);
    cr_expect_eq(p[2].variable->group, 1);
    cr_expect(p[3].variable->kind == VARIABLE_SET && p[3].variable->is_set);
    for (size_t i = 0; i < c.s->http.variables.count; i++)
        cr_expect_eq(c.s->http.variables.items[i]->slot, i);
    config_end(&c);
}

Test(variables, every_built_in_name_is_known)
{
    static const char *const names[] = {
#define X(id, name)        "$" name,
#define FAMILY(id, prefix) "$" prefix "x",
#include "portcullis/config/variables.def"
#undef X
#undef FAMILY
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[128];
        snprintf(text, sizeof text, "return 200 %s;", names[i]);
        struct loaded c = config_of_server(text);
        const struct variable *v = first_op(&c)->value.parts.items[0].variable;
        cr_expect(v->kind == VARIABLE_BUILTIN && v->id == i + 1, "%s", names[i]);
        config_end(&c);
    }
}

/* proxy_set_header values that tell who the client is, by whatever way. */
Test(variables, identity_is_followed)
{
    static const struct {
        const char *http, *value;
        bool is_identity;
    } rows[] = {
        {"", "$ssl_client_s_dn", true},
        {"", "DN=$ssl_client_verify;", true},
        {"", "$host", false},
        {"", "plain", false},
        {"", "$ssl_protocol", false},
        {"map $ssl_client_s_dn $m { default a; }", "$m", true},
        {"map $host $m { default $ssl_client_serial; }", "$m", true},
        {"map $host $m { default a; }", "$m", false},
        {"map $ssl_client_s_dn $m { ~CN=(?<cn>.*) x; }", "$cn", true},
        {"map $a $b { default 1; } map $ssl_client_s_dn $a { default 1; }", "$b", true},
        {"", "$from_set", true},
        {"", "$from_if", true},
        {"", "$under_if", true},
        {"", "$under_if_of_location", true},
        {"", "$under_another", false},
        {"", "$unrelated", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "%s server { listen 8080; set $from_set $ssl_client_i_dn; set $unrelated $uri; if "
                 "($ssl_client_s_dn ~ CN=(.*)) { set $from_if $1; } "
                 "if ($ssl_client_verify = SUCCESS) { set $under_if yes; } "
                 "if ($host = a) { set $under_another yes; } location / { "
                 "if ($host = $ssl_client_s_dn) { set $under_if_of_location yes; } "
                 "proxy_set_header X-Id \"%s\"; } }",
                 rows[i].http, rows[i].value);
        struct loaded c = config_of_http(text);
        cr_assert(c.s != NULL, "%s", config_problems(&c));
        const struct proxy_conf *p = &config_location(&c, 0, "/")->proxy;
        cr_expect_eq(p->set_headers.items[0].is_identity, rows[i].is_identity, "%s %s",
                     rows[i].http, rows[i].value);
        config_end(&c);
    }
}

Test(variables, log_formats)
{
    static const struct problem_row rows[] = {
        {"log_format a '$host' \"$uri\"; access_log x a;", NULL},
        {"log_format a escape=json '{\"h\":\"$host\"}'; access_log x a;", NULL},
        {"log_format a escape=foo x;", "unknown log format escaping \"foo\""},
        {"log_format a x; log_format a y;", "duplicate \"log_format\" name \"a\""},
        {"log_format combined x;", "duplicate \"log_format\" name \"combined\""},
        {"log_format a '$nope';", "unknown \"nope\" variable"},
        {"access_log x a; log_format a x;", "unknown log format \"a\" in test.conf:1; a log_format "
                                            "before it must define it"},
    };
    EXPECT_PROBLEMS(rows, config_of_http);
    struct loaded c = config_of_http(
        "log_format a escape=json 'x $host' ' y'; server { listen 8080; "
        "access_log l a; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct log_format_conf *f = config_server(&c, 0)->root->access_logs.items[0].format;
    EXPECT_STR(f->value.source, "x $host y");
    cr_expect_eq(f->escape, LOG_ESCAPE_JSON);
    config_end(&c);
}
