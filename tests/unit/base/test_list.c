#include <criterion/criterion.h>

#include "portcullis/base/list.h"

struct item {
    int value;
    struct list link;
};

Test(list, keeps_order_and_lets_the_current_one_go)
{
    struct list head;
    struct item items[3] = {{.value = 2}, {.value = 3}, {.value = 1}};
    list_init(&head);
    cr_assert(list_is_empty(&head));
    list_push_back(&head, &items[0].link);
    list_push_back(&head, &items[1].link);
    list_push_front(&head, &items[2].link);

    int expected = 1;
    LIST_FOR_EACH(it, &head)
    {
        cr_assert_eq(CONTAINER_OF(it, struct item, link)->value, expected++);
        list_remove(it);
        list_remove(it);
    }
    cr_assert_eq(expected, 4);
    cr_assert(list_is_empty(&head));
}
