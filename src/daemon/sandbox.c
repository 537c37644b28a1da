#include "portcullis/daemon/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "portcullis/base/log.h"
#include "sandbox_impl.h"

/* What libraries read whenever they like: c-ares' seed, local time. */
static const char *const always_read[] = {"/dev/urandom", "/etc/localtime", "/usr/share/zoneinfo"};

/* Sanitizers read /proc, start helpers and write their reports. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static void find_seccomp(struct sandbox *s)
{
    s->seccomp = seccomp_find();
    if (!s->seccomp)
        log_write_errno(&log_process, LOG_WARN, errno,
                        "sandbox: no seccomp here, workers may make every system call");
}

/* Landlock has no mode that only reports. */
static void find_landlock(struct sandbox *s)
{
    if (s->mode == SANDBOX_REPORT)
        return;
    s->landlock = landlock_find();
    if (s->landlock == 0) {
        log_write_errno(
            &log_process, LOG_WARN, errno,
            "sandbox: no Landlock here, file permissions alone limit what workers read");
        return;
    }
    landlock_open(s);
    for (size_t i = 0; i < sizeof always_read / sizeof always_read[0]; i++)
        sandbox_may_read(s, always_read[i]);
}

void sandbox_open(struct sandbox *s, enum sandbox_mode mode)
{
    *s = (struct sandbox){.mode = IS_SANITIZED ? SANDBOX_OFF : mode, .files = -1, .ports = -1};
    if (s->mode == SANDBOX_OFF)
        return;
    find_seccomp(s);
    find_landlock(s);
}

void sandbox_may_open(struct sandbox *s, enum sandbox_need need)
{
    s->needs |= need;
}

static const char *landlock_text(const struct sandbox *s)
{
    if (s->landlock == 0)
        return "files and ports not limited";
    return s->ports == -1 ? "files limited, ports not" : "files and TCP ports limited";
}

void sandbox_describe(const struct sandbox *s)
{
    static const char *const modes[] = {[SANDBOX_ON] = "on", [SANDBOX_REPORT] = "report"};

    if (s->mode == SANDBOX_OFF) {
        log_write(&log_process, LOG_NOTICE, "sandbox: off%s",
                  IS_SANITIZED ? ", this program is built with a sanitizer" : "");
        return;
    }
    log_write(
        &log_process, LOG_NOTICE,
        "sandbox: %s: no capabilities, no new privileges, %s (Landlock %d), %zu system calls%s",
        modes[s->mode], landlock_text(s), s->landlock, s->seccomp ? seccomp_count(s) : 0,
        !s->seccomp                 ? " (no seccomp: any)"
        : s->mode == SANDBOX_REPORT ? ", others are told to the kernel's log"
                                    : "");
}

/* Also those that root keeps (user root) and that a service manager gave. */
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    return syscall(SYS_capset, &head, none) == 0;
}

static bool failed(const char *what)
{
    log_write_errno(&log_process, LOG_EMERG, errno,
                    "sandbox: %s failed; \"sandbox off\" does without", what);
    return false;
}

bool sandbox_enter(struct sandbox *s)
{
    if (s->mode == SANDBOX_OFF)
        return true;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return failed("prctl(PR_SET_NO_NEW_PRIVS)");
    if (!drop_capabilities())
        return failed("capset()");
    if (!landlock_enter(s))
        return failed("landlock_restrict_self()");
    sandbox_close(s);
    if (s->seccomp && !seccomp_enter(s))
        return failed("seccomp()");
    return true;
}

void sandbox_close(struct sandbox *s)
{
    if (s->files != -1)
        (void)close(s->files);
    if (s->ports != -1)
        (void)close(s->ports);
    s->files = s->ports = -1;
}
