#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_text
#include "fuzz/fuzz_text.c"
#undef LLVMFuzzerTestOneInput

Test(corpus, text_of_others_is_escaped_and_addresses_read_as_they_are_written)
{
    corpus_replay("text", fuzz_text);
}
