#include <criterion/criterion.h>
#include <string.h>

#include "portcullis/base/addr.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

Test(addr, reads_literal_addresses_alone)
{
    static const struct {
        const char *text, *with_port; /* NULL: none */
    } cases[] = {
        {"127.0.0.1", "127.0.0.1:80"},
        {"::1", "[::1]:80"},
        {"[::1]", "[::1]:80"},
        {"2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:80"},
        {"::ffff:1.2.3.4", "[::ffff:1.2.3.4]:80"},
        {"0.0.0.0", "0.0.0.0:80"},
        {"", NULL},
        {"localhost", NULL},
        {"127.1", NULL},
        {"127.0.0.256", NULL},
        {"127.0.0.1 ", NULL},
        {"[127.0.0.1]", NULL},
        {"[::1", NULL},
        {"::1]", NULL},
        {"fe80::1%lo", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct addr a;
        char text[ADDR_TEXT_MAX];
        bool is_good = addr_parse_ip(&a, str_of(cases[i].text), 80);
        cr_expect_eq(is_good, cases[i].with_port != NULL, "%s", cases[i].text);
        if (is_good)
            cr_expect(str_eq_z(addr_text_port(&a, text), cases[i].with_port), "%s", text);
    }
}

Test(addr, compares_with_and_without_port)
{
    struct addr a, b, v6;
    addr_parse_ip(&a, STR("127.0.0.1"), 80);
    addr_parse_ip(&b, STR("127.0.0.1"), 81);
    addr_parse_ip(&v6, STR("::1"), 80);
    cr_assert_not(addr_eq(&a, &b));
    cr_assert(addr_eq_host(&a, &b));
    cr_assert_not(addr_eq_host(&a, &v6));
    addr_set_port(&b, 80);
    cr_assert(addr_eq(&a, &b));
    cr_assert_eq(addr_port(&b), 80);
}

Test(addr, knows_wildcards)
{
    struct addr a;
    addr_parse_ip(&a, STR("0.0.0.0"), 80);
    cr_assert(addr_is_wildcard(&a));
    addr_parse_ip(&a, STR("::"), 80);
    cr_assert(addr_is_wildcard(&a));
    addr_parse_ip(&a, STR("::1"), 80);
    cr_assert_not(addr_is_wildcard(&a));
}

Test(addr, unix_paths_are_bounded_and_lose_their_last_colon)
{
    struct addr a;
    char text[ADDR_TEXT_MAX], longest[sizeof a.un.sun_path + 6];
    cr_assert(addr_parse_unix(&a, STR("unix:/run/app.sock:")));
    cr_assert(str_eq_z(addr_text_port(&a, text), "unix:/run/app.sock"));
    cr_assert_eq(addr_port(&a), 0);
    cr_assert_not(addr_parse_unix(&a, STR("unix:")));
    cr_assert_not(addr_parse_unix(&a, STR("/run/app.sock")));

    memset(longest, 'x', sizeof longest);
    memcpy(longest, "unix:", 5);
    size_t fits = 5 + sizeof a.un.sun_path - 1;
    cr_assert(addr_parse_unix(&a, str_make(longest, fits)));
    cr_assert_eq(addr_text(&a, text).len, fits);
    cr_assert_not(addr_parse_unix(&a, str_make(longest, fits + 1)));
}

Test(addr, a_client_on_a_unix_socket_is_unix)
{
    struct addr a;
    char text[ADDR_TEXT_MAX];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    addr_from_sockaddr(&a, (const struct sockaddr *)&un, offsetof(struct sockaddr_un, sun_path));
    cr_assert(str_eq_z(addr_text(&a, text), "unix:"));
    cr_assert(str_eq_z(addr_text_port(&a, text), "unix:"));
}

Test(cidr, contains_what_its_mask_says)
{
    static const struct {
        const char *block, *address;
        bool is_inside;
    } cases[] = {
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.0/23", "192.0.3.0", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"192.0.2.0/24", "::ffff:192.0.2.7", true},
        {"192.0.2.0/24", "::ffff:192.0.3.7", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
        {"::/0", "2001:db8::", true},
        {"::/0", "127.0.0.1", false},
        {"all", "::1", true},
        {"all", "127.0.0.1", true},
        {"unix:", "127.0.0.1", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cidr c;
        struct addr a;
        cr_assert(cidr_parse(&c, str_of(cases[i].block), NULL), "%s", cases[i].block);
        cr_assert(addr_parse_ip(&a, str_of(cases[i].address), 0));
        cr_expect_eq(cidr_contains(&c, &a), cases[i].is_inside, "%s %s", cases[i].block,
                     cases[i].address);
    }
}

Test(cidr, unix_is_unix_clients)
{
    struct cidr c;
    struct addr a;
    addr_parse_unix(&a, STR("unix:/x"));
    cidr_parse(&c, STR("unix:"), NULL);
    cr_assert(cidr_contains(&c, &a));
    cidr_parse(&c, STR("0.0.0.0/0"), NULL);
    cr_assert_not(cidr_contains(&c, &a));
}

Test(cidr, says_when_bits_were_cleared)
{
    struct cidr c;
    bool had_low_bits;
    cr_assert(cidr_parse(&c, STR("192.0.2.1/24"), &had_low_bits));
    cr_assert(had_low_bits);
    cr_assert(cidr_parse(&c, STR("192.0.2.0/24"), &had_low_bits));
    cr_assert_not(had_low_bits);
}

Test(cidr, refuses_what_is_no_block)
{
    static const char *const cases[] = {
        "",       "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2/24",
        "::/129", "name.example", "[::1]/64",   "ALL",          "192.0.2.0/24/1"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cidr c;
        cr_expect_not(cidr_parse(&c, str_of(cases[i]), NULL), "%s", cases[i]);
    }
}
