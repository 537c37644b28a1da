/* What a server asks of its clients: the first octet says which version's form it has. */
#include <assert.h>
#include <stdint.h>

#include "portcullis/tls/certificate_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct certificate_request r;
    struct arena a;
    if (size == 0)
        return 0;
    struct str rest = str_make((const char *)data + 1, size - 1);
    arena_init(&a, 1024);
    if (certificate_request_read(&r, &a, rest, data[0] & 1))
        VEC_FOR(const uint16_t, number, &r.schemes)
            assert(certificate_request_scheme(*number, &a).len > 0);
    assert(certificate_request_fits(&r, &rest, 1) <= REQUEST_OTHER_KEY);
    arena_deinit(&a);
    return 0;
}
