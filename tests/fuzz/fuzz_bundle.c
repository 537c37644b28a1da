/* Files of certificates: PEM, DER, PKCS #12 (corpus: password "x", few rounds). Whatever comes out
 * is explained, too. Build: as fuzz_client_hello.c. */
#include <assert.h>
#include <stdint.h>

#include "portcullis/tls/bundle.h"
#include "portcullis/tls/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str fuzzed_password(void *owner)
{
    (void)owner;
    return STR("x");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct bundle b = {.password = fuzzed_password};
    struct verify_trace trace = {.arena = &a};
    const struct verify_rules rules = {.depth = 3, .rsa_bits = 2048};
    const char *problem = NULL;
    arena_init(&a, 4096);
    bool good = bundle_add(&b, &a, str_make((const char *)data, size), &problem);
    assert(good == (problem == NULL) && (!good || b.certificates.count > 0));
    struct trust *t = trust_new();
    trust_finish(t);
    struct identity *i = identity_new(b.certificates.items, b.certificates.count);
    identity_trace(i, t, 1800000000, &rules, &trace);
    assert(trace.length <= VERIFY_PATH_MAX && !trace.is_complete);
    identity_unref(i);
    trust_free(t);
    arena_deinit(&a);
    return 0;
}
