#include "log_set.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "portcullis/base/memory.h"

int log_open(const char *path)
{
    /* Of a pipe: nobody waits for its reader. What does not fit is lost, and said to be. */
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
}

struct log_file *log_set_take(struct log_set *set, const char *path)
{
    for (struct log_file *f = set->files; f != NULL; f = f->next)
        if (str_eq_z(f->path, path))
            return f;
    int fd = log_open(path);
    if (fd == -1)
        return NULL;
    struct log_file *f = MEM_NEW(struct log_file);
    *f = (struct log_file){.path = str_of(mem_strdup(path)), .fd = fd, .next = set->files};
    set->files = f;
    return f;
}

static void reopen(struct log_file *f)
{
    int fd = log_open(f->path.ptr);

    if (fd == -1) {
        log_write_errno(&log_process, LOG_EMERG, errno, "open() \"%s\" failed", f->path.ptr);
        return;
    }
    (void)dup3(fd, f->fd, O_CLOEXEC);
    (void)close(fd);
}

void log_set_reopen(struct log_set *set)
{
    for (struct log_file *f = set->files; f != NULL; f = f->next)
        reopen(f);
}

void log_set_sweep(struct log_set *set, bool (*keep)(void *owner, const struct log_file *file),
                   void *owner)
{
    for (struct log_file **at = &set->files; *at != NULL;) {
        struct log_file *f = *at;
        if (keep(owner, f)) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        (void)close(f->fd);
        mem_free((void *)f->path.ptr);
        mem_free(f);
    }
}
