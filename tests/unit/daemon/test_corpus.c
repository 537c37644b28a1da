#include <stdlib.h>

#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_log_line
#include "fuzz/fuzz_log_line.c"
#undef LLVMFuzzerTestOneInput

Test(corpus, lines_of_logs_are_searched_within_their_bounds)
{
    corpus_replay("log_line", fuzz_log_line);
}

/* A target that nobody replays would be forgotten. */
Test(corpus, every_target_is_replayed_on_its_floor)
{
    cr_assert_eq(system("cd '" PC_TESTS_DIR "' && for t in fuzz/fuzz_*.c; do"
                        " grep -qF \"#include \\\"$t\\\"\" unit/*/test_corpus.c && continue;"
                        " echo \"$t\"; exit 1; done"),
                 0);
}
