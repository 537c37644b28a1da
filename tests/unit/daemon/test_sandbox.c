#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "portcullis/daemon/sandbox.h"

/* Each case happens in a process of its own, which has no way out of the sandbox. */
static int status_in_sandbox(enum sandbox_mode mode, void (*act)(void))
{
    struct sandbox s;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        sandbox_open(&s, mode);
        if (s.mode != mode || !s.seccomp || (mode == SANDBOX_ON && s.landlock == 0))
            _exit(77); /* this kernel, or a sanitizer */
        sandbox_may_read(&s, "/etc/passwd");
        sandbox_may_read(&s, "/no/such/file");
        if (!sandbox_enter(&s))
            _exit(1);
        act();
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        cr_skip_test("no sandbox here");
    return status;
}

static void expect(bool claim)
{
    if (!claim)
        _exit(2);
}

static void open_files(void)
{
    int named = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

    expect(named != -1 && close(named) == 0);
    expect(open("/etc/group", O_RDONLY | O_CLOEXEC) == -1 && errno == EACCES);
    expect(open("/etc/passwd", O_WRONLY | O_CLOEXEC) == -1 && errno == EACCES);
}

static void call_what_is_not_listed(void)
{
    expect(syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == EPERM);
    expect(setsid() == -1 && errno == EPERM);
    expect(syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 && errno == EPERM);
    expect(syscall(SYS_tgkill, getpid(), gettid(), 0) == 0);
}

static void call_clone3(void)
{
    expect(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
}

static void execute(void)
{
    (void)execl("/bin/true", "true", (char *)NULL);
}

static void fail_an_assertion(void)
{
    abort();
}

Test(sandbox, opens_what_was_named)
{
    cr_assert_eq(status_in_sandbox(SANDBOX_ON, open_files), 0);
}

Test(sandbox, refuses_calls_that_are_not_listed)
{
    cr_assert_eq(status_in_sandbox(SANDBOX_ON, call_what_is_not_listed), 0);
}

Test(sandbox, tells_libc_that_newer_calls_are_unknown)
{
    cr_assert_eq(status_in_sandbox(SANDBOX_ON, call_clone3), 0);
}

Test(sandbox, ends_who_executes)
{
    int status = status_in_sandbox(SANDBOX_ON, execute);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

Test(sandbox, lets_a_failed_assertion_be_seen)
{
    int status = status_in_sandbox(SANDBOX_ON, fail_an_assertion);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

Test(sandbox, report_executes)
{
    cr_assert_eq(status_in_sandbox(SANDBOX_REPORT, execute), 0);
}
