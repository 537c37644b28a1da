#include <criterion/criterion.h>
#include <string.h>

#include "portcullis/base/block.h"

Test(block, sizes_are_powers_of_two_unless_small_or_large)
{
    static const struct {
        size_t asked, given;
    } rows[] = {{1, 1},           {64, 64},          {256, 256},
                {257, 512},       {512, 512},        {513, 1024},
                {16384, 16384},   {16385, 32768},    {128 * 1024, 128 * 1024},
                {131073, 131073}, {1000000, 1000000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = rows[i].asked;
        void *block = block_take(&size);
        cr_expect_eq(size, rows[i].given, "%zu, not %zu", size, rows[i].given);
        memset(block, 1, size);
        block_give(block, size);
    }
}

Test(block, blocks_that_are_out_together_are_different)
{
    enum { COUNT = 600 };
    char *blocks[COUNT];
    size_t size = 1024;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++)
            memset(blocks[i] = block_take(&size), i, size);
        for (int i = 0; i < COUNT; i++) {
            cr_expect_eq(blocks[i][16], (char)i);
            cr_expect_eq(blocks[i][size - 1], (char)i);
        }
        for (int i = 0; i < COUNT; i++)
            block_give(blocks[i], size);
    }
}

Test(block, none_is_given_back_for_nothing)
{
    block_give(NULL, 0);
}
