#include "key_keeper.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "portcullis/daemon/sandbox.h"
#include "portcullis/tls/key_process.h"
#include "privilege.h"
#include "title.h"

/* Twice as long as a handshake takes at most, as long as nothing else is said. */
#define LINGER_MS 120000

struct keeper {
    struct daemon_settings settings;
    struct privilege privilege;
    struct sandbox sandbox;
};

/* All keys are read: no file is needed any more, nor who may read them. */
static bool seal(void *owner)
{
    struct keeper *k = owner;

    return privilege_drop(&k->privilege, &k->settings) && sandbox_enter(&k->sandbox);
}

static const char *z_or_null(struct str s)
{
    return s.len > 0 ? s.ptr : NULL;
}

static __attribute__((noreturn)) void keep_keys(const struct process_conf *conf, int socket)
{
    struct keeper k = {
        .settings = {.user = z_or_null(conf->user), .group = z_or_null(conf->group), .workers = 1},
        .sandbox = SANDBOX_NONE};

    descriptors_keep(socket);
    title_set("key process");
    privilege_hide_memory();
    sandbox_open(&k.sandbox, conf->sandbox);
    if (!tls_process_start() || !privilege_find(&k.privilege, &k.settings))
        _exit(1);
    key_process_run(socket, LINGER_MS, seal, &k);
    _exit(0);
}

static pid_t keeper = -1; /* a process has one configuration */

bool key_keeper_is(pid_t pid)
{
    return pid == keeper;
}

int key_keeper_start(const struct process_conf *conf)
{
    int ends[2];
    pid_t pid = -1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
        pid = fork();
        if (pid == 0)
            keep_keys(conf, ends[1]);
        (void)close(ends[1]);
        if (pid == -1)
            (void)close(ends[0]);
    }
    if (pid == -1) {
        log_write_errno(&log_process, LOG_ALERT, errno,
                        "socketpair() or fork() failed while spawning \"key process\"");
        return -1;
    }
    keeper = pid;
    log_write(&log_process, LOG_NOTICE, "start key process %d", (int)pid);
    return ends[0];
}
