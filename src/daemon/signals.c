#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include "portcullis/base/log.h"

static const int not_blocked[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT, SIGTRAP,
                                  SIGSYS,  SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};

void signals_block(void)
{
    sigset_t set;

    (void)sigfillset(&set);
    for (size_t i = 0; i < sizeof not_blocked / sizeof not_blocked[0]; i++)
        (void)sigdelset(&set, not_blocked[i]);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int signals_open(const int *numbers, size_t count)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        (void)sigaddset(&set, numbers[i]);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd == -1) {
        log_write_errno(&log_process, LOG_EMERG, errno, "signalfd() failed");
        exit(1);
    }
    return fd;
}
