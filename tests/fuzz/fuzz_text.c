/* Octets of others in what we write: JSON, logs, base64; and addresses, which are read as they are
 * written. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "portcullis/base/addr.h"
#include "portcullis/base/base64.h"
#include "portcullis/base/json.h"
#include "portcullis/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(struct str s)
{
    struct buf out = {0};
    json_append_escaped(&out, s);
    struct str text = buf_str(&out);
    for (size_t i = 0; i < text.len; i++) {
        assert((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != '"');
        if (text.ptr[i] != '\\')
            continue;
        assert(i + 1 < text.len && memchr("\"\\/bfnrtu", text.ptr[i + 1], 9) != NULL);
        i++;
    }
    assert(text.len >= s.len && text.len <= 6 * s.len);
    buf_deinit(&out);
}

static void check_base64(struct str s)
{
    struct buf out = {0};
    base64_append(&out, s);
    assert(buf_len(&out) == (s.len + 2) / 3 * 4);
    buf_clear(&out);
    base64url_append(&out, s);
    assert(buf_len(&out) == (s.len * 4 + 2) / 3);
    buf_deinit(&out);
}

static void check_utf8(struct str s)
{
    while (s.len > 0) {
        size_t length = utf8_length(s), shown = utf8_shown(s);
        assert(length <= 4 && length <= s.len && (shown == 0 || shown == length));
        s = str_from(s, length > 0 ? length : 1);
    }
}

static void check_address(struct str s)
{
    struct addr a, again;
    struct cidr block;
    char text[ADDR_TEXT_MAX];
    if (addr_parse_ip(&a, s, 80)) {
        bool is_read = addr_parse_ip(&again, addr_text(&a, text), 80);
        assert(is_read && addr_eq(&a, &again));
        assert(addr_text_port(&a, text).len > 0);
        block = cidr_of(&a);
        assert(cidr_contains(&block, &a));
        (void)is_read;
    }
    if (cidr_parse(&block, s, NULL)) {
        assert(block.bits <= 128);
        assert(cidr_holds(&block, &block));
    }
    (void)addr_parse_unix(&a, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = str_make((const char *)data, size);
    check_json(s);
    check_base64(s);
    check_utf8(s);
    check_address(s);
    return 0;
}
