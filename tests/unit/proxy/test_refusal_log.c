#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/proxy/refusal_log.h"

struct fixture {
    struct log_file file;
    struct log log;
    struct log_context ctx;
    struct refusal_log *refusals;
};

static void begin(struct fixture *f)
{
    char path[] = "/tmp/test_refusal_log.XXXXXX";
    *f = (struct fixture){.file = {.fd = mkstemp(path)}};
    unlink(path);
    f->log = (struct log){.file = &f->file, .level = LOG_ERROR};
    f->ctx = (struct log_context){.log = &f->log};
    f->refusals = refusal_log_new(NULL);
}

static void refuse(struct fixture *f, const char *from, enum refusal why)
{
    struct addr a;
    cr_assert(addr_parse_ip(&a, str_of(from), 4711));
    refusal_log_add(f->refusals, &f->ctx, &a, why, STR("CN=x, issuer CN=my-ca, serial 0A"));
}

static size_t lines_with(struct fixture *f, const char *what)
{
    static char text[1 << 18];
    ssize_t n = pread(f->file.fd, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = 0;
    size_t count = 0;
    for (char *at = text; (at = strstr(at, what)); at++)
        count++;
    return count;
}

static void end(struct fixture *f)
{
    refusal_log_free(f->refusals);
    close(f->file.fd);
}

Test(refusal_log, the_first_is_told_at_once_and_the_others_counted)
{
    struct fixture f;
    begin(&f);
    for (int i = 0; i < 5; i++)
        refuse(&f, "192.0.2.1", REFUSAL_CERT_EXPIRED);
    refuse(&f, "192.0.2.1", REFUSAL_CERT_MISSING);
    refuse(&f, "192.0.2.2", REFUSAL_CERT_EXPIRED);
    cr_expect(
        lines_with(
            &f, "client certificate refused: cert_expired: CN=x, issuer CN=my-ca, serial 0A") == 2);
    cr_expect(lines_with(&f, "cert_missing") == 1);
    cr_expect(lines_with(&f, "more times") == 0);
    refusal_log_flush(f.refusals);
    cr_expect(lines_with(&f, "cert_expired: 4 more times, client: 192.0.2.1") == 1);
    cr_expect(lines_with(&f, "more times") == 1, "who was refused once is not told again");
    end(&f);
}

Test(refusal_log, who_was_quiet_is_told_at_once_again)
{
    struct fixture f;
    begin(&f);
    refuse(&f, "192.0.2.1", REFUSAL_CERT_EXPIRED);
    refusal_log_flush(f.refusals);
    refuse(&f, "192.0.2.1", REFUSAL_CERT_EXPIRED);
    cr_expect(lines_with(&f, "CN=x") == 2);
    end(&f);
}

Test(refusal_log, a_flood_from_many_addresses_is_bounded)
{
    struct fixture f;
    begin(&f);
    for (int i = 0; i < 5000; i++) {
        char from[32];
        snprintf(from, sizeof from, "10.0.%d.%d", i / 250, i % 250);
        refuse(&f, from, REFUSAL_CERT_MISSING);
    }
    cr_expect(lines_with(&f, "CN=x") == 256);
    refusal_log_flush(f.refusals);
    cr_expect(lines_with(&f, "4744 times from further addresses") == 1);
    end(&f);
}

Test(refusal_log, who_is_let_in_all_the_same_is_told_apart)
{
    struct fixture f;
    struct addr a;
    begin(&f);
    cr_assert(addr_parse_ip(&a, STR("192.0.2.1"), 4711));
    refuse(&f, "192.0.2.1", REFUSAL_CERT_EXPIRED);
    for (int i = 0; i < 3; i++)
        refusal_log_report(f.refusals, &f.ctx, &a, REFUSAL_CERT_EXPIRED, STR("CN=x"));
    cr_expect_eq(lines_with(&f, "client certificate would be refused: cert_expired: CN=x"), 1);
    refusal_log_flush(f.refusals);
    cr_expect_eq(lines_with(&f, "would be refused: cert_expired: 2 more times, client: 192.0.2.1"),
                 1);
    end(&f);
}
