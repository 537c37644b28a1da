#include "portcullis/base/random.h"

#include <errno.h>
#include <sys/random.h>

bool random_fill(void *out, size_t size)
{
    unsigned char *to = out;
    while (size > 0) {
        ssize_t n = getrandom(to, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        size -= (size_t)n;
    }
    return true;
}
