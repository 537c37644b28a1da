/* The process skeleton with workers that echo: what tests/e2e/test_process_skeleton.py drives.
 *
 *   echo_daemon CONFIG       lines of "word value":
 *   listen ADDRESS:PORT | reuseport ADDRESS:PORT | unix PATH | workers N | pid PATH | log PATH |
 *   zone NAME SIZE | greeting TEXT | daemon on | master off | shutdown_timeout MS |
 *   sandbox on|report|off | read PATH | port N | open unix|datagrams |
 *   fail STEP HOW    (STEP load, prepare, start or 0…4; HOW exit, crash)
 *
 * A client is greeted ("TEXT PID", and with a zone how many were before it) and then gets back what
 * it sends. "try WHAT ARGUMENT" makes the worker do what it must not, and is answered with the
 * error's name, or "done". */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portcullis/base/list.h"
#include "portcullis/base/memory.h"
#include "portcullis/daemon/app.h"
#include "portcullis/net/listener.h"
#include "portcullis/net/stream.h"

#define LISTENS_MAX 16

struct conf {
    struct daemon_settings *settings;
    struct listen_spec listens[LISTENS_MAX];
    char greeting[512], pid[512], log_path[512];
    char fail_at[16];
    bool crash;
    struct log_file file;
    struct log log;
    struct zone zone;
    char zone_name[64];
    char readable[512];
    unsigned port, needs;
};

struct echo {
    const struct conf *conf;
    struct loop *loop;
    struct listener *listeners[256];
    size_t listener_count;
    struct list clients;
    void (*on_done)(void *owner);
    void *owner;
};

struct client {
    struct list link;
    struct echo *echo;
    struct stream *stream;
};

static const char *program_config;

/* ------------------------------------------------------------------ configuration */

static void fail(const struct conf *c, const char *at)
{
    if (strcmp(c->fail_at, at) != 0)
        return;
    log_write(&log_process, LOG_EMERG, "told to fail at %s", at);
    if (c->crash)
        abort();
    _exit(3);
}

static void add_listen(struct conf *c, const char *value, bool reuseport)
{
    struct listen_spec *l = &c->listens[c->settings->listen_count++];
    struct str text = str_of(value);
    size_t colon = str_find_last(text, ':');
    uint64_t port;

    if (!str_to_u64(str_from(text, colon + 1), &port) ||
        !addr_parse_ip(&l->addr, str_upto(text, colon), (uint16_t)port))
        abort();
    l->reuseport = reuseport;
    l->ipv6only = true;
}

static void add_unix(struct conf *c, const char *path)
{
    char text[512];

    (void)snprintf(text, sizeof text, "unix:%s", path);
    if (!addr_parse_unix(&c->listens[c->settings->listen_count++].addr, str_of(text)))
        abort();
}

static void add_zone(struct conf *c, const char *value)
{
    if (sscanf(value, "%63s %zu", c->zone_name, &c->zone.size) != 2)
        abort();
    c->zone.name = str_of(c->zone_name);
    c->settings->zones = &c->zone;
}

static enum sandbox_mode read_sandbox(const char *value)
{
    return strcmp(value, "off") == 0      ? SANDBOX_OFF
           : strcmp(value, "report") == 0 ? SANDBOX_REPORT
                                          : SANDBOX_ON;
}

static bool read_line(struct conf *c, const char *word, const char *value)
{
    if (strcmp(word, "listen") == 0 || strcmp(word, "reuseport") == 0)
        add_listen(c, value, word[0] == 'r');
    else if (strcmp(word, "unix") == 0)
        add_unix(c, value);
    else if (strcmp(word, "workers") == 0)
        c->settings->workers = (unsigned)atoi(value);
    else if (strcmp(word, "pid") == 0)
        (void)snprintf(c->pid, sizeof c->pid, "%s", value);
    else if (strcmp(word, "log") == 0)
        (void)snprintf(c->log_path, sizeof c->log_path, "%s", value);
    else if (strcmp(word, "greeting") == 0)
        (void)snprintf(c->greeting, sizeof c->greeting, "%s", value);
    else if (strcmp(word, "zone") == 0)
        add_zone(c, value);
    else if (strcmp(word, "daemon") == 0)
        c->settings->daemonize = strcmp(value, "on") == 0;
    else if (strcmp(word, "master") == 0)
        c->settings->master_process = strcmp(value, "off") != 0;
    else if (strcmp(word, "shutdown_timeout") == 0)
        c->settings->shutdown_timeout_ms = atoi(value);
    else if (strcmp(word, "sandbox") == 0)
        c->settings->sandbox = read_sandbox(value);
    else if (strcmp(word, "read") == 0)
        (void)snprintf(c->readable, sizeof c->readable, "%s", value);
    else if (strcmp(word, "port") == 0)
        c->port = (unsigned)atoi(value);
    else if (strcmp(word, "open") == 0)
        c->needs |= strcmp(value, "unix") == 0 ? SANDBOX_UNIX_SOCKETS : SANDBOX_DATAGRAMS;
    else if (strcmp(word, "fail") == 0)
        c->crash = sscanf(value, "%15s", c->fail_at) == 1 && strstr(value, "crash") != NULL;
    else
        return false;
    return true;
}

static bool read_lines(struct conf *c, FILE *file)
{
    char word[32], value[480];

    while (fscanf(file, "%31s %479[^\n]", word, value) == 2) {
        if (read_line(c, word, value))
            continue;
        log_write(&log_process, LOG_EMERG, "unknown word \"%s\"", word);
        return false;
    }
    return true;
}

static void *load(void *context, struct daemon_settings *s)
{
    struct conf *c = MEM_NEW(struct conf);
    FILE *file = fopen(program_config, "r");

    (void)context;
    *s = (struct daemon_settings){.image = -1,
                                  .master_process = true,
                                  .workers = 1,
                                  .listens = c->listens,
                                  .pid_path = c->pid,
                                  .log_files = &c->file,
                                  .error_log = &c->log};
    c->settings = s;
    c->log = (struct log){.file = &c->file, .level = LOG_INFO};
    bool ok = file != NULL && read_lines(c, file);
    if (file != NULL)
        (void)fclose(file);
    c->file = (struct log_file){.path = str_of(c->log_path),
                                .fd = c->log_path[0] == '\0' ? STDERR_FILENO : -1};
    fail(c, "load");
    if (ok)
        return c;
    mem_free(c);
    return NULL;
}

static void unload(void *conf)
{
    struct conf *c = conf;

    if (c->file.fd > STDERR_FILENO)
        (void)close(c->file.fd);
    zone_unmap(&c->zone);
    mem_free(c);
}

static void on_step(void *conf, enum build_step step)
{
    char text[2] = {(char)('0' + step), '\0'};

    fail(conf, text);
}

/* ------------------------------------------------------------------ clients */

static void done_when_empty(struct echo *e)
{
    if (e->on_done != NULL && list_is_empty(&e->clients))
        loop_defer(e->loop, e->on_done, e->owner);
}

static void on_open(void *owner)
{
    struct client *c = owner;
    struct buf out = {0};

    buf_printf(&out, "%s %d", c->echo->conf->greeting, (int)getpid());
    if (c->echo->conf->zone.memory != NULL)
        buf_printf(&out, " %u", atomic_fetch_add((atomic_uint *)c->echo->conf->zone.memory, 1) + 1);
    buf_append_char(&out, '\n');
    (void)stream_write(c->stream, &out);
    buf_deinit(&out);
}

static bool has_failed(int result)
{
    if (result > STDERR_FILENO)
        (void)close(result);
    return result == -1;
}

static bool try_read(const char *path)
{
    return has_failed(open(path, O_RDONLY | O_CLOEXEC));
}

static bool try_create(const char *path)
{
    return has_failed(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static bool try_execute(const char *path)
{
    return execl(path, path, (char *)NULL) == -1;
}

static bool try_fork(const char *argument)
{
    (void)argument;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid == -1;
}

static bool try_connect(const char *port)
{
    struct addr to;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)addr_parse_ip(&to, STR("127.0.0.1"), (uint16_t)atoi(port));
    bool failed = connect(fd, &to.sa, to.len) == -1;
    int err = errno;
    (void)close(fd);
    errno = err;
    return failed;
}

static bool try_listen(const char *argument)
{
    (void)argument;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool failed = listen(fd, 1) == -1;
    int err = errno;
    (void)close(fd);
    errno = err;
    return failed;
}

static bool try_socket(const char *text)
{
    int family, kind;

    return sscanf(text, "%d,%d", &family, &kind) != 2 || has_failed(socket(family, kind, 0));
}

static bool try_code(const char *argument)
{
    (void)argument;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED;
}

static bool try_kill(const char *pid)
{
    return kill(atoi(pid), 0) == -1;
}

static bool is_listening(int fd)
{
    int yes = 0;
    socklen_t size = sizeof yes;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes;
}

/* Those that all workers have. */
static bool try_with_listening(int (*act)(int fd))
{
    for (int fd = 0; fd < 256; fd++)
        if (is_listening(fd) && act(fd) == -1)
            return true;
    return false;
}

/* No sandbox refuses that. */
static int disconnect(int fd)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    return connect(fd, &nobody, sizeof nobody);
}

static bool try_deafen(const char *argument)
{
    (void)argument;
    return try_with_listening(disconnect);
}

static int shut_down(int fd)
{
    return shutdown(fd, SHUT_RDWR);
}

static bool try_shutdown(const char *argument)
{
    (void)argument;
    return try_with_listening(shut_down);
}

/* What comes from farther away than the next host is thrown away. */
static int want_near_peers(int fd)
{
    int hops = 255;

    return setsockopt(fd, IPPROTO_IP, IP_MINTTL, &hops, sizeof hops);
}

static bool try_filter(const char *argument)
{
    (void)argument;
    return try_with_listening(want_near_peers);
}

/* Others wait in accept4 then. */
static int block(int fd)
{
    int no = 0;

    return ioctl(fd, FIONBIO, &no);
}

static bool try_block(const char *argument)
{
    (void)argument;
    return try_with_listening(block);
}

/* Without O_APPEND it writes over what is there. */
static bool try_rewrite(const char *argument)
{
    (void)argument;
    return fcntl(STDERR_FILENO, F_SETFL, 0) == -1;
}

static bool try_truncate(const char *argument)
{
    (void)argument;
    return ftruncate(STDERR_FILENO, 0) == -1;
}

static bool try_exit(const char *status)
{
    _exit(atoi(status));
}

static const struct {
    const char *name;
    bool (*act)(const char *argument); /* true: refused, with errno */
} tries[] = {{"read", try_read},     {"create", try_create},     {"execute", try_execute},
             {"fork", try_fork},     {"connect", try_connect},   {"listen", try_listen},
             {"socket", try_socket}, {"code", try_code},         {"kill", try_kill},
             {"deafen", try_deafen}, {"shutdown", try_shutdown}, {"filter", try_filter},
             {"block", try_block},   {"rewrite", try_rewrite},   {"truncate", try_truncate},
             {"exit", try_exit}};

static void answer_try(struct client *c, const char *what, const char *argument)
{
    struct buf out = {0};

    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++)
        if (strcmp(tries[i].name, what) == 0)
            buf_printf(&out, "%s\n", tries[i].act(argument) ? strerrorname_np(errno) : "done");
    (void)stream_write(c->stream, &out);
    buf_deinit(&out);
}

static void on_data(void *owner, struct buf *in)
{
    struct client *c = owner;
    char line[512], what[16], argument[256] = "";

    (void)snprintf(line, sizeof line, "%.*s", STR_ARG(buf_str(in)));
    if (sscanf(line, "try %15s %255s", what, argument) < 1) {
        (void)stream_write(c->stream, in);
        return;
    }
    buf_clear(in);
    answer_try(c, what, argument);
}

static void on_eof(void *owner, bool clean)
{
    struct client *c = owner;

    (void)clean;
    stream_close_after_flush(c->stream, CLOSE_DONE, 1000);
}

static void on_drain(void *owner)
{
    (void)owner;
}

static void on_close(void *owner, enum close_reason why)
{
    struct client *c = owner;

    (void)why;
    list_remove(&c->link);
    done_when_empty(c->echo);
    mem_free(c);
}

static const struct stream_events client_events = {on_open, on_data, on_eof, on_drain, on_close};

static void on_accept(void *owner, int fd, const struct addr *peer)
{
    struct echo *e = owner;
    struct client *c = MEM_NEW(struct client);

    c->echo = e;
    list_push_back(&e->clients, &c->link);
    c->stream = stream_accept(e->loop, fd, peer, NULL, &client_events, c);
}

/* ------------------------------------------------------------------ the app */

static void confine(void *conf, struct sandbox *s)
{
    const struct conf *c = conf;

    if (c->readable[0] != '\0')
        sandbox_may_read(s, c->readable);
    if (c->port != 0)
        sandbox_may_connect(s, (uint16_t)c->port);
    sandbox_may_open(s, c->needs);
}

static bool prepare(void *conf)
{
    fail(conf, "prepare");
    return true;
}

static void *start(void *conf, struct loop *l, const struct app_socket *sockets, size_t count)
{
    struct echo *e = MEM_NEW(struct echo);

    fail(conf, "start");
    e->conf = conf;
    e->loop = l;
    list_init(&e->clients);
    for (size_t i = 0; i < count; i++)
        e->listeners[e->listener_count++] = listener_new(l, sockets[i].fd, true, on_accept, e);
    return e;
}

static void close_listeners(struct echo *e)
{
    for (size_t i = 0; i < e->listener_count; i++)
        listener_free(e->listeners[i]);
    e->listener_count = 0;
}

static void close_clients(struct echo *e)
{
    LIST_FOR_EACH(it, &e->clients)
    stream_close_after_flush(CONTAINER_OF(it, struct client, link)->stream, CLOSE_SHUTDOWN, 1000);
}

/* A reload leaves clients alone; QUIT ends them when what they sent came back. */
static void drain(void *running, enum app_drain how, void (*on_done)(void *owner), void *owner)
{
    struct echo *e = running;

    close_listeners(e);
    e->on_done = on_done;
    e->owner = owner;
    if (how == APP_DRAIN_QUIT)
        close_clients(e);
    done_when_empty(e);
}

static void abort_clients(void *running)
{
    struct echo *e = running;

    LIST_FOR_EACH(it, &e->clients)
    stream_close(CONTAINER_OF(it, struct client, link)->stream, CLOSE_SHUTDOWN);
}

static void flush_logs(void *running)
{
    (void)running;
}

static void stop(void *running)
{
    mem_free(running);
}

static const struct app app = {
    .load = load,
    .unload = unload,
    .confine = confine,
    .prepare = prepare,
    .start = start,
    .drain = drain,
    .abort = abort_clients,
    .flush_logs = flush_logs,
    .stop = stop,
    .on_step = on_step,
};

int main(int argc, char **argv)
{
    if (argc != 2)
        return 64;
    program_config = mem_strdup(argv[1]); /* the title takes argv's place */
    int status = daemon_run(&app, NULL, argv);
    mem_free((void *)program_config);
    return status;
}
