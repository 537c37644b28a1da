#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_identity_names
#include "fuzz/fuzz_identity_names.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_identity_presets
#include "fuzz/fuzz_identity_presets.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_zones
#include "fuzz/fuzz_zones.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_client_rules
#include "fuzz/fuzz_client_rules.c"
#undef LLVMFuzzerTestOneInput

Test(corpus, names_of_identity_headers_are_known_in_every_spelling)
{
    corpus_replay("identity_names", fuzz_identity_names);
}

Test(corpus, names_in_certificates_write_no_field_of_their_own)
{
    corpus_replay("identity_presets", fuzz_identity_presets);
}

/* So that the above is not true of nothing. */
Test(corpus, certificates_made_of_names_say_them)
{
    struct buf der = {0}, value = {0};
    make_certificate(&der, STR("\x00\x05"
                               "alice"
                               "\x08\x09"
                               "a.example"));
    struct str chain = buf_str(&der);
    struct identity *i = identity_new(&chain, 1);
    xfcc(i, &value);
    cr_expect_neq(str_search(buf_str(&value), STR(";Subject=\"CN=alice\";URI=;DNS=a.example")),
                  SIZE_MAX, "%.*s", STR_ARG(buf_str(&value)));
    identity_unref(i);
    buf_deinit(&value);
    buf_deinit(&der);
}

Test(corpus, spoiled_zones_are_used_within_their_bounds)
{
    corpus_replay("zones", fuzz_zones);
}

Test(corpus, client_rules_match_by_their_definition)
{
    corpus_replay("client_rules", fuzz_client_rules);
}
