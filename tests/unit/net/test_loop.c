#include <criterion/criterion.h>
#include <unistd.h>

#include "../../../src/net/io.h"
#include "portcullis/base/clock.h"
#include "support.h"

static char trace[64];
static size_t traced;

static void note(char c)
{
    cr_assert(traced < sizeof trace - 1);
    trace[traced++] = c;
}

static void note_a(void *arg)
{
    (void)arg;
    note('a');
}

static void note_b(void *arg)
{
    (void)arg;
    note('b');
}

static void defer_both(void *arg)
{
    note('x');
    loop_defer(arg, note_a, NULL);
    loop_defer(arg, note_b, NULL);
}

Test(loop, ends_when_nothing_is_left)
{
    struct loop *l = loop_new();
    run(l);
    loop_free(l);
}

Test(loop, runs_deferred_calls_in_the_order_asked)
{
    struct loop *l = loop_new();
    loop_defer(l, note_a, NULL);
    loop_defer(l, defer_both, l);
    loop_defer(l, note_b, NULL);
    run(l);
    cr_assert_str_eq(trace, "axbab");
    loop_free(l);
}

static void cancel_a(void *arg)
{
    loop_defer_cancel(arg, note_a, NULL);
}

Test(loop, forgets_cancelled_calls_of_this_round_and_the_next)
{
    struct loop *l = loop_new();
    loop_defer(l, cancel_a, l);
    loop_defer(l, note_a, NULL);
    loop_defer(l, note_b, NULL);
    run(l);
    cr_assert_str_eq(trace, "b");
    loop_free(l);
}

static void defer_again(void *arg)
{
    loop_defer(arg, defer_again, arg);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

Test(loop, lets_timers_fire_beside_endless_work)
{
    struct loop *l = loop_new();
    struct timer *t = timer_new(l, stop_loop, l);
    timer_start(t, 1);
    loop_defer(l, defer_again, l);
    run(l);
    timer_free(t);
    loop_free(l);
}

Test(loop, waits_for_timers_and_fires_them_in_order)
{
    struct loop *l = loop_new();
    struct timer *a = timer_new(l, note_a, NULL);
    struct timer *b = timer_new(l, note_b, NULL);
    int64_t before = clock_monotonic_ms();

    timer_start(b, 30);
    timer_start(a, 10);
    run(l);
    cr_assert_str_eq(trace, "ab");
    cr_assert_geq(clock_monotonic_ms() - before, 29);
    timer_free(a);
    timer_free(b);
    loop_free(l);
}

Test(loop, fires_a_timer_that_was_put_off_once_and_late)
{
    struct loop *l = loop_new();
    struct timer *a = timer_new(l, note_a, NULL);
    struct timer *b = timer_new(l, note_b, NULL);

    timer_start(a, 5);
    timer_start(a, 40); /* later: put off */
    timer_start(b, 20);
    run(l);
    timer_start(a, 40);
    timer_start(a, 5); /* earlier */
    timer_start(b, 20);
    run(l);
    cr_assert_str_eq(trace, "baab");
    timer_free(a);
    timer_free(b);
    loop_free(l);
}

Test(loop, ends_though_a_weak_timer_runs)
{
    struct loop *l = loop_new();
    struct timer *t = timer_new(l, note_a, NULL);
    timer_set_weak(t, true);
    timer_start(t, 3600 * 1000);
    run(l);
    cr_assert(timer_is_running(t));
    timer_free(t);
    loop_free(l);
}

static struct timer *suicide;

static void free_itself(void *arg)
{
    (void)arg;
    timer_free(suicide);
    note('f');
}

Test(loop, lets_a_timer_be_freed_while_it_fires)
{
    struct loop *l = loop_new();
    suicide = timer_new(l, free_itself, NULL);
    timer_start(suicide, 0);
    run(l);
    cr_assert_str_eq(trace, "f");
    loop_free(l);
}

struct watched {
    struct watch *watch;
    int fd;
    struct watched *other;
};

static void read_and_drop_the_other(void *owner)
{
    struct watched *w = owner;

    note('w');
    watch_free(w->other->watch);
    w->other->watch = NULL;
    watch_free(w->watch);
    w->watch = NULL;
}

Test(loop, tells_nothing_of_a_watch_that_another_one_freed)
{
    struct loop *l = loop_new();
    int fds[2][2];
    struct watched w[2] = {{.other = &w[1]}, {.other = &w[0]}};

    for (int i = 0; i < 2; i++) {
        cr_assert(pipe(fds[i]) == 0 && write(fds[i][1], "x", 1) == 1);
        w[i].watch = watch_new(l, fds[i][0], read_and_drop_the_other, &w[i]);
    }
    run(l);
    cr_assert_str_eq(trace, "w");
    loop_free(l);
}

/* ------------------------------------------------------------------ work that has its turn */

enum { COSTLY = 40, COSTLY_A_TURN = 8, BULK_A_TURN = 16 };

static struct loop *busy;
static struct task costly[COSTLY], other;
static size_t costly_done, costly_between, other_done;

static void run_costly(struct task *task)
{
    (void)task;
    costly_done++;
    costly_between++;
}

/* Comes again in each turn of the loop, as a client's requests do. */
static void run_other(struct task *task)
{
    cr_assert_leq(costly_between, COSTLY_A_TURN, "%zu", costly_between);
    cr_assert_eq(loop_ran_costly(busy), costly_between > 0);
    cr_assert_eq(loop_is_behind(busy), costly_between == COSTLY_A_TURN);
    costly_between = 0;
    if (other_done++ < 20)
        task_post_later(busy, task);
}

Test(loop, does_a_little_of_costly_work_in_a_turn)
{
    busy = loop_new();
    for (size_t i = 0; i < COSTLY; i++) {
        task_init(&costly[i], run_costly);
        task_post_costly(busy, &costly[i], (uint32_t)i % 3);
    }
    task_post_costly(busy, &costly[0], 0); /* once at a time */
    task_cancel(&costly[COSTLY - 1]);
    task_init(&other, run_other);
    task_post(busy, &other);
    run(busy);
    cr_assert_eq(costly_done, COSTLY - 1);
    cr_assert_eq(other_done, 21);
    loop_free(busy);
}

/* A long read that always has more. */
static void read_much(struct task *task)
{
    costly_done++;
    costly_between++;
    if (other_done < 20)
        task_post_bulk(busy, task, 0);
}

static void ask_between(struct task *task)
{
    cr_assert_leq(costly_between, BULK_A_TURN, "%zu", costly_between);
    costly_between = 0;
    if (other_done++ < 20)
        task_post_later(busy, task);
}

Test(loop, lets_long_reads_take_turns_behind_the_rest)
{
    busy = loop_new();
    for (size_t i = 0; i < COSTLY; i++) {
        task_init(&costly[i], read_much);
        task_post_bulk(busy, &costly[i], (uint32_t)i % 3);
    }
    task_init(&other, ask_between);
    task_post(busy, &other);
    run(busy);
    cr_assert_eq(other_done, 21);
    cr_assert_geq(costly_done, 20 * BULK_A_TURN);
    loop_free(busy);
}
