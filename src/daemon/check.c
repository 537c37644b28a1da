#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portcullis/base/memory.h"
#include "portcullis/base/resolve.h"
#include "portcullis/tls/context.h"
#include "portcullis/tls/session.h"
#include "proxy_app.h"

/* For each wait: connecting, sending, receiving. */
#define WAIT_SECONDS 5
#define DEFAULT_PORT 443
#define READ_SIZE    4096

static const char question[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: "
                               "portcullis-check\r\nConnection: close\r\n\r\n";

static bool unhealthy(const char *what, int err)
{
    (void)fprintf(stderr,
                  err != 0 ? "portcullis: unhealthy: %s (%d: %s)\n" : "portcullis: unhealthy: %s\n",
                  what, err, strerror(err));
    return false;
}

/* ------------------------------------------------------------------ where */

struct target {
    struct addr addr;
    bool tls;
};

static void to_loopback(struct addr *a)
{
    if (!addr_is_wildcard(a))
        return;
    if (addr_family(a) == AF_INET)
        a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        a->in6.sin6_addr = in6addr_loopback;
}

static bool find_given(struct target *t, struct str text)
{
    struct arena arena;
    struct addr *addrs;
    const char *problem;

    arena_init(&arena, 1024);
    size_t count = resolve_now(&arena, text, DEFAULT_PORT, &addrs, &problem);
    if (count > 0)
        *t = (struct target){addrs[0], true};
    else
        (void)fprintf(stderr, "portcullis: %s in \"%.*s\"\n", problem, STR_ARG(text));
    arena_deinit(&arena);
    return count > 0;
}

/* The first TLS address, else the first. */
static const struct listen_conf *first_listen(const struct snapshot *s)
{
    for (size_t i = 0; i < s->http.binds.count; i++)
        if (s->http.binds.items[i]->listen.ssl)
            return &s->http.binds.items[i]->listen;
    return s->http.binds.count > 0 ? &s->http.binds.items[0]->listen : NULL;
}

static bool find_configured(struct target *t, const struct command *c)
{
    struct snapshot *s = proxy_app_read(c);

    if (s == NULL)
        return false;
    const struct listen_conf *l = first_listen(s);
    if (l != NULL)
        *t = (struct target){l->addr, l->ssl};
    snapshot_free(s);
    if (l == NULL)
        return unhealthy("the configuration listens nowhere", 0);
    to_loopback(&t->addr);
    return true;
}

/* ------------------------------------------------------------------ asking */

static int connect_to(const struct addr *to)
{
    const struct timeval wait = {.tv_sec = WAIT_SECONDS};
    int fd = socket(addr_family(to), SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(fd, &to->sa, to->len) == 0)
        return fd;
    int err = errno;
    (void)close(fd);
    errno = err;
    return -1;
}

struct asking {
    int fd;
    struct tls_session *tls; /* NULL: plain */
    struct buf in, answer, out;
};

static bool send_out(struct asking *a)
{
    while (!buf_is_empty(&a->out)) {
        struct str octets = buf_str(&a->out);
        ssize_t n = send(a->fd, octets.ptr, octets.len, MSG_NOSIGNAL);
        if (n < 0)
            return unhealthy("sending failed", errno);
        buf_consume(&a->out, (size_t)n);
    }
    return true;
}

static bool receive_in(struct asking *a)
{
    struct buf *to = a->tls != NULL ? &a->in : &a->answer;
    ssize_t n = recv(a->fd, buf_reserve(to, READ_SIZE), READ_SIZE, 0);

    if (n < 0)
        return unhealthy("no answer", errno);
    if (n == 0)
        return unhealthy("the connection was closed without an answer", 0);
    buf_added(to, (size_t)n);
    return true;
}

static bool take_tls(struct asking *a)
{
    enum tls_status status = tls_session_receive(a->tls, &a->in, &a->answer, READ_SIZE, &a->out);

    if (!send_out(a))
        return false;
    if (status == TLS_FAILED || status == TLS_NOT_TLS)
        return unhealthy(tls_session_problem(a->tls), 0);
    return true;
}

static bool shake_hands(struct asking *a)
{
    if (a->tls == NULL)
        return true;
    if (!take_tls(a))
        return false;
    while (tls_session_status(a->tls) == TLS_HANDSHAKING)
        if (!receive_in(a) || !take_tls(a))
            return false;
    return true;
}

static bool ask(struct asking *a)
{
    if (a->tls != NULL)
        tls_session_send(a->tls, STR(question), &a->out);
    else
        buf_append_str(&a->out, STR(question));
    return send_out(a);
}

static bool await_answer(struct asking *a)
{
    static const struct str start = STR_INIT("HTTP/1.");

    while (buf_len(&a->answer) < start.len) {
        if (!receive_in(a) || (a->tls != NULL && !take_tls(a)))
            return false;
        if (a->tls != NULL && tls_session_status(a->tls) == TLS_CLOSED &&
            buf_len(&a->answer) < start.len)
            return unhealthy("the connection was closed without an answer", 0);
    }
    return str_starts(buf_str(&a->answer), start) || unhealthy("the answer is not HTTP", 0);
}

static bool check(const struct target *t)
{
    struct asking a = {.fd = connect_to(&t->addr)};

    if (a.fd == -1)
        return unhealthy("connect() failed", errno);
    if (t->tls)
        a.tls = tls_session_new_client(NULL, STR("localhost"));
    bool ok = shake_hands(&a) && ask(&a) && await_answer(&a);
    tls_session_free(a.tls);
    buf_deinit(&a.in);
    buf_deinit(&a.out);
    buf_deinit(&a.answer);
    (void)close(a.fd);
    return ok;
}

int check_run(const struct command *c)
{
    struct target t;

    if (!tls_process_start())
        return 1;
    bool found = c->check.len > 0 ? find_given(&t, c->check) : find_configured(&t, c);
    return found && check(&t) ? 0 : 1;
}
