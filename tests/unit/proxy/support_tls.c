#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portcullis/base/clock.h"
#include "portcullis/tls/session.h"
#include "support_server.h"

static char certs[64];

const char *server_certs(void)
{
    return certs;
}

static void remove_certs(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", certs);
    if (system(command) != 0)
        perror(certs);
}

void server_make_certs(bool with_rogues)
{
    char command[512];
    strcpy(certs, "/tmp/test_proxy_certs.XXXXXX");
    cr_assert(mkdtemp(certs) != NULL);
    atexit(remove_certs);
    snprintf(
        command, sizeof command,
        "cd '%s' && for ca in a b; do '%s/certs/make' --ecdsa %s $ca >/dev/null || exit 1; done",
        certs, PC_SOURCE_DIR, with_rogues ? "--rogues" : "");
    cr_assert(system(command) == 0);
}

/* ---- a client that blocks ---- */

static void on_problem(void *owner, enum log_level level, const char *message)
{
    (void)owner;
    if (level < LOG_WARN) /* that a client's certificate is none for servers */
        fprintf(stderr, "%s\n", message);
}

static struct tls_context *context_of(struct tls_pool *pool, struct arena *a,
                                      const char *certificate)
{
    struct tls_settings s = {.protocols = TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3,
                             .buffer_size = 16384};
    s.ciphers = STR("HIGH:!aNULL:!MD5");
    s.ecdh_curve = STR("auto");
    *VEC_PUSH(a, &s.certificates) = arena_printf(a, "%s/%s.crt", certs, certificate);
    *VEC_PUSH(a, &s.certificate_keys) = arena_printf(a, "%s/%s.key", certs, certificate);
    struct tls_context *c = tls_context_new(pool, &s, (struct tls_report){on_problem, NULL});
    cr_assert(c != NULL, "%s", certificate);
    return c;
}

static void send_all(int fd, struct buf *out)
{
    while (!buf_is_empty(out)) {
        ssize_t n = send(fd, buf_str(out).ptr, buf_len(out), MSG_NOSIGNAL);
        if (n <= 0) {
            buf_clear(out);
            return;
        }
        buf_consume(out, (size_t)n);
    }
}

static bool read_some(int fd, struct buf *in)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 5000) <= 0)
        return false;
    ssize_t n = read(fd, buf_reserve(in, 16384), 16384);
    if (n <= 0)
        return false;
    buf_added(in, (size_t)n);
    return true;
}

/* The request goes out when the handshake is done; then everything until the end. */
static void talk(struct tls_session *s, int fd, const char *request, struct buf *plain)
{
    struct buf in = {0}, out = {0};
    bool is_sent = false;
    for (;;) {
        enum tls_status status = tls_session_receive(s, &in, plain, SIZE_MAX, &out);
        if (status == TLS_OPEN && !is_sent) {
            tls_session_send(s, str_of(request), &out);
            is_sent = true;
        }
        send_all(fd, &out);
        if (status == TLS_CLOSED || status == TLS_FAILED || !read_some(fd, &in))
            break;
    }
    buf_deinit(&in);
    buf_deinit(&out);
}

const char *server_ask_tls(const char *sni, const char *certificate, const char *request)
{
    static char answer[1 << 16];
    char text[8192];
    struct arena a;
    struct buf plain = {0};
    arena_init(&a, 1024);
    clock_update();
    cr_assert(tls_process_start());
    server_write_request(text, sizeof text, request);
    struct tls_pool *pool = tls_pool_new();
    struct tls_context *own = certificate ? context_of(pool, &a, certificate) : NULL;
    struct tls_session *s = tls_session_new_client(own, str_of(sni));
    int fd = server_connect();
    cr_assert(fd >= 0);
    talk(s, fd, text, &plain);
    close(fd);
    snprintf(answer, sizeof answer, "%.*s", STR_ARG(buf_str(&plain)));
    tls_session_free(s);
    tls_context_free(own);
    tls_pool_free(pool);
    buf_deinit(&plain);
    arena_deinit(&a);
    return answer;
}
