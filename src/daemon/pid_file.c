#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "portcullis/base/log.h"

bool pid_file_write(const char *path)
{
    char text[32];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd == -1) {
        log_write_errno(&log_process, LOG_EMERG, errno, "open() \"%s\" failed", path);
        return false;
    }
    int size = snprintf(text, sizeof text, "%d\n", (int)getpid());
    bool ok = write(fd, text, (size_t)size) == size;
    if (!ok)
        log_write_errno(&log_process, LOG_EMERG, errno, "write() \"%s\" failed", path);
    (void)close(fd);
    return ok;
}

bool pid_file_rename(const char *from, const char *to)
{
    if (rename(from, to) == 0)
        return true;
    log_write_errno(&log_process, LOG_ALERT, errno, "rename() \"%s\" to \"%s\" failed", from, to);
    return false;
}

void pid_file_remove(const char *path)
{
    if (unlink(path) == -1)
        log_write_errno(&log_process, LOG_ALERT, errno, "unlink() \"%s\" failed", path);
}

static struct str without_line_end(struct str s)
{
    while (s.len > 0 && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r'))
        s.len--;
    return s;
}

static pid_t parse(struct str text)
{
    uint64_t value = 0;

    return str_to_u64(text, &value) && value > 0 && value <= INT32_MAX ? (pid_t)value : 0;
}

pid_t pid_file_read(const char *path)
{
    char text[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1) {
        log_write_errno(&log_process, LOG_ERROR, errno, "open() \"%s\" failed", path);
        return 0;
    }
    ssize_t n = read(fd, text, sizeof text);
    (void)close(fd);
    struct str content = without_line_end(str_make(text, n > 0 ? (size_t)n : 0));
    pid_t pid = parse(content);
    if (pid == 0)
        log_write(&log_process, LOG_ERROR, "invalid PID number \"%.*s\" in \"%s\"",
                  STR_ARG(content), path);
    return pid;
}
