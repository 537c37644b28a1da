#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/daemon/channel.h"

static int ends[2];

static void set_up(void)
{
    cr_assert(channel_pair(ends));
}

static void tear_down(void)
{
    close(ends[0]);
    close(ends[1]);
}

TestSuite(channel, .init = set_up, .fini = tear_down);

Test(channel, carries_messages_one_by_one_and_says_when_there_is_none)
{
    struct message m;

    cr_assert(channel_send_type(ends[0], MESSAGE_READY));
    cr_assert(channel_send_type(ends[0], MESSAGE_TERM));
    cr_assert_eq(channel_receive(ends[1], &m, true), CHANNEL_MESSAGE);
    cr_assert_eq(m.type, MESSAGE_READY);
    cr_assert_eq(channel_receive(ends[1], &m, true), CHANNEL_MESSAGE);
    cr_assert_eq(m.type, MESSAGE_TERM);
    cr_assert_eq(channel_receive(ends[1], &m, false), CHANNEL_EMPTY);
}

Test(channel, carries_descriptors_closed_on_exec)
{
    struct message m;
    int pipe_ends[2];
    char c;

    memset(&m, 0, sizeof m);
    m.type = MESSAGE_RESULT;
    m.result.left = 7;
    cr_assert(pipe(pipe_ends) == 0);
    for (m.fd_count = 0; m.fd_count < CHANNEL_FDS_MAX; m.fd_count++)
        m.fds[m.fd_count] = pipe_ends[1];
    cr_assert(channel_send(ends[0], &m));
    close(pipe_ends[1]);
    memset(&m, 0, sizeof m);
    cr_assert_eq(channel_receive(ends[1], &m, true), CHANNEL_MESSAGE);
    cr_assert_eq(m.result.left, 7);
    cr_assert_eq(m.fd_count, CHANNEL_FDS_MAX);
    cr_assert((fcntl(m.fds[5], F_GETFD) & FD_CLOEXEC) != 0);
    cr_assert(write(m.fds[CHANNEL_FDS_MAX - 1], "x", 1) == 1 && read(pipe_ends[0], &c, 1) == 1);
    message_close_fds(&m);
    cr_assert_eq(read(pipe_ends[0], &c, 1), 0);
    close(pipe_ends[0]);
}

Test(channel, tells_that_the_other_end_is_gone_behind_its_last_words)
{
    struct message m;

    cr_assert(channel_send_type(ends[0], MESSAGE_READY));
    close(ends[0]);
    cr_assert_eq(channel_receive(ends[1], &m, false), CHANNEL_MESSAGE);
    cr_assert_eq(channel_receive(ends[1], &m, false), CHANNEL_GONE);
    cr_assert_not(channel_send_type(ends[1], MESSAGE_QUIT));
    ends[0] = dup(ends[1]);
}

Test(channel, never_waits_to_send)
{
    int sent = 0;

    while (channel_send_type(ends[0], MESSAGE_QUIT))
        cr_assert_lt(++sent, 1000000);
    cr_assert_gt(sent, 10);
}
