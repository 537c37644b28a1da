/* Against OpenSSL's client, over a loopback socket. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static const struct tls_context *choose(void *owner, const struct client_hello *hello)
{
    (void)hello;
    return owner;
}

static void flush(int fd, struct buf *out)
{
    while (!buf_is_empty(out)) {
        ssize_t n = write(fd, buf_str(out).ptr, buf_len(out));
        if (n <= 0)
            break;
        buf_consume(out, (size_t)n);
    }
    buf_clear(out);
}

static void log_problem(int port, const char *problem)
{
    char name[32];
    snprintf(name, sizeof name, "%d.log", port);
    FILE *f = fopen(cert_path(name), "a");
    fprintf(f, "server: %s\n", problem);
    fclose(f);
}

/* Tells each client what it is taken for; ends with it. */
static void serve_one(int fd, struct tls_context *context, int port)
{
    struct tls_session *s = tls_session_new(
        (struct tls_session_hooks){.choose = choose, .owner = context});
    struct buf in = {0}, out = {0}, plain = {0}, answer = {0};
    enum tls_status status = TLS_HANDSHAKING;
    bool answered = false;
    while (status == TLS_HANDSHAKING || status == TLS_OPEN) {
        ssize_t n = read(fd, buf_reserve(&in, 4096), 4096);
        if (n <= 0)
            break;
        buf_added(&in, (size_t)n);
        status = tls_session_receive(s, &in, &plain, 65536, &out);
        if (status == TLS_OPEN && !answered) {
            struct identity *i = tls_session_identity(s);
            answered = true;
            buf_printf(&answer, "[%.*s/%s/%.*s]\n", STR_ARG(identity_verify_text(i)),
                       refusal_code(identity_refusal(i)),
                       STR_ARG(identity_fact(i, IDENTITY_SUBJECT)));
            tls_session_send(s, buf_str(&answer), &out);
        }
        if (str_search(buf_str(&plain), STR("bye")) != SIZE_MAX) {
            tls_session_send_close(s, &out);
            status = TLS_CLOSED;
        }
        flush(fd, &out);
    }
    if (status == TLS_FAILED)
        log_problem(port, tls_session_problem(s));
    close(fd);
    tls_session_free(s);
    buf_deinit(&in);
    buf_deinit(&out);
    buf_deinit(&plain);
    buf_deinit(&answer);
}

struct server {
    pid_t pid;
    int port;
};

static struct server start(struct tls_context *context)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    cr_assert_eq(listen(listener, 16), 0);
    getsockname(listener, (struct sockaddr *)&sa, &len);
    cr_assert(tls_process_start());
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        for (;;)
            serve_one(accept(listener, NULL, NULL), context, ntohs(sa.sin_port));
    }
    close(listener);
    return (struct server){pid, ntohs(sa.sin_port)};
}

static void stop(struct server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
}

/* What s_client prints, and what our server logged behind it. */
static struct buf client(const struct server *s, const char *options, const char *input)
{
    char command[1024];
    /* With -ign_eof the server ends it; without, letters are commands. */
    const char *until = strstr(input, "bye") != NULL ? "-ign_eof" : "";
    snprintf(command, sizeof command,
             "(%s) | timeout 20 openssl s_client -connect 127.0.0.1:%d %s %s 2>&1 || true; "
             "[ ! -f %d.log ] || cat %d.log",
             input, s->port, until, options, s->port, s->port);
    return command_output(command);
}

static void expect(struct buf *out, const char *words, bool there)
{
    cr_expect_eq(str_search(buf_str(out), str_of(words)) != SIZE_MAX, there, "%s is %s in:\n%.*s",
                 words, there ? "not" : "there", STR_ARG(buf_str(out)));
}

static const char *const flags[] = {"-tls1_2", "-tls1_3"};
#define GOOD "-cert client.crt -key client.key "

Test(openssl, names_the_cas_and_takes_its_certificate)
{
    struct tls_settings s = article();
    struct server server = start(context_of(&s));
    for (size_t v = 0; v < 2; v++) {
        char options[256];
        /* OpenSSL 3.0 and 3.2 write names differently unless told how. */
        snprintf(options, sizeof options,
                 GOOD "-nameopt RFC2253 -servername localhost -alpn http/1.1 %s", flags[v]);
        struct buf out = client(&server, options, "echo bye");
        expect(&out, "Acceptable client certificate CA names\nCN=my-ca\n", true);
        expect(&out, "[SUCCESS//CN=client]", true);
        expect(&out, "ALPN protocol: http/1.1", true);
        buf_deinit(&out);
    }
    stop(&server);
}

Test(openssl, has_no_protocol_in_common_with_h2_alone)
{
    struct tls_settings s = article();
    struct server server = start(context_of(&s));
    for (size_t v = 0; v < 2; v++) {
        char options[256];
        snprintf(options, sizeof options, GOOD "-alpn h2 %s", flags[v]);
        struct buf out = client(&server, options, "true");
        expect(&out, "alert number 120", true);
        buf_deinit(&out);
    }
    stop(&server);
}

/* nginx's and everybody's way to slip by: there is nothing to resume here. */
Test(openssl, resumes_nothing)
{
    struct tls_settings s = article();
    struct server server = start(context_of(&s));
    struct buf out = client(&server, GOOD "-tls1_2 -reconnect", "echo bye");
    expect(&out, "New, TLSv1.2", true);
    expect(&out, "Reused", false);
    expect(&out, "TLS session ticket", false);
    buf_deinit(&out);
    out = client(&server, GOOD "-tls1_3 -sess_out kept.pem", "echo bye");
    expect(&out, "New, TLSv1.3", true);
    expect(&out, "Post-Handshake New Session Ticket", false);
    buf_deinit(&out);
    out = client(&server, GOOD "-tls1_2 -sess_out kept.pem", "echo bye");
    buf_deinit(&out);
    cr_expect(cert_exists("kept.pem"));
    /* The session alone, without the certificate. */
    out = client(&server, "-tls1_2 -sess_in kept.pem", "echo bye");
    expect(&out, "[NONE/cert_missing/]", true);
    expect(&out, "Reused", false);
    buf_deinit(&out);
    stop(&server);
}

/* Tickets of another server, OpenSSL's, whose key is not ours: a full handshake. */
Test(openssl, does_not_take_tickets_of_others)
{
    struct tls_settings s = article();
    struct server server = start(context_of(&s));
    for (size_t v = 0; v < 2; v++) {
        char command[1024], options[256];
        snprintf(
            command, sizeof command,
            "rm -f foreign.pem s_server.log; (sleep 5 | timeout 5 openssl s_server -accept "
            "127.0.0.1:0 -naccept 1 -cert server.crt -key server.key %s >s_server.log 2>&1 &) "
            "; for i in $(seq 50); do grep -q ^ACCEPT s_server.log && break; sleep 0.1; "
            "done; port=$(sed -n 's/^ACCEPT .*:\\([0-9]*\\)$/\\1/p' s_server.log | head "
            "-1); (for i in $(seq 50); do [ -s foreign.pem ] && "
            "break; sleep 0.1; done; echo Q) | timeout 5 openssl s_client -connect 127.0.0.1:$port "
            "-sess_out foreign.pem %s >/dev/null 2>&1",
            flags[v], flags[v]);
        struct buf none = command_output(command);
        buf_deinit(&none);
        cr_assert(cert_exists("foreign.pem"), "%s", flags[v]);
        snprintf(options, sizeof options, "-sess_in foreign.pem %s", flags[v]);
        struct buf out = client(&server, options, "echo bye");
        expect(&out, "[NONE/cert_missing/]", true);
        expect(&out, "Reused", false);
        buf_deinit(&out);
    }
    stop(&server);
}

Test(openssl, may_not_renegotiate)
{
    struct tls_settings s = article();
    struct server server = start(context_of(&s));
    struct buf out = client(&server, GOOD "-tls1_2", "sleep 0.1; echo R; sleep 0.1");
    expect(&out, "RENEGOTIATING", true);
    expect(&out, "no renegotiation", true);
    buf_deinit(&out);
    stop(&server);
}

/* Its KeyUpdate goes with the data that follow. */
Test(openssl, may_update_its_keys)
{
    struct tls_settings s = article();
    struct server server = start(context_of(&s));
    struct buf out = client(&server, GOOD "-tls1_3",
                            "sleep 0.1; echo K; sleep 0.1; echo data; sleep 0.1");
    expect(&out, "KEYUPDATE", true);
    expect(&out, "server: ", false);
    buf_deinit(&out);
    stop(&server);
}

/* Those of the gallery that mbedTLS' own client cannot show. */
Test(openssl, shows_what_mbedtls_cannot)
{
    struct tls_settings s = article();
    struct server server = start(context_of(&s));
    static const struct {
        const char *options, *words;
    } cases[] = {
        {"-cert rogues/ed25519.crt -key rogues/ed25519.key", "[NONE/cert_missing/]"},
        {"-cert rogues/ed25519-issuer.crt -cert_chain rogues/ed25519-issuer.chain.crt -key "
         "rogues/ed25519-issuer.key",
         "[FAILED:CA signature digest algorithm too weak/alg_unsupported/CN=client "
         "ed25519-issuer]"},
        {"-cert rogues/name-permitted.crt -cert_chain rogues/name-permitted.chain.crt -key "
         "rogues/name-permitted.key",
         "[SUCCESS//CN=client name-permitted]"},
        {"", "[NONE/cert_missing/]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t v = 0; v < 2; v++) {
            char options[400];
            snprintf(options, sizeof options, "%s %s", cases[i].options, flags[v]);
            struct buf out = client(&server, options, "echo bye");
            expect(&out, cases[i].words, true);
            buf_deinit(&out);
        }
    stop(&server);
}
