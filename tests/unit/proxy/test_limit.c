#include <criterion/criterion.h>

#include "../../../src/proxy/limit.h"
#include "portcullis/net/loop.h"

static void stop(void *owner)
{
    loop_stop(owner);
}

/* Its connection wakes it, too, when the rest of an earlier answer has gone out. */
Test(limit, lets_nobody_begin_before_his_time)
{
    static const struct location_conf location;
    struct loop *loop = loop_new();
    struct request req = {.location = &location, .limit_req = LIMIT_DELAYED};
    req.limit_wait = timer_new(loop, stop, loop);
    timer_start(req.limit_wait, 1);
    cr_expect_eq(limits_step(&req), STEP_WAIT);
    loop_run(loop);
    cr_expect_eq(limits_step(&req), STEP_NEXT);
    limits_release(&req);
    loop_free(loop);
}
