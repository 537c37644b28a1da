#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_h1_parser
#include "fuzz/fuzz_h1_parser.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_uri
#include "fuzz/fuzz_uri.c"
#undef LLVMFuzzerTestOneInput

Test(corpus, h1_parser_says_the_same_whole_and_cut)
{
    corpus_replay("h1_parser", fuzz_h1_parser);
}

Test(corpus, uri_is_normal_once_normalised)
{
    corpus_replay("uri", fuzz_uri);
}
