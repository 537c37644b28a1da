#include "listen_set.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portcullis/base/memory.h"

#define BACKLOG_DEFAULT 511 /* nginx's */

struct listening {
    struct list link;
    struct addr addr;
    int fd;
    bool wanted;   /* by the configuration that is being built */
    bool is_new;   /* opened for it */
    bool is_given; /* by a service manager, which keeps it */
};

void listen_set_init(struct listen_set *set)
{
    list_init(&set->sockets);
    set->is_shared = false;
}

static struct listening *listening_of(struct list *link)
{
    return CONTAINER_OF(link, struct listening, link);
}

static void close_one(struct listening *l)
{
    list_remove(&l->link);
    (void)close(l->fd);
    mem_free(l);
}

static bool is_there(const struct listen_set *set, const struct addr *addr)
{
    LIST_FOR_EACH(it, &set->sockets)
    if (addr_eq(&listening_of(it)->addr, addr))
        return true;
    return false;
}

static void unlink_path(const struct addr *addr)
{
    if (addr_family(addr) == AF_UNIX && addr->un.sun_path[0] != '\0')
        (void)unlink(addr->un.sun_path);
}

/* A unix socket's path goes with its last socket, unless another one is there under the same name.
 */
static void close_for_good(struct listen_set *set, struct listening *l)
{
    struct addr addr = l->addr;
    bool stays = set->is_shared || l->is_given;

    close_one(l);
    if (!stays && !is_there(set, &addr))
        unlink_path(&addr);
}

/* ------------------------------------------------------------------ opening */

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/* As nginx: whoever may reach a unix socket's path may connect. */
static bool open_to_all(const struct addr *addr)
{
    return addr_family(addr) != AF_UNIX || addr->un.sun_path[0] == '\0' ||
           chmod(addr->un.sun_path, 0666) == 0;
}

bool listen_again(int fd, const struct listen_spec *spec)
{
    (void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE, spec->so_keepalive);
    return listen(fd, spec->backlog > 0 ? spec->backlog : BACKLOG_DEFAULT) == 0;
}

static bool prepare(int fd, const struct listen_spec *spec, enum listen_call *failed)
{
    *failed = CALL_SOCKET;
    if (addr_family(&spec->addr) != AF_UNIX && !set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1))
        return false;
    if (spec->reuseport && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return false;
    if (addr_family(&spec->addr) == AF_INET6 &&
        !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, spec->ipv6only))
        return false;
    *failed = CALL_BIND;
    if (bind(fd, &spec->addr.sa, spec->addr.len) == -1)
        return false;
    *failed = CALL_LISTEN;
    return open_to_all(&spec->addr) && listen_again(fd, spec);
}

static struct listening *open_one(struct listen_set *set, const struct listen_spec *spec,
                                  enum listen_call *failed)
{
    *failed = CALL_SOCKET;
    int fd = socket(addr_family(&spec->addr), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return NULL;
    if (!prepare(fd, spec, failed)) {
        int err = errno;
        (void)close(fd);
        if (*failed == CALL_LISTEN)
            unlink_path(&spec->addr);
        errno = err;
        return NULL;
    }
    struct listening *l = MEM_NEW(struct listening);
    l->addr = spec->addr;
    l->fd = fd;
    l->is_new = true;
    list_push_back(&set->sockets, &l->link);
    return l;
}

static void add_fd(struct listen_fds *out, struct listening *l)
{
    l->wanted = true;
    out->fds = mem_realloc(out->fds, sizeof *out->fds * (out->count + 1));
    out->fds[out->count++] = l->fd;
}

/* All that are there, also more than wanted: each has a queue of its own, and connections in it.
 * One that cannot listen any more was made something else by who else has it. */
static void take_existing(struct listen_set *set, const struct listen_spec *spec,
                          struct listen_fds *out)
{
    LIST_FOR_EACH(it, &set->sockets)
    {
        struct listening *l = listening_of(it);
        if (!addr_eq(&l->addr, &spec->addr))
            continue;
        if (spec->reuseport && addr_family(&spec->addr) != AF_UNIX)
            (void)set_option(l->fd, SOL_SOCKET, SO_REUSEPORT,
                             1); /* or its new neighbours could not bind */
        if (listen_again(l->fd, spec))
            add_fd(out, l);
        else
            close_for_good(set, l);
    }
}

bool listen_set_get(struct listen_set *set, const struct listen_spec *spec, unsigned wanted,
                    struct listen_fds *out, enum listen_call *failed)
{
    take_existing(set, spec, out);
    while (out->count < wanted) {
        struct listening *l = open_one(set, spec, failed);
        if (l == NULL)
            return false;
        add_fd(out, l);
    }
    return true;
}

void listen_log_failure(const struct addr *addr, enum listen_call failed, int err)
{
    static const struct {
        int err;
        const char *cure;
    } cures[] = {
        {EADDRINUSE, "; another program listens there: ss -ltnp shows which"},
        {EADDRNOTAVAIL, "; no interface of this machine has that address"},
        {EACCES, "; ports below 1024 are for root, or whoever has CAP_NET_BIND_SERVICE"},
    };
    const char *cure = "";
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < sizeof cures / sizeof cures[0] && failed == CALL_BIND; i++)
        if (cures[i].err == err && addr_family(addr) != AF_UNIX)
            cure = cures[i].cure;
    log_write(&log_process, LOG_EMERG, "%s %.*s failed (%d: %s)%s", listen_call_text(failed),
              STR_ARG(addr_text_port(addr, text)), err, strerror(err), cure);
}

/* ------------------------------------------------------------------ from and to other processes */

static bool is_listening(int fd)
{
    int yes = 0;
    socklen_t size = sizeof yes;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes;
}

bool listen_set_adopt(struct listen_set *set, int fd, bool is_given)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;

    if (!is_listening(fd) || getsockname(fd, (struct sockaddr *)&name, &size) == -1 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
        return false;
    struct listening *l = MEM_NEW(struct listening);
    addr_from_sockaddr(&l->addr, (struct sockaddr *)&name, size);
    l->fd = fd;
    l->is_given = is_given;
    list_push_back(&set->sockets, &l->link);
    return true;
}

void listen_set_each(const struct listen_set *set, void (*each)(void *owner, int fd, bool is_given),
                     void *owner)
{
    LIST_FOR_EACH(it, &set->sockets)
    each(owner, listening_of(it)->fd, listening_of(it)->is_given);
}

/* ------------------------------------------------------------------ configurations come and go */

void listen_set_begin(struct listen_set *set)
{
    LIST_FOR_EACH(it, &set->sockets)
    listening_of(it)->wanted = listening_of(it)->is_new = false;
}

/* Clients would wait in its queue. */
static void warn_of_unused(const struct listening *l)
{
    char text[ADDR_TEXT_MAX];

    log_write(&log_process, LOG_WARN,
              "no \"listen\" has the address %.*s of a socket that the service manager passed",
              STR_ARG(addr_text_port(&l->addr, text)));
}

void listen_set_commit(struct listen_set *set)
{
    LIST_FOR_EACH(it, &set->sockets)
    {
        struct listening *l = listening_of(it);
        l->is_new = false;
        if (l->is_given && !l->wanted)
            warn_of_unused(l);
        else if (!l->wanted)
            close_for_good(set, l);
    }
}

void listen_set_rollback(struct listen_set *set)
{
    LIST_FOR_EACH(it, &set->sockets)
    if (listening_of(it)->is_new)
        close_for_good(set, listening_of(it));
}

void listen_set_close(struct listen_set *set)
{
    LIST_FOR_EACH(it, &set->sockets)
    close_for_good(set, listening_of(it));
}
