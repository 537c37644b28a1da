#include "descriptors.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "portcullis/base/log.h"

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* Others would live on in the child: sockets, channels. */
static void close_all_but(int *keep, size_t count)
{
    unsigned from = STDERR_FILENO + 1;

    qsort(keep, count, sizeof *keep, compare_ints);
    for (size_t i = 0; i < count; i++) {
        if (keep[i] < (int)from)
            continue;
        if (keep[i] > (int)from)
            (void)close_range(from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    (void)close_range(from, ~0U, 0);
}

#define KEPT_MAX 32

void descriptors_keep(int fd)
{
    int keep[KEPT_MAX] = {fd};
    size_t count = 1;

    for (const struct log *l = log_process.log; l != NULL && count < KEPT_MAX; l = l->next)
        if (l->file->fd > STDERR_FILENO)
            keep[count++] = l->file->fd;
    close_all_but(keep, count);
}
