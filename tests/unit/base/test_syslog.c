#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portcullis/base/addr.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/log.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int server;
static char parameters[256];

static void set_up(void)
{
    struct addr a;
    addr_parse_ip(&a, STR("127.0.0.1"), 0);
    server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server, &a.sa, a.len), 0);
    cr_assert_eq(getsockname(server, &a.sa, &a.len), 0);
    snprintf(parameters, sizeof parameters,
             "server=127.0.0.1:%u,facility=daemon,tag=gate,nohostname", (unsigned)addr_port(&a));
    clock_fix(784111777000, 0);
    setenv("TZ", "UTC", 1);
}

TestSuite(syslog, .init = set_up);

Test(syslog, sends_a_datagram_with_priority_time_and_tag)
{
    char got[256];
    const char *problem;
    struct syslog_target *t = syslog_parse(str_of(parameters), &problem);
    cr_assert_not_null(t, "%s", problem);
    cr_assert_eq(syslog_severity(t), LOG_INFO);
    syslog_send(t, LOG_ERROR, STR("hello"));
    ssize_t len = recv(server, got, sizeof got - 1, 0);
    cr_assert_geq(len, 0);
    got[len] = '\0';
    cr_assert_str_eq(got, "<27>Nov  6 08:49:37 gate: hello");
    syslog_free(t);
}

Test(syslog, a_daemon_that_is_gone_costs_nothing_but_the_message)
{
    const char *problem;
    struct syslog_target *t = syslog_parse(STR("server=unix:/nonexistent/log"), &problem);
    cr_assert_not_null(t);
    syslog_send(t, LOG_INFO, STR("lost"));
    syslog_send(t, LOG_INFO, STR("lost"));
    syslog_free(t);
}

Test(syslog, refuses_what_it_does_not_know)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "unknown syslog parameter"},
        {"facility=user", "no syslog server specified"},
        {"server=127.0.0.1,server=127.0.0.1", "duplicate syslog \"server\""},
        {"server=127.0.0.1:0", "invalid port of syslog \"server\""},
        {"server=127.0.0.1:99999", "invalid port of syslog \"server\""},
        {"server=unix:", "invalid path of syslog \"server\""},
        {"server=127.0.0.1,facility=none", "unknown syslog facility"},
        {"server=127.0.0.1,severity=none", "unknown syslog severity"},
        {"server=127.0.0.1,tag=a-b",
         "syslog \"tag\" only allows alphanumeric characters and underscore"},
        {"server=127.0.0.1,colour=red", "unknown syslog parameter"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem;
        cr_expect_null(syslog_parse(str_of(cases[i].text), &problem), "%s", cases[i].text);
        cr_expect_str_eq(problem, cases[i].problem, "%s", cases[i].text);
    }
}

Test(syslog, a_server_may_be_ipv6)
{
    const char *problem;
    struct syslog_target *t = syslog_parse(STR("server=[::1]:5514"), &problem);
    cr_assert_not_null(t, "%s", problem);
    syslog_free(t);
}
