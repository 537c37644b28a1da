#include <criterion/criterion.h>

#include "portcullis/base/resolve.h"

static const struct row {
    const char *text;
    uint16_t default_port;
    const char *first, *problem; /* first: NULL when it fails with problem */
} rows[] = {
    {"127.0.0.1:8080", 0, "127.0.0.1:8080", NULL},
    {"127.0.0.1", 80, "127.0.0.1:80", NULL},
    {"127.0.0.1", 0, NULL, "no port"},
    {"[::1]:81", 0, "[::1]:81", NULL},
    {"[::1]", 80, "[::1]:80", NULL},
    {"*:80", 0, "0.0.0.0:80", NULL},
    {"localhost:9", 0, "127.0.0.1:9", NULL},
    {"unix:/run/app.sock", 80, "unix:/run/app.sock", NULL},
    {"unix:", 80, NULL, "invalid path of the unix domain socket"},
    {"127.0.0.1:0", 80, NULL, "invalid port"},
    {"127.0.0.1:65536", 80, NULL, "invalid port"},
    {"127.0.0.1:http", 80, NULL, "invalid port"},
    {"127.0.0.1:", 80, NULL, "invalid port"},
    {":80", 80, NULL, "no host"},
    {"", 80, NULL, "no host"},
    {"[::1", 80, NULL, "invalid host"},
    {"[::1]x", 80, NULL, "invalid host"},
    {"[nonsense]:80", 80, NULL, "host not found"},
    {"no-such-host.invalid:80", 80, NULL, "host not found"},
};

Test(resolve, reads_hosts_ports_and_paths)
{
    struct arena a;

    arena_init(&a, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct addr *addrs = NULL;
        const char *problem = "";
        char text[ADDR_TEXT_MAX];
        size_t count = resolve_now(&a, str_of(r->text), r->default_port, &addrs, &problem);
        if (r->first == NULL) {
            cr_expect_eq(count, 0, "%s", r->text);
            cr_expect_str_eq(problem, r->problem, "%s: %s", r->text, problem);
        } else if (count == 0) {
            cr_expect_fail("%s: %s", r->text, problem);
        } else {
            struct str got = addr_text_port(&addrs[0], text);
            cr_expect(str_eq_z(got, r->first), "%s: %.*s", r->text, STR_ARG(got));
        }
    }
    arena_deinit(&a);
}
