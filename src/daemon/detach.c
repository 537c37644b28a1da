#include "detach.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static __attribute__((noreturn)) void wait_for_report(int fd)
{
    unsigned char status = 1;
    ssize_t n;

    do
        n = read(fd, &status, 1);
    while (n == -1 && errno == EINTR);
    _exit(n == 1 ? status : 1);
}

static void to_null(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null == -1)
        return;
    (void)dup2(null, fd);
    (void)close(null);
}

int detach(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return -1;
    pid_t pid = fork();
    if (pid == -1)
        return -1;
    if (pid > 0) {
        (void)close(ends[1]);
        wait_for_report(ends[0]);
    }
    (void)close(ends[0]);
    (void)setsid();
    to_null(STDIN_FILENO);
    to_null(STDOUT_FILENO);
    return ends[1];
}

void detach_report(int fd, int status)
{
    unsigned char octet = (unsigned char)status;

    (void)!write(fd, &octet, 1);
    (void)close(fd);
}

void leave_terminal(int log_fd)
{
    if (log_fd == -1)
        to_null(STDERR_FILENO);
    else
        (void)dup2(log_fd, STDERR_FILENO);
}
