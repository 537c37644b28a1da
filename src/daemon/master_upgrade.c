/* Two masters, an old program's and a new one's, as nginx has them, with the same sockets and
 * zones:
 *
 *   USR2    the pid file becomes .oldbin, the new program starts and writes its own; both serve
 *   WINCH   the old one's workers drain and go; its configuration stays, loaded
 *   QUIT    to the old one: the change is done.
 *           To the new one, or its failure: the old one's workers come back and the pid file, too
 *           Until its last connection has ended, the new one tells it when what is trusted has
 *           changed
 *   HUP     to the old one brings its workers back, without a look at the file, which the old
 *           program may not understand */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master_impl.h"
#include "pid_file.h"
#include "service.h"
#include "upgrade.h"

#define SUFFIX ".oldbin"

struct old_path {
    char text[PATH_MAX + sizeof SUFFIX];
};

static struct old_path old_path_of(const struct master *m)
{
    struct old_path p;

    (void)snprintf(p.text, sizeof p.text, "%s" SUFFIX, m->pid_path);
    return p;
}

static bool is_upgrade_under_way(const struct master *m)
{
    return m->successor != 0 || (m->place == UPGRADED && getppid() == m->predecessor);
}

static void close_eventfd(int *fd)
{
    if (*fd != -1)
        (void)close(*fd);
    *fd = -1;
}

void master_share_sockets(struct master *m)
{
    m->sockets.is_shared = is_upgrade_under_way(m);
    if (m->place == UPGRADED && getppid() != m->predecessor)
        close_eventfd(&m->tells);
}

void master_adopt_inheritance(struct master *m)
{
    service_adopt(&m->sockets);
    struct legacy legacy = {.sockets = &m->sockets, .zones = &m->zones};

    if (upgrade_adopt(&legacy)) {
        m->place = UPGRADED;
        m->predecessor = getppid();
    }
    m->tells = legacy.trust_news;
    m->hears = -1;
    master_share_sockets(m);
}

static pid_t start_successor(struct master *m)
{
    m->hears = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct legacy legacy = {&m->sockets, &m->zones, m->hears};
    pid_t pid = m->hears != -1 ? upgrade_start(&legacy) : -1;

    if (pid == -1)
        log_write_errno(&log_process, LOG_ALERT, errno, "the new binary process cannot be made");
    return pid;
}

void master_upgrade(struct master *m)
{
    if (m->state != RUNNING || !m->has_served || is_upgrade_under_way(m)) {
        log_write(&log_process, LOG_NOTICE, "a change of the binary is under way, ignored");
        return;
    }
    if (!pid_file_rename(m->pid_path, old_path_of(m).text))
        return;
    m->successor = start_successor(m);
    if (m->successor == -1) {
        m->successor = 0;
        close_eventfd(&m->hears);
        (void)pid_file_rename(old_path_of(m).text, m->pid_path);
        return;
    }
    log_write(&log_process, LOG_NOTICE, "start new binary process %d", (int)m->successor);
}

void master_rest(struct master *m)
{
    if (m->state != RUNNING || m->serving == NULL)
        return;
    m->is_resting = true;
    ref_order(m->serving, MESSAGE_REST);
}

bool master_resume(struct master *m)
{
    if (m->successor == 0)
        return false;
    m->is_resting = false;
    if (m->serving != NULL)
        ref_order(m->serving, MESSAGE_RESUME);
    return true;
}

void master_on_successor_end(struct master *m, int status)
{
    if (WIFSIGNALED(status))
        log_write(&log_process, LOG_ALERT, "new binary process %d exited on signal %d",
                  (int)m->successor, WTERMSIG(status));
    else
        log_write(&log_process, LOG_NOTICE, "new binary process %d exited with code %d",
                  (int)m->successor, WEXITSTATUS(status));
    (void)pid_file_rename(old_path_of(m).text, m->pid_path);
    if (m->is_resting && m->state == RUNNING)
        (void)master_resume(m);
    m->successor = 0;
    close_eventfd(&m->hears);
    master_share_sockets(m);
}

void master_tell_predecessor(const struct master *m)
{
    if (m->tells != -1)
        (void)eventfd_write(m->tells, 1);
}

/* Its own builder reads its own files: how the other program lays trust out, and what its
 * configuration says, is no matter then. */
void master_on_trust_news(struct master *m)
{
    eventfd_t count;

    if (eventfd_read(m->hears, &count) == 0 && m->serving != NULL)
        ref_order(m->serving, MESSAGE_REREAD);
}

/* A manager that watches this process goes on with the newer one. */
void master_notify_end(const struct master *m)
{
    if (m->successor != 0)
        service_notify("MAINPID=%d", (int)m->successor);
    else
        service_notify("STOPPING=1\nSTATUS=Ending");
}

void master_remove_pid_file(const struct master *m)
{
    if (m->pid_path[0] != '\0')
        pid_file_remove(m->successor != 0 ? old_path_of(m).text : m->pid_path);
}
