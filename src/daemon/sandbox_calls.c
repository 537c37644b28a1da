/* seccomp: the system calls of a worker, as a table that becomes a BPF program. Written out here
 * rather than by libseccomp: a list and five kinds of instructions do not need a library.
 *
 * Calls without a condition cost nothing: the kernel keeps a bitmap of them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "portcullis/base/memory.h"
#include "sandbox_impl.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH 0 /* not known here: no seccomp */
#endif

/* Calls of x86's x32 have this bit. */
#define X32_BIT    0x40000000U

#define VALUES_MAX 8

struct condition {
    enum { ANY, IS_ONE_OF, HAS, LACKS, IS_THIS_PROCESS } kind;
    unsigned argument;
    unsigned count;
    uint32_t values[VALUES_MAX];
};

#define CONDITIONS_MAX 3

/* Allowed where all conditions hold. A call may have several rows, one behind the other. */
struct call {
    uint32_t number;
    unsigned need; /* of enum sandbox_need; 0: every worker's */
    struct condition conditions[CONDITIONS_MAX];
};

#define CALL(name) {.number = SYS_##name}
#define WHERE(name, ...)                                    \
    {                                                       \
        .number = SYS_##name, .conditions = { __VA_ARGS__ } \
    }
#define FOR(need_, name, ...)                                              \
    {                                                                      \
        .number = SYS_##name, .need = need_, .conditions = { __VA_ARGS__ } \
    }
#define ONE_OF(index, ...)                                                      \
    {                                                                           \
        IS_ONE_OF, index, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), \
        {                                                                       \
            __VA_ARGS__                                                         \
        }                                                                       \
    }
#define WITH(index, bits) \
    {                     \
        HAS, index, 1,    \
        {                 \
            bits          \
        }                 \
    }
#define WITHOUT(index, bits) \
    {                        \
        LACKS, index, 1,     \
        {                    \
            bits             \
        }                    \
    }
#define OF_THIS(index) {IS_THIS_PROCESS, index, 1, {0}}
#define OF_KIND(index, kind)                                           \
    ONE_OF(index, kind, (kind) | SOCK_CLOEXEC, (kind) | SOCK_NONBLOCK, \
           (kind) | SOCK_CLOEXEC | SOCK_NONBLOCK)

#define SET_VMA_NAME 0x53564d41 /* PR_SET_VMA: malloc names its memory */

static const struct call calls[] = {
    /* what the loop does all day, first: octets, events, time */
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(epoll_pwait),
    CALL(epoll_ctl),
    CALL(accept4),
    CALL(close),
    CALL(recvfrom),
    CALL(recvmsg),
    CALL(recvmmsg),
    /* Listening sockets are shared with other workers, who would go without. */
    WHERE(shutdown, ONE_OF(1, SHUT_WR)),
    CALL(getsockname),
    CALL(getpeername),
    WHERE(setsockopt, ONE_OF(1, SOL_SOCKET), ONE_OF(2, SO_LINGER, SO_KEEPALIVE)),
    WHERE(setsockopt, ONE_OF(1, IPPROTO_TCP), ONE_OF(2, TCP_NODELAY)),
    CALL(getsockopt),
    CALL(connect),
    CALL(clock_gettime),
    CALL(clock_getres),
    CALL(gettimeofday),
    CALL(pread64),
    CALL(lseek),
    /* Who clears flags writes over what is in a log, and has other workers wait in accept4. c-ares
     * sets one. */
    WHERE(fcntl, ONE_OF(1, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL)),
    FOR(SANDBOX_DATAGRAMS, fcntl, ONE_OF(1, F_SETFL), WITH(2, O_NONBLOCK)),
    CALL(dup),
    CALL(dup3),
    CALL(pipe2),
    CALL(epoll_create1),
    CALL(eventfd2),
    CALL(signalfd4),
    CALL(timerfd_create),
    CALL(timerfd_settime),
    CALL(ppoll),
    CALL(pselect6),
    CALL(nanosleep),
    CALL(clock_nanosleep),
    CALL(restart_syscall),
    /* A stream begun by sendto would get around Landlock's ports; with another protocol, too. */
    WHERE(sendto, WITHOUT(3, MSG_FASTOPEN)),
    WHERE(sendmsg, WITHOUT(2, MSG_FASTOPEN)),
    WHERE(sendmmsg, WITHOUT(3, MSG_FASTOPEN)),
    WHERE(socket, ONE_OF(0, AF_INET, AF_INET6), OF_KIND(1, SOCK_STREAM), ONE_OF(2, 0, IPPROTO_TCP)),
    FOR(SANDBOX_DATAGRAMS, socket, ONE_OF(0, AF_INET, AF_INET6), OF_KIND(1, SOCK_DGRAM),
        ONE_OF(2, 0, IPPROTO_UDP)),
    FOR(SANDBOX_UNIX_SOCKETS, socket, ONE_OF(0, AF_UNIX)),
    /* files: Landlock says which */
    CALL(openat),
    CALL(unlinkat),
    CALL(fstat),
    CALL(newfstatat),
    CALL(statx),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(readlinkat),
    CALL(getcwd),
    WHERE(ioctl, ONE_OF(1, FIONREAD, FIOCLEX, TCGETS)),
    /* memory: none becomes executable */
    CALL(brk),
    CALL(munmap),
    CALL(mremap),
    CALL(madvise),
    WHERE(mmap, WITHOUT(2, PROT_EXEC)),
    WHERE(mprotect, WITHOUT(2, PROT_EXEC)),
    CALL(getrandom),
    /* threads, not processes */
    WHERE(clone, WITH(0, CLONE_THREAD)),
    CALL(futex),
    CALL(set_robust_list),
    CALL(rseq),
    CALL(sched_yield),
    CALL(sched_getaffinity),
    CALL(getcpu),
    CALL(membarrier),
    CALL(gettid),
    CALL(exit),
    CALL(exit_group),
    /* itself */
    CALL(getpid),
    CALL(getppid),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(uname),
    CALL(sysinfo),
    CALL(getrusage),
    CALL(times),
    WHERE(prlimit64, ONE_OF(0, 0)),
    WHERE(prctl, ONE_OF(0, PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, SET_VMA_NAME)),
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(sigaltstack),
    WHERE(tgkill, OF_THIS(0)),
#if defined(__x86_64__)
    /* the older forms, which libc and libuv still use there */
    CALL(epoll_wait),
    CALL(accept),
    CALL(poll),
    CALL(select),
    CALL(open),
    CALL(unlink),
    CALL(stat),
    CALL(lstat),
    CALL(access),
    CALL(readlink),
    CALL(dup2),
    CALL(pipe),
    CALL(eventfd),
    CALL(time),
    CALL(getrlimit),
#endif
};

#define CALLS (sizeof calls / sizeof calls[0])

/* No program that is still itself does these. */
static const uint32_t fatal[] = {SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv,
                                 SYS_process_vm_writev};

#define FATAL (sizeof fatal / sizeof fatal[0])

/* libc tries these and falls back only when it is told that the kernel does not know them. */
static const uint32_t unknown[] = {SYS_clone3};

#define UNKNOWN (sizeof unknown / sizeof unknown[0])

/* ------------------------------------------------------------------ the program */

#define CALL_LENGTH_MAX (3 + CONDITIONS_MAX * (VALUES_MAX + 2))
#define LENGTH_MAX      (8 + (CALLS * CALL_LENGTH_MAX) + 2 * (FATAL + UNKNOWN))

struct program {
    struct sock_filter *code;
    unsigned short length;
    uint32_t deny;
};

static void put(struct program *p, struct sock_filter instruction)
{
    p->code[p->length++] = instruction;
}

static void put_load(struct program *p, size_t offset)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void put_return(struct program *p, uint32_t action)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static void put_jump(struct program *p, uint16_t test, uint32_t value, unsigned yes, unsigned no)
{
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, (uint8_t)yes, (uint8_t)no));
}

/* The lower half of an argument, on the little-endian machines that ARCH knows; flags, families and
 * process ids have no more. */
static size_t argument_at(unsigned index)
{
    return offsetof(struct seccomp_data, args) + sizeof(uint64_t) * index;
}

static void put_number(struct program *p)
{
    put_load(p, offsetof(struct seccomp_data, nr));
}

/* Goes on behind it when the condition holds, and leaves the row when not. */
static void put_condition(struct program *p, const struct condition *c)
{
    if (c->kind == ANY)
        return;
    put_load(p, argument_at(c->argument));
    if (c->kind == HAS)
        put_jump(p, BPF_JSET, c->values[0], 1, 0);
    else if (c->kind == LACKS)
        put_jump(p, BPF_JSET, c->values[0], 0, 1);
    else
        for (unsigned i = 0; i < c->count; i++)
            put_jump(p, BPF_JEQ, c->kind == IS_THIS_PROCESS ? (uint32_t)getpid() : c->values[i],
                     c->count - i, 0);
    put(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
}

static void let_leave(struct program *p, unsigned short start)
{
    for (unsigned short i = start; i < p->length; i++)
        if (p->code[i].code == (BPF_JMP | BPF_JA))
            p->code[i].k = p->length - i - 1U;
}

static void put_call(struct program *p, const struct call *call)
{
    unsigned short start = p->length;

    put_jump(p, BPF_JEQ, call->number, 0, 0);
    for (size_t i = 0; i < CONDITIONS_MAX; i++)
        put_condition(p, &call->conditions[i]);
    put_return(p, SECCOMP_RET_ALLOW);
    p->code[start].jf = (uint8_t)(p->length - start - 1);
    let_leave(p, start);
    if (call->conditions[0].kind != ANY)
        put_number(p); /* for the rows below */
}

static void put_action(struct program *p, const uint32_t *numbers, size_t count, uint32_t action)
{
    for (size_t i = 0; i < count; i++) {
        put_jump(p, BPF_JEQ, numbers[i], 0, 1);
        put_return(p, action);
    }
}

static bool is_needed(const struct sandbox *s, const struct call *call)
{
    return (call->need & ~s->needs) == 0;
}

static void put_all(struct program *p, const struct sandbox *s)
{
    bool report = s->mode == SANDBOX_REPORT;
    uint32_t kill = report ? SECCOMP_RET_LOG : SECCOMP_RET_KILL_PROCESS;

    p->deny = report ? SECCOMP_RET_LOG : SECCOMP_RET_ERRNO | EPERM;
    put_load(p, offsetof(struct seccomp_data, arch));
    put_jump(p, BPF_JEQ, ARCH, 1, 0);
    put_return(p, kill);
    put_number(p);
    put_jump(p, BPF_JGE, X32_BIT, 0, 1);
    put_return(p, kill);
    for (size_t i = 0; i < CALLS; i++)
        if (is_needed(s, &calls[i]))
            put_call(p, &calls[i]);
    put_action(p, fatal, FATAL, kill);
    put_action(p, unknown, UNKNOWN, SECCOMP_RET_ERRNO | ENOSYS);
    put_return(p, p->deny);
}

/* ------------------------------------------------------------------ the kernel */

bool seccomp_find(void)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    if (ARCH == 0) {
        errno = ENOSYS;
        return false;
    }
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

size_t seccomp_count(const struct sandbox *s)
{
    size_t count = 0;

    for (size_t i = 0; i < CALLS; i++)
        count += is_needed(s, &calls[i]) && (i == 0 || calls[i].number != calls[i - 1].number);
    return count;
}

bool seccomp_enter(const struct sandbox *s)
{
    struct program p = {.code = mem_zalloc(sizeof(struct sock_filter) * LENGTH_MAX)};

    put_all(&p, s);
    struct sock_fprog kernels = {.len = p.length, .filter = p.code};
    /* Speculation is for programs that run others' code; limiting it would cost every call. */
    bool ok = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                      &kernels) == 0;
    mem_free(p.code);
    return ok;
}
