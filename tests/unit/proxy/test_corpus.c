#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_identity_names
#include "fuzz/fuzz_identity_names.c"
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

Test(corpus, spoiled_zones_are_used_within_their_bounds)
{
    corpus_replay("zones", fuzz_zones);
}

Test(corpus, client_rules_match_by_their_definition)
{
    corpus_replay("client_rules", fuzz_client_rules);
}
