#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/tls/key_line.h"
#include "../../../src/tls/pool.h"
#include "portcullis/base/clock.h"
#include "portcullis/tls/key_process.h"
#include "support.h"

static unsigned seals;
static int linger_ms = 60000;

static bool seal(void *owner)
{
    (void)owner;
    seals++;
    return true;
}

static void *run(void *socket)
{
    key_process_run(*(int *)socket, linger_ms, seal, NULL);
    return NULL;
}

/* The process as a thread, and a pool that asks it. */
static pthread_t thread;
static int ends[2];
static struct tls_pool *pool;

static void start(void)
{
    cr_assert(tls_process_start());
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    cr_assert_eq(pthread_create(&thread, NULL, run, &ends[1]), 0);
    pool = tls_pool_new();
    tls_pool_ask_for_keys(pool, ends[0]);
}

/* It ends when nobody is left to ask. */
static void stop(void)
{
    tls_pool_free(pool);
    pthread_join(thread, NULL);
}

TestSuite(key_process, .init = start, .fini = stop);

static struct tls_context *server_of(struct tls_settings *s)
{
    struct tls_context *c = tls_context_new(pool, s, reports);
    cr_assert_not_null(c, "%s", last_report);
    return c;
}

static void shake_hands(const struct tls_context *server, unsigned protocols,
                        enum tls_status expected)
{
    struct tls_settings s = {.protocols = protocols, .ecdh_curve = STR("auto")};
    struct pair p;
    add_certificate(&s, "client.crt", "client.key");
    pair_start(&p, server, context_of(&s), "localhost");
    pair_run(&p);
    cr_expect_eq(tls_session_status(p.server), expected, "%s", tls_session_problem(p.server));
    pair_free(&p);
}

Test(key_process, signs_for_handshakes_of_both_versions_and_is_sealed_before)
{
    struct tls_settings s = article();
    struct tls_context *server = server_of(&s);
    cr_expect_eq(seals, 0);
    cr_assert(tls_pool_reconnect_keys(pool));
    shake_hands(server, TLS_PROTOCOL_1_2, TLS_OPEN);
    shake_hands(server, TLS_PROTOCOL_1_3, TLS_OPEN);
    cr_expect_eq(seals, 1);
    tls_context_free(server);
}

Test(key_process, tells_what_is_wrong_with_a_key)
{
    static const char *const rows[][2] = {
        {"client.key", "does not belong to certificate"},
        {"none.key", "No such file"},
        {"server.crt", "there is no private key in PEM in it"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_settings s = article();
        s.certificate_keys.items[0] = str_of(cert_path(rows[i][0]));
        cr_expect_null(tls_context_new(pool, &s, reports));
        cr_expect_not_null(strstr(last_report, rows[i][1]), "%s", last_report);
    }
}

static int ask(int line, const struct key_request *q, struct key_answer *a)
{
    cr_assert_eq(write(line, q, key_request_size(q)), (ssize_t)key_request_size(q));
    cr_assert_eq(read(line, a, sizeof *a), (ssize_t)key_answer_size(q->kind));
    return a->rc;
}

/* A worker in wrong hands gets signatures, and nothing else. */
Test(key_process, loads_nothing_for_workers_and_signs_only_with_what_is_there)
{
    struct tls_settings s = article();
    struct tls_context *server = server_of(&s);
    struct key_request q = {.kind = KEY_LOAD};
    struct key_answer a;
    cr_assert(tls_pool_reconnect_keys(pool));
    strncpy(q.load.path, cert_path("client.key"), sizeof q.load.path - 1);
    cr_expect_neq(ask(pool->key_line, &q, &a), 0);
    memset(&q, 0, sizeof q);
    q.kind = KEY_SIGN;
    q.sign.type = MBEDTLS_PK_ECDSA;
    q.sign.md = MBEDTLS_MD_SHA256;
    q.sign.size = 32;
    cr_expect_eq(ask(pool->key_line, &q, &a), 0);
    q.sign.number = 1;
    cr_expect_neq(ask(pool->key_line, &q, &a), 0);
    q.sign.number = 0;
    q.sign.size = sizeof q.sign.hash + 1;
    cr_expect_neq(ask(pool->key_line, &q, &a), 0);
    tls_context_free(server);
}

static void send_with_pipe(int line, struct key_request *q, size_t size, int pipe_end)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec data = {.iov_base = q, .iov_len = size};
    struct msghdr head = {.msg_iov = &data,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};
    control.head = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof(int))};
    memcpy(CMSG_DATA(&control.head), (int[]){pipe_end, pipe_end}, 2 * sizeof(int));
    cr_assert_eq(sendmsg(line, &head, 0), (ssize_t)size);
}

/* A worker's message of that size brings two descriptors. */
static void expect_none_kept(enum key_request_kind kind, size_t size)
{
    struct key_request q = {.kind = kind};
    int ends_of_pipe[2];
    char c;
    cr_assert_eq(pipe(ends_of_pipe), 0);
    send_with_pipe(pool->key_line, &q, size, ends_of_pipe[1]);
    close(ends_of_pipe[1]);
    cr_expect_eq(read(ends_of_pipe[0], &c, 1), 0);
    close(ends_of_pipe[0]);
}

Test(key_process, keeps_no_descriptor_of_a_workers, .timeout = 10)
{
    struct tls_settings s = article();
    struct tls_context *server = server_of(&s);
    struct key_request sign = {.kind = KEY_SIGN};
    cr_assert(tls_pool_reconnect_keys(pool));
    expect_none_kept(KEY_SIGN, key_request_size(&sign));
    expect_none_kept(KEY_ATTACH, offsetof(struct key_request, load));
    expect_none_kept(KEY_SIGN, 1); /* that is none, and the line's end */
    tls_context_free(server);
}

Test(key_process, keeps_none_of_an_empty_message_either, .timeout = 10)
{
    struct tls_settings s = article();
    struct tls_context *server = server_of(&s);
    cr_assert(tls_pool_reconnect_keys(pool));
    expect_none_kept(KEY_SIGN, 0);
    tls_context_free(server);
}

static void start_short(void)
{
    linger_ms = 50;
    start();
}

TestSuite(key_process_alone, .init = start_short, .fini = stop, .timeout = 10);

/* Each question is another reason to go on. */
Test(key_process_alone, ends_soon_after_its_builder_whoever_asks_on)
{
    struct tls_settings s = article();
    struct tls_context *server = server_of(&s);
    struct key_request q = {.kind = KEY_SIGN};
    struct key_answer a;
    cr_assert(tls_pool_reconnect_keys(pool)); /* the builder's line goes */
    while (send(pool->key_line, &q, key_request_size(&q), MSG_NOSIGNAL) > 0 &&
           read(pool->key_line, &a, sizeof a) > 0)
        continue;
    tls_context_free(server);
}

/* A line whose other end is closed, in place of the worker's. */
static void shake_hands_without(unsigned version)
{
    struct tls_settings s = article();
    struct tls_context *server = server_of(&s);
    int other[2];
    cr_assert(tls_pool_reconnect_keys(pool));
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, other), 0);
    close(other[1]);
    cr_assert(dup2(other[0], pool->key_line) != -1);
    close(other[0]);
    shutdown(pool->key_line, SHUT_WR);
    shake_hands(server, version, TLS_FAILED);
}

Test(key_process, that_is_gone_ends_whom_it_signed_for, .exit_code = 1)
{
    shake_hands_without(TLS_PROTOCOL_1_3);
}

Test(key_process, that_is_gone_ends_whom_it_signed_for_by_tls_1_2, .exit_code = 1)
{
    shake_hands_without(TLS_PROTOCOL_1_2);
}
