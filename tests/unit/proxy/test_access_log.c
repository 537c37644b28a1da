#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "support_server.h"

static void check_line(const char *file, const char *expected)
{
    const char *text = server_file(file);
    cr_expect(strcmp(text, expected) == 0, "%s: \"%s\", not \"%s\"", file, text, expected);
}

Test(access_log, escapes_as_each_format_says)
{
    server_start("log_format d '$http_x|$http_none|$args';"
                 "log_format j escape=json '$http_x|$http_none|$args';"
                 "log_format n escape=none '$http_x|$http_none|$args';"
                 "server { listen LISTEN; access_log DIR/d d; access_log DIR/j j; access_log DIR/n "
                 "n; return 200 x; }");
    server_ask("/|X: a\"b\\c\td\xc3\xa9");
    check_line("d", "a\\x22b\\x5Cc\\x09d\\xC3\\xA9|-|-\n");
    check_line("j", "a\\\"b\\\\c\\td\xc3\xa9||\n");
    check_line("n", "a\"b\\c\td\xc3\xa9||\n");
    server_stop();
}

Test(access_log, what_was_answered)
{
    server_start(
        "log_format l '$status $body_bytes_sent $request \"$request_completion\" "
        "$sent_http_content_type';"
        "server { listen LISTEN; access_log DIR/l l;"
        "location / { return 200 12345; } location /n { return 404; error_page 404 =410 /; } }");
    server_ask("/a");
    check_line("l", "200 5 GET /a HTTP/1.1 \"OK\" text/plain\n");
    server_ask("/n");
    cr_expect(strstr(server_file("l"), "\n410 5 GET /n HTTP/1.1 \"OK\" text/plain\n") != NULL, "%s",
              server_file("l"));
    server_stop();
}

Test(access_log, combined)
{
    server_start("server { listen LISTEN; access_log DIR/l; return 200 x; }");
    server_ask("/p?q|Referer: r|User-Agent: u \"v\"|Authorization: Basic dTpw");
    const char *line = server_file("l");
    cr_expect(strncmp(line, "127.0.0.1 - u [", 15) == 0, "%s", line);
    cr_expect(strstr(line, "] \"GET /p?q HTTP/1.1\" 200 1 \"r\" \"u \\x22v\\x22\"\n") != NULL, "%s",
              line);
    server_stop();
}

Test(access_log, conditions_and_several)
{
    server_start("log_format u '$uri'; map $arg_x $wanted { default 1; no 0; none ''; }"
                 "server { listen LISTEN; access_log DIR/some u if=$wanted; access_log DIR/all u;"
                 "location / { return 200 x; } location /off { access_log off; return 200 x; }"
                 "location /own { access_log DIR/own u; return 200 x; } }");
    server_ask("/a?x=no");
    server_ask("/b?x=none");
    server_ask("/c");
    server_ask("/off");
    server_ask("/own");
    check_line("own", "/own\n");
    check_line("some", "/c\n");
    check_line("all", "/a\n/b\n/c\n");
    server_stop();
}

Test(access_log, buffers_are_written_when_full_and_in_time)
{
    server_start(
        "log_format u '$uri'; server { listen LISTEN; return 200 x;"
        "access_log DIR/timed u buffer=4k flush=100ms; access_log DIR/full u buffer=64; }");
    for (int i = 0; i < 8; i++)
        server_ask("/0123456789");
    usleep(300000);
    check_line("timed",
               "/0123456789\n/0123456789\n/0123456789\n/0123456789\n/0123456789\n/0123456789\n"
               "/0123456789\n/0123456789\n");
    check_line("full", "/0123456789\n/0123456789\n/0123456789\n/0123456789\n/0123456789\n");
    server_stop();
}
