#include "support_tls.h"

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- certificates, made once for all tests ---- */

static char folder[128];

static void run_command(const char *command)
{
    if (system(command) != 0)
        (void)fprintf(stderr, "failed: %s\n", command);
}

ReportHook(PRE_ALL)(struct criterion_test_set *set)
{
    char command[512];

    (void)set;
    (void)snprintf(folder, sizeof folder, "%s/portcullis-net-XXXXXX",
                   getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(folder) == NULL)
        return;
    (void)setenv("PORTCULLIS_TEST_CERTS", folder, 1);
    (void)snprintf(command, sizeof command, "sh '%s/certs/make' --ecdsa '%s' >/dev/null 2>&1",
                   PC_SOURCE_DIR, folder);
    run_command(command);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    char command[256];

    (void)stats;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (folder[0] != '\0')
        run_command(command);
}

/* ---- the server's side ---- */

static struct arena arena;
static struct tls_pool *pool;
static struct tls_context *context;

static void free_context(void)
{
    tls_context_free(context);
    tls_pool_free(pool);
    arena_deinit(&arena);
}

static void on_problem(void *owner, enum log_level level, const char *message)
{
    (void)owner;
    cr_assert_neq(level, LOG_EMERG, "%s", message);
}

static struct str path_of(const char *name)
{
    return arena_printf(&arena, "%s/%s", getenv("PORTCULLIS_TEST_CERTS"), name);
}

static void make_context(void)
{
    struct tls_settings s = {
        .protocols = TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3,
        .ciphers = STR("HIGH:!aNULL:!MD5"),
        .ecdh_curve = STR("auto"),
        .buffer_size = 16384,
    };

    arena_init(&arena, 4096);
    *VEC_PUSH(&arena, &s.certificates) = path_of("server.crt");
    *VEC_PUSH(&arena, &s.certificate_keys) = path_of("server.key");
    pool = tls_pool_new();
    context = tls_context_new(pool, &s, (struct tls_report){on_problem, NULL});
    cr_assert_not_null(context);
    (void)atexit(free_context);
}

static const struct tls_context *choose(void *owner, const struct client_hello *hello)
{
    (void)hello;
    return owner;
}

struct tls_session *server_session(bool refuses)
{
    cr_assert(tls_process_start());
    if (context == NULL)
        make_context();
    return tls_session_new(
        (struct tls_session_hooks){.choose = choose, .owner = refuses ? NULL : context});
}

/* ---- the client ---- */

static void send_out(struct tls_client *c)
{
    struct str octets = buf_str(&c->out);

    if (octets.len > 0 && c->fd != -1)
        (void)send(c->fd, octets.ptr, octets.len, MSG_NOSIGNAL); /* small: the socket takes it */
    buf_clear(&c->out);
}

static void take(struct tls_client *c)
{
    size_t before = buf_len(&c->got);

    (void)tls_session_receive(c->session, &c->in, &c->got, SIZE_MAX, &c->out);
    send_out(c);
    if (c->also_on_data != NULL && buf_len(&c->got) > before)
        c->also_on_data(c);
}

static void stop_watching(struct tls_client *c)
{
    watch_free(c->watch);
    c->watch = NULL;
}

static void on_readable(void *owner)
{
    struct tls_client *c = owner;
    ssize_t n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, MSG_DONTWAIT);

    if (n <= 0) {
        c->ended = true;
        (void)shutdown(c->fd, SHUT_WR);
        stop_watching(c);
        return;
    }
    buf_added(&c->in, (size_t)n);
    take(c);
}

void tls_client_init(struct tls_client *c, struct loop *l, int fd)
{
    *c = (struct tls_client){.loop = l, .fd = fd};
    cr_assert(tls_process_start());
    c->session = tls_session_new_client(NULL, STR("localhost"));
    c->watch = watch_new(l, fd, on_readable, c);
    take(c);
}

void tls_client_send(struct tls_client *c, const char *z)
{
    tls_session_send(c->session, str_of(z), &c->out);
    send_out(c);
}

void tls_client_send_close(struct tls_client *c)
{
    tls_session_send_close(c->session, &c->out);
    send_out(c);
}

void tls_client_hang_up(struct tls_client *c)
{
    stop_watching(c);
    close(c->fd);
    c->fd = -1;
}

void tls_client_deinit(struct tls_client *c)
{
    tls_client_hang_up(c);
    tls_session_free(c->session);
    buf_deinit(&c->in);
    buf_deinit(&c->got);
    buf_deinit(&c->out);
}
