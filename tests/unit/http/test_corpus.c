#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_h1_parser
#include "fuzz/fuzz_h1_parser.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_uri
#include "fuzz/fuzz_uri.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_relay
#include "fuzz/fuzz_relay.c"
#undef LLVMFuzzerTestOneInput

Test(corpus, h1_parser_says_the_same_whole_and_cut)
{
    corpus_replay("h1_parser", fuzz_h1_parser);
}

Test(corpus, uri_is_normal_once_normalised)
{
    corpus_replay("uri", fuzz_uri);
}

Test(corpus, heads_are_passed_on_as_they_were_read)
{
    corpus_replay("relay", fuzz_relay);
}
