#include <criterion/criterion.h>
#include <string.h>

#include "support_server.h"

/* The upstream is another server block on the same address. */
#define UPSTREAM                                                                               \
    "server { listen LISTEN; server_name up.example; add_header Refresh '3; "                  \
    "url=http://LISTEN/up/q' always;"                                                          \
    "location / { return 302 http://LISTEN/up/x; } location /up/relative { absolute_redirect " \
    "off; return 302 /up/y; }"                                                                 \
    "location /plain/ { return 302 http://LISTEN/plain/z; } location /up/other { return 302 "  \
    "http://other.example/; } }"

Test(redirect, location_of_an_upstream)
{
    static const struct server_row rows[] = {
        {"/d/", "302 -> http://localhost:P/d/x"},
        {"/d/other", "302 -> http://other.example/"},
        {"/d/relative", "302 -> /up/y"},
        {"/off/", "302 -> http://127.0.0.1:P/up/x"},
        {"/to/", "302 -> https://public.example/x"},
        {"/regex/", "302 -> http://localhost:P/regex/up-x"},
        {"/regex/other", "302 -> http://other.example/"},
        {"/both/", "302 -> http://localhost:P/both/x"},
        {"/first/", "302 -> http://localhost:P/first/x"},
        {"/plain/", "302 -> http://localhost:P/plain/z"},
        {"/variable/", "302 -> http://localhost/v/variable/x"},
    };
#define HOST "proxy_set_header Host up.example; "
    SERVER_CHECK("server { listen LISTEN; server_name localhost;"
                 "location /d/ { proxy_pass http://LISTEN/up/; " HOST "}"
                 "location /off/ { proxy_pass http://LISTEN/up/; proxy_redirect off; " HOST "}"
                 "location /to/ { proxy_pass http://LISTEN/up/; " HOST
                 "  proxy_redirect http://LISTEN/up/ https://public.example/; }"
                 "location /regex/ { proxy_pass http://LISTEN/up/; " HOST
                 "  proxy_redirect ~^http://127[^/]+/(up)/(.*)$ /regex/$1-$2; }"
                 "location /both/ { proxy_pass http://LISTEN/up/; " HOST
                 "  proxy_redirect http://nowhere.example/ /; proxy_redirect default; }"
                 "location /first/ { proxy_pass http://LISTEN/up/; " HOST
                 "  proxy_redirect default; proxy_redirect http://LISTEN/up/ /second/; }"
                 "location /plain/ { proxy_pass http://LISTEN; " HOST "}"
                 "location /variable/ { proxy_pass http://LISTEN/up/; " HOST
                 "  proxy_redirect http://$proxy_host/up/ http://$host/v$uri; } }" UPSTREAM,
                 rows);
}

Test(redirect, refresh_of_an_upstream)
{
    server_start("server { listen LISTEN; server_name localhost;"
                 "location /d/ { proxy_pass http://LISTEN/up/; " HOST "}"
                 "location /off/ { proxy_pass http://LISTEN/up/; proxy_redirect off; " HOST
                 "} }" UPSTREAM);
    cr_expect(strstr(server_ask("/d/"), "\r\nRefresh: 3; url=/d/q\r\n") != NULL, "%s",
              server_ask("/d/"));
    cr_expect(strstr(server_ask("/off/"), "\r\nRefresh: 3; url=http://127.0.0.1:") != NULL);
    server_stop();
}
