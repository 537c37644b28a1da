/* load PORT CERTS [options] — a client that keeps its connections busy and says what it saw.
 *
 *   PORT on 127.0.0.1; CERTS/client.crt, client.key and ca.crt are certs/make's.
 *   -c N       connections (64)              -t SECONDS  of the measured window (2)
 *   -g BYTES   GET a body of so many (1024)  -p BYTES    POST one instead
 *   -v 2|3     TLS 1.2 or 1.3 (3)            -k          keep connections, or: one for each request
 *   -r         resume the last session       -R RATE     so many requests a second, or: closed loop
 *   -i         one request on each connection, then none
 *   -n N       the window ends with the Nth answer, not by the clock
 *   -H NAME    for SNI and Host (localhost)  -u PATH     before the number that says how large (/)
 *
 * OpenSSL's libssl and epoll: nothing is shared with the proxies measured. It warms up, prints
 * "begin" and waits for a line; loads, prints one line of JSON and waits for a line again; so the
 * driver can read meters in between. Latency of a paced request counts from when it was due. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 8192, BLOCK = 64 * 1024, WARM_MS = 300, PATIENCE_S = 120, IDLE_CROWD = 16 };

static struct {
    uint16_t port;
    double seconds, rate;
    size_t connections, version, get_bytes, post_bytes;
    size_t operations; /* 0: the clock ends the window */
    bool keep, resume, idle;
    const char *host, *path;
} options = {.connections = 64,
             .version = 3,
             .seconds = 2,
             .get_bytes = 1024,
             .host = "localhost",
             .path = "/"};

enum state { CONNECTING, SENDING, READING, ENDING, WAITING };

struct conn {
    int fd;
    SSL *ssl;
    SSL_SESSION *session; /* to resume */
    enum state state;
    uint64_t started_ns;
    size_t sent;         /* of head and body */
    char head[HEAD_MAX]; /* of the answer */
    size_t head_len, body_left;
    bool has_head, served_once;
    struct conn *next_waiting;
};

static SSL_CTX *context;
static int set; /* epoll */
static struct conn *conns, *waiting;
static char request[512], block[BLOCK];
static size_t request_len, served_once;

static bool counting;
static struct {
    uint64_t operations, errors, handshakes, resumed, body_bytes;
    uint64_t latency[64][64]; /* by power of two of ns, and 64th part of it */
} seen;

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* ------------------------------------------------------------------ latencies */

static void latency_add(uint64_t ns)
{
    int power = 63 - __builtin_clzll(ns | 64);
    seen.latency[power][(ns >> (power - 6)) & 63]++;
}

static double latency_ms(double share)
{
    double left = share * (double)seen.operations;

    for (int power = 6; power < 64; power++)
        for (int part = 0; part < 64; part++) {
            left -= (double)seen.latency[power][part];
            if (left <= 0)
                return (double)((64ULL + (unsigned)part) << (power - 6)) / 1e6;
        }
    return 0;
}

/* ------------------------------------------------------------------ a connection's life */

static SSL *new_session(struct conn *c)
{
    SSL *ssl = SSL_new(context);

    SSL_set_app_data(ssl, c);
    SSL_set_fd(ssl, c->fd);
    SSL_set_tlsext_host_name(ssl, options.host);
    if (options.resume && c->session != NULL)
        SSL_set_session(ssl, c->session);
    SSL_set_connect_state(ssl);
    return ssl;
}

static void connect_now(struct conn *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd == -1)
        fail("socket");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) == -1 && errno != EINPROGRESS)
        fail("connect");
    c->ssl = new_session(c);
    c->state = CONNECTING;
    if (epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &event) == -1)
        fail("epoll_ctl");
}

static void start_request(struct conn *c, uint64_t since)
{
    c->started_ns = since;
    c->sent = c->head_len = 0;
    c->has_head = false;
    if (c->ssl == NULL)
        connect_now(c);
    else
        c->state = SENDING;
}

static void wait_for_turn(struct conn *c)
{
    c->state = WAITING;
    c->next_waiting = waiting;
    waiting = c;
}

static void disconnect(struct conn *c)
{
    SSL_free(c->ssl);
    (void)close(c->fd);
    c->ssl = NULL;
}

static void next_request(struct conn *c)
{
    if (options.idle || options.rate > 0)
        wait_for_turn(c);
    else
        start_request(c, now_ns());
}

static void on_error(struct conn *c)
{
    if (seen.errors++ == 0) {
        fprintf(stderr, "load: a connection failed in state %d: ", (int)c->state);
        ERR_print_errors_fp(stderr);
        fprintf(stderr, "%s\n", strerror(errno));
    }
    if (seen.errors > 100)
        fail("too many errors");
    disconnect(c);
    next_request(c);
}

static void on_answer(struct conn *c)
{
    served_once += !c->served_once;
    c->served_once = true;
    if (counting) {
        seen.operations++;
        latency_add(now_ns() - c->started_ns);
    }
    if (options.keep)
        next_request(c);
    else
        c->state = ENDING;
}

/* ------------------------------------------------------------------ the answer */

static bool parse_head(struct conn *c)
{
    const char *end = strstr(c->head, "\r\n\r\n");

    if (end == NULL)
        return true;
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || length == NULL) {
        if (seen.errors == 0)
            fprintf(stderr, "load: not the answer expected:\n%s\n", c->head);
        return false;
    }
    size_t behind = c->head_len - (size_t)(end + 4 - c->head);
    c->has_head = true;
    c->body_left = strtoul(length + 17, NULL, 10) - behind;
    seen.body_bytes += counting ? behind : 0;
    return true;
}

static bool take_head(struct conn *c, const char *octets, size_t n)
{
    size_t some = HEAD_MAX - 1 - c->head_len;

    some = n < some ? n : some;
    memcpy(c->head + c->head_len, octets, some);
    c->head_len += some;
    c->head[c->head_len] = '\0';
    if (!parse_head(c) || (some < n && !c->has_head))
        return false;
    c->body_left -= n - some;
    return true;
}

static bool take_octets(struct conn *c, const char *octets, size_t n)
{
    if (!c->has_head) {
        if (!take_head(c, octets, n))
            return false;
    } else {
        c->body_left -= n;
        seen.body_bytes += counting ? n : 0;
    }
    if (c->has_head && c->body_left == 0)
        on_answer(c);
    return true;
}

/* ------------------------------------------------------------------ steps: true to go on */

static bool wants(struct conn *c, int result)
{
    int why = SSL_get_error(c->ssl, result);

    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        on_error(c);
    return false;
}

static bool step_connect(struct conn *c)
{
    int rc = SSL_do_handshake(c->ssl);

    if (rc != 1)
        return wants(c, rc);
    seen.handshakes += counting;
    seen.resumed += counting && SSL_session_reused(c->ssl);
    c->state = SENDING;
    return true;
}

static bool step_send(struct conn *c)
{
    size_t in_body = c->sent - request_len, left = request_len + options.post_bytes - c->sent;
    bool head = c->sent < request_len;
    const char *from = head ? request + c->sent : block;
    size_t most = head ? request_len - c->sent : options.post_bytes - in_body;
    int rc = SSL_write(c->ssl, from, (int)(most < BLOCK ? most : BLOCK));

    if (rc <= 0)
        return wants(c, rc);
    c->sent += (size_t)rc;
    seen.body_bytes += counting && !head ? (uint64_t)rc : 0;
    if ((size_t)rc == left)
        c->state = READING;
    return true;
}

static bool step_read(struct conn *c)
{
    static char octets[BLOCK];
    int rc = SSL_read(c->ssl, octets, sizeof octets);

    if (rc <= 0)
        return wants(c, rc);
    if (take_octets(c, octets, (size_t)rc))
        return true;
    on_error(c);
    return false;
}

/* The proxy was asked to close: its end is read, so that ports are not left behind here. */
static bool step_end(struct conn *c)
{
    char octets[64];
    int rc = SSL_read(c->ssl, octets, sizeof octets);

    if (rc > 0 || SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_READ)
        return rc > 0;
    SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* or the session is bad */
    ERR_clear_error();
    disconnect(c);
    next_request(c);
    return false;
}

static bool step_wait(struct conn *c)
{
    char octet;

    if (c->ssl == NULL || SSL_get_error(c->ssl, SSL_read(c->ssl, &octet, 1)) == SSL_ERROR_WANT_READ)
        return false;
    fail("an idle connection was closed");
    return false;
}

static void advance(struct conn *c)
{
    static bool (*const steps[])(struct conn *c) = {
        [CONNECTING] = step_connect, [SENDING] = step_send, [READING] = step_read,
        [ENDING] = step_end,         [WAITING] = step_wait,
    };

    while (steps[c->state](c))
        ;
}

/* ------------------------------------------------------------------ the loop */

static void run_events(uint64_t until_ns)
{
    struct epoll_event events[256];
    uint64_t now = now_ns(), wait = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {(time_t)(wait / 1000000000U), (long)(wait % 1000000000U)};
    int n = epoll_pwait2(set, events, 256, &timeout, NULL);

    for (int i = 0; i < n; i++)
        advance(events[i].data.ptr);
}

static bool window_ended(uint64_t end_ns)
{
    return options.operations > 0 && counting ? seen.operations >= options.operations
                                              : now_ns() >= end_ns;
}

static void run_until(uint64_t end_ns)
{
    uint64_t interval = options.rate > 0 ? (uint64_t)(1e9 / options.rate) : 0;
    uint64_t due = now_ns();

    while (!window_ended(end_ns)) {
        while (interval > 0 && waiting != NULL && due <= now_ns()) {
            struct conn *c = waiting;
            waiting = c->next_waiting;
            start_request(c, due);
            due += interval;
            if (c->state == SENDING)
                advance(c);
        }
        uint64_t latest = options.operations > 0 ? now_ns() + 100000000U : end_ns;
        run_events(interval > 0 && waiting != NULL && due < latest ? due : latest);
    }
}

/* Idle connections come by and by, or memory would show the crowd at the door. */
static void warm_up(void)
{
    uint64_t start = now_ns();
    size_t count = options.connections, crowd = options.idle ? IDLE_CROWD : count;

    for (size_t begun = 0; served_once < count;) {
        while (begun < count && begun - served_once < crowd)
            start_request(&conns[begun++], start);
        run_events(now_ns() + 100000000U);
        if (now_ns() - start > PATIENCE_S * 1000000000ULL)
            fail("not every connection was answered in time");
    }
    run_until(now_ns() + WARM_MS * 1000000U);
}

static void say_and_wait(const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
    if (fgets(block, sizeof block, stdin) == NULL)
        exit(1);
}

static void report(double seconds)
{
    char line[512];

    snprintf(line, sizeof line,
             "{\"seconds\": %.4f, \"operations\": %ju, \"errors\": %ju, \"handshakes\": %ju, "
             "\"resumed\": %ju, \"body_bytes\": %ju, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
             "\"p999_ms\": %.3f}",
             seconds, (uintmax_t)seen.operations, (uintmax_t)seen.errors,
             (uintmax_t)seen.handshakes, (uintmax_t)seen.resumed, (uintmax_t)seen.body_bytes,
             latency_ms(0.5), latency_ms(0.99), latency_ms(0.999));
    say_and_wait(line);
}

/* ------------------------------------------------------------------ beginning */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct conn *c = SSL_get_app_data(ssl);

    SSL_SESSION_free(c->session);
    c->session = session;
    return 1; /* ours now */
}

static void use_ciphers(void)
{
    if (SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_cipher_list(context,
                                "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1) /* TLS 1.2 needs a certificate's */
        fail("cannot take the ciphers into use");
}

static void make_context(const char *certs)
{
    char crt[512], key[512], ca[512];
    int version = options.version == 2 ? TLS1_2_VERSION : TLS1_3_VERSION;

    snprintf(crt, sizeof crt, "%s/client.crt", certs);
    snprintf(key, sizeof key, "%s/client.key", certs);
    snprintf(ca, sizeof ca, "%s/ca.crt", certs);
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(context, !options.idle);
    if (options.get_bytes + options.post_bytes > BLOCK)
        SSL_CTX_set_default_read_buffer_len(context, BLOCK);
    if (SSL_CTX_use_certificate_file(context, crt, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(context, ca, NULL) != 1)
        fail("cannot take the certificates into use");
    use_ciphers();
}

static void make_request(void)
{
    const char *method = options.post_bytes > 0 ? "POST" : "GET";
    int n = snprintf(
        request, sizeof request, "%s %s%zu HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\n%s", method,
        options.path, options.get_bytes, options.host, options.keep ? "" : "Connection: close\r\n");

    if (options.post_bytes > 0)
        n += snprintf(request + n, sizeof request - (size_t)n, "Content-Length: %zu\r\n",
                      options.post_bytes);
    n += snprintf(request + n, sizeof request - (size_t)n, "\r\n");
    request_len = (size_t)n;
}

static const struct option {
    char letter;
    enum { FLAG, COUNT, REAL, TEXT } kind;
    void *value;
} known_options[] = {
    {'c', COUNT, &options.connections}, {'t', REAL, &options.seconds},
    {'g', COUNT, &options.get_bytes},   {'p', COUNT, &options.post_bytes},
    {'v', COUNT, &options.version},     {'R', REAL, &options.rate},
    {'k', FLAG, &options.keep},         {'r', FLAG, &options.resume},
    {'i', FLAG, &options.idle},         {'n', COUNT, &options.operations},
    {'H', TEXT, &options.host},         {'u', TEXT, &options.path},
};

static bool take_option(int letter)
{
    for (size_t i = 0; i < sizeof known_options / sizeof known_options[0]; i++) {
        const struct option *o = &known_options[i];
        if (o->letter != letter)
            continue;
        if (o->kind == FLAG)
            *(bool *)o->value = true;
        else if (o->kind == COUNT)
            *(size_t *)o->value = strtoul(optarg, NULL, 10);
        else if (o->kind == REAL)
            *(double *)o->value = strtod(optarg, NULL);
        else
            *(const char **)o->value = optarg;
        return true;
    }
    return false;
}

static bool parse_options(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "c:t:g:p:v:R:krin:H:u:")) != -1;)
        if (!take_option(c))
            return false;
    if (argc - optind != 2)
        return false;
    options.port = (uint16_t)strtoul(argv[optind], NULL, 10);
    options.keep |= options.idle;
    return true;
}

int main(int argc, char **argv)
{
    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: load PORT CERTS [options]; they stand at the head of load.c\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    make_context(argv[optind + 1]);
    make_request();
    set = epoll_create1(0);
    conns = calloc(options.connections, sizeof *conns);
    warm_up();
    say_and_wait("begin");
    if (options.idle)
        return 0;
    uint64_t start = now_ns();
    counting = true;
    run_until(start + (uint64_t)(options.seconds * 1e9));
    counting = false;
    report((double)(now_ns() - start) / 1e9);
    return 0;
}
