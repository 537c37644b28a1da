#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "portcullis/base/file.h"

Test(file, is_read_as_a_whole)
{
    char path[] = "/tmp/portcullis-file-XXXXXX";
    int fd = mkstemp(path);
    struct buf out = {0};

    cr_assert(fd != -1 && ftruncate(fd, 200000) == 0);
    cr_assert(file_read(str_of(path), &out));
    cr_expect_eq(buf_len(&out), 200000);
    buf_deinit(&out);
    (void)close(fd);
    (void)unlink(path);
}

Test(file, is_bounded)
{
    char path[] = "/tmp/portcullis-file-XXXXXX";
    int fd = mkstemp(path);
    struct buf out = {0};

    cr_assert(fd != -1 && ftruncate(fd, (256L << 20) + 1) == 0);
    cr_expect(!file_read(str_of(path), &out) && errno == EFBIG);
    buf_deinit(&out);
    (void)close(fd);
    (void)unlink(path);
}

Test(file, says_why_not)
{
    struct buf out = {0};

    cr_expect(!file_read(STR("/no/such/file"), &out) && errno == ENOENT);
    cr_expect(!file_read(STR("/tmp"), &out) && errno == EISDIR);
    buf_deinit(&out);
}
