#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/proxy/handshake_rate.h"
#include "portcullis/base/clock.h"

static size_t taken(struct handshake_rate *r, size_t asked)
{
    size_t count = 0;
    while (asked-- > 0)
        count += handshake_rate_take(r, &log_process);
    return count;
}

Test(handshake_rate, lets_so_many_begin_in_a_second)
{
    clock_fix(0, 5000);
    struct handshake_rate *r = handshake_rate_new(NULL, 10);
    cr_expect_eq(taken(r, 15), 10);
    clock_fix(0, 5350);
    cr_expect_eq(taken(r, 15), 3);
    clock_fix(0, 5400);
    cr_expect_eq(taken(r, 15), 1, "half a one was left over");
    clock_fix(0, 99000);
    cr_expect_eq(taken(r, 15), 10, "quiet times save nothing up");
    handshake_rate_free(r);
    clock_unfix();
}

Test(handshake_rate, zero_is_no_limit)
{
    struct handshake_rate *r = handshake_rate_new(NULL, 0);
    cr_expect_eq(taken(r, 1000), 1000);
    handshake_rate_free(r);
}

Test(handshake_rate, tells_the_first_and_counts_the_others)
{
    char path[] = "/tmp/test_handshake_rate.XXXXXX", text[4096] = "";
    struct log_file file = {.fd = mkstemp(path)};
    struct log log = {.file = &file, .level = LOG_ERROR};
    unlink(path);
    log_set_process(&log);
    clock_fix(0, 5000);
    struct handshake_rate *r = handshake_rate_new(NULL, 1);
    taken(r, 8);
    handshake_rate_flush(r);
    taken(r, 2);
    handshake_rate_free(r);
    cr_assert_gt(pread(file.fd, text, sizeof text - 1, 0), 0);
    cr_expect_not_null(strstr(text, "TLS handshake shed: more than ssl_handshake_rate 1\n"), "%s",
                       text);
    cr_expect_not_null(strstr(text, "TLS handshakes shed: 6 more, 7 in all\n"), "%s", text);
    cr_expect_not_null(strstr(text, "TLS handshakes shed: 2 more, 9 in all\n"), "%s", text);
    clock_unfix();
    log_set_process(NULL);
    close(file.fd);
}
