/* Keys that another process holds: this end of its lines. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "key_internal.h"
#include "key_line.h"
#include "pool.h"
#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"
#include "portcullis/tls/key_process.h"

static bool ask(int line, const struct key_request *q, struct key_answer *a)
{
    ssize_t size = (ssize_t)key_request_size(q), sent, got;
    do
        sent = write(line, q, (size_t)size);
    while (sent == -1 && errno == EINTR);
    if (sent != size)
        return false;
    do
        got = read(line, a, sizeof *a);
    while (got == -1 && errno == EINTR);
    return got == (ssize_t)key_answer_size(q->kind);
}

/* Of a line on which an answer may be late every other answer would be that of another question,
 * and without one there are no handshakes: who has fresh lines replaces this process. */
static __attribute__((noreturn)) void give_up(void)
{
    log_write(&log_process, LOG_ALERT, "the key process does not answer");
    _exit(1);
}

/* Blocks the worker for as long as it would compute itself, and two changes of process. */
static int sign(void *owner, mbedtls_pk_type_t type, mbedtls_md_type_t md,
                const unsigned char *hash, size_t size, unsigned char *out, size_t out_size,
                size_t *signed_size)
{
    const struct key *k = owner;
    struct key_request q = {.kind = KEY_SIGN};
    struct key_answer a;
    if (size > sizeof q.sign.hash)
        return MBEDTLS_ERR_PK_BAD_INPUT_DATA;
    q.sign.number = k->number;
    q.sign.type = type;
    q.sign.md = md;
    q.sign.size = size;
    memcpy(q.sign.hash, hash, size);
    if (!ask(*k->line, &q, &a))
        give_up();
    if (a.rc != 0)
        return a.rc;
    if (a.sign.size > out_size)
        return MBEDTLS_ERR_PK_BUFFER_TOO_SMALL;
    memcpy(out, a.sign.signature, a.sign.size);
    *signed_size = a.sign.size;
    return 0;
}

static struct key *make(const int *line, const struct key_answer *a)
{
    struct key *k = MEM_NEW(struct key);
    mbedtls_pk_init(&k->pk);
    k->line = line;
    k->number = a->load.number;
    if (mbedtls_pk_parse_public_key(&k->pk, a->load.public_key, a->load.size) != 0) {
        key_free(k);
        return NULL;
    }
    k->pk.MBEDTLS_PRIVATE(sign_elsewhere) = sign;
    k->pk.MBEDTLS_PRIVATE(sign_owner) = k;
    return k;
}

struct key *key_load_remote(const int *line, struct str path, struct str passwords_path,
                            struct arena *arena, const char **problem)
{
    struct key_request q = {.kind = KEY_LOAD};
    struct key_answer a;
    *problem = "its path is too long";
    if (path.len >= sizeof q.load.path || passwords_path.len >= sizeof q.load.passwords)
        return NULL;
    (void)snprintf(q.load.path, sizeof q.load.path, "%.*s", STR_ARG(path));
    (void)snprintf(q.load.passwords, sizeof q.load.passwords, "%.*s", STR_ARG(passwords_path));
    *problem = "the key process (ssl_key_process) does not answer";
    if (!ask(*line, &q, &a))
        return NULL;
    *problem = arena_z(arena, str_of(a.load.problem));
    return a.rc == 0 ? make(line, &a) : NULL;
}

/* ---- the pool -------------------------------------------------------------------------------- */

void tls_pool_ask_for_keys(struct tls_pool *p, int socket)
{
    p->key_line = socket;
    p->keys_are_apart = true;
}

static bool send_line(int line, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct key_request q = {.kind = KEY_ATTACH};
    struct iovec data = {.iov_base = &q, .iov_len = key_request_size(&q)};
    struct msghdr head = {.msg_iov = &data,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};
    memset(&control, 0, sizeof control);
    control.head = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    return sendmsg(line, &head, MSG_NOSIGNAL) == (ssize_t)key_request_size(&q);
}

bool tls_pool_reconnect_keys(struct tls_pool *p)
{
    int ends[2];
    if (p == NULL || !p->keys_are_apart)
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    bool sent = send_line(p->key_line, ends[1]);
    (void)close(ends[1]);
    (void)close(p->key_line);
    p->key_line = ends[0];
    return sent;
}
