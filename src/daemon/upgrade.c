#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portcullis/base/buf.h"
#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"

#define SOCKETS "PORTCULLIS_SOCKETS" /* "5;6g;": g for those that a service manager gave */
#define ZONES   "PORTCULLIS_ZONES"   /* zone_set_hand_over */
#define TRUST   "PORTCULLIS_TRUST"   /* "7": trust_news */

static char **words; /* with NULL; live as long as the process */
static char program[PATH_MAX];

/* A word without a slash was found in PATH, which may be another one by then. */
static void find_program(const char *word)
{
    ssize_t n = -1;

    if (strchr(word, '/') == NULL)
        n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n > 0)
        program[n] = '\0';
    else
        (void)snprintf(program, sizeof program, "%s", word);
}

void upgrade_init(char **argv)
{
    size_t count = 0;

    while (argv[count] != NULL)
        count++;
    words = mem_zalloc(sizeof *words * (count + 1));
    for (size_t i = 0; i < count; i++)
        words[i] = mem_strdup(argv[i]);
    find_program(argv[0]);
}

static void hand_over(void *owner, int fd, bool is_given)
{
    (void)fcntl(fd, F_SETFD, 0);
    buf_printf(owner, "%d%s;", fd, is_given ? "g" : "");
}

static void say(const char *variable, struct buf *text)
{
    buf_append_char(text, '\0');
    (void)setenv(variable, text->data + text->start, 1);
    buf_deinit(text);
}

static __attribute__((noreturn)) void become_new(const struct legacy *l)
{
    struct buf text = {0};

    listen_set_each(l->sockets, hand_over, &text);
    say(SOCKETS, &text);
    zone_set_hand_over(l->zones, &text);
    say(ZONES, &text);
    (void)fcntl(l->trust_news, F_SETFD, 0);
    buf_printf(&text, "%d", l->trust_news);
    say(TRUST, &text);
    (void)execv(program, words);
    log_write_errno(&log_process, LOG_ALERT, errno, "execve() failed while executing \"%s\"",
                    program);
    _exit(1);
}

pid_t upgrade_start(const struct legacy *l)
{
    pid_t pid = fork();

    if (pid == 0)
        become_new(l);
    return pid;
}

static void adopt_number(struct listen_set *set, struct str text)
{
    bool is_given = str_ends(text, STR("g"));
    struct str digits = is_given ? str_upto(text, text.len - 1) : text;
    uint64_t fd;

    if (!str_to_u64(digits, &fd) || fd > INT_MAX || !listen_set_adopt(set, (int)fd, is_given))
        log_write(&log_process, LOG_EMERG,
                  "invalid socket number \"%.*s\" in " SOCKETS " environment variable, ignored",
                  STR_ARG(text));
}

static struct str said(const char *variable)
{
    const char *text = getenv(variable);

    return text != NULL ? str_of(text) : STR("");
}

static void adopt_zones(struct zone_set *zones)
{
    struct str text = said(ZONES);

    if (text.len == 0)
        log_write(&log_process, LOG_NOTICE,
                  "the older program hands no shared memory over: sessions and limits begin anew");
    zone_set_adopt(zones, text);
    (void)unsetenv(ZONES);
}

/* One of its kind, or what is written there would go anywhere. */
static bool is_eventfd(int fd)
{
    static const char kind[] = "anon_inode:[eventfd]";
    char path[64], text[64];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, text, sizeof text);
    return n == sizeof kind - 1 && memcmp(text, kind, sizeof kind - 1) == 0;
}

static int adopt_trust_news(void)
{
    uint64_t fd;
    bool good = str_to_u64(said(TRUST), &fd) && fd <= INT_MAX && is_eventfd((int)fd) &&
                fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0;

    (void)unsetenv(TRUST);
    return good ? (int)fd : -1;
}

bool upgrade_adopt(struct legacy *l)
{
    struct str rest = said(SOCKETS);

    l->trust_news = -1;
    if (rest.len == 0)
        return false;
    log_write(&log_process, LOG_NOTICE, "using inherited sockets from \"%.*s\"", STR_ARG(rest));
    while (rest.len > 0)
        adopt_number(l->sockets, str_cut(&rest, ';'));
    (void)unsetenv(SOCKETS);
    adopt_zones(l->zones);
    l->trust_news = adopt_trust_news();
    return true;
}
