#include "title.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "portcullis/base/memory.h"

/* The kernel shows the memory in which it laid down arguments and, behind them, the environment. */
static char *title;
static size_t title_size;

static char *end_of(char **strings, char *end)
{
    for (size_t i = 0; strings[i] != NULL; i++)
        if (strings[i] == end)
            end = strings[i] + strlen(strings[i]) + 1;
    return end;
}

void title_init(char **argv)
{
    char *end = end_of(argv, argv[0]);
    char *end_of_env = end_of(environ, end);

    if (end_of_env > end) {
        for (size_t i = 0; environ[i] != NULL; i++)
            environ[i] = mem_strdup(environ[i]); /* lives as long as the process */
        end = end_of_env;
    }
    title = argv[0];
    title_size = (size_t)(end - title);
}

void title_set(const char *what)
{
    if (title_size == 0)
        return;
    memset(title, 0, title_size);
    (void)snprintf(title, title_size, "portcullis: %s", what);
}
