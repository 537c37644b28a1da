#include "service.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "portcullis/base/log.h"
#include "portcullis/base/str.h"

static struct sockaddr_un manager; /* sun_path[0] stays 0 when there is none, or an abstract one */
static socklen_t manager_len;
static int64_t watchdog_ms;

static void find_manager(const char *path)
{
    size_t len = path == NULL ? 0 : strlen(path);

    if (len < 2 || len >= sizeof manager.sun_path || strchr("/@", path[0]) == NULL)
        return;
    manager.sun_family = AF_UNIX;
    memcpy(manager.sun_path, path, len);
    if (path[0] == '@')
        manager.sun_path[0] = '\0';
    manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static uint64_t number_in(const char *name)
{
    const char *value = getenv(name);
    uint64_t number = 0;

    return value != NULL && str_to_u64(str_of(value), &number) ? number : 0;
}

/* Twice as often as asked. */
static void find_watchdog(pid_t predecessor)
{
    uint64_t usec = number_in("WATCHDOG_USEC"), pid = number_in("WATCHDOG_PID");
    bool is_ours = pid == 0 || pid == (uint64_t)getpid() ||
                   (predecessor != 0 && pid == (uint64_t)predecessor);

    if (usec > 0 && is_ours)
        watchdog_ms = usec < 2000 ? 1 : (int64_t)(usec / 2000);
}

void service_init(pid_t predecessor)
{
    find_manager(getenv("NOTIFY_SOCKET"));
    if (manager_len > 0)
        find_watchdog(predecessor);
}

void service_notify(const char *format, ...)
{
    char text[512];
    va_list args;

    if (manager_len == 0)
        return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return;
    /* A manager that does not listen is not ours to mend; nobody waits for it. */
    (void)sendto(fd, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1,
                 MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&manager, manager_len);
    (void)close(fd);
}

void service_notify_reload(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    service_notify("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reading the configuration",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

int64_t service_watchdog_ms(void)
{
    return watchdog_ms;
}

/* ------------------------------------------------------------------ sockets: sd_listen_fds(3) */

#define FIRST_PASSED 3

void service_adopt(struct listen_set *set)
{
    uint64_t count = number_in("LISTEN_PID") == (uint64_t)getpid() ? number_in("LISTEN_FDS") : 0;

    for (uint64_t i = 0; i < count && i < INT_MAX - FIRST_PASSED; i++)
        if (!listen_set_adopt(set, FIRST_PASSED + (int)i, true))
            log_write(&log_process, LOG_WARN,
                      "the service manager passed descriptor %d, which is no listening socket",
                      FIRST_PASSED + (int)i);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
}
