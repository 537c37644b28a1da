#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/daemon/pid_file.h"
#include "portcullis/base/log.h"

static char path[64];

static void set_up(void)
{
    (void)snprintf(path, sizeof path, "/tmp/portcullis-pid-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

static void tear_down(void)
{
    (void)unlink(path);
}

TestSuite(pid_file, .init = set_up, .fini = tear_down);

/* The lines that are logged go into a file. */
static FILE *logged;

static void keep_log(void)
{
    static struct log_file file;
    static struct log log = {.file = &file, .level = LOG_INFO};

    logged = tmpfile();
    file.fd = fileno(logged);
    log_set_process(&log);
}

static bool log_has(const char *words)
{
    char text[1024] = "";

    (void)!pread(fileno(logged), text, sizeof text - 1, 0);
    cr_expect(strstr(text, words) != NULL, "%s is not in %s", words, text);
    return strstr(text, words) != NULL;
}

Test(pid_file, is_read_as_it_was_written)
{
    cr_assert(pid_file_write(path));
    cr_assert_eq(pid_file_read(path), getpid());
    pid_file_remove(path);
    cr_assert_neq(access(path, F_OK), 0);
}

Test(pid_file, says_that_it_is_not_there)
{
    keep_log();
    pid_file_remove(path);
    cr_assert_eq(pid_file_read(path), 0);
    cr_assert(log_has("open() \"/tmp/portcullis-pid-"));
    cr_assert(log_has("failed (2: No such file or directory)"));
    (void)fclose(logged);
}

Test(pid_file, refuses_what_is_no_process_id)
{
    static const char *const contents[] = {"",     "\n",  "x\n",          "12x\n",
                                           "-5\n", "0\n", "99999999999\n"};

    keep_log();
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        FILE *f = fopen(path, "w");
        (void)fputs(contents[i], f);
        (void)fclose(f);
        cr_expect_eq(pid_file_read(path), 0, "%s", contents[i]);
    }
    cr_assert(log_has("invalid PID number \"12x\" in \"/tmp/portcullis-pid-"));
    (void)fclose(logged);
}

Test(pid_file, is_renamed_or_says_why_not)
{
    char other[80];

    (void)snprintf(other, sizeof other, "%s.oldbin", path);
    cr_assert(pid_file_write(path) && pid_file_rename(path, other));
    cr_assert_eq(pid_file_read(other), getpid());
    cr_assert(pid_file_rename(other, path));
    keep_log();
    cr_assert(!pid_file_rename(other, path));
    cr_assert(log_has("rename()"));
}
