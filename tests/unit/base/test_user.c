#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

#include "portcullis/base/user.h"

Test(user, is_found_by_name)
{
    struct user root = {1, 1};

    cr_assert(user_find("root", &root));
    cr_expect_eq(root.uid, 0);
    cr_expect_eq(root.gid, 0);
    cr_expect(!user_find("no-such-user", &root) && errno == 0);
}

Test(user, has_a_group)
{
    gid_t root = 1;

    cr_assert(group_find("root", &root));
    cr_expect_eq(root, 0);
    cr_expect(!group_find("no-such-group", &root) && errno == 0);
}
