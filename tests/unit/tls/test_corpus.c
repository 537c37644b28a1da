#include "portcullis/tls/context.h"
#include "support/corpus.h"

#define LLVMFuzzerTestOneInput fuzz_client_hello
#include "fuzz/fuzz_client_hello.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_verify
#include "fuzz/fuzz_verify.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_bundle
#include "fuzz/fuzz_bundle.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_crl
#include "fuzz/fuzz_crl.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_constraints
#include "fuzz/fuzz_constraints.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_ticket
#include "fuzz/fuzz_ticket.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_certificate_request
#include "fuzz/fuzz_certificate_request.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_key_process
#include "fuzz/fuzz_key_process.c"
#undef LLVMFuzzerTestOneInput

Test(corpus, client_hellos_read_the_same_whole_and_cut)
{
    corpus_replay("client_hello", fuzz_client_hello);
}

Test(corpus, chains_are_judged_the_same_twice)
{
    corpus_replay("verify", fuzz_verify);
}

Test(corpus, files_of_certificates_are_read_or_refused_with_a_reason)
{
    corpus_replay("bundle", fuzz_bundle);
}

Test(corpus, revocation_lists_say_the_same_in_any_order)
{
    corpus_replay("crl", fuzz_crl);
}

Test(corpus, name_constraints_are_judged_the_same_twice)
{
    corpus_replay("constraints", fuzz_constraints);
}

Test(corpus, tickets_open_only_for_who_sealed_them_and_come_back_the_same)
{
    cr_assert(tls_process_start());
    corpus_replay("ticket", fuzz_ticket);
}

Test(corpus, certificate_requests_are_read_to_their_end)
{
    corpus_replay("certificate_request", fuzz_certificate_request);
}

Test(corpus, the_key_process_is_left_clean_by_whoever_asks)
{
    corpus_replay("key_process", fuzz_key_process);
}
