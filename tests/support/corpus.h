/* A fuzz target over its corpus: what was found once stays found. */
#ifndef TESTS_SUPPORT_CORPUS_H
#define TESTS_SUPPORT_CORPUS_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef int corpus_target(const uint8_t *data, size_t size);

/* In memory of its size, so that a sanitizer sees who reads on. */
static inline uint8_t *corpus_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size > 0 ? *size : 1);
    cr_assert_not_null(data);
    cr_assert_eq(fread(data, 1, *size, file), *size, "%s", path);
    fclose(file);
    return data;
}

static inline void corpus_replay(const char *name, corpus_target *target)
{
    char folder[1024], path[2048];
    size_t count = 0, size;
    snprintf(folder, sizeof folder, "%s/fuzz/corpus/%s", PC_TESTS_DIR, name);
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir, "%s", folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        uint8_t *data = corpus_read(path, &size);
        target(data, size);
        free(data);
        count++;
    }
    closedir(dir);
    cr_assert_gt(count, 0, "%s", folder);
}

#endif
