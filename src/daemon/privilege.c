#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Where there is no user database, as in an empty container. */
#define NOBODY 65534

static bool find_user(struct privilege *p, const struct daemon_settings *s)
{
    const char *user = s->user != NULL ? s->user : "nobody";

    (void)snprintf(p->user, sizeof p->user, "%s", user);
    p->uid = p->gid = NOBODY;
    errno = 0;
    struct passwd *found = getpwnam(user);
    if (found == NULL && s->user != NULL) {
        log_write_errno(&log_process, LOG_EMERG, errno, "getpwnam(\"%s\") failed", user);
        return false;
    }
    if (found != NULL) {
        p->uid = found->pw_uid;
        p->gid = found->pw_gid;
    }
    return true;
}

static bool find_group(struct privilege *p, const char *group)
{
    errno = 0;
    struct group *found = getgrnam(group);

    if (found == NULL) {
        log_write_errno(&log_process, LOG_EMERG, errno, "getgrnam(\"%s\") failed", group);
        return false;
    }
    p->gid = found->gr_gid;
    return true;
}

bool privilege_find(struct privilege *p, const struct daemon_settings *s)
{
    *p = (struct privilege){.drop = geteuid() == 0, .uid = geteuid(), .gid = getegid()};
    if (!p->drop) {
        if (s->user != NULL)
            log_write(&log_process, LOG_WARN,
                      "the \"user\" directive makes sense only if the master process runs with "
                      "super-user privileges, ignored");
        return true;
    }
    return find_user(p, s) && (s->group == NULL || find_group(p, s->group));
}

static void set_limits(const struct daemon_settings *s)
{
    struct rlimit limit = {s->rlimit_nofile, s->rlimit_nofile};

    if (s->rlimit_nofile > 0 && setrlimit(RLIMIT_NOFILE, &limit) == -1)
        log_write_errno(&log_process, LOG_ALERT, errno, "setrlimit(RLIMIT_NOFILE, %llu) failed",
                        (unsigned long long)s->rlimit_nofile);
    if (s->priority != 0 && setpriority(PRIO_PROCESS, 0, s->priority) == -1)
        log_write_errno(&log_process, LOG_ALERT, errno, "setpriority(%d) failed", s->priority);
}

static bool failed(const char *what, unsigned id)
{
    log_write_errno(&log_process, LOG_EMERG, errno, "%s(%u) failed", what, id);
    return false;
}

bool privilege_drop(const struct privilege *p, const struct daemon_settings *s)
{
    set_limits(s);
    if (!p->drop)
        return true;
    if (setgid(p->gid) == -1)
        return failed("setgid", p->gid);
    if (initgroups(p->user, p->gid) == -1)
        return failed("initgroups", p->gid);
    if (setuid(p->uid) == -1)
        return failed("setuid", p->uid);
    /* setuid took it away; a crash should leave a core where the operator wants one. */
    (void)prctl(PR_SET_DUMPABLE, 1);
    return true;
}
