/* upstream PORT — the application behind the proxies measured: "/…/N" is answered with N octets, a
 * body is read and forgotten. HTTP/1.1 with kept connections, epoll, and as little else as will
 * do: it shares a CPU with the load. Prints "ready". */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_MAX = 8192, BLOCK = 256 * 1024 };

struct conn {
    int fd;
    char head[HEAD_MAX]; /* of the request */
    size_t head_len;
    size_t body_left; /* of it, still to come */
    char answer[128];
    size_t answer_len, answer_sent; /* of its head */
    size_t answer_left;             /* of its body */
    bool answering;
};

static int set;
static char block[BLOCK];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void disconnect(struct conn *c)
{
    (void)close(c->fd);
    free(c);
}

static void accept_all(int listener)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) != -1) {
        struct conn *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        c->fd = fd;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == -1)
            fail("epoll_ctl");
    }
}

static void prepare_answer(struct conn *c, size_t bytes)
{
    c->answer_left = bytes;
    c->answer_sent = 0;
    c->answer_len = (size_t)snprintf(c->answer, sizeof c->answer,
                                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                     "Content-Length: %zu\r\n\r\n",
                                     bytes);
}

/* What came behind the head is the body's beginning. True: a head was there. */
static bool take_head(struct conn *c)
{
    c->head[c->head_len] = '\0';
    const char *end = strstr(c->head, "\r\n\r\n"), *behind_path = strstr(c->head, " HTTP/1.");
    if (end == NULL || behind_path == NULL)
        return false;
    const char *slash = memrchr(c->head, '/', (size_t)(behind_path - c->head));
    if (slash == NULL)
        return false;
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    size_t behind = c->head_len - (size_t)(end + 4 - c->head);
    c->body_left = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    c->body_left -= behind;
    c->answering = true;
    c->head_len = 0;
    prepare_answer(c, strtoul(slash + 1, NULL, 10));
    return true;
}

static ssize_t receive(struct conn *c)
{
    if (c->answering) {
        static char forgotten[BLOCK];
        ssize_t n = recv(c->fd, forgotten, BLOCK, 0);
        c->body_left -= n > 0 ? (size_t)n : 0;
        return n;
    }
    ssize_t n = recv(c->fd, c->head + c->head_len, HEAD_MAX - 1 - c->head_len, 0);
    if (n > 0) {
        c->head_len += (size_t)n;
        (void)take_head(c);
    }
    return n;
}

static ssize_t answer(struct conn *c)
{
    size_t head_left = c->answer_len - c->answer_sent;
    struct iovec parts[2] = {{c->answer + c->answer_sent, head_left},
                             {block, c->answer_left < BLOCK ? c->answer_left : BLOCK}};
    ssize_t n = writev(c->fd, parts, 2);

    if (n < 0)
        return n;
    size_t of_head = (size_t)n < head_left ? (size_t)n : head_left;
    c->answer_sent += of_head;
    c->answer_left -= (size_t)n - of_head;
    c->answering = c->answer_sent < c->answer_len || c->answer_left > 0;
    return n;
}

static void serve(struct conn *c)
{
    for (;;) {
        bool must_read = !c->answering || c->body_left > 0;
        ssize_t n = must_read ? receive(c) : answer(c);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            disconnect(c);
            return;
        }
        if (n < 0)
            return;
        /* A whole request and nothing behind it: the answer first, then wait for the edge. */
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) == -1 || listen(listener, 4096) == -1)
        fail("upstream");
    set = epoll_create1(0);
    if (epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) == -1)
        fail("epoll_ctl");
    return listener;
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];

    if (argc != 2)
        return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    int listener = listen_on((uint16_t)atoi(argv[1]));
    (void)signal(SIGPIPE, SIG_IGN); /* who asked may be gone in the middle of the answer */
    puts("ready");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(set, events, 256, -1);
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr == NULL)
                accept_all(listener);
            else
                serve(events[i].data.ptr);
    }
}
