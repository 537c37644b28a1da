/* LD_PRELOAD=inject.so FAULTS_PLAN=FILE: makes one call of one kind fail in one of the program's
 * processes. FILE is a struct plan that its writer maps, too; whoever is of the role counts the
 * calls of the kind down, and the one that comes to zero fails. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { MEMORY, ACCEPT, READ, WRITE, FORK, OPEN };
enum role { MASTER, BUILDER, WORKER }; /* how many forks below the first process */

/* Read and written by inject.py. */
struct plan {
    _Atomic int64_t left; /* 1: the next one */
    int32_t kind, role, error;
    _Atomic int32_t hits;
};

static struct plan nothing, *plan = &nothing;
static int role;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS_PLAN");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *at = fd == -1 ? MAP_FAILED
                        : mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at != MAP_FAILED)
        plan = at;
    if (fd != -1)
        close(fd);
}

static bool fails(enum kind kind)
{
    if (plan->left <= 0 || plan->kind != (int)kind || plan->role != role)
        return false;
    if (atomic_fetch_sub(&plan->left, 1) != 1)
        return false;
    plan->hits++;
    errno = plan->error;
    return true;
}

/* ---- memory: glibc's own names, for dlsym asks for memory itself ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    return fails(MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(MEMORY) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(MEMORY) ? NULL : __libc_realloc(old, size);
}

/* ---- calls ---- */

#define CALL(kind, result, name, parameters, arguments)                      \
    result name parameters                                                   \
    {                                                                        \
        static result(*next) parameters;                                     \
        if (next == NULL)                                                    \
            next = (result(*) parameters)(uintptr_t)dlsym(RTLD_NEXT, #name); \
        return fails(kind) ? (result) - 1 : next arguments;                  \
    }

CALL(ACCEPT, int, accept4, (int fd, struct sockaddr *at, socklen_t *len, int flags),
     (fd, at, len, flags))
CALL(READ, ssize_t, read, (int fd, void *to, size_t size), (fd, to, size))
CALL(READ, ssize_t, recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
CALL(READ, ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
CALL(READ, ssize_t, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
CALL(WRITE, ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
CALL(WRITE, ssize_t, send, (int fd, const void *from, size_t size, int flags),
     (fd, from, size, flags))
CALL(WRITE, ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
CALL(WRITE, ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
CALL(OPEN, int, socket, (int family, int type, int protocol), (family, type, protocol))
CALL(OPEN, int, socketpair, (int family, int type, int protocol, int fds[2]),
     (family, type, protocol, fds))
CALL(OPEN, int, memfd_create, (const char *name, unsigned flags), (name, flags))
CALL(OPEN, int, epoll_create1, (int flags), (flags))
CALL(OPEN, int, eventfd, (unsigned count, int flags), (count, flags))
CALL(OPEN, int, signalfd, (int fd, const void *mask, int flags), (fd, mask, flags))

#define OPEN_CALL(name)                                                                 \
    int name(const char *path, int flags, ...)                                          \
    {                                                                                   \
        static int (*next)(const char *path, int flags, ...);                           \
        va_list more;                                                                   \
        va_start(more, flags);                                                          \
        mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;                \
        va_end(more);                                                                   \
        if (next == NULL)                                                               \
            next = (int (*)(const char *, int, ...))(uintptr_t)dlsym(RTLD_NEXT, #name); \
        return fails(OPEN) ? -1 : next(path, flags, mode);                              \
    }

OPEN_CALL(open)
OPEN_CALL(open64)

FILE *fopen(const char *path, const char *mode)
{
    static FILE *(*next)(const char *path, const char *mode);
    if (next == NULL)
        next = (FILE * (*)(const char *, const char *))(uintptr_t)dlsym(RTLD_NEXT, "fopen");
    return fails(OPEN) ? NULL : next(path, mode);
}

pid_t fork(void)
{
    static pid_t (*next)(void);
    if (next == NULL)
        next = (pid_t(*)(void))(uintptr_t)dlsym(RTLD_NEXT, "fork");
    pid_t pid = fails(FORK) ? -1 : next();
    if (pid == 0)
        role++;
    return pid;
}
