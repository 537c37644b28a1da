/* Configurations given as texts. Each lives in a folder of its own, "test.conf", with the prefix
 * there. */
#ifndef TEST_CONFIG_SUPPORT_H
#define TEST_CONFIG_SUPPORT_H

#include <criterion/criterion.h>

#include "portcullis/base/buf.h"
#include "portcullis/config/load.h"

struct loaded {
    struct snapshot *s;  /* NULL: refused */
    struct buf problems; /* a line each: "[emerg] words in test.conf:3; cure" */
    char dir[64];        /* ends with "/" */
};

/* More files of the folder may be written first: begin, write, load. */
void config_begin(struct loaded *c);
void config_write(struct loaded *c, const char *name, const char *text);
void config_load_file(struct loaded *c, const char *directives);

/* All in one: the text is the whole file. */
struct loaded config_of(const char *text);
/* "events{} http{ … }" around it. */
struct loaded config_of_http(const char *text);
/* And "server{ listen 8080; … }". */
struct loaded config_of_server(const char *text);
void config_end(struct loaded *c);

/* All problems as one text, with a NUL. */
const char *config_problems(struct loaded *c);
size_t config_count(struct loaded *c, const char *needle);

/* Text → the problem it must give (a part of a line); NULL: it must load. */
struct problem_row {
    const char *text, *problem;
};
void expect_problems(const struct problem_row *rows, size_t count,
                     struct loaded (*load)(const char *text));
#define EXPECT_PROBLEMS(rows, load) expect_problems((rows), sizeof(rows) / sizeof *(rows), (load))

struct server_conf *config_server(const struct loaded *c, size_t i);
/* The i-th server's location of this prefix, "=exact", "~regex" or "@named". */
struct location_conf *config_location(const struct loaded *c, size_t server, const char *name);

#define EXPECT_STR(actual, expected) \
    cr_expect(str_eq_z((actual), (expected)), "%.*s is not %s", STR_ARG(actual), (expected))

#endif
