#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "portcullis/base/clock.h"
#include "portcullis/base/log.h"

static struct log_file file;
static char written[64 * 1024];

static void set_up(void)
{
    file.fd = memfd_create("log", MFD_CLOEXEC);
    clock_fix(784111777000, 0);
}

static void tear_down(void)
{
    close(file.fd);
}

TestSuite(log, .init = set_up, .fini = tear_down);

static const char *read_all(int fd)
{
    ssize_t len = pread(fd, written, sizeof written - 1, 0);
    cr_assert_geq(len, 0);
    written[len] = '\0';
    return written;
}

/* The line without its time, which depends on the zone. */
static const char *read_from_level(void)
{
    const char *level = strchr(read_all(file.fd), '[');
    return level == NULL ? "" : level;
}

static void describe(const void *owner, struct buf *out)
{
    buf_append_str(out, STR(", client: "));
    log_append_escaped(out, str_of(owner), true);
}

Test(log, writes_nginxs_format)
{
    struct log log = {.file = &file, .level = LOG_INFO};
    struct log_context ctx = {
        .log = &log, .connection = 7, .describe = describe, .owner = "127.0.0.1"};
    char expected[256];
    snprintf(expected, sizeof expected,
             "[info] %d#%d: *7 hello 1 (111: Connection refused), client: 127.0.0.1\n",
             (int)getpid(), (int)gettid());
    log_write_errno(&ctx, LOG_INFO, ECONNREFUSED, "hello %d", 1);
    cr_assert_str_eq(read_from_level(), expected);
    cr_assert_eq(written[4], '/');
    cr_assert_eq(written[19], ' ');
}

Test(log, nobody_forges_a_line)
{
    struct log log = {.file = &file, .level = LOG_INFO};
    struct log_context ctx = {.log = &log, .describe = describe, .owner = "a\"\\\n\x7f"};
    log_write(&ctx, LOG_ERROR, "bad %s", "x\r\n1994/11/06 [error] forged");
    const char *line = read_all(file.fd);
    cr_assert_not_null(strstr(line, "bad x\\x0D\\x0A1994"));
    cr_assert_not_null(strstr(line, "client: a\\x22\\x5C\\x0A\\x7F\n"));
    cr_assert_eq(strchr(line, '\n')[1], '\0');
}

Test(log, nobody_steers_a_terminal_or_turns_the_direction)
{
    struct log log = {.file = &file, .level = LOG_INFO};
    struct log_context ctx = {.log = &log};
    log_write(&ctx, LOG_ERROR, "%s",
              "\x1b[2J \x9b"
              "2J \xc2\x9b"
              "2J \xe2\x80\xae \xff \xc3\xa9 \xe2\x82\xac");
    cr_assert_not_null(strstr(read_all(file.fd),
                              "\\x1B[2J \\x9B"
                              "2J \\xC2\\x9B"
                              "2J \\xE2\\x80\\xAE \\xFF \xc3\xa9 \xe2\x82\xac\n"),
                       "%s", written);
}

Test(log, nobody_forges_what_stands_behind_a_quoted_value)
{
    struct log log = {.file = &file, .level = LOG_INFO};
    struct log_context ctx = {.log = &log};
    log_write(&ctx, LOG_ERROR, "\"%s\" and \"%s\"", log_quoted(STR("a\", client: \"b")),
              log_quoted(str_make("\0\\", 2)));
    cr_assert_not_null(strstr(read_all(file.fd), "\"a\\x22, client: \\x22b\" and \"\\x00\\x5C\"\n"),
                       "%s", written);
}

Test(log, takes_its_level_and_worse)
{
    struct log log = {.file = &file, .level = LOG_WARN};
    struct log_context ctx = {.log = &log};
    cr_assert(log_is_on(&ctx, LOG_EMERG));
    cr_assert(log_is_on(&ctx, LOG_WARN));
    cr_assert_not(log_is_on(&ctx, LOG_NOTICE));
    log_write(&ctx, LOG_NOTICE, "not this");
    cr_assert_str_eq(read_all(file.fd), "");
}

Test(log, goes_to_every_destination_by_its_own_level)
{
    struct log_file second = {.fd = memfd_create("log2", MFD_CLOEXEC)};
    struct log errors = {.file = &second, .level = LOG_ERROR};
    struct log all = {.file = &file, .level = LOG_DEBUG, .next = &errors};
    struct log_context ctx = {.log = &all};
    log_write(&ctx, LOG_INFO, "one");
    log_write(&ctx, LOG_CRIT, "two");
    cr_assert_not_null(strstr(read_all(file.fd), "one"));
    cr_assert_not_null(strstr(read_all(file.fd), "two"));
    cr_assert_null(strstr(read_all(second.fd), "one"));
    cr_assert_not_null(strstr(read_all(second.fd), "two"));
    close(second.fd);
}

Test(log, a_long_line_is_cut_and_still_ends)
{
    struct log log = {.file = &file, .level = LOG_INFO};
    struct log_context ctx = {.log = &log};
    log_write(&ctx, LOG_INFO, "%010000d", 0);
    log_write(&ctx, LOG_INFO, "next");
    const char *line = read_all(file.fd);
    cr_assert_eq(strchr(line, '\n') - line, 4095);
    cr_assert_not_null(strstr(line, "next\n"));
}

static int stderr_to_memory(void)
{
    int memory = memfd_create("stderr", MFD_CLOEXEC);
    dup2(memory, STDERR_FILENO);
    return memory;
}

Test(log, the_mirror_speaks_as_nginx_does_at_start)
{
    int memory = stderr_to_memory();
    log_mirror_stderr(true);
    log_write(&log_process, LOG_EMERG, "unknown directive \"%s\"", "x");
    cr_assert_str_eq(read_all(memory), "portcullis: [emerg] unknown directive \"x\"\n");
}

Test(log, the_mirror_leaves_out_what_stderr_has_already)
{
    int memory = stderr_to_memory();
    struct log_file to_stderr = {.fd = STDERR_FILENO};
    struct log log = {.file = &to_stderr, .level = LOG_ERROR};
    log_set_process(&log);
    log_mirror_stderr(true);
    log_write(&log_process, LOG_EMERG, "once");
    cr_assert_null(strstr(strstr(read_all(memory), "once") + 1, "once"));
}

Test(log, levels_have_nginxs_names)
{
    enum log_level level;
    cr_assert(log_level_parse(STR("crit"), &level));
    cr_assert_eq(level, LOG_CRIT);
    cr_assert_not(log_level_parse(STR("critical"), &level));
    cr_assert_str_eq(log_level_name(LOG_EMERG), "emerg");
}
