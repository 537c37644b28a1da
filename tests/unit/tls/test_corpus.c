/* The fuzz targets over their corpora: what was found once stays found. */
#include <dirent.h>
#include <stdio.h>

#include "support.h"

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

static void replay(const char *folder, int (*target)(const uint8_t *data, size_t size))
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir, "%s", folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        struct buf data = read_file(path);
        target((const uint8_t *)buf_str(&data).ptr, buf_len(&data));
        buf_deinit(&data);
        count++;
    }
    closedir(dir);
    cr_assert_gt(count, 0);
}

Test(corpus, client_hellos_read_the_same_whole_and_cut)
{
    replay(PC_TESTS_DIR "/fuzz/corpus/client_hello", fuzz_client_hello);
}

Test(corpus, chains_are_judged_the_same_twice)
{
    replay(PC_TESTS_DIR "/fuzz/corpus/verify", fuzz_verify);
}

Test(corpus, files_of_certificates_are_read_or_refused_with_a_reason)
{
    replay(PC_TESTS_DIR "/fuzz/corpus/bundle", fuzz_bundle);
}

Test(corpus, revocation_lists_say_the_same_in_any_order)
{
    replay(PC_TESTS_DIR "/fuzz/corpus/crl", fuzz_crl);
}

Test(corpus, name_constraints_are_judged_the_same_twice)
{
    replay(PC_TESTS_DIR "/fuzz/corpus/constraints", fuzz_constraints);
}

Test(corpus, tickets_open_only_for_who_sealed_them_and_come_back_the_same)
{
    cr_assert(tls_process_start());
    replay(PC_TESTS_DIR "/fuzz/corpus/ticket", fuzz_ticket);
}
