/* A syslog destination: RFC 3164 datagrams, as nginx sends them. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "portcullis/base/addr.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"

enum { DEFAULT_PORT = 514, TAG_MAX = 32 };

struct syslog_target {
    struct addr server;
    unsigned facility;
    enum log_level severity;
    bool no_hostname;
    char tag[TAG_MAX + 1];
    char hostname[256];
    int fd;
};

static const char *const facilities[] = {
    "kern",   "user",   "mail",     "daemon", "auth",   "intern", "lpr",    "news",
    "uucp",   "clock",  "authpriv", "ftp",    "ntp",    "audit",  "alert",  "cron",
    "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7",
};

static bool find_by_name(struct addr *a, struct str host, uint16_t port)
{
    char name[256];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    if (host.len == 0 || host.len >= sizeof name)
        return false;
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return false;
    addr_from_sockaddr(a, found->ai_addr, found->ai_addrlen);
    addr_set_port(a, port);
    freeaddrinfo(found);
    return true;
}

static const char *set_server(struct syslog_target *t, struct str value)
{
    if (t->server.len != 0)
        return "duplicate syslog \"server\"";
    if (str_starts(value, STR("unix:")))
        return addr_parse_unix(&t->server, value) ? NULL : "invalid path of syslog \"server\"";

    struct str host = value;
    uint64_t port = DEFAULT_PORT;
    size_t colon = str_find_last(value, ':');
    size_t bracket = str_find_last(value, ']');
    bool has_port = colon != SIZE_MAX && (bracket == SIZE_MAX || colon > bracket);
    if (has_port) {
        host = str_upto(value, colon);
        if (!str_to_u64(str_from(value, colon + 1), &port) || port == 0 || port > 65535)
            return "invalid port of syslog \"server\"";
    }
    if (addr_parse_ip(&t->server, host, (uint16_t)port))
        return NULL;
    return find_by_name(&t->server, host, (uint16_t)port) ? NULL
                                                          : "host not found in syslog \"server\"";
}

static const char *set_facility(struct syslog_target *t, struct str value)
{
    for (unsigned i = 0; i < sizeof facilities / sizeof *facilities; i++) {
        if (str_eq_z(value, facilities[i])) {
            t->facility = i;
            return NULL;
        }
    }
    return "unknown syslog facility";
}

static const char *set_severity(struct syslog_target *t, struct str value)
{
    return log_level_parse(value, &t->severity) ? NULL : "unknown syslog severity";
}

static const char *set_tag(struct syslog_target *t, struct str value)
{
    if (value.len > TAG_MAX)
        return "syslog tag length exceeds 32";
    for (size_t i = 0; i < value.len; i++)
        if (!ascii_is_alpha(value.ptr[i]) && !ascii_is_digit(value.ptr[i]) && value.ptr[i] != '_')
            return "syslog \"tag\" only allows alphanumeric characters and underscore";
    memcpy(t->tag, value.ptr, value.len);
    t->tag[value.len] = '\0';
    return NULL;
}

static const struct {
    struct str prefix;
    const char *(*set)(struct syslog_target *t, struct str value);
} parameters_known[] = {
    {STR_INIT("server="), set_server},
    {STR_INIT("facility="), set_facility},
    {STR_INIT("severity="), set_severity},
    {STR_INIT("tag="), set_tag},
};

static const char *set_parameter(struct syslog_target *t, struct str parameter)
{
    if (str_eq_z(parameter, "nohostname")) {
        t->no_hostname = true;
        return NULL;
    }
    for (size_t i = 0; i < sizeof parameters_known / sizeof *parameters_known; i++)
        if (str_starts(parameter, parameters_known[i].prefix))
            return parameters_known[i].set(t, str_from(parameter, parameters_known[i].prefix.len));
    return "unknown syslog parameter";
}

static void target_open(struct syslog_target *t)
{
    t->fd = socket(addr_family(&t->server), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd >= 0 && connect(t->fd, &t->server.sa, t->server.len) != 0) {
        close(t->fd);
        t->fd = -1;
    }
}

struct syslog_target *syslog_parse(struct str parameters, const char **problem)
{
    struct syslog_target *t = MEM_NEW(struct syslog_target);
    *t = (struct syslog_target){.facility = 23, .severity = LOG_INFO, .fd = -1};
    set_tag(t, STR("portcullis"));
    *problem = NULL;
    for (struct str rest = parameters; rest.ptr != NULL && *problem == NULL;)
        *problem = set_parameter(t, str_cut(&rest, ','));
    if (*problem == NULL && t->server.len == 0)
        *problem = "no syslog server specified";
    if (*problem != NULL) {
        mem_free(t);
        return NULL;
    }
    if (gethostname(t->hostname, sizeof t->hostname - 1) != 0)
        t->no_hostname = true;
    target_open(t);
    return t;
}

void syslog_free(struct syslog_target *t)
{
    if (t == NULL)
        return;
    if (t->fd >= 0)
        close(t->fd);
    mem_free(t);
}

int syslog_family(const struct syslog_target *t)
{
    return addr_family(&t->server);
}

enum log_level syslog_severity(const struct syslog_target *t)
{
    return t->severity;
}

void syslog_send(struct syslog_target *t, enum log_level level, struct str message)
{
    static struct buf line;
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    time_t now = clock_wall();
    localtime_r(&now, &tm);
    buf_clear(&line);
    buf_printf(&line, "<%u>%.3s %2d %02d:%02d:%02d ", t->facility * 8 + (unsigned)level,
               months + 3 * tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (!t->no_hostname)
        buf_printf(&line, "%s ", t->hostname);
    buf_printf(&line, "%s: ", t->tag);
    buf_append_str(&line, message);

    if (t->fd < 0)
        target_open(t);
    if (t->fd < 0)
        return;
    ssize_t sent = send(t->fd, line.data, buf_len(&line), MSG_NOSIGNAL);
    if (sent >= 0 || errno == EAGAIN || errno == EMSGSIZE || errno == ENOBUFS)
        return;
    /* The daemon was restarted, perhaps: opened again by the next message. */
    close(t->fd);
    t->fd = -1;
}
