/* Certificates, CAs and revocation lists: (kind, length in two octets, DER) and so on. The clock
 * stands in 2027. What is said of a chain must not depend on how often it is asked.
 * Build: as fuzz_client_hello.c. */
#include <assert.h>
#include <stdint.h>

#include "portcullis/tls/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(struct identity *i)
{
    size_t length = identity_verify_text(i).len + identity_detail(i).len;
    for (int fact = 0; fact < IDENTITY_FACTS; fact++)
        length += identity_fact(i, (enum identity_fact)fact).len;
    assert(length < 1 << 24);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str chain[70], in = str_make((const char *)data, size);
    size_t count = 0;
    const char *problem;
    struct verify_rules rules = {.depth = 3, .rsa_bits = 2048};
    struct trust *t = trust_new();
    while (in.len > 3 && count < 70) {
        unsigned kind = (unsigned char)in.ptr[0] % 3;
        size_t length = (size_t)(unsigned char)in.ptr[1] << 8 | (unsigned char)in.ptr[2];
        struct str der = str_upto(str_from(in, 3), length);
        in = str_from(in, 3 + length);
        if (kind == 0)
            chain[count++] = der;
        else if (kind == 1)
            (void)trust_add_ca(t, der, &problem);
        else
            (void)trust_add_crl(t, der, &problem);
    }
    trust_finish(t);
    struct identity *i = identity_new(chain, count);
    identity_judge(i, t, 1800000000, &rules);
    enum refusal first = identity_refusal(i);
    identity_judge(i, t, 1800000000, &rules);
    assert(first == identity_refusal(i));
    assert(identity_is_verified(i) == (first == REFUSAL_NONE));
    look_at(i);
    identity_unref(i);
    trust_free(t);
    return 0;
}
