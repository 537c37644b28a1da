#include <criterion/criterion.h>

#include "support_server.h"

#define SHOW "location /show { return 200 \"$uri $args\"; } "

Test(rewrite, flags)
{
    static const struct server_row rows[] = {
        {"/last/x", "200 /show/x "},
        {"/break/x", "200 broken /show/x"},
        {"/none/x", "200 /show/2 "},
        {"/redirect/x", "302 -> http://localhost:P/new/x"},
        {"/permanent/x", "301 -> http://localhost:P/new/x"},
        {"/url/x", "302 -> http://other.example/x"},
        {"/url-scheme/x", "302 -> http://other.example/x"},
        {"/stop", "200 second"},
    };
    SERVER_CHECK("server { listen LISTEN;" SHOW
                 "location /last/ { rewrite ^/last/(.*) /show/$1 last; return 200 never; }"
                 "location /break/ { rewrite ^/break/(.*) /show/$1 break; error_page 404 =200 @b; }"
                 "location @b { return 200 \"broken $uri\"; }"
                 "location /none/ { rewrite ^/none/ /show/1; rewrite ^/show/1 /show/2; }"
                 "location /redirect/ { rewrite ^/redirect/(.*) /new/$1 redirect; }"
                 "location /permanent/ { rewrite ^/permanent/(.*) /new/$1 permanent; }"
                 "location /url/ { rewrite ^/url/(.*) http://other.example/$1; return 200 never; }"
                 "location /url-scheme/ { rewrite ^/url-scheme/(.*) $scheme://other.example/$1; }"
                 "location /stop { set $a first; if ($a) { set $a second; break; set $a third; } "
                 "return 200 $a; "
                 "  error_page 404 =200 @a; } location @a { return 200 $a; } }",
                 rows);
}

Test(rewrite, arguments)
{
    static const struct server_row rows[] = {
        {"/keep?a=1", "200 /show a=1"},
        {"/keep", "200 /show "},
        {"/add?a=1", "200 /show b=2&a=1"},
        {"/add", "200 /show b=2"},
        {"/drop?a=1", "200 /show "},
        {"/drop-own?a=1", "200 /show b=2"},
        {"/redirect-keep?a=1", "302 -> http://localhost:P/show?a=1"},
        {"/redirect-add?a=1", "302 -> http://localhost:P/show?b=2&a=1"},
        {"/redirect-drop?a=1", "302 -> http://localhost:P/show"},
        {"/capture/a%26b%3Fc", "200 /show q=a%26b%3Fc"},
        {"/capture/plain&x", "200 /show q=plain&x"},
        {"/redirect-capture/a%20b/c", "302 -> http://localhost:P/new/a%20b/c"},
        {"/variable?x=/show?y", "200 /show?y x=/show?y"},
        {"/set-args?a=1", "200 /show z=9"},
    };
    SERVER_CHECK("server { listen LISTEN; location /show { return 200 \"$uri $args\"; }"
                 "location /keep { rewrite ^ /show last; }"
                 "location /add { rewrite ^ /show?b=2 last; }"
                 "location /drop { rewrite ^ /show? last; }"
                 "location /drop-own { rewrite ^ /show?b=2? last; }"
                 "location /redirect-keep { rewrite ^ /show redirect; }"
                 "location /redirect-add { rewrite ^ /show?b=2 redirect; }"
                 "location /redirect-drop { rewrite ^ /show? redirect; }"
                 "location /capture/ { rewrite ^/capture/(.*) /show?q=$1? last; }"
                 "location /redirect-capture/ { rewrite ^/redirect-capture/(.*) /new/$1 redirect; }"
                 "location /variable { rewrite ^ $arg_x last; }"
                 "location /set-args { set $args z=9; rewrite ^ /show last; } }",
                 rows);
}

Test(rewrite, conditions)
{
    static const struct server_row rows[] = {
        {"/true?v=x", "200 yes"},
        {"/true?v=0", "200 no"},
        {"/true?v=00", "200 yes"},
        {"/true?v=", "200 no"},
        {"/true", "200 no"},
        {"/equal?v=a", "200 yes"},
        {"/equal?v=A", "200 no"},
        {"/unequal?v=a", "200 no"},
        {"/unequal?v=b", "200 yes"},
        {"/match?v=xaby", "200 yes"},
        {"/match?v=xABy", "200 no"},
        {"/imatch?v=xABy", "200 yes"},
        {"/unmatch?v=xaby", "200 no"},
        {"/unmatch?v=c", "200 yes"},
        {"/iunmatch?v=AB", "200 no"},
        {"/iunmatch?v=c", "200 yes"},
        {"/file", "200 f"},
        {"/nofile", "200 no"},
        {"/dir", "200 d"},
        {"/exists", "200 e"},
        {"/missing", "200 !e"},
        {"/exec", "200 no"},
        {"/capture?v=key-7", "200 7"},
    };
#define IF(name, condition) \
    "location = /" name " { if (" condition ") { return 200 yes; } return 200 no; } "
    SERVER_CHECK(
        "server { listen LISTEN;" IF("true", "$arg_v") IF("equal", "$arg_v = a") IF(
            "unequal", "$arg_v != a") IF("match", "$arg_v ~ ab") IF("imatch", "$arg_v ~* ab")
            IF("unmatch", "$arg_v !~ ab") IF(
                "iunmatch",
                "$arg_v !~* ab") "location = /file { if (-f DIR/conf) { return 200 f; } return 200 "
                                 "no; }"
                                 "location = /nofile { if (-f DIR) { return 200 f; } return 200 "
                                 "no; }"
                                 "location = /dir { if (-d DIR) { return 200 d; } return 200 no; }"
                                 "location = /exists { if (-e DIR/conf) { return 200 e; } return "
                                 "200 no; }"
                                 "location = /missing { if (!-e DIR/none) { return 200 !e; } "
                                 "return 200 no; }"
                                 "location = /exec { if (-x DIR/conf) { return 200 x; } return 200 "
                                 "no; }"
                                 "location = /capture { if ($arg_v ~ ^key-(.*)) { return 200 $1; } "
                                 "return 200 no; } }",
        rows);
}

Test(rewrite, the_block_of_an_if_is_the_location)
{
    static const struct server_row rows[] = {
        {"/a?x=1", "404 block"},
        {"/a", "404 outer"},
        {"/order?x=1", "404 last 123"},
        {"/server?s=1", "200 from-server"},
    };
    SERVER_CHECK(
        "server { listen LISTEN; if ($arg_s) { return 200 from-server; }"
        "location @block { return 200 block; } location @outer { return 200 outer; }"
        "location @first { return 200 \"first $v\"; } location @last { return 200 \"last $v\"; }"
        "location /a { error_page 404 @outer; if ($arg_x) { error_page 404 @block; } return 404; }"
        "location /order { set $v 1; if ($arg_x) { set $v ${v}2; error_page 404 @first; }"
        "  if ($arg_x) { set $v ${v}3; error_page 404 @last; } return 404; } }",
        rows);
}

Test(rewrite, returns)
{
    static const struct server_row rows[] = {
        {"/204", "204"},
        {"/403", "403"},
        {"/404-text", "404 gone /404-text away"},
        {"/url", "302 -> http://x.example/u"},
        {"/301", "301 -> http://localhost:P/there?a=b"},
        {"/303", "303 -> https://localhost/x"},
        {"/308", "308 -> http://localhost:P/308"},
        {"/444", "closed"},
        {"/599", "599"},
        {"HEAD /text", "200"},
        {"POST /text", "200 body POST"},
    };
    SERVER_CHECK("server { listen LISTEN; "
                 "location = /204 { return 204; } location = /403 { return 403; }"
                 "location = /404-text { return 404 \"gone ${uri} away\"; }"
                 "location = /url { return http://x.example/u; }"
                 "location = /301 { return 301 /there?a=b; }"
                 "location = /303 { return 303 https://$host/x; }"
                 "location = /308 { return 308 $request_uri; }"
                 "location = /444 { return 444; } location = /599 { return 599; }"
                 "location = /text { return 200 \"body $request_method\"; } }",
                 rows);
}

Test(rewrite, cycles_end)
{
    static const struct server_row rows[] = {
        {"/cycle", "500"},           {"/ten/0123456789", "200 end"},
        {"/ten/0123456789a", "500"}, {"/error", "500"},
        {"/empty", "500"},
    };
    SERVER_CHECK("server { listen LISTEN;"
                 "location /cycle { rewrite ^ /cycle last; }"
                 "location = /ten/ { return 200 end; }"
                 "location /ten/ { rewrite ^/ten/.(.*)$ /ten/$1 last; }"
                 "location /error { recursive_error_pages on; error_page 404 /error; return 404; }"
                 "location /empty { rewrite ^ $arg_none last; } }",
                 rows);
}

Test(rewrite, the_servers_script_runs_once_before_the_location)
{
    static const struct server_row rows[] = {
        {"/old/x", "200 new /new/x a"},
        {"/none", "404"},
        {"/new/y", "200 new /new/y a"},
    };
    SERVER_CHECK("server { listen LISTEN; set $n ${n}a; rewrite ^/old/(.*) /new/$1;"
                 "location /new/ { return 200 \"new $uri $n\"; } }",
                 rows);
}

/* What a decoded path may hold must not end the field it is written into. */
Test(rewrite, a_redirect_cannot_be_split)
{
    static const struct server_row rows[] = {
        {"!/a%0d%0aX-Evil:%201", "302 -> http://localhost/a%0D%0AX-Evil: 1"},
    };
    SERVER_CHECK("server { listen LISTEN; location / { return 302 http://$host$uri; } }", rows);
}
