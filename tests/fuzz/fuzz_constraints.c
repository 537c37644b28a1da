/* Name constraints (length in two octets, their content), then the names of a certificate. */
#include <assert.h>
#include <stdint.h>

#include "../../src/tls/constraints.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str in = str_make((const char *)data + 2, size - 2);
    size_t length = (size_t)data[0] << 8 | data[1];
    struct cert c = {.alt_names = str_from(in, length), .subject = STR("\x30\x00")};
    for (int is_leaf = 0; is_leaf < 2; is_leaf++) {
        enum refusal first = constraints_check(str_upto(in, length), &c, is_leaf);
        assert(first < REFUSALS);
        assert(first == constraints_check(str_upto(in, length), &c, is_leaf));
    }
    /* Who says nothing about names permits all of them. */
    assert(constraints_check(STR(""), &c, true) == REFUSAL_NONE);
    return 0;
}
