/* What the fuzz target was fed, fed again. */
#include <dirent.h>
#include <stdio.h>

#include "support.h"

#define LLVMFuzzerTestOneInput fuzz_config
#include "fuzz/fuzz_config.c"

static size_t read_all(const char *path, uint8_t *out, size_t size)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s", path);
    size_t got = fread(out, 1, size, f);
    fclose(f);
    return got;
}

Test(corpus, config)
{
    static uint8_t octets[65536];
    size_t count = 0;
    DIR *d = opendir(PC_TESTS_DIR "/fuzz/corpus/config");
    cr_assert(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", PC_TESTS_DIR "/fuzz/corpus/config", e->d_name);
        size_t size = read_all(path, octets, sizeof octets);
        for (size_t cut = 0; cut <= size; cut++)
            fuzz_config(octets, cut);
        count++;
    }
    closedir(d);
    cr_expect(count > 10);
}
