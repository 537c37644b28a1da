#include "zone_set.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "portcullis/base/log.h"
#include "portcullis/base/memory.h"

void zone_log_failure(const struct zone *z, int err)
{
    log_write_errno(&log_process, LOG_EMERG, err,
                    "shared memory zone \"%.*s\" of %zu octets failed", STR_ARG(z->name), z->size);
}

static struct kept_zone *add_zone(struct zone_set *set, struct str name, size_t size, int fd)
{
    struct kept_zone *z = MEM_NEW(struct kept_zone);
    *z = (struct kept_zone){.size = size, .fd = fd, .next = set->zones};
    (void)snprintf(z->name, sizeof z->name, "%.*s", STR_ARG(name));
    set->zones = z;
    return z;
}

struct kept_zone *zone_set_take(struct zone_set *set, const char *name, size_t size)
{
    for (struct kept_zone *z = set->zones; z != NULL; z = z->next)
        if (strcmp(z->name, name) == 0 && z->size == size)
            return z;
    int fd = zone_create(size);
    return fd != -1 ? add_zone(set, str_of(name), size, fd) : NULL;
}

void zone_set_sweep(struct zone_set *set, bool (*keep)(void *owner, const struct kept_zone *zone),
                    void *owner)
{
    for (struct kept_zone **at = &set->zones; *at != NULL;) {
        struct kept_zone *z = *at;
        if (keep(owner, z)) {
            at = &z->next;
            continue;
        }
        *at = z->next;
        (void)close(z->fd);
        mem_free(z);
    }
}

/* ---- another program --------------------------------------------------------------------------
 *
 *      LAYOUT;FD:SIZE:LENGTH:NAME…     LENGTH is NAME's, and the next one follows
 */

void zone_set_hand_over(const struct zone_set *set, struct buf *text)
{
    buf_printf(text, "%d;", ZONE_LAYOUT);
    for (const struct kept_zone *z = set->zones; z != NULL; z = z->next) {
        (void)fcntl(z->fd, F_SETFD, 0);
        buf_printf(text, "%d:%zu:%zu:%s", z->fd, z->size, strlen(z->name), z->name);
    }
}

struct handed {
    int fd;
    size_t size;
    struct str name;
};

static bool read_number(struct str *rest, uint64_t most, uint64_t *number)
{
    return str_to_u64(str_cut(rest, ':'), number) && *number <= most;
}

/* False: no more of it can be read. */
static bool read_one(struct str *rest, struct handed *h)
{
    uint64_t fd, size, length;
    if (!read_number(rest, INT_MAX, &fd) || !read_number(rest, SIZE_MAX, &size) ||
        !read_number(rest, ZONE_NAME_MAX - 1, &length) || length > rest->len)
        return false;
    *h = (struct handed){(int)fd, size, str_upto(*rest, length)};
    *rest = str_from(*rest, length);
    return true;
}

static void adopt(struct zone_set *set, const struct handed *h, bool is_alike)
{
    if (is_alike && zone_is(h->fd, h->size) && fcntl(h->fd, F_SETFD, FD_CLOEXEC) == 0) {
        (void)add_zone(set, h->name, h->size, h->fd);
        return;
    }
    log_write(&log_process, LOG_WARN,
              "shared memory zone \"%.*s\" of the older program is not taken over: %s",
              STR_ARG(h->name), is_alike ? "it is none" : "this program lays it out otherwise");
    if (zone_is(h->fd, h->size))
        (void)close(h->fd);
}

void zone_set_adopt(struct zone_set *set, struct str text)
{
    uint64_t layout = 0;
    bool is_alike = str_to_u64(str_cut(&text, ';'), &layout) && layout == ZONE_LAYOUT;
    struct handed h;
    while (text.len > 0 && read_one(&text, &h))
        adopt(set, &h, is_alike);
}
