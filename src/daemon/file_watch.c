#include "file_watch.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "portcullis/base/arena.h"
#include "portcullis/base/buf.h"
#include "portcullis/base/hash.h"
#include "portcullis/base/memory.h"
#include "portcullis/base/vec.h"

/* As many links on the way to a file as Linux follows. */
#define LINKS_MAX 40
#define OF_NAMES  (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE)
#define OF_FILES  (IN_MODIFY | IN_CLOSE_WRITE)

/* A name in a folder that decides which file a path leads to. */
struct entry {
    int folder; /* inotify's number of it */
    struct str name;
};

struct file_watch {
    struct arena paths_arena, entries_arena;
    VEC(struct str) paths;
    VEC(struct entry) entries;
    int poll, changes, timer; /* poll is readable when one of the others is */
    time_t newest;            /* change of a file or link, as the last look saw them */
    uint64_t look;            /* a digest of what that saw */
    bool has_changed;
};

/* ------------------------------------------------------------------ the way to a file */

/* A path while it is walked: what is behind, and what is to come. */
struct walk {
    char folder[PATH_MAX];
    struct buf rest;
    unsigned links;
};

static void note_file(struct file_watch *w, const struct stat *st)
{
    w->look = hash_octets(w->look, &st->st_dev, sizeof st->st_dev);
    w->look = hash_octets(w->look, &st->st_ino, sizeof st->st_ino);
    w->look = hash_octets(w->look, &st->st_size, sizeof st->st_size);
    w->look = hash_octets(w->look, &st->st_mtim, sizeof st->st_mtim);
    w->look = hash_octets(w->look, &st->st_ctim, sizeof st->st_ctim);
    if (st->st_ctim.tv_sec > w->newest)
        w->newest = st->st_ctim.tv_sec;
}

static void watch_entry(struct file_watch *w, const char *folder, struct str name, uint32_t events)
{
    /* A folder that is watched already has the same number again. */
    int number = inotify_add_watch(w->changes, folder[0] != '\0' ? folder : "/",
                                   events | IN_MASK_ADD | IN_ONLYDIR);

    if (number == -1)
        return; /* it is not there, and whoever makes it changes a name above */
    VEC_FOR(const struct entry, e, &w->entries)
        if (e->folder == number && str_eq(e->name, name))
            return;
    *VEC_PUSH(&w->entries_arena, &w->entries) = (struct entry){number,
                                                               arena_str(&w->entries_arena, name)};
}

/* Where a link leads comes before the rest. False: too many. */
static bool follow(struct walk *at, const char *link)
{
    char target[PATH_MAX];
    ssize_t size = readlink(link, target, sizeof target);

    if (size <= 0 || size == sizeof target || ++at->links > LINKS_MAX)
        return false;
    struct buf rest = {0};
    buf_append(&rest, target, (size_t)size);
    buf_append_char(&rest, '/');
    buf_append_str(&rest, buf_str(&at->rest));
    buf_deinit(&at->rest);
    at->rest = rest;
    if (target[0] == '/')
        at->folder[0] = '\0';
    return true;
}

static void go_up(struct walk *at)
{
    char *slash = strrchr(at->folder, '/');

    if (slash != NULL)
        *slash = '\0';
}

/* One name further. False: the end, or it leads nowhere. */
static bool step(struct file_watch *w, struct walk *at, struct str name)
{
    size_t length = strlen(at->folder);
    struct stat st;

    if (name.len == 0 || str_eq_z(name, "."))
        return true;
    if (str_eq_z(name, "..")) {
        go_up(at);
        return true;
    }
    if (length + 1 + name.len >= sizeof at->folder)
        return false;
    char whole[PATH_MAX];
    watch_entry(w, at->folder, name, OF_NAMES);
    memcpy(whole, at->folder, length);
    whole[length] = '/';
    memcpy(whole + length + 1, name.ptr, name.len);
    whole[length + 1 + name.len] = '\0';
    if (lstat(whole, &st) == -1)
        return false;
    if (!S_ISDIR(st.st_mode))
        note_file(w, &st);
    if (S_ISLNK(st.st_mode))
        return follow(at, whole);
    if (S_ISREG(st.st_mode))
        watch_entry(w, at->folder, name, OF_FILES);
    memcpy(at->folder, whole, sizeof whole);
    return true;
}

static void watch_path(struct file_watch *w, struct str path)
{
    struct walk at = {0};
    bool goes_on = true;

    buf_append_str(&at.rest, path);
    while (goes_on && !buf_is_empty(&at.rest)) {
        struct str rest = buf_str(&at.rest);
        size_t slash = str_find(rest, '/');
        struct str name = str_upto(rest, slash == SIZE_MAX ? rest.len : slash);
        char copy[NAME_MAX + 1];
        if (name.len > NAME_MAX)
            break;
        memcpy(copy, name.ptr, name.len);
        buf_consume(&at.rest, slash == SIZE_MAX ? rest.len : slash + 1);
        goes_on = step(w, &at, str_make(copy, name.len));
    }
    buf_deinit(&at.rest);
}

/* ------------------------------------------------------------------ life */

static bool add_to_poll(int poll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return fd != -1 && epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void drop_entries(struct file_watch *w)
{
    arena_deinit(&w->entries_arena);
    arena_init(&w->entries_arena, 1024);
    w->entries.items = NULL;
    w->entries.count = w->entries.capacity = 0;
}

/* Every path anew, since links lead elsewhere now. What happens from here on is told of. */
static bool look(struct file_watch *w)
{
    int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (!add_to_poll(w->poll, changes)) {
        if (changes != -1)
            (void)close(changes);
        return false;
    }
    if (w->changes != -1)
        (void)close(w->changes);
    w->changes = changes;
    drop_entries(w);
    w->newest = 0;
    w->look = HASH_START;
    VEC_FOR(const struct str, path, &w->paths)
        watch_path(w, *path);
    return true;
}

static void wait_for_quiet(struct file_watch *w)
{
    struct itimerspec quiet = {.it_value = {.tv_nsec = FILE_WATCH_QUIET_MS * 1000000L}};

    w->has_changed = true;
    (void)timerfd_settime(w->timer, 0, &quiet, NULL);
}

struct file_watch *file_watch_new(const struct str *paths, size_t count, time_t since)
{
    struct file_watch *w = MEM_NEW(struct file_watch);

    arena_init(&w->paths_arena, 1024);
    arena_init(&w->entries_arena, 1024);
    w->changes = -1;
    w->poll = epoll_create1(EPOLL_CLOEXEC);
    w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    for (size_t i = 0; i < count; i++)
        *VEC_PUSH(&w->paths_arena, &w->paths) = arena_str(&w->paths_arena, paths[i]);
    if (!add_to_poll(w->poll, w->timer) || !look(w)) {
        int err = errno;
        file_watch_free(w);
        errno = err;
        return NULL;
    }
    if (w->newest >= since) {
        w->look = 0; /* whatever is seen then is new */
        wait_for_quiet(w);
    }
    return w;
}

static void close_one(int fd)
{
    if (fd != -1)
        (void)close(fd);
}

void file_watch_free(struct file_watch *w)
{
    if (w == NULL)
        return;
    close_one(w->changes);
    close_one(w->timer);
    close_one(w->poll);
    arena_deinit(&w->paths_arena);
    arena_deinit(&w->entries_arena);
    mem_free(w);
}

int file_watch_fd(const struct file_watch *w)
{
    return w->poll;
}

/* ------------------------------------------------------------------ changes */

static bool is_meant(const struct file_watch *w, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) /* some were lost: it may have been any */
        return true;
    struct str name = event->len > 0 ? str_of(event->name) : STR("");
    VEC_FOR(const struct entry, e, &w->entries)
        if (e->folder == event->wd && str_eq(e->name, name))
            return true;
    return false;
}

static bool read_changes(struct file_watch *w)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t size;
    bool found = false;

    while ((size = read(w->changes, events, sizeof events)) > 0)
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const void *)(events + at);
            found |= is_meant(w, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    return found;
}

bool file_watch_take(struct file_watch *w)
{
    uint64_t expirations, before = w->look;

    if (read_changes(w)) {
        wait_for_quiet(w);
        return false;
    }
    if (read(w->timer, &expirations, sizeof expirations) != sizeof expirations || !w->has_changed)
        return false;
    w->has_changed = false;
    /* Where it cannot be watched any more it is tried again. */
    if (!look(w))
        wait_for_quiet(w);
    return w->look != before;
}
