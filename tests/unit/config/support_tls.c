#include "support_tls.h"

#include <stdio.h>
#include <stdlib.h>

char config_certs[] = "/tmp/portcullis-certs-XXXXXX";

static void make(const char *options)
{
    char command[512];
    cr_assert(mkdtemp(config_certs) != NULL);
    snprintf(command, sizeof command, "sh '%s/certs/make' --ecdsa %s '%s' >/dev/null 2>&1",
             PC_SOURCE_DIR, options, config_certs);
    cr_assert_eq(system(command), 0);
}

void config_make_certs(void)
{
    make("");
}

void config_make_rogues(void)
{
    make("--rogues");
}

void config_remove_certs(void)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", config_certs);
    cr_expect_eq(system(command), 0);
}

struct loaded config_of_tls(const char *text)
{
    static const struct {
        char mark;
        const char *text;
    } marks[] = {
        {'%', "ssl_certificate @/server.crt; ssl_certificate_key @/server.key;"},
        {'^', "ssl_client_certificate @/ca.crt;"},
        {'@', config_certs},
    };
    struct arena a;
    arena_init(&a, 1024);
    struct str s = arena_str(&a, str_of(text));
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        for (size_t at; (at = str_find(s, marks[i].mark)) != SIZE_MAX;)
            s = arena_printf(&a, "%.*s%s%s", (int)at, s.ptr, marks[i].text, s.ptr + at + 1);
    struct loaded c = config_of_http(s.ptr);
    arena_deinit(&a);
    return c;
}
