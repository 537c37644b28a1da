#include "support_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "portcullis/base/clock.h"
#include "portcullis/config/load.h"
#include "portcullis/proxy/proxy.h"

static struct {
    pid_t pid;
    int fd;
    int stop[2]; /* a pipe; its closing ends the server */
    unsigned port;
    char dir[64], conf[96];
} server;

bool server_is_oracle(void)
{
    const char *which = getenv("PC_ORACLE");
    return which && strcmp(which, "nginx") == 0;
}

/* ---- starting ---- */

static void open_socket(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    cr_assert(bind(server.fd, (struct sockaddr *)&at, sizeof at) == 0);
    cr_assert(listen(server.fd, 64) == 0);
    getsockname(server.fd, (struct sockaddr *)&at, &len);
    server.port = ntohs(at.sin_port);
}

static void write_replaced(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (strncmp(text, "LISTEN", 6) == 0) {
            fprintf(to, "127.0.0.1:%u", server.port);
            text += 5;
        } else if (strncmp(text, "DIR", 3) == 0) {
            fputs(server.dir, to);
            text += 2;
        } else if (strncmp(text, "CERTS", 5) == 0) {
            fputs(server_certs(), to);
            text += 4;
        } else {
            fputc(*text, to);
        }
    }
}

static void write_conf(const char *http)
{
    strcpy(server.dir, "/tmp/test_proxy.XXXXXX");
    cr_assert(mkdtemp(server.dir) != NULL);
    snprintf(server.conf, sizeof server.conf, "%s/conf", server.dir);
    FILE *to = fopen(server.conf, "w");
    write_replaced(to,
                   "daemon off; master_process off; pid DIR/pid; error_log DIR/error.log info;\n"
                   "events {}\nhttp {\naccess_log off;\n");
    write_replaced(to, http);
    fputs("\n}\n", to);
    fclose(to);
}

static void on_problem(void *owner, enum log_level level, struct str message)
{
    (void)owner;
    if (level < LOG_WARN)
        fprintf(stderr, "[%s] %.*s\n", log_level_name(level), STR_ARG(message));
}

static void open_logs(struct snapshot *s)
{
    for (struct log_file *f = s->log_files; f; f = f->next) {
        char path[256];
        snprintf(path, sizeof path, "%.*s", STR_ARG(f->path));
        f->fd = f->path.len ? fileno(fopen(path, "a")) : STDERR_FILENO;
    }
}

struct served {
    struct loop *loop;
    struct proxy *proxy;
};

static void on_done(void *owner)
{
    loop_stop(owner);
}

static void on_stop(void *owner)
{
    struct served *s = owner;
    proxy_drain(s->proxy, PROXY_DRAIN_QUIT, on_done, s->loop);
}

/* Everything is given back at the end: leaks of requests and connections are found. */
static int serve(const char *conf, int listening, int stop)
{
    struct config_options o = {.path = str_of(conf), .prefix = STR("/tmp/"), .problem = on_problem};
    struct snapshot *snapshot = config_load(&o);
    if (!snapshot || snapshot->http.binds.count == 0)
        return 1;
    open_logs(snapshot);
    log_set_process(snapshot->process.error_log);
    clock_update();
    tls_process_start();
    struct served s = {.loop = loop_new()};
    struct proxy_socket socket = {listening, snapshot->http.binds.items[0]};
    struct watch *watch = watch_new(s.loop, stop, on_stop, &s);
    s.proxy = proxy_start(s.loop, snapshot, &socket, 1);
    loop_run(s.loop);
    watch_free(watch);
    proxy_free(s.proxy);
    loop_free(s.loop);
    snapshot_free(snapshot);
    return 0;
}

#define SERVE "PC_TEST_SERVE"

/* The server is this program once more, without Criterion: nothing of the test's process is in it.
 */
__attribute__((constructor)) static void serve_when_told(void)
{
    const char *what = getenv(SERVE);
    char conf[96];
    int listening, stop;
    if (what && sscanf(what, "%d %d %95s", &listening, &stop, conf) == 3)
        exit(serve(conf, listening, stop));
}

static void become_server(void)
{
    char what[128];
    snprintf(what, sizeof what, "%d %d %s", server.fd, server.stop[0], server.conf);
    setenv(SERVE, what, 1);
    if (server_is_oracle())
        execlp("nginx", "nginx", "-p", server.dir, "-c", server.conf, "-e", "stderr", NULL);
    else
        execl("/proc/self/exe", "test_proxy_server", NULL);
    _exit(127);
}

int server_connect(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    at.sin_port = htons((uint16_t)server.port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static void wait_for_server(void)
{
    for (int i = 0; i < 200; i++) {
        int status, fd = server_connect();
        if (fd >= 0) {
            close(fd);
            return;
        }
        cr_assert(waitpid(server.pid, &status, WNOHANG) == 0, "the server did not start");
        usleep(10000);
    }
    cr_assert_fail("the server does not listen");
}

void server_start(const char *http)
{
    open_socket();
    write_conf(http);
    if (server_is_oracle())
        close(server.fd); /* it opens its own */
    cr_assert(pipe(server.stop) == 0);
    fcntl(server.stop[1], F_SETFD, FD_CLOEXEC);
    server.pid = fork();
    if (server.pid == 0)
        become_server();
    wait_for_server();
}

void server_stop(void)
{
    char command[128];
    int status;
    if (server_is_oracle())
        kill(server.pid, SIGTERM);
    close(server.stop[0]);
    close(server.stop[1]);
    cr_assert(waitpid(server.pid, &status, 0) == server.pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server ended with %x", status);
    if (!server_is_oracle())
        close(server.fd);
    snprintf(command, sizeof command, "rm -rf '%s'", server.dir);
    cr_assert(system(command) == 0);
}

/* ---- asking ---- */

static void append_field_unless_given(char *to, const char *request, const char *name,
                                      const char *line)
{
    if (!strcasestr(request, name))
        strcat(to, line);
}

void server_write_request(char *to, size_t size, const char *request)
{
    char line[4096];
    bool is_short = request[0] == '/';
    snprintf(line, sizeof line, "%s%s", is_short ? "GET " : "", request);
    char *fields = strchr(line, '|');
    if (fields)
        *fields++ = 0;
    snprintf(to, size, "%s%s\r\n", line, strstr(line, " HTTP/") ? "" : " HTTP/1.1");
    for (char *field = fields ? strtok(fields, "|") : NULL; field; field = strtok(NULL, "|")) {
        strcat(to, field);
        strcat(to, "\r\n");
    }
    if (!strstr(to, " HTTP/1.0\r\n"))
        append_field_unless_given(to, request, "|Host:", "Host: localhost\r\n");
    append_field_unless_given(to, request, "|Connection:", "Connection: close\r\n");
    strcat(to, "\r\n");
}

const char *server_ask(const char *request)
{
    static char answer[1 << 18];
    char text[8192];
    server_write_request(text, sizeof text, request);
    int fd = server_connect();
    cr_assert(fd >= 0);
    cr_assert(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
    size_t len = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (len < sizeof answer - 1 && poll(&p, 1, 5000) > 0) {
        ssize_t n = read(fd, answer + len, sizeof answer - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    answer[len] = 0;
    return answer;
}

/* The value of a field in the head, up to its line's end; "" without one. */
static void copy_field(char *to, size_t size, const char *answer, const char *name)
{
    const char *at = strcasestr(answer, name), *end = strstr(answer, "\r\n\r\n");
    to[0] = 0;
    if (at && at < end)
        snprintf(to, size, "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
}

static void hide_port(char *text)
{
    char port[16];
    int len = snprintf(port, sizeof port, ":%u", server.port);
    char *at;
    while ((at = strstr(text, port))) {
        at[1] = 'P';
        memmove(at + 2, at + len, strlen(at + len) + 1);
    }
}

const char *server_brief(const char *answer)
{
    static char brief[4096];
    char location[2048], type[256];
    const char *body = strstr(answer, "\r\n\r\n");
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || !body)
        return answer[0] ? answer : "closed";
    copy_field(location, sizeof location, answer, "\r\nLocation: ");
    copy_field(type, sizeof type, answer, "\r\nContent-Type: ");
    if (location[0])
        snprintf(brief, sizeof brief, "%.3s -> %s", answer + 9, location);
    else if (strncmp(type, "text/html", 9) != 0 && body[4])
        snprintf(brief, sizeof brief, "%.3s %s", answer + 9, body + 4);
    else
        snprintf(brief, sizeof brief, "%.3s", answer + 9);
    hide_port(brief);
    return brief;
}

const char *server_file(const char *name)
{
    static char text[1 << 16];
    char path[160];
    snprintf(path, sizeof path, "%s/%s", server.dir, name);
    for (int i = 0; i < 100; i++) {
        FILE *from = fopen(path, "r");
        size_t len = from ? fread(text, 1, sizeof text - 1, from) : 0;
        text[len] = 0;
        if (from)
            fclose(from);
        hide_port(text);
        if (len)
            return text;
        usleep(10000);
    }
    return "";
}

void server_check(const char *http, const struct server_row *rows, size_t count)
{
    server_start(http);
    for (size_t i = 0; i < count; i++) {
        bool is_ours = rows[i].request[0] == '!';
        if (is_ours && server_is_oracle())
            continue;
        const char *brief = server_brief(server_ask(rows[i].request + is_ours));
        cr_expect(strcmp(brief, rows[i].expected) == 0, "%s: \"%s\", not \"%s\"", rows[i].request,
                  brief, rows[i].expected);
    }
    server_stop();
}
