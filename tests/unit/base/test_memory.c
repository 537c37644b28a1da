#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "portcullis/base/memory.h"

Test(memory, zalloc_is_zeroed_and_strdup_copies)
{
    char *z = mem_zalloc(100);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(z[i], 0);
    char *copy = mem_strdup("abc");
    cr_assert_str_eq(copy, "abc");
    mem_wipe(copy, 3);
    cr_assert_eq(memcmp(copy, "\0\0\0", 3), 0);
    mem_free(copy);
    mem_free(z);
    mem_free(NULL);
}

Test(memory, no_octets_are_a_place_all_the_same)
{
    void *ptr = mem_alloc(0);
    cr_assert_not_null(ptr);
    ptr = mem_realloc(ptr, 0);
    cr_assert_not_null(ptr);
    mem_free(ptr);
}

/* AddressSanitizer ends the process by itself. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define HAS_SANITIZER
#endif

#ifndef HAS_SANITIZER
static unsigned waits;

static bool wait_twice(void)
{
    return ++waits < 3;
}

Test(memory, none_left_is_waited_for_as_long_as_told, .signal = SIGABRT)
{
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    volatile size_t too_much = SIZE_MAX / 4;
    mem_on_shortage(wait_twice);
    mem_free(mem_zalloc(too_much));
}

static struct rlimit unlimited;

static bool make_room(void)
{
    waits++;
    return setrlimit(RLIMIT_AS, &unlimited) == 0;
}

Test(memory, what_comes_back_is_taken)
{
    const size_t size = (size_t)64 << 20;
    cr_assert_eq(getrlimit(RLIMIT_AS, &unlimited), 0);
    struct rlimit tight = {size, unlimited.rlim_max};
    mem_on_shortage(make_room);
    cr_assert_eq(setrlimit(RLIMIT_AS, &tight), 0);
    char *got = mem_zalloc(size);
    cr_expect_eq(waits, 1);
    cr_expect_eq(got[size - 1], 0);
    mem_free(got);
}

Test(memory, none_left_ends_the_process, .signal = SIGABRT)
{
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    volatile size_t too_much = SIZE_MAX / 4;
    mem_free(mem_alloc(too_much));
}
#endif
