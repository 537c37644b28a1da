#include "portcullis/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 20 };

static bool read_all(int fd, struct buf *out)
{
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        buf_added(out, (size_t)n);
        if (buf_len(out) > FILE_MAX) {
            errno = EFBIG;
            return false;
        }
    }
}

bool file_read(struct str path, struct buf *out)
{
    char name[4096];
    if (path.len >= sizeof name) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;
    bool done = read_all(fd, out);
    int err = errno;
    close(fd);
    errno = err;
    return done;
}
