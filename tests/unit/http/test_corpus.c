/* The fuzz targets over their corpora: what was found once stays found. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>

#define LLVMFuzzerTestOneInput fuzz_h1_parser
#include "fuzz/fuzz_h1_parser.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_uri
#include "fuzz/fuzz_uri.c"
#undef LLVMFuzzerTestOneInput

static void replay_file(const char *path, int (*target)(const uint8_t *data, size_t size))
{
    static uint8_t data[64 * 1024];
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    target(data, size);
}

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
        replay_file(path, target);
        count++;
    }
    closedir(dir);
    cr_assert_gt(count, 0);
}

Test(corpus, h1_parser_says_the_same_whole_and_cut)
{
    replay(PC_TESTS_DIR "/fuzz/corpus/h1_parser", fuzz_h1_parser);
}

Test(corpus, uri_is_normal_once_normalised)
{
    replay(PC_TESTS_DIR "/fuzz/corpus/uri", fuzz_uri);
}
