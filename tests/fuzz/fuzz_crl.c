/* Revocation lists: a serial number (its length, then it), then lists (length in two octets, DER),
 * all taken for signed by their issuer. The clock stands in 2027. What they say must not depend on
 * their order, and must be what reading them from end to end finds. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "../../src/tls/crl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_LISTS = 8 };

static bool stands_on(const struct crl *l, struct str serial)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].len == serial.len &&
            memcmp(l->entries[i].serial, serial.ptr, serial.len) == 0)
            return true;
    return false;
}

static enum crl_status ask_lists(const struct crl *lists, size_t count, struct str serial)
{
    struct cert issuer = {
        .subject = lists[0].issuer, .spki = STR("key"), .key_problem = REFUSAL_ALG_UNSUPPORTED};
    struct cert c = {.issuer = lists[0].issuer, .serial = serial};
    const struct cert *const above[] = {&issuer};
    struct buf detail = {0};
    enum crl_status s = crl_lookup(lists, count, &c, above, 1, 1800000000, 0, &detail);
    assert(s == CRL_GOOD || s == CRL_NONE || buf_len(&detail) > 0);
    buf_deinit(&detail);
    return s;
}

static size_t read_lists(struct crl *lists, struct arena *a, struct str in)
{
    size_t count = 0;
    const char *problem;
    while (in.len > 2 && count < FUZZ_LISTS) {
        size_t length = (size_t)(unsigned char)in.ptr[0] << 8 | (unsigned char)in.ptr[1];
        if (crl_read(&lists[count], a, str_upto(str_from(in, 2), length), &problem))
            lists[count++].checked_key = STR("key");
        in = str_from(in, 2 + length);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    size_t length = in.len > 0 ? (unsigned char)in.ptr[0] % 22 : 0;
    if (in.len < 1 + length || length == 0)
        return 0;
    struct str serial = str_upto(str_from(in, 1), length);
    struct crl lists[FUZZ_LISTS], other_way[FUZZ_LISTS];
    struct arena a;
    arena_init(&a, 4096);
    size_t count = read_lists(lists, &a, str_from(in, 1 + length));
    for (size_t i = 0; i < count; i++)
        other_way[count - 1 - i] = lists[i];
    if (count == 1) {
        enum crl_status s = ask_lists(lists, 1, serial);
        assert((s == CRL_REVOKED) == (s != CRL_NONE && stands_on(&lists[0], serial)));
    } else if (count > 1 && str_eq(lists[0].issuer, lists[count - 1].issuer)) {
        assert(ask_lists(lists, count, serial) == ask_lists(other_way, count, serial));
    }
    arena_deinit(&a);
    return 0;
}
