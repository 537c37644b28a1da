#include "portcullis/proxy/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "portcullis/proxy/folders.h"

#define WRITE_MIN 16384

void spool_init(struct spool *s, size_t limit, struct str directory)
{
    *s = (struct spool){.limit = limit, .directory = directory, .fd = -1};
}

void spool_deinit(struct spool *s)
{
    if (s->in_file)
        (void)close(s->fd);
    buf_deinit(&s->memory);
    *s = (struct spool){.fd = -1};
}

/* File systems without O_TMPFILE: a name for a moment. */
static int open_named(struct str directory)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%.*s/XXXXXX", STR_ARG(directory));

    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd != -1)
        (void)unlink(path);
    return fd;
}

static int open_by_path(struct str directory)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%.*s", STR_ARG(directory));

    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int open_nameless(struct str directory)
{
    int folder = folder_find(directory);
    int fd = folder != -1 ? openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                          : open_by_path(directory);

    if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        return open_named(directory);
    return fd;
}

/* A file that has no name is nowhere in anybody's way. */
static int open_somewhere(struct spool *s)
{
    int fd = open_nameless(s->directory);

    if (fd != -1)
        return fd;
    s->directory_errno = errno;
    return open_nameless(STR("/tmp"));
}

static bool write_all(int fd, struct str octets)
{
    while (octets.len > 0) {
        ssize_t n = write(fd, octets.ptr, octets.len);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return false;
        octets = str_from(octets, (size_t)n);
    }
    return true;
}

static bool move_to_file(struct spool *s)
{
    if (!s->in_file) {
        s->fd = open_somewhere(s);
        if (s->fd == -1)
            return false;
        s->in_file = true;
    }
    bool ok = write_all(s->fd, buf_str(&s->memory));
    buf_clear(&s->memory);
    return ok;
}

bool spool_add(struct spool *s, struct str octets)
{
    size_t most = s->limit > WRITE_MIN ? s->limit : WRITE_MIN;

    s->size += octets.len;
    if (!s->in_file && buf_len(&s->memory) + octets.len <= s->limit) {
        buf_append_str(&s->memory, octets);
        return true;
    }
    if (!s->in_file || buf_len(&s->memory) + octets.len > most) {
        if (!move_to_file(s))
            return false;
    }
    if (octets.len >= WRITE_MIN && buf_is_empty(&s->memory))
        return write_all(s->fd, octets);
    buf_append_str(&s->memory, octets);
    return true;
}

bool spool_end(struct spool *s)
{
    if (!s->in_file)
        return true;
    bool ok = move_to_file(s);
    buf_release(&s->memory);
    return ok;
}

bool spool_read(const struct spool *s, uint64_t offset, size_t max, struct buf *out)
{
    assert(offset <= s->size);
    if (max > s->size - offset)
        max = (size_t)(s->size - offset);
    if (!s->in_file) {
        buf_append_str(out, str_upto(str_from(buf_str(&s->memory), (size_t)offset), max));
        return true;
    }
    char *room = buf_reserve(out, max);
    while (max > 0) {
        ssize_t n = pread(s->fd, room, max, (off_t)offset);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return false;
        buf_added(out, (size_t)n);
        room += n;
        offset += (uint64_t)n;
        max -= (size_t)n;
    }
    return true;
}
