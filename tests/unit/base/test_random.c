#include "portcullis/base/random.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 32 };

Test(random, fills_all_of_it)
{
    static unsigned char octets[1024];
    cr_assert(random_fill(octets, sizeof octets));
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof octets; i++)
        zeros += octets[i] == 0;
    cr_expect_lt(zeros, sizeof octets / 16, "%zu of %zu octets are 0", zeros, sizeof octets);
}

Test(random, writes_nothing_beyond)
{
    unsigned char octets[SIZE + 1] = {0};
    cr_assert(random_fill(octets, SIZE));
    cr_expect_eq(octets[SIZE], 0);
    cr_expect(random_fill(octets + SIZE, 0));
    cr_expect_eq(octets[SIZE], 0);
}

/* As a builder's workers are made. */
Test(random, differs_between_processes_of_one_fork)
{
    unsigned char(*seen)[SIZE] = mmap(NULL, 3 * SIZE, PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(seen != MAP_FAILED && random_fill(seen[2], SIZE));
    for (size_t i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(random_fill(seen[i], SIZE) ? 0 : 1);
        int status;
        cr_assert(waitpid(child, &status, 0) == child && status == 0);
    }
    cr_expect(memcmp(seen[0], seen[1], SIZE) != 0);
    cr_expect(memcmp(seen[0], seen[2], SIZE) != 0);
    cr_expect(memcmp(seen[1], seen[2], SIZE) != 0);
    munmap(seen, 3 * SIZE);
}
