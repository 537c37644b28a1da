#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support_server.h"

Test(respond, error_pages)
{
    static const struct server_row rows[] = {
        {"/a", "404 page"},
        {"/b", "410 page"},
        {"/c", "200 page"},
        {"/d", "404 at"},
        {"/e", "302 -> http://x.example/e"},
        {"/f", "301 -> http://x.example/f"},
        {"/g", "404 page a=b"},
        {"/h", "403"},
        {"/i", "404 GET"},
        {"POST /i", "404 GET"},
        {"POST /named", "404 POST"},
        {"/j", "404 not taken"},
        {"/once", "403"},
        {"/again", "403 page"},
        {"/k", "500"},
        {"/first", "404 page"},
        {"/302", "302 -> http://localhost:P/x"},
    };
    SERVER_CHECK(
        "server { listen LISTEN;"
        "location /page { if ($args) { return 200 \"page $args\"; } return 200 page; }"
        "location /method { return 200 $request_method; }"
        "location @at { return 200 at; } location @method { return 200 $request_method; }"
        "location /a { error_page 404 /page; return 404; }"
        "location /b { error_page 404 =410 /page; return 404; }"
        "location /c { error_page 404 = /page; return 404; }"
        "location /d { error_page 403 404 @at; return 404; }"
        "location /e { error_page 404 http://x.example/e; return 404; }"
        "location /f { error_page 404 =301 http://x.example$uri; return 404; }"
        "location /g { error_page 404 /page?a=b; return 404; }"
        "location /h { error_page 404 /page; return 403; }"
        "location /i { error_page 404 /method; return 404; }"
        "location /named { error_page 404 @method; return 404; }"
        "location /j { error_page 404 /page; return 404 'not taken'; }"
        "location /once { error_page 404 /once-more; return 404; }"
        "location /once-more { error_page 403 /page; return 403; }"
        "location /again { recursive_error_pages on; error_page 404 /again-more; return 404; }"
        "location /again-more { error_page 403 /page; return 403; }"
        "location /k { error_page 404 @none; return 404; }"
        "location /first { error_page 404 /page; error_page 404 /method; return 404; }"
        "location /302 { error_page 302 /page; return 302 /x; } }",
        rows);
}

Test(respond, add_header)
{
    server_start(
        "server { listen LISTEN; add_header X-Outer o;"
        "location /a { add_header X-A \"a $uri\"; add_header X-Empty $arg_none; return 200 x; }"
        "location /b { return 404; }"
        "location /c { add_header X-Always yes always; add_header X-Not n; return 404; }"
        "location /d { return 200 x; } }");
    cr_expect(strstr(server_ask("/a"), "\r\nX-A: a /a\r\n") != NULL);
    cr_expect(strstr(server_ask("/a"), "X-Outer") == NULL, "a location's own replace the server's");
    cr_expect(strstr(server_ask("/a"), "X-Empty") == NULL);
    cr_expect(strstr(server_ask("/b"), "X-Outer") == NULL, "not for 404");
    cr_expect(strstr(server_ask("/c"), "\r\nX-Always: yes\r\n") != NULL);
    cr_expect(strstr(server_ask("/c"), "X-Not") == NULL);
    cr_expect(strstr(server_ask("/d"), "\r\nX-Outer: o\r\n") != NULL);
    server_stop();
}

/* $uri is decoded: what it holds must not end the field. nginx sends what comes. */
Test(respond, add_header_cannot_be_split)
{
    if (server_is_oracle())
        return;
    server_start("server { listen LISTEN; location / { add_header X-Path $uri; return 200 x; } }");
    cr_expect(strstr(server_ask("/a%0d%0aX-Evil:%201"), "Evil") == NULL);
    server_stop();
}

static const char *name_of(const char *answer)
{
    return strstr(answer, server_is_oracle() ? "nginx" : "portcullis");
}

Test(respond, server_tokens_and_fields)
{
    server_start("server { listen LISTEN; location / { return 404; }"
                 "location /off { server_tokens off; return 404; } location /204 { return 204; }"
                 "location /text { default_type application/x-y; return 200 text; } }");
    const char *answer = server_ask("/");
    cr_expect(name_of(answer)[server_is_oracle() ? 5 : 10] == '/', "%s", answer);
    cr_expect(strstr(answer, "\r\nContent-Type: text/html\r\n") != NULL);
    cr_expect(strstr(answer, "\r\nDate: ") && strstr(answer, "<h1>404 Not Found</h1>"));
    answer = server_ask("/off");
    cr_expect(name_of(answer)[server_is_oracle() ? 5 : 10] == '\r', "%s", answer);
    answer = server_ask("/204");
    cr_expect(!strstr(answer, "Content-Length") && !strstr(answer, "Content-Type"));
    answer = server_ask("/text");
    cr_expect(strstr(answer, "\r\nContent-Type: application/x-y\r\n") &&
              strstr(answer, "\r\nContent-Length: 4\r\n"));
    answer = server_ask("HEAD /text");
    cr_expect(strstr(answer, "\r\nContent-Length: 4\r\n") &&
              strcmp(strstr(answer, "\r\n\r\n"), "\r\n\r\n") == 0);
    server_stop();
}

Test(respond, redirects_are_absolute_as_told)
{
    static const struct server_row rows[] = {
        {"/a", "301 -> http://given.example:P/x"},
        {"/relative", "301 -> /x"},
        {"/no-port", "301 -> http://given.example/x"},
        {"/name", "301 -> http://named.example:P/x"},
        {"/bare", "301 -> x"},
    };
    static struct server_row with_host[sizeof rows / sizeof *rows];
    static char requests[sizeof rows / sizeof *rows][64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(requests[i], sizeof requests[i], "%s|Host: given.example", rows[i].request);
        with_host[i] = (struct server_row){requests[i], rows[i].expected};
    }
    SERVER_CHECK("server { listen LISTEN; server_name named.example;"
                 "location /a { return 301 /x; }"
                 "location /relative { absolute_redirect off; return 301 /x; }"
                 "location /no-port { port_in_redirect off; return 301 /x; }"
                 "location /name { server_name_in_redirect on; return 301 /x; }"
                 "location /bare { return 301 x; } }",
                 with_host);
}

Test(respond, addresses_are_refused_where_told)
{
    static const struct server_row rows[] = {
        {"/open", "404 passed"},         {"/closed", "403 denied"},
        {"/closed-return", "200 first"}, /* scripts come before allow and deny */
        {"/limited", "404 passed"},      {"HEAD /limited", "404"},
        {"POST /limited", "403 denied"}, {"BREW /limited", "403 denied"},
        {"/named-limited", "403"},       {"/inherits/x", "403 denied"},
        {"/inherits/own", "404 passed"},
    };
    SERVER_CHECK(
        "server { listen LISTEN; error_page 404 @passed; error_page 403 @denied;"
        "location @passed { allow all; return 404 passed; } location @denied { return 403 denied; }"
        "location /open { allow 127.0.0.1; deny all; }"
        "location /closed { deny 127.0.0.0/8; allow all; }"
        "location /closed-return { deny all; return 200 first; }"
        "location /limited { limit_except GET { deny all; } }"
        "location /named-limited { error_page 404 @limited; return 404; }"
        "location @limited { limit_except POST { deny all; } proxy_pass http://127.0.0.1:1; }"
        "location /inherits/ { deny all; location /inherits/own { allow all; } } }",
        rows);
}

/* What error_page said of the status before does not make a success of it. */
Test(respond, the_end_of_a_cycle_is_500, .timeout = 60)
{
    static const struct server_row rows[] = {{"/x", "500"}};
    SERVER_CHECK("server { listen LISTEN; error_page 404 =200 /up; error_page 500 =200 /x;"
                 "location /x { return 404; } location /up { proxy_pass http://LISTEN/accel; }"
                 "location /accel { add_header X-Accel-Redirect /up; return 200; } }",
                 rows);
}
