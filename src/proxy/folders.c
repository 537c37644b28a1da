#include "portcullis/proxy/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"
#include "portcullis/proxy/proxy.h"

/* A process has one configuration: the builder's, and its workers inherit it. */
static struct folder {
    struct str path;
    int fd;
} *folders;
static size_t folders_count;

int folder_find(struct str path)
{
    for (size_t i = 0; i < folders_count; i++) {
        if (str_eq(folders[i].path, path))
            return folders[i].fd;
    }
    return -1;
}

void folders_each(void (*each)(void *owner, int fd), void *owner)
{
    for (size_t i = 0; i < folders_count; i++)
        each(owner, folders[i].fd);
}

static bool report(struct str path, const char *call)
{
    log_write_errno(&log_process, LOG_WARN, errno,
                    "%s \"%.*s\" failed; bodies go to \"/tmp\" instead", call, STR_ARG(path));
    return false;
}

static bool give_to(int fd, struct str path, uid_t uid, gid_t gid)
{
    struct stat st;

    if (geteuid() != 0)
        return true;
    if (fstat(fd, &st) == -1)
        return report(path, "fstat()");
    if (st.st_uid != uid && fchown(fd, uid, gid) == -1)
        return report(path, "chown()");
    return true;
}

static void make(struct str path, uid_t uid, gid_t gid)
{
    char z[PATH_MAX];
    int n = snprintf(z, sizeof z, "%.*s", STR_ARG(path));

    if (path.len == 0 || n < 0 || (size_t)n >= sizeof z || folder_find(path) != -1)
        return;
    if (mkdir(z, 0700) == -1 && errno != EEXIST) {
        (void)report(path, "mkdir()");
        return;
    }
    int fd = open(z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1) {
        (void)report(path, "open()");
        return;
    }
    if (!give_to(fd, path, uid, gid)) {
        (void)close(fd);
        return;
    }
    folders = mem_realloc(folders, sizeof *folders * (folders_count + 1));
    folders[folders_count++] = (struct folder){path, fd};
}

static void make_of_location(const struct location_conf *loc, uid_t uid, gid_t gid);

static void make_of_map(const struct strmap *m, uid_t uid, gid_t gid)
{
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->entries[i].value != NULL)
            make_of_location(m->entries[i].value, uid, gid);
    }
}

static void make_of_set(const struct location_set *set, uid_t uid, gid_t gid)
{
    make_of_map(&set->exact, uid, gid);
    make_of_map(&set->named, uid, gid);
    VEC_FOR(struct location_conf *, it, &set->prefixes)
        make_of_location(*it, uid, gid);
    VEC_FOR(struct location_conf *, it, &set->regexes)
        make_of_location(*it, uid, gid);
}

static void make_of_location(const struct location_conf *loc, uid_t uid, gid_t gid)
{
    if (loc->proxy.is_set)
        make(loc->client_body_temp_path, uid, gid);
    make_of_set(&loc->nested, uid, gid);
}

void proxy_make_folders(const struct snapshot *s, uid_t uid, gid_t gid)
{
    VEC_FOR(struct server_conf *, it, &s->http.servers)
        make_of_set(&(*it)->locations, uid, gid);
}

void proxy_close_folders(void)
{
    for (size_t i = 0; i < folders_count; i++)
        (void)close(folders[i].fd);
    mem_free(folders);
    folders = NULL;
    folders_count = 0;
}
