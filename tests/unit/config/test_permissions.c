/* Files that others may change or read. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static const char http[] =
    "events {} http { include more.conf; server { listen 8080; ssl_certificate_key key; "
    "ssl_password_file pass; ssl_client_certificate ca; } }";

static struct loaded with_mode(const char *name, unsigned mode)
{
    static const char *const names[] = {"more.conf", "key", "pass", "ca"};
    struct loaded c;
    char path[128];

    config_begin(&c);
    config_write(&c, "test.conf", http);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        config_write(&c, names[i], "");
        (void)snprintf(path, sizeof path, "%s%s", c.dir, names[i]);
        cr_assert_eq(chmod(path, strcmp(names[i], name) == 0 ? mode : 0600), 0);
    }
    config_load_file(&c, "");
    return c;
}

Test(permissions, what_others_may_do_is_warned_of)
{
    static const struct {
        const char *name;
        unsigned mode;
        const char *warning; /* NULL: none */
    } rows[] = {
        {"more.conf", 0644, NULL},
        {"more.conf", 0664, NULL},
        {"more.conf", 0666, "every user may change"},
        {"test.conf", 0600, NULL},
        {"key", 0640, NULL},
        {"key", 0644, "every user may read the secret in"},
        {"key", 0602, "every user may change"},
        {"pass", 0604, "every user may read the secret in"},
        {"ca", 0644, NULL},
        {"ca", 0646, "every user may change"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct loaded c = with_mode(rows[i].name, rows[i].mode);
        cr_expect_eq(config_count(&c, "every user may"), rows[i].warning != NULL, "%s %o: %s",
                     rows[i].name, rows[i].mode, config_problems(&c));
        if (rows[i].warning != NULL)
            cr_expect_eq(config_count(&c, rows[i].warning), 1, "%s", config_problems(&c));
        config_end(&c);
    }
}

Test(permissions, a_file_that_many_servers_name_is_warned_of_once)
{
    struct loaded c;
    char path[128];

    config_begin(&c);
    config_write(&c, "test.conf",
                 "events {} http { ssl_certificate_key key; server { listen 1; } server { listen "
                 "2; } }");
    config_write(&c, "key", "");
    (void)snprintf(path, sizeof path, "%skey", c.dir);
    cr_assert_eq(chmod(path, 0644), 0);
    config_load_file(&c, "");
    cr_expect_eq(config_count(&c, "every user may read"), 1, "%s", config_problems(&c));
    config_end(&c);
}

Test(permissions, root_is_told_of_files_that_are_someone_elses)
{
    struct loaded c;
    char path[128];

    if (geteuid() != 0)
        cr_skip_test("needs root");
    config_begin(&c);
    config_write(&c, "test.conf", "events {} http { include more.conf; }");
    config_write(&c, "more.conf", "");
    (void)snprintf(path, sizeof path, "%smore.conf", c.dir);
    cr_assert_eq(chown(path, 12345, 0), 0);
    config_load_file(&c, "");
    cr_expect_eq(config_count(&c, "user 12345, who is not root, may change"), 1, "%s",
                 config_problems(&c));
    config_end(&c);
}
