#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_session
#include "fuzz/fuzz_session.c"
#undef LLVMFuzzerTestOneInput

Test(corpus, whoever_does_what_to_a_connection_nobody_comes_in)
{
    corpus_replay("session", fuzz_session);
}

Test(corpus, undisturbed_sessions_open_for_whom_they_should)
{
    for (uint8_t who = 0; who < SERVERS * VERSIONS; who++)
        for (uint8_t card = 0; card < CARDS; card++)
            fuzz_session((const uint8_t[]){who, card}, 2);
}
