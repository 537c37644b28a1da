/* Lines of an error log, as "explain --log-id" searches them: what is found stands in the line. */
#include <assert.h>
#include <stdint.h>

#include "../../src/daemon/explain_log.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct str part, struct str whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct logged l = {.id = STR("a")};
    struct str line = str_make((const char *)data, size);
    struct buf out = {0};
    if (!matches(&l, line))
        return 0;
    assert(l.why > REFUSAL_NONE && l.why < REFUSALS);
    assert(is_within(l.when, line) && is_within(l.code, line) && is_within(l.detail, line) &&
           is_within(l.rest, line));
    print_text(&l, STR("cure"), &out);
    print_json(&l, STR("cure"), &out);
    buf_deinit(&out);
    return 0;
}
