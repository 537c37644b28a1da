/* A configuration, as far as it comes: every directive's setter, templates, regular expressions,
 * the tree of locations, the checks of -t. Names are not looked up, and there are few files: a
 * server's certificate and key, a CA, a list. */
#include <assert.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portcullis/config/lint.h"
#include "portcullis/config/load.h"
#include "session_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char fuzz_folder[64];

static void write_fuzz_file(const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", fuzz_folder, name);
    FILE *f = fopen(path, "wb");
    assert(f != NULL);
    (void)fwrite(data, 1, size, f);
    (void)fclose(f);
}

static const char *const fuzz_files[] = {"fuzz.conf", "a.crt", "a.key", "ca.crt", "list"};

static void remove_fuzz_files(void)
{
    for (size_t i = 0; i < sizeof fuzz_files / sizeof *fuzz_files; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", fuzz_folder, fuzz_files[i]);
        (void)unlink(path);
    }
    (void)rmdir(fuzz_folder);
}

static void make_fuzz_files(void)
{
    if (fuzz_folder[0] != '\0')
        return;
    strcpy(fuzz_folder, "/tmp/portcullis-fuzz-XXXXXX");
    assert(mkdtemp(fuzz_folder) != NULL);
    strcat(fuzz_folder, "/");
    write_fuzz_file("a.crt", file_server_crt, sizeof file_server_crt - 1);
    write_fuzz_file("a.key", file_server_key, sizeof file_server_key - 1);
    write_fuzz_file("ca.crt", file_ca_crt, sizeof file_ca_crt - 1);
    write_fuzz_file("list", "alice\nbob\n", 10);
    atexit(remove_fuzz_files);
}

/* In place of the C library's: one name is known, and nobody is asked. */
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    static struct sockaddr_in at = {.sin_family = AF_INET};
    static struct addrinfo one = {.ai_family = AF_INET,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_addrlen = sizeof at,
                                  .ai_addr = (struct sockaddr *)&at};
    (void)service, (void)hints;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *out = &one;
    return name != NULL && strcmp(name, "localhost") == 0 ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *info)
{
    (void)info;
}

struct said {
    size_t errors, warnings;
};

static void on_said(void *owner, enum log_level level, struct str message)
{
    struct said *said = owner;
    assert(message.len > 0);
    if (level == LOG_EMERG)
        said->errors++;
    else
        said->warnings++;
}

/* Devices never end, and what the system tells changes. */
static bool names_files_of_the_system(struct str text)
{
    static const struct str words[] = {STR_INIT("/dev"), STR_INIT("/proc"), STR_INIT("/sys"),
                                       STR_INIT(".."),   STR_INIT("/*"),    STR_INIT("/?"),
                                       STR_INIT("/[")};
    bool has_include = str_search(text, STR("include")) != SIZE_MAX;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_search(text, words[i]) != SIZE_MAX && (i < 4 || has_include))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct said said = {0};
    if (names_files_of_the_system(str_make((const char *)data, size)))
        return 0;
    make_fuzz_files();
    write_fuzz_file("fuzz.conf", data, size);
    const struct config_options options = {.path = STR("fuzz.conf"),
                                           .prefix = str_of(fuzz_folder),
                                           .problem = on_said,
                                           .owner = &said};
    struct snapshot *s = config_load(&options);
    assert((s == NULL) == (said.errors > 0));
    if (s != NULL) {
        config_lint(s, 1800000000, on_said, &said);
        assert(said.errors == 0);
    }
    snapshot_free(s);
    return 0;
}
