#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support_server.h"

Test(types, content_type_by_extension)
{
    static const struct {
        const char *path, *type; /* NULL: none */
    } rows[] = {
        {"/a.html", "text/html"},          {"/a.HtMl", "text/html"},
        {"/a.gif", "image/gif"},           {"/a.jpg", "image/jpeg"},
        {"/a.css", "text/x-default"},      {"/a", "text/x-default"},
        {"/.html", "text/x-default"},      {"/a.b.gif", "image/gif"},
        {"/a.html/b", "text/x-default"},   {"/own/a.x", "text/x-own"},
        {"/own/a.html", "text/x-default"}, {"/none/a", NULL},
    };
    server_start("default_type text/x-default; server { listen LISTEN;"
                 "location / { return 200 x; } location /own { types { text/x-own x; } return 200 "
                 "x; } location /none { default_type ''; return 200 x; } }");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[64];
        const char *answer = server_ask(rows[i].path);
        snprintf(line, sizeof line, "\r\nContent-Type: %s\r\n", rows[i].type ? rows[i].type : "");
        const char *found = strstr(answer, rows[i].type ? line : "\r\nContent-Type:");
        cr_expect((found != NULL) == (rows[i].type != NULL), "%s: %s", rows[i].path, answer);
    }
    server_stop();
}
