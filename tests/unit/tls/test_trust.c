#include "../../../src/tls/trust.h"
#include "support.h"

static struct trust *trust_of_twice(bool intermediate_first)
{
    struct chain ca = {0};
    const char *problem;
    struct trust *t = trust_new();
    chain_add(&ca, "ca.crt");
    for (int i = 0; i < 3; i++) {
        bool as_intermediate = intermediate_first ? i == 0 : i == 1;
        cr_assert(as_intermediate ? trust_add_intermediate(t, ca.list[0], &problem)
                                  : trust_add_ca(t, ca.list[0], &problem));
    }
    trust_finish(t);
    chain_free(&ca);
    return t;
}

Test(trust, has_a_certificate_once_and_as_an_anchor_if_any_file_says_so)
{
    for (int first = 0; first < 2; first++) {
        struct trust *t = trust_of_twice(first);
        size_t count;
        cr_assert_eq(t->cert_count, 1);
        cr_expect_eq(t->certs[0].kind, TRUST_ROOT);
        cr_expect_eq(trust_anchor_count(t), 1);
        cr_expect_eq(trust_find(t, t->certs[0].cert.subject, &count), t->certs);
        cr_expect_eq(count, 1);
        trust_free(t);
    }
}
