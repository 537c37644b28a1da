#include <string.h>
#include <unistd.h>

#include "../../../src/tls/session_cache.h"
#include "support.h"

static struct zone ring;

static void make_ring(void)
{
    ring = (struct zone){.name = STR("cache"), .size = 32768};
    int fd = zone_create(ring.size);
    cr_assert(fd != -1 && zone_map(&ring, fd));
    close(fd);
}

static void drop_ring(void)
{
    zone_unmap(&ring);
}

TestSuite(session_cache, .init = make_ring, .fini = drop_ring);

static void id_of(unsigned number, unsigned char id[static SESSION_ID])
{
    memset(id, 0, SESSION_ID);
    number = number * 2654435761u;
    memcpy(id, &number, sizeof number);
    memcpy(id + 8, &number, sizeof number);
}

/* Of a length that differs from one to the next. */
static struct str content_of(unsigned number, char out[static 1600])
{
    size_t len = 500 + number * 37 % 1000;
    memset(out, 'a' + (int)(number % 26), len);
    return str_make(out, len);
}

Test(session_cache, gives_back_the_newest_and_never_another)
{
    unsigned char id[SESSION_ID];
    char text[1600];
    unsigned found = 0;
    for (unsigned n = 0; n < 2000; n++) {
        struct arena a;
        arena_init(&a, 4096);
        id_of(n, id);
        cr_expect_eq(session_cache_get(&ring, id, &a).len, 0);
        session_cache_put(&ring, id, content_of(n, text));
        cr_expect(str_eq(session_cache_get(&ring, id, &a), content_of(n, text)), "%u", n);
        for (unsigned back = 1; back < 40 && back <= n; back++) {
            id_of(n - back, id);
            struct str got = session_cache_get(&ring, id, &a);
            cr_expect(got.len == 0 || str_eq(got, content_of(n - back, text)), "%u", n - back);
            found += got.len > 0;
        }
        arena_deinit(&a);
    }
    cr_expect_geq(found / 2000, 15, "%u of about 28 are kept", found / 2000);
}

Test(session_cache, does_without_what_is_larger_than_itself)
{
    static char large[40000];
    unsigned char id[SESSION_ID];
    struct arena a;
    arena_init(&a, 4096);
    id_of(1, id);
    session_cache_put(&ring, id, str_make(large, sizeof large));
    cr_expect_eq(session_cache_get(&ring, id, &a).len, 0);
    arena_deinit(&a);
}
