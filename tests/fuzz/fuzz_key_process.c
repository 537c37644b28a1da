/* A worker that is not ours any more, at its end of a socket to the key process. The input is its
 * messages: raw, or questions for signatures. No key is loaded for it, each message gets one answer
 * at most, and nothing stays open. */
#include <assert.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/tls/key_line.h"
#include "portcullis/tls/key_process.h"
#include "session_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGES_MAX = 16, LOADED = 2 };

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *d = opendir("/proc/self/fd");
    assert(d != NULL);
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count;
}

/* Descriptors, as many as asked for, go along. */
static void send_message(int line, const void *data, size_t size, int fd, size_t fds)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } control = {.room = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    if (fds > 0) {
        head.msg_control = &control;
        head.msg_controllen = CMSG_SPACE(fds * sizeof(int));
        control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS,
                                        .cmsg_len = CMSG_LEN(fds * sizeof(int))};
        for (size_t i = 0; i < fds; i++)
            memcpy(CMSG_DATA(&control.head) + i * sizeof fd, &fd, sizeof fd);
    }
    (void)sendmsg(line, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int load(int builder, const char *pem, size_t size)
{
    struct key_request q = {.kind = KEY_LOAD};
    int fd = memfd_create("key", 0);
    ssize_t written = write(fd, pem, size);
    assert(written == (ssize_t)size);
    (void)written;
    snprintf(q.load.path, sizeof q.load.path, "/proc/self/fd/%d", fd);
    send_message(builder, &q, key_request_size(&q), -1, 0);
    return fd;
}

static void send_question(int line, struct str *in)
{
    struct key_request q = {.kind = KEY_SIGN};
    if (in->len < 4)
        return;
    q.sign.number = (unsigned char)in->ptr[0] % 4;
    q.sign.type = (mbedtls_pk_type_t)((unsigned char)in->ptr[1] % 16);
    q.sign.md = (mbedtls_md_type_t)((unsigned char)in->ptr[2] % 24);
    q.sign.size = (unsigned char)in->ptr[3];
    *in = str_from(*in, 4);
    send_message(line, &q, key_request_size(&q), -1, 0);
}

/* What a worker sends; how many messages. gone: a line that has ended. */
static size_t misbehave(int line, struct str in, int gone)
{
    size_t count = 0;
    for (; in.len > 1 && count < MESSAGES_MAX; count++) {
        unsigned how = (unsigned char)in.ptr[0];
        struct key_request q = {.kind = (enum key_request_kind)(how % 4)};
        struct str raw = str_upto(str_from(in, 2), (unsigned char)in.ptr[1]);
        in = str_from(in, 2);
        if (how & 16) {
            send_question(line, &in);
            continue;
        }
        size_t fds = how >> 6;
        memcpy((char *)&q + sizeof q.kind, raw.ptr, raw.len);
        in = str_from(in, raw.len);
        size_t size = how & 32 ? sizeof q.kind + raw.len : key_request_size(&q);
        send_message(line, &q, size, gone, fds);
    }
    return count;
}

static bool seal(void *owner)
{
    ++*(unsigned *)owner;
    return true;
}

static void read_answers(int line, size_t most)
{
    struct key_answer a;
    size_t count = 0;
    for (ssize_t got; (got = recv(line, &a, sizeof a, MSG_DONTWAIT)) > 0; count++)
        assert((size_t)got == key_answer_size(KEY_LOAD) ||
               (size_t)got == key_answer_size(KEY_SIGN));
    assert(count <= most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int builder[2], worker[2], gone[2];
    unsigned seals = 0;
    size_t before = open_descriptors();
    bool good = tls_process_start() && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, builder) == 0 &&
                socketpair(AF_UNIX, SOCK_SEQPACKET, 0, worker) == 0 &&
                socketpair(AF_UNIX, SOCK_SEQPACKET, 0, gone) == 0;
    assert(good);
    (void)good;
    const int files[LOADED] = {load(builder[0], file_server_key, sizeof file_server_key - 1),
                               load(builder[0], file_rsa_key, sizeof file_rsa_key - 1)};
    const struct key_request attach = {.kind = KEY_ATTACH};
    send_message(builder[0], &attach, key_request_size(&attach), worker[1], 1);
    close(worker[1]);
    size_t sent = misbehave(worker[0], str_make((const char *)data, size), gone[1]);
    close(gone[0]);
    close(gone[1]);
    shutdown(builder[0], SHUT_WR);
    shutdown(worker[0], SHUT_WR);
    key_process_run(builder[1], 60000, seal, &seals);
    assert(seals == 1);
    read_answers(builder[0], LOADED);
    read_answers(worker[0], sent);
    close(builder[0]);
    close(worker[0]);
    for (size_t i = 0; i < LOADED; i++)
        close(files[i]);
    assert(open_descriptors() == before);
    return 0;
}
