#include "portcullis/tls/key_process.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "key.h"
#include "key_line.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/file.h"
#include "portcullis/base/memory.h"
#include "random.h"

struct key_process {
    struct key **keys;
    size_t key_count;
    struct pollfd *lines; /* the builder's first */
    size_t line_count;
    bool is_sealed;
    bool (*seal)(void *owner);
    void *owner;
    int64_t linger_ms, ends_ms; /* ends_ms: 0: the builder is there */
};

/* ---- loading --------------------------------------------------------------------------------- */

static struct key *load(const struct key_request *q, const char **problem)
{
    struct buf passwords = {0};
    if (q->load.passwords[0] != '\0' && !file_read(str_of(q->load.passwords), &passwords)) {
        *problem = "the file that ssl_password_file names cannot be read";
        buf_deinit(&passwords);
        return NULL;
    }
    struct key *k = key_load(str_of(q->load.path), buf_str(&passwords), problem);
    if (passwords.data != NULL)
        mem_wipe(passwords.data, passwords.capacity);
    buf_deinit(&passwords);
    return k;
}

/* mbedTLS writes to the end of the room. */
static bool write_public_key(struct key *k, struct key_answer *a)
{
    unsigned char *room = a->load.public_key;
    int size = mbedtls_pk_write_pubkey_der(key_mbedtls(k), room, sizeof a->load.public_key);
    if (size <= 0)
        return false;
    a->load.size = (size_t)size;
    memmove(room, room + sizeof a->load.public_key - a->load.size, a->load.size);
    return true;
}

static void on_load(struct key_process *p, const struct key_request *q, struct key_answer *a)
{
    const char *problem = "it cannot be loaded any more";
    struct key *k = p->is_sealed ? NULL : load(q, &problem);
    a->rc = k != NULL && write_public_key(k, a) ? 0 : -1;
    if (a->rc != 0) {
        key_free(k);
        strncpy(a->load.problem, problem, sizeof a->load.problem - 1);
        return;
    }
    p->keys = mem_realloc(p->keys, (p->key_count + 1) * sizeof(struct key *));
    a->load.number = (uint32_t)p->key_count;
    p->keys[p->key_count++] = k;
}

/* ---- signing --------------------------------------------------------------------------------- */

static void on_sign(struct key_process *p, const struct key_request *q, struct key_answer *a)
{
    if (q->sign.number >= p->key_count || q->sign.size > sizeof q->sign.hash) {
        a->rc = MBEDTLS_ERR_PK_BAD_INPUT_DATA;
        return;
    }
    a->rc = mbedtls_pk_sign_ext(q->sign.type, key_mbedtls(p->keys[q->sign.number]), q->sign.md,
                                q->sign.hash, q->sign.size, a->sign.signature,
                                sizeof a->sign.signature, &a->sign.size, random_for_mbedtls, NULL);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void add_line(struct key_process *p, int fd)
{
    p->lines = mem_realloc(p->lines, (p->line_count + 1) * sizeof *p->lines);
    p->lines[p->line_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

/* The first that came along, or -1; others, for which the kernel finds room, are closed. */
static int take_descriptor(struct msghdr *head)
{
    int fds[sizeof(union control) / sizeof(int)];
    struct cmsghdr *c = CMSG_FIRSTHDR(head);
    if (c == NULL || c->cmsg_type != SCM_RIGHTS)
        return -1;
    size_t size = c->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(c), size);
    for (size_t i = 1; i < size / sizeof *fds; i++)
        (void)close(fds[i]);
    return fds[0];
}

enum received { REQUEST, LINE_END, LINE_BROKEN };

/* fd: that came along, or -1. */
static enum received receive(int line, struct key_request *q, int *fd)
{
    union control control;
    struct iovec data = {.iov_base = q, .iov_len = sizeof *q};
    struct msghdr head = {.msg_iov = &data,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};
    ssize_t got = recvmsg(line, &head, MSG_CMSG_CLOEXEC);
    *fd = got >= 0 ? take_descriptor(&head) : -1; /* an empty message may bring one, too */
    if (got >= (ssize_t)sizeof q->kind && (size_t)got == key_request_size(q))
        return REQUEST;
    return got == 0 ? LINE_END : LINE_BROKEN;
}

static void hang_up(struct pollfd *line)
{
    (void)close(line->fd);
    line->fd = -1;
}

static void answer(struct key_process *p, struct pollfd *line, const struct key_request *q, int fd)
{
    struct key_answer a = {.rc = MBEDTLS_ERR_PK_BAD_INPUT_DATA};
    bool is_builder = line == p->lines;
    if (q->kind == KEY_ATTACH && is_builder && fd != -1) {
        add_line(p, fd);
        return;
    }
    if (fd != -1) /* a worker has none to give */
        (void)close(fd);
    if (q->kind == KEY_LOAD && is_builder)
        on_load(p, q, &a);
    if (q->kind == KEY_SIGN)
        on_sign(p, q, &a);
    /* One that does not read its answer has one message waiting at most: it waits itself. One that
     * cannot be answered must not wait for ever. */
    if (send(line->fd, &a, key_answer_size(q->kind), MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
        hang_up(line);
    mem_wipe(&a, sizeof a);
}

static bool is_time_to_seal(const struct key_process *p, const struct key_request *q)
{
    return !p->is_sealed && q->kind != KEY_LOAD;
}

/* False: it could not be sealed, or the builder's line is broken, which alone brings others. */
static bool serve(struct key_process *p, size_t i)
{
    struct key_request q;
    int fd;
    enum received got = receive(p->lines[i].fd, &q, &fd);
    if (got != REQUEST) {
        if (fd != -1)
            (void)close(fd);
        hang_up(&p->lines[i]);
        return got == LINE_END || i > 0;
    }
    if (is_time_to_seal(p, &q)) {
        p->is_sealed = true;
        if (!p->seal(p->owner))
            return false;
    }
    answer(p, &p->lines[i], &q, fd);
    return true;
}

static size_t open_lines(const struct key_process *p)
{
    size_t count = 0;
    for (size_t i = 0; i < p->line_count; i++)
        count += p->lines[i].fd != -1;
    return count;
}

/* The builder's place stays, whoever is there. */
static void drop_closed(struct key_process *p)
{
    size_t kept = 1;
    for (size_t i = 1; i < p->line_count; i++)
        if (p->lines[i].fd != -1)
            p->lines[kept++] = p->lines[i];
    p->line_count = kept;
}

static bool serve_all(struct key_process *p)
{
    size_t count = p->line_count; /* more may come */
    for (size_t i = 0; i < count; i++)
        if (p->lines[i].fd != -1 && p->lines[i].revents != 0 && !serve(p, i))
            return false;
    drop_closed(p);
    return true;
}

static int wait_ms(struct key_process *p)
{
    if (p->lines[0].fd != -1)
        return -1;
    clock_update();
    int64_t now = clock_monotonic_ms();
    if (p->ends_ms == 0)
        p->ends_ms = now + p->linger_ms;
    return p->ends_ms > now ? (int)(p->ends_ms - now) : 0;
}

/* Without the builder no worker begins, and one that does not end is in wrong hands. */
static bool goes_on(struct key_process *p)
{
    int ms = wait_ms(p);
    return open_lines(p) > 0 && ms != 0 &&
           (poll(p->lines, p->line_count, ms) >= 0 || errno == EINTR);
}

void key_process_run(int socket, int linger_ms, bool (*seal)(void *owner), void *owner)
{
    struct key_process p = {.seal = seal, .owner = owner, .linger_ms = linger_ms};
    add_line(&p, socket);
    while (goes_on(&p) && serve_all(&p))
        continue;
    for (size_t i = 0; i < p.key_count; i++)
        key_free(p.keys[i]);
    mem_free(p.keys);
    for (size_t i = 0; i < p.line_count; i++)
        if (p.lines[i].fd != -1)
            hang_up(&p.lines[i]);
    mem_free(p.lines);
}
