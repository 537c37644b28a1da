#include <criterion/criterion.h>
#include <errno.h>

#include "portcullis/proxy/spool.h"

static struct spool s;
static char *pattern;
#define SIZE 200000

static void set_up(void)
{
    pattern = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        pattern[i] = (char)(i * 7 + i / 251);
}

static void tear_down(void)
{
    spool_deinit(&s);
    free(pattern);
}

TestSuite(spool, .init = set_up, .fini = tear_down);

static void add_in_pieces(size_t total, size_t piece)
{
    for (size_t at = 0; at < total; at += piece) {
        size_t n = total - at < piece ? total - at : piece;
        cr_assert(spool_add(&s, str_make(pattern + at, n)));
    }
    cr_assert(spool_end(&s));
}

static void holds(size_t total)
{
    struct buf out = {0};

    cr_assert_eq(s.size, total);
    for (size_t at = 0; at < total; at = buf_len(&out))
        cr_assert(spool_read(&s, at, 30000, &out));
    cr_assert(str_eq(buf_str(&out), str_make(pattern, total)));
    buf_deinit(&out);
}

Test(spool, small_bodies_stay_in_memory)
{
    spool_init(&s, 16384, STR("/nowhere"));
    add_in_pieces(16384, 1000);
    cr_assert(!s.in_file);
    holds(16384);
}

Test(spool, gives_back_what_came_however_it_was_cut)
{
    static const struct {
        size_t limit, piece;
    } rows[] = {{16384, 1},  {16384, 1000}, {16384, 16384}, {16384, 65536},
                {1000, 999}, {0, 70000},    {0, 100},       {100000, 30000}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        spool_init(&s, rows[i].limit, STR("/tmp"));
        add_in_pieces(SIZE, rows[i].piece);
        cr_assert(s.in_file);
        holds(SIZE);
        holds(SIZE); /* and again */
        spool_deinit(&s);
    }
}

Test(spool, memory_is_bounded_by_the_limit)
{
    spool_init(&s, 16384, STR("/tmp"));
    add_in_pieces(SIZE, 1000);
    cr_assert_leq(s.memory.capacity, 65536);
}

Test(spool, without_its_folder_the_file_is_in_tmp)
{
    spool_init(&s, 10, STR("/nowhere/at/all"));
    add_in_pieces(SIZE, 1000);
    cr_assert_eq(s.directory_errno, ENOENT);
    holds(SIZE);
}
