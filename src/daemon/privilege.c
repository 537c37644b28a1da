#include "privilege.h"

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "portcullis/base/user.h"

/* Where there is no user database, as in an empty container. */
#define NOBODY 65534

static bool find_user(struct privilege *p, const struct daemon_settings *s)
{
    const char *user = s->user != NULL ? s->user : "nobody";
    struct user ids;

    (void)snprintf(p->user, sizeof p->user, "%s", user);
    p->uid = p->gid = NOBODY;
    bool found = user_find(user, &ids);
    if (!found && s->user != NULL) {
        log_write_errno(&log_process, LOG_EMERG, errno, "getpwnam(\"%s\") failed", user);
        return false;
    }
    if (found) {
        p->uid = ids.uid;
        p->gid = ids.gid;
    }
    return true;
}

static bool find_group(struct privilege *p, const char *group)
{
    if (group_find(group, &p->gid))
        return true;
    log_write_errno(&log_process, LOG_EMERG, errno, "getgrnam(\"%s\") failed", group);
    return false;
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

void privilege_hide_memory(void)
{
    struct rlimit cores;

    (void)prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_CORE, &cores) != 0)
        return;
    cores.rlim_cur = 0;
    (void)setrlimit(RLIMIT_CORE, &cores);
}

static void set_limit(int what, const char *name, uint64_t value)
{
    struct rlimit limit = {value, value};

    if (value > 0 && setrlimit(what, &limit) == -1)
        log_write_errno(&log_process, LOG_ALERT, errno, "setrlimit(%s, %llu) failed", name,
                        (unsigned long long)value);
}

static void set_limits(const struct daemon_settings *s)
{
    set_limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", s->rlimit_nofile);
    set_limit(RLIMIT_CORE, "RLIMIT_CORE", s->rlimit_core);
    if (s->priority != 0 && setpriority(PRIO_PROCESS, 0, s->priority) == -1)
        log_write_errno(&log_process, LOG_ALERT, errno, "setpriority(%d) failed", s->priority);
}

static bool failed(const char *what, unsigned id)
{
    log_write_errno(&log_process, LOG_EMERG, errno, "%s(%u) failed", what, id);
    return false;
}

static bool change_user(const struct privilege *p)
{
    if (setgid(p->gid) == -1)
        return failed("setgid", p->gid);
    if (!user_take_groups(p->user, p->gid))
        return failed("initgroups", p->gid);
    if (setuid(p->uid) == -1)
        return failed("setuid", p->uid);
    return true;
}

bool privilege_drop(const struct privilege *p, const struct daemon_settings *s)
{
    set_limits(s);
    if (p->drop && !change_user(p))
        return false;
    /* Whoever wants cores gets them; setuid took them away, too. */
    (void)prctl(PR_SET_DUMPABLE, s->rlimit_core > 0);
    return true;
}
