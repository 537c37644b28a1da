/* Octets that a client sends first. Whole and octet by octet must say the same.
 * Build and run: cmake --preset fuzz && cmake --build build/fuzz && build/fuzz/fuzz_client_hello
 * /tmp/new tests/fuzz/corpus/client_hello: what is found goes to the first folder. */
#include <assert.h>
#include <stdint.h>

#include "portcullis/tls/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str wire = str_make((const char *)data, size);
    struct client_hello whole = {0}, cut = {0};
    enum client_hello_result at_once, bit_by_bit = CLIENT_HELLO_MORE;
    const char *problem = NULL;
    unsigned alert = 0;
    struct arena a;
    arena_init(&a, 512);
    at_once = client_hello_read(&whole, &a, wire, &problem, &alert);
    assert((at_once == CLIENT_HELLO_MALFORMED) == (problem != NULL));
    for (size_t n = 1; n <= size && bit_by_bit == CLIENT_HELLO_MORE; n++)
        bit_by_bit = client_hello_read(&cut, &a, str_upto(wire, n), &problem, &alert);
    assert(at_once == bit_by_bit);
    assert(at_once != CLIENT_HELLO_READY ||
           (str_eq(whole.server_name, cut.server_name) && str_eq(whole.message, cut.message)));
    (void)client_hello_offers_alpn(&whole, STR("http/1.1"));
    arena_deinit(&a);
    return 0;
}
