#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/daemon/file_watch.h"
#include "portcullis/base/clock.h"

static char folder[64];

static const char *path(const char *name)
{
    static char whole[4][256];
    static size_t next;
    char *out = whole[next++ % 4];
    snprintf(out, sizeof whole[0], "%s/%s", folder, name);
    return out;
}

static void set_up(void)
{
    strcpy(folder, "/tmp/test_file_watch.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(file_watch, .init = set_up, .fini = tear_down);

static void put(const char *name, const char *text)
{
    int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void link_to(const char *target, const char *name)
{
    cr_assert_eq(symlink(target, path(name)), 0, "%s", name);
}

static void move(const char *from, const char *to)
{
    cr_assert_eq(rename(path(from), path(to)), 0, "%s", from);
}

/* Of folder/one and folder/sub/two; nothing that was there before counts. */
static struct file_watch *watch(void)
{
    struct str paths[] = {str_of(path("one")), str_of(path("sub/two"))};
    struct file_watch *w = file_watch_new(paths, 2, (time_t)1 << 40);
    cr_assert_not_null(w);
    return w;
}

/* Within so long, does it say that something changed? */
static bool tells(struct file_watch *w, int ms)
{
    clock_update();
    int64_t end = clock_monotonic_ms() + ms;
    for (; clock_monotonic_ms() < end; clock_update()) {
        struct pollfd p = {.fd = file_watch_fd(w), .events = POLLIN};
        if (poll(&p, 1, (int)(end - clock_monotonic_ms())) == 1 && file_watch_take(w))
            return true;
    }
    return false;
}

enum { SOON = 5000, QUIET = 2 * FILE_WATCH_QUIET_MS };

Test(file_watch, tells_of_each_way_to_change_a_file)
{
    cr_assert_eq(mkdir(path("sub"), 0700), 0);
    put("one", "1");
    put("sub/two", "2");
    struct file_watch *w = watch();
    put("one", "in place");
    cr_expect(tells(w, SOON), "in place");
    put("new", "renamed");
    move("new", "one");
    cr_expect(tells(w, SOON), "renamed over");
    put("sub/two", "again");
    cr_expect(tells(w, SOON), "the other one");
    move("sub", "old");
    cr_assert_eq(mkdir(path("sub"), 0700), 0);
    put("sub/two", "another folder");
    cr_expect(tells(w, SOON), "its folder");
    put("sub/two", "in that one");
    cr_expect(tells(w, SOON), "in that one");
    cr_assert_eq(unlink(path("one")), 0);
    cr_expect(tells(w, SOON), "gone");
    put("one", "back");
    cr_expect(tells(w, SOON), "back");
    file_watch_free(w);
}

/* As Kubernetes mounts a secret: one -> ..data/one, ..data -> ..v1, and ..data is swapped. */
Test(file_watch, follows_links)
{
    cr_assert(mkdir(path("..v1"), 0700) == 0 && mkdir(path("..v2"), 0700) == 0);
    put("..v1/one", "1");
    put("..v2/one", "2");
    link_to("..v1", "..data");
    link_to("..data/one", "one");
    struct file_watch *w = watch();
    link_to("..v2", "..tmp");
    move("..tmp", "..data");
    cr_expect(tells(w, SOON), "swapped");
    put("..v2/one", "in place");
    cr_expect(tells(w, SOON), "where it leads now");
    put("..v1/one", "left");
    cr_expect_not(tells(w, QUIET), "where it led");
    link_to(path("one"), "loop");
    move("loop", "one");
    cr_expect(tells(w, SOON), "a link to itself");
    file_watch_free(w);
}

Test(file_watch, waits_until_all_is_quiet_and_tells_once)
{
    put("one", "1");
    struct file_watch *w = watch();
    for (int i = 0; i < 4; i++) {
        put("one", i % 2 ? "ab" : "abc");
        cr_expect_not(tells(w, FILE_WATCH_QUIET_MS / 4), "still busy");
    }
    cr_expect(tells(w, SOON));
    cr_expect_not(tells(w, QUIET), "that was all");
    file_watch_free(w);
}

Test(file_watch, is_not_interested_in_neighbours)
{
    put("one", "1");
    struct file_watch *w = watch();
    put("three", "3");
    cr_assert_eq(mkdir(path("one.d"), 0700), 0);
    cr_expect_not(tells(w, QUIET));
    file_watch_free(w);
}

Test(file_watch, tells_of_what_changed_since_files_were_read)
{
    put("one", "1");
    struct str paths[] = {str_of(path("one"))};
    struct file_watch *w = file_watch_new(paths, 1, time(NULL) - 1);
    cr_expect(tells(w, SOON));
    cr_expect_not(tells(w, QUIET));
    file_watch_free(w);
}
