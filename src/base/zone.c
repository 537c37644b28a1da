#include "portcullis/base/zone.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portcullis/base/clock.h"
#include "portcullis/base/random.h"

/* The birth's, and the alignment of what follows. */
enum { HEAD_SIZE = 64 };

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static_assert(sizeof(struct zone_birth) <= HEAD_SIZE, "the head holds the birth");

static bool give_birth(int fd)
{
    struct zone_birth birth = {.at_ms = clock_monotonic_ms()};
    return random_fill(birth.seed, sizeof birth.seed) &&
           pwrite(fd, &birth, sizeof birth, 0) == (ssize_t)sizeof birth;
}

int zone_create(size_t size)
{
    int fd = memfd_create("zone", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd == -1)
        return -1;
    if (ftruncate(fd, (off_t)(HEAD_SIZE + size)) == 0 && give_birth(fd) &&
        fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    int err = errno;
    (void)close(fd);
    errno = err;
    return -1;
}

bool zone_is(int fd, size_t size)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals != -1 && (seals & SEALS) == SEALS && fstat(fd, &st) == 0 &&
           st.st_size == (off_t)(HEAD_SIZE + size);
}

bool zone_map(struct zone *z, int fd)
{
    void *at = mmap(NULL, HEAD_SIZE + z->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return false;
    z->birth = at;
    z->memory = (char *)at + HEAD_SIZE;
    return true;
}

void zone_unmap(struct zone *z)
{
    if (z->memory == NULL)
        return;
    (void)munmap(z->birth, HEAD_SIZE + z->size);
    z->birth = NULL;
    z->memory = NULL;
}
