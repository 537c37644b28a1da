#include <stdio.h>

#include "support.h"

#define DIGEST "AB:cd0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"

Test(client_rules, what_is_refused)
{
    static const struct problem_row rows[] = {
        {"location / { ssl_client_allow any; }", NULL},
        {"ssl_client_deny cn x;", "[warn] \"ssl_client_deny\" has no effect where "
                                  "\"ssl_verify_client\" is off in test.conf:1"},
        {"location / { ssl_client_allow dns a *.b c*d ~^e$; }", NULL},
        {"ssl_client_allow;", "[emerg] invalid number of arguments"},
        {"ssl_client_allow cn;", "[emerg] invalid number of arguments in \"ssl_client_allow\""},
        {"ssl_client_allow any x;", "[emerg] invalid number of arguments in \"ssl_client_allow\""},
        {"ssl_client_allow name x;", "[emerg] invalid value \"name\" in \"ssl_client_allow\" "
                                     "directive in test.conf:1; the kinds are any, cn, ou, o, dn"},
        {"location / { ssl_client_allow sha256 " DIGEST "; }", NULL},
        {"ssl_client_allow sha256 abc;", "[emerg] invalid value \"abc\""},
        {"ssl_client_allow spki " DIGEST "00;", "[emerg] invalid value"},
        {"ssl_client_allow sha256 ab*;", "[emerg] invalid value"},
        {"ssl_client_allow sha256 ~ab;", "[emerg] invalid value"},
        {"location / { ssl_client_allow serial 0x0A -1 00; }", NULL},
        {"ssl_client_allow serial xyz;", "[emerg] invalid value \"xyz\""},
        {"location / { ssl_client_allow ip 192.0.2.0/24 ::1; }", NULL},
        {"ssl_client_allow ip unix:;", "[emerg] invalid value"},
        {"ssl_client_allow ip 192.0.2;", "[emerg] invalid value"},
        {"ssl_client_allow cn ~(;", "[emerg] pcre2_compile() failed"},
        {"ssl_client_allow cn ~(?<a>b);", "[emerg] invalid value"},
        {"ssl_client_allow dn 'CN=a\\\\*';", "[emerg] invalid value"},
        {"ssl_client_allow cn file:missing;", "[emerg] cannot read list"},
        {"ssl_client_allow cn file:.;", "[emerg] cannot read list"},
        {"ssl_client_allow cn file:$host;", "[emerg] invalid value"},
        {"if ($host) { ssl_client_allow any; }", "[emerg] \"ssl_client_allow\" directive is not "
                                                 "allowed here"},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
}

static const struct client_rule *rule_of(struct loaded *c, const char *list, const char *kind)
{
    char text[256];
    config_begin(c);
    config_write(c, "list", list);
    snprintf(text, sizeof text,
             "events {} http { server { listen 8080; location / { ssl_client_allow %s file:list; } "
             "} }",
             kind);
    config_write(c, "test.conf", text);
    config_load_file(c, "");
    return c->s ? config_location(c, 0, "/")->client_rules.items : NULL;
}

Test(client_rules, lists)
{
    struct loaded c;
    struct buf value = {0};
    const struct client_rule *rule = rule_of(
        &c, "# comment\n\nb.example\r\n  A.example.\nc.example", "dns");
    cr_assert(rule != NULL, "%s", config_problems(&c));
    const struct client_list *list = rule->patterns.items[0].list;
    cr_expect_eq(list->count, 3);
    cr_expect(client_list_has(list, STR("a.example")) && client_list_has(list, STR("b.example")) &&
              client_list_has(list, STR("c.example")));
    cr_expect(!client_list_has(list, STR("")) && !client_list_has(list, STR("# comment")) &&
              !client_list_has(list, STR("A.example")));
    config_end(&c);

    rule = rule_of(&c, DIGEST "\n", "sha256");
    cr_assert(rule != NULL, "%s", config_problems(&c));
    cr_assert(client_rule_normalise(
        CLIENT_RULE_SHA256, STR("abcd0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"),
        &value));
    cr_expect(client_list_has(rule->patterns.items[0].list, buf_str(&value)));
    config_end(&c);

    rule = rule_of(&c, "192.0.2.0/24\n::1\n", "ip");
    cr_expect_eq(rule->patterns.items[0].list->blocks.count, 2);
    config_end(&c);

    rule = rule_of(&c, "", "cn");
    cr_expect(!client_list_has(rule->patterns.items[0].list, STR("x")), "an empty list has nobody");
    config_end(&c);
    buf_deinit(&value);
}

Test(client_rules, a_bad_line_of_a_list_is_told)
{
    static const struct {
        const char *kind, *list;
    } rows[] = {{"sha256", "abc"}, {"dns", "*.example"}, {"cn", "~x"}, {"ip", "300.1.1.1"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded c;
        cr_expect(rule_of(&c, rows[i].list, rows[i].kind) == NULL);
        cr_expect_eq(config_count(&c, "in list \"list:1\""), 1, "%s", config_problems(&c));
        config_end(&c);
    }
}

Test(client_rules, a_locations_list_replaces_the_servers)
{
    struct loaded c = config_of_server(
        "ssl_verify_client optional_no_ca; ssl_client_deny cn a; ssl_client_allow any; location / "
        "{ return 200; } location /own { ssl_client_allow cn b; ssl_client_deny cn c; }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_conf *inherits = config_location(&c, 0, "/"),
                               *own = config_location(&c, 0, "/own");
    cr_expect_eq(inherits->client_rules.count, 2);
    cr_expect(!inherits->client_rules.items[0].allow && inherits->client_rules.items[1].allow);
    cr_expect_eq(own->client_rules.count, 2);
    cr_expect(own->client_rules.items[0].allow && !own->client_rules.items[1].allow);
    cr_expect(config_server(&c, 0)->verify_varies);
    config_end(&c);
}

static uint64_t policy_of(const char *lines)
{
    struct loaded c = config_of_server(lines);
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    uint64_t policy = config_server(&c, 0)->tls.policy;
    config_end(&c);
    return policy;
}

#define RULES "ssl_verify_client optional_no_ca; ssl_client_deny cn a; location / { return 200; } "

/* By it a worker of an older configuration knows whether its rules are those of today. */
Test(client_rules, make_a_policy_that_changes_with_them_alone)
{
    static const char *const others[] = {
        "ssl_verify_client optional_no_ca; location / { return 200; }",
        "ssl_verify_client report; ssl_client_deny cn a; location / { return 200; }",
        "ssl_verify_client optional_no_ca; ssl_client_deny cn b; location / { return 200; }",
        "ssl_verify_client optional_no_ca; ssl_client_deny ou a; location / { return 200; }",
        "ssl_verify_client optional_no_ca; ssl_client_allow cn a; location / { return 200; }",
        "ssl_verify_client optional_no_ca; ssl_client_deny cn a b; location / { return 200; }",
        RULES "location /x { ssl_verify_client off; }",
        RULES "location /x { ssl_client_allow any; }",
        RULES "location /y { ssl_client_allow any; }",
    };
    enum { OTHERS = sizeof others / sizeof *others };
    uint64_t policy = policy_of(RULES), found[OTHERS];
    cr_expect_eq(policy_of(RULES), policy);
    cr_expect_eq(policy_of(RULES "location /more { return 201; }"), policy);
    for (size_t i = 0; i < OTHERS; i++) {
        found[i] = policy_of(others[i]);
        cr_expect_neq(found[i], policy, "%s", others[i]);
        for (size_t k = 0; k < i; k++)
            cr_expect_neq(found[i], found[k], "%s", others[i]);
    }
}
