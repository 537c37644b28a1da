#include "dial.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* For each wait: connecting, sending, receiving; a problem's words say it, too. */
#define WAIT_SECONDS 5
#define READ_SIZE    4096

static bool fail(struct dial *d, const char *problem, int err)
{
    d->problem = problem;
    d->err = err;
    return false;
}

bool dial_connect(struct dial *d, const struct addr *to, struct tls_session *tls)
{
    const struct timeval wait = {.tv_sec = WAIT_SECONDS};

    *d = (struct dial){.fd = socket(addr_family(to), SOCK_STREAM | SOCK_CLOEXEC, 0), .tls = tls};
    if (d->fd == -1)
        return fail(d, "socket() failed", errno);
    (void)setsockopt(d->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(d->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    return connect(d->fd, &to->sa, to->len) == 0 || fail(d, "connect() failed", errno);
}

static bool send_out(struct dial *d)
{
    while (!buf_is_empty(&d->out)) {
        struct str octets = buf_str(&d->out);
        ssize_t n = send(d->fd, octets.ptr, octets.len, MSG_NOSIGNAL);
        if (n < 0)
            return fail(d, "sending failed", errno);
        buf_consume(&d->out, (size_t)n);
    }
    return true;
}

static bool take_tls(struct dial *d)
{
    enum tls_status status = tls_session_receive(d->tls, &d->in, &d->plain, READ_SIZE, &d->out);

    if (!send_out(d))
        return false;
    if (status == TLS_FAILED || status == TLS_NOT_TLS)
        return fail(d, tls_session_problem(d->tls), 0);
    return true;
}

bool dial_receive(struct dial *d)
{
    struct buf *to = d->tls != NULL ? &d->in : &d->plain;
    ssize_t n = recv(d->fd, buf_reserve(to, READ_SIZE), READ_SIZE, 0);

    if (n < 0 && errno == EAGAIN)
        return fail(d, "no answer within 5 seconds", 0);
    if (n < 0)
        return fail(d, "no answer", errno);
    if (n == 0)
        return fail(d, "the connection was closed without an answer", 0);
    buf_added(to, (size_t)n);
    return d->tls == NULL || take_tls(d);
}

bool dial_shake_hands(struct dial *d)
{
    if (d->tls == NULL)
        return true;
    if (!take_tls(d))
        return false;
    while (tls_session_status(d->tls) == TLS_HANDSHAKING)
        if (!dial_receive(d))
            return false;
    return true;
}

bool dial_send(struct dial *d, struct str data)
{
    if (d->tls != NULL)
        tls_session_send(d->tls, data, &d->out);
    else
        buf_append_str(&d->out, data);
    return send_out(d);
}

void dial_close(struct dial *d)
{
    tls_session_free(d->tls);
    buf_deinit(&d->in);
    buf_deinit(&d->out);
    buf_deinit(&d->plain);
    if (d->fd != -1)
        (void)close(d->fd);
}
