#include <criterion/criterion.h>

#include "../../../src/net/turns.h"

static struct turns t;
static struct list nodes[6];

static void add(size_t node, uint32_t owner)
{
    list_init(&nodes[node]);
    turns_add(&t, &nodes[node], owner);
}

static void takes(size_t node)
{
    struct list *taken = turns_take(&t);
    cr_assert_eq(taken, &nodes[node], "not %zu", node);
    cr_assert(list_is_empty(taken));
}

Test(turns, are_taken_by_owners_and_what_is_an_owners_comes_in_order)
{
    turns_init(&t);
    add(0, 7);
    add(1, 7);
    add(2, 7);
    add(3, 9);
    add(4, 9 + TURNS_QUEUES); /* shares the queue */
    takes(0);
    takes(3);
    takes(1);
    add(5, 8);
    takes(5);
    takes(4);
    takes(2);
    cr_assert_null(turns_take(&t));
    cr_assert(turns_is_empty(&t));
}

Test(turns, skip_what_was_removed)
{
    turns_init(&t);
    add(0, 1);
    add(1, 2);
    add(2, 2);
    list_remove(&nodes[0]);
    list_remove(&nodes[1]);
    takes(2);
    cr_assert_null(turns_take(&t));
    cr_assert(turns_is_empty(&t));
}
