#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_config
#include "fuzz/fuzz_config.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_load
#include "fuzz/fuzz_load.c"
#undef LLVMFuzzerTestOneInput

/* A file may end anywhere. */
static int cut_anywhere(const uint8_t *data, size_t size)
{
    for (size_t cut = 0; cut <= size; cut++)
        fuzz_config(data, cut);
    return 0;
}

Test(corpus, configurations_end_anywhere)
{
    corpus_replay("config", cut_anywhere);
}

Test(corpus, configurations_load_or_say_why)
{
    corpus_replay("load", fuzz_load);
}
