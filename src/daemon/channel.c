#include "channel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *listen_call_text(enum listen_call call)
{
    static const char *const texts[] = {
        [CALL_SOCKET] = "socket()", [CALL_BIND] = "bind() to", [CALL_LISTEN] = "listen() to"};

    return texts[call];
}

bool channel_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0;
}

/* What is sent of a message: its type, then the body that the type has. */
#define HEAD_SIZE        offsetof(struct message, settings)
#define SIZE_MAX_ON_WIRE offsetof(struct message, fds)

static size_t body_size(enum message_type type)
{
    switch (type) {
    case MESSAGE_SETTINGS:
        return sizeof(struct message_settings);
    case MESSAGE_LOG:
        return sizeof(struct message_log);
    case MESSAGE_ZONE:
        return sizeof(struct message_zone);
    case MESSAGE_LISTEN:
        return sizeof(struct message_listen);
    case MESSAGE_RESULT:
        return sizeof(struct message_result);
    case MESSAGE_REOPEN:
        return sizeof(struct message_reopen);
    case MESSAGE_READY:
    case MESSAGE_IMAGE:
    case MESSAGE_RELOAD:
    case MESSAGE_START:
    case MESSAGE_RETIRE:
    case MESSAGE_QUIT:
    case MESSAGE_TERM:
    case MESSAGE_REST:
    case MESSAGE_RESUME:
    case MESSAGE_REREAD:
        return 0;
    }
    assert(!"a message type");
    return 0;
}

union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
};

bool channel_send(int fd, const struct message *m)
{
    struct iovec data = {.iov_base = (void *)m, .iov_len = HEAD_SIZE + body_size(m->type)};
    struct msghdr head = {.msg_iov = &data, .msg_iovlen = 1};
    union control control;
    size_t fds_size = sizeof(int) * m->fd_count;
    ssize_t sent;

    assert(m->fd_count <= CHANNEL_FDS_MAX);
    if (m->fd_count > 0) {
        memset(&control, 0, sizeof control);
        head.msg_control = &control;
        head.msg_controllen = CMSG_SPACE(fds_size);
        control.head = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(fds_size)};
        memcpy(CMSG_DATA(&control.head), m->fds, fds_size);
    }
    do
        sent = sendmsg(fd, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent == -1 && errno == EINTR);
    return sent >= 0;
}

bool channel_is_gone(int err)
{
    return err == EPIPE || err == ECONNRESET;
}

bool channel_send_type(int fd, enum message_type type)
{
    struct message m;

    memset(&m, 0, sizeof m);
    m.type = type;
    return channel_send(fd, &m);
}

static void take_fds(struct message *m, struct msghdr *head)
{
    m->fd_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c != NULL; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        m->fd_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        assert(m->fd_count <= CHANNEL_FDS_MAX);
        memcpy(m->fds, CMSG_DATA(c), m->fd_count * sizeof(int));
    }
}

enum channel_status channel_receive(int fd, struct message *m, bool wait)
{
    union control control;
    struct iovec data = {.iov_base = m, .iov_len = SIZE_MAX_ON_WIRE};
    struct msghdr head = {.msg_iov = &data,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};
    ssize_t got;

    do
        got = recvmsg(fd, &head, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    while (got == -1 && errno == EINTR);
    if (got == -1 && errno == EAGAIN)
        return CHANNEL_EMPTY;
    if (got <= 0)
        return CHANNEL_GONE;
    take_fds(m, &head);
    m->lost_fds = (head.msg_flags & MSG_CTRUNC) != 0;
    /* Both ends are one program. */
    assert((size_t)got >= HEAD_SIZE && (size_t)got == HEAD_SIZE + body_size(m->type));
    return CHANNEL_MESSAGE;
}

void message_close_fds(struct message *m)
{
    for (size_t i = 0; i < m->fd_count; i++)
        (void)close(m->fds[i]);
    m->fd_count = 0;
}
