#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/daemon/zone_set.h"
#include "portcullis/base/log.h"

static const char *const names[] = {"one", "limit_req:a;b:1:$arg_a:9:9:", ""};
enum { NAMES = sizeof names / sizeof names[0] };

static bool keep_none(void *owner, const struct kept_zone *zone)
{
    (void)owner;
    (void)zone;
    return false;
}

static void write_in(int fd, size_t size, char octet)
{
    struct zone z = {.size = size};
    cr_assert(zone_map(&z, fd));
    *(char *)z.memory = octet;
    zone_unmap(&z);
}

static char first_octet(int fd, size_t size)
{
    struct zone z = {.size = size};
    cr_assert(zone_map(&z, fd));
    char octet = *(char *)z.memory;
    zone_unmap(&z);
    return octet;
}

/* Numbers of descriptors are the same in the other program; here they are copied instead. */
static struct zone_set before, after;
static struct buf text;

static void hand_over(void)
{
    static struct log_file none = {.fd = -1};
    static struct log quiet = {.file = &none, .level = LOG_EMERG};
    log_set_process(&quiet);
    for (size_t i = 0; i < NAMES; i++)
        write_in(zone_set_take(&before, names[i], 4096 + i)->fd, 4096 + i, (char)('a' + i));
    zone_set_hand_over(&before, &text);
}

/* Of what has become another's. */
static void forget_numbers(struct zone_set *set)
{
    for (struct kept_zone *z = set->zones; z != NULL; z = z->next)
        z->fd = -1;
}

static void tear_down(void)
{
    zone_set_sweep(&before, keep_none, NULL);
    zone_set_sweep(&after, keep_none, NULL);
    buf_deinit(&text);
}

TestSuite(zone_set, .init = hand_over, .fini = tear_down);

Test(zone_set, hands_zones_over_by_name_and_size)
{
    zone_set_adopt(&after, buf_str(&text));
    for (size_t i = 0; i < NAMES; i++) {
        struct kept_zone *z = zone_set_take(&after, names[i], 4096 + i);
        cr_expect_eq(first_octet(z->fd, z->size), 'a' + (char)i);
        cr_expect((fcntl(z->fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    struct kept_zone *other = zone_set_take(&after, names[0], 8192);
    cr_expect_eq(first_octet(other->fd, other->size), 0);
    forget_numbers(&before);
}

Test(zone_set, closes_those_of_another_layout)
{
    struct buf other = {0};
    int fd = before.zones->fd;
    buf_printf(&other, "%d;%.*s", ZONE_LAYOUT + 1, STR_ARG(str_from(buf_str(&text), 2)));
    zone_set_adopt(&after, buf_str(&other));
    cr_expect_null(after.zones);
    cr_expect_eq(fcntl(fd, F_GETFD), -1);
    forget_numbers(&before);
    buf_deinit(&other);
}

Test(zone_set, takes_nothing_that_is_no_zone)
{
    int other = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct buf said = {0};
    buf_printf(&said, "%d;%d:4096:1:x%d:4097:1:x", ZONE_LAYOUT, other, before.zones->fd);
    zone_set_adopt(&after, buf_str(&said));
    cr_expect_null(after.zones);
    cr_expect_neq(fcntl(other, F_GETFD), -1);
    close(other);
    buf_deinit(&said);
}

static bool is_whole(const struct kept_zone *z)
{
    size_t i = z->size - 4096;
    return i < NAMES && strcmp(z->name, names[i]) == 0;
}

Test(zone_set, reads_what_is_cut_anywhere)
{
    for (size_t i = 0; i < buf_len(&text); i++) {
        unsigned count = 0;
        zone_set_adopt(&after, str_upto(buf_str(&text), i));
        for (struct kept_zone *z = after.zones; z != NULL; z = z->next, count++)
            cr_expect(is_whole(z), "\"%s\"", z->name);
        cr_expect_lt(count, NAMES);
        forget_numbers(&after);
        zone_set_sweep(&after, keep_none, NULL);
    }
}
