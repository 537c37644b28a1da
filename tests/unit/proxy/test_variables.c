#include <criterion/criterion.h>
#include <string.h>

#include "../../../src/proxy/variables.h"
#include "support_server.h"

Test(variables, every_row_of_the_table_has_a_value)
{
    for (int id = VARIABLE_ID_NONE + 1; id < VARIABLE_IDS; id++)
        cr_expect(variable_row_find((enum variable_id)id) != NULL, "id %d", id);
}

#define SHOW(name, value) \
    "location = /" name " { default_type text/plain; return 200 \"[" value "]\"; } "

Test(variables, of_the_request)
{
    static const struct server_row rows[] = {
        {"/args?a=1&b=2", "200 [a=1&b=2 a=1&b=2 ?]"},
        {"/args", "200 [  ]"},
        {"/args?", "200 [  ]"},
        {"/arg?x_y=1&A=%20z&empty=&a=2", "200 [%20z||]"},
        {"/arg?xa=1", "200 [||]"},
        {"/uri%20x/../uri?q", "200 [/uri /uri /uri%20x/../uri?q]"},
        {"/method", "200 [GET]"},
        {"POST /method", "200 [POST]"},
        {"BREW /method", "200 [BREW]"},
        {"/request?x", "200 [GET /request?x HTTP/1.1 HTTP/1.1]"},
        {"GET /request?x HTTP/1.0", "200 [GET /request?x HTTP/1.0 HTTP/1.0]"},
        {"/host|Host: EXAMPLE.org:81", "200 [example.org EXAMPLE.org:81]"},
        {"GET /host HTTP/1.0", "200 [first.name ]"},
        {"/scheme", "200 [http  first.name]"},
        {"/remote", "200 [127.0.0.1 127.0.0.1 P]"},
        {"/content|Content-Type: a/b|Content-Length: 0", "200 [a/b 0]"},
        {"/content", "200 [ ]"},
        {"/user|Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "200 [Aladdin]"},
        {"/user|Authorization: basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "200 [Aladdin]"},
        {"/user|Authorization: Basic QWxhZGRpbg==", "200 []"},
        {"/user|Authorization: Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "200 []"},
        {"/root", "200 [/srv/www /srv/www/root]"},
        {"/ssl", "200 [||||]"},
        {"/limit", "200 [0 .]"},
        {"/upstream", "200 [||||]"},
    };
    SERVER_CHECK(
        "server { listen LISTEN; server_name first.name second.name; root /srv/www;" SHOW(
            "args", "$args $query_string $is_args") SHOW("arg", "$arg_a|$arg_empty|$arg_none")
            SHOW("uri", "$uri $document_uri $request_uri") SHOW("method", "$request_method")
                SHOW("request", "$request $server_protocol") SHOW("host", "$host $http_host") SHOW(
                    "scheme",
                    "$scheme $https $server_name") "location = /remote { set $p $server_port; if "
                                                   "($p ~ ^[0-9]+$) { set $p P; }"
                                                   "  return 200 \"[$remote_addr $server_addr "
                                                   "$p]\"; }" SHOW("content",
                                                                   "$content_type $content_length")
                                                       SHOW("user", "$remote_user") SHOW(
                                                           "root",
                                                           "$document_root $request_filename")
                                                           SHOW("ssl",
                                                                "$ssl_protocol|$ssl_client_verify|$"
                                                                "ssl_client_s_dn|$ssl_cipher|$ssl_"
                                                                "client_cert")
                                                               SHOW("limit", "$limit_rate $pipe")
                                                                   SHOW("upstream",
                                                                        "$upstream_addr|$upstream_"
                                                                        "status|$upstream_response_"
                                                                        "time|$upstream_http_x|$"
                                                                        "upstream_cookie_a") "}",
        rows);
}

Test(variables, of_header_fields)
{
    static const struct server_row rows[] = {
        {"/x|X-Two-Words: v", "200 [v]"},
        {"/x|x-two-words: v", "200 [v]"},
        {"!/x|X-Two-Words: v|X-TWO-words: w", "200 [v, w]"}, /* since nginx 1.23 */
        {"/x", "200 []"},
        {"/cookie|Cookie: a=1; bb=2; c = 3", "200 [1|2|3]"},
        {"/cookie|Cookie: xa=9;a=1", "200 [1||]"},
        {"/cookie|Cookie: A=1", "200 [1||]"},
        {"/cookies|Cookie: a=1|Cookie: b=2", "200 [a=1; b=2]"},
        {"/length", "200 [60]"}, /* by then it is the head */
        {"/length|X: 1", "200 [66]"},
        {"/forwarded", "200 [127.0.0.1]"},
        {"/forwarded|X-Forwarded-For: 192.0.2.1", "200 [192.0.2.1, 127.0.0.1]"},
        {"/forwarded|X-Forwarded-For: a|X-Forwarded-For: b", "200 [a, b, 127.0.0.1]"},
    };
    SERVER_CHECK(
        "server { listen LISTEN;" SHOW("x", "$http_x_two_words") SHOW("length", "$request_length")
            SHOW("cookie", "$cookie_a|$cookie_bb|$cookie_c") SHOW("cookies", "$http_cookie")
                SHOW("forwarded", "$proxy_add_x_forwarded_for") "location /proxied { proxy_pass "
                                                                "http://127.0.0.1:1; } }",
        rows);
}

Test(variables, set_and_captured)
{
    static const struct server_row rows[] = {
        {"/set", "200 [ab]"},
        {"/unset", "200 []"},
        {"/captures/x/y", "200 [x.y]"},
        {"/last-match/x", "200 [b-]"},
    };
    SERVER_CHECK(
        "server { listen LISTEN;"
        "location /set { set $v a; set $v ${v}b; return 200 [$v]; }"
        "location /unset { if ($arg_none) { set $w x; } return 200 [$w]; }"
        "location ~ ^/captures/(.)/(.)$ { return 200 [$1.$2]; }"
        "location ~ ^/last-match/(x) { set $x ab; if ($x ~ a(b)) { return 200 [$1-$2]; } } }",
        rows);
}

/* What an `if` asks a map may be who is not to come in. */
Test(variables, map_that_cannot_tell_lets_nobody_through)
{
    static const struct server_row rows[] = {
        {"/a?x=zz", "200 in"},
        {"/a?x=zx", "403"},
        {"!/a?x=zzzzzzzzzzzz", "500"},
    };
    SERVER_CHECK("map $arg_x $bad { default 0; \"~^(?:.?){60}[xy]$\" 1; }"
                 "server { listen LISTEN; location /a { if ($bad) { return 403; } "
                 "proxy_pass http://LISTEN/in; } location /in { return 200 in; } }",
                 rows);
}

Test(variables, map)
{
    static const struct server_row rows[] = {
        {"/m?x=one", "200 [1]"},
        {"/m?x=ONE", "200 [1]"},
        {"/m?x=", "200 [empty]"},
        {"/m", "200 [empty]"},
        {"/m?x=re-42", "200 [42]"},
        {"/m?x=RE-42", "200 [other RE-42]"},
        {"/m?x=REI-7", "200 [i]"},
        {"/m?x=n-joe", "200 [joe]"},
        {"/m?x=zzz", "200 [other zzz]"},
        {"/h?x=www.example.com", "200 [exact]"},
        {"/h?x=www.example.com.", "200 [exact]"},
        {"/h?x=a.b.example.com", "200 [b]"},
        {"/h?x=a.example.com", "200 [head]"},
        {"/h?x=example.com", "200 [head]"},
        {"/h?x=mail.org", "200 [tail]"},
        {"/h?x=mail.co.uk", "200 [tail]"},
        {"/h?x=nope", "200 []"},
        {"/h?x=db7", "200 [db7]"},
        {"/h?x=db7.", "200 [db7]"},
        {"/chain?x=one", "200 [chained 1]"},
    };
    SERVER_CHECK(
        "map $arg_x $m { default \"other $arg_x\"; one 1; '' empty; ~^re-(\\d+)$ $1; ~*^rei i; "
        "~^n-(?<who>.*)$ $who; }"
        "map $arg_x $h { hostnames; www.example.com exact; .example.com head; *.b.example.com b; "
        "mail.* tail; ~^(db\\d)$ $1; }"
        "map $m $chain { 1 \"chained $m\"; }"
        "server { listen LISTEN; location /m { return 200 [$m]; } location /h { return 200 [$h]; }"
        "location /chain { return 200 [$chain]; } }",
        rows);
}

Test(variables, geo)
{
    static const struct server_row rows[] = {
        {"/", "200 [local]"},
        {"/arg?x=10.1.2.3", "200 [ten-one]"},
        {"/arg?x=10.2.2.3", "200 [ten]"},
        {"/arg?x=192.0.2.1", "200 [none]"},
        {"/arg?x=2001:db8::1", "200 [doc]"},
        {"/arg?x=junk", "200 [none]"},
        {"/junk?x=junk", "200 [none]"}, /* nginx: 255.255.255.255 */
        {"/junk?x=192.0.2.1", "200 [any]"},
        {"/junk", "200 [none]"},
        {"/behind|X-Forwarded-For: 10.1.1.1, 192.0.2.9", "200 [test]"},
        {"/behind|X-Forwarded-For: 192.0.2.9 10.1.1.1 , ", "200 [ten]"},
        {"/behind", "200 [local]"},
        {"/recursive|X-Forwarded-For: 10.1.1.1, 192.0.2.9", "200 [ten]"},
    };
    SERVER_CHECK(
        "geo $g { default none; 127.0.0.0/8 local; 10.0.0.0/8 ten; }"
        "geo $arg_x $a { default none; 10.0.0.0/8 ten; 10.1.0.0/16 ten-one; 2001:db8::/32 doc; }"
        "geo $arg_x $j { 0.0.0.0/0 any; 255.255.255.255 none; }"
        "geo $b { proxy 127.0.0.1; 127.0.0.1 local; 10.0.0.0/8 ten; 192.0.2.0/24 test; }"
        "geo $r { proxy 127.0.0.1; proxy 192.0.2.0/24; proxy_recursive; 10.0.0.0/8 ten; }"
        "server { listen LISTEN; location / { return 200 [$g]; } location /arg { return 200 [$a]; }"
        "location /junk { return 200 [$j]; }"
        "location /behind { return 200 [$b]; } location /recursive { return 200 [$r]; } }",
        rows);
}

Test(variables, that_differ_each_time)
{
    server_start("server { listen LISTEN; return 200 \"$request_id "
                 "$request_id|$msec|$time_local|$time_iso8601|$pid|$connection\"; }");
    char first[33];
    const char *text = server_brief(server_ask("/"));
    memcpy(first, text + 4, 32);
    first[32] = 0;
    cr_expect(strspn(first, "0123456789abcdef") == 32, "%s", text);
    cr_expect(strncmp(text + 37, first, 32) == 0, "the same within a request: %s", text);
    cr_expect(strchr(text, '.') && strstr(text, "/20") && strstr(text, "T"));
    text = server_brief(server_ask("/"));
    cr_expect(strncmp(text + 4, first, 32) != 0, "another for another request");
    server_stop();
}

/* What is true of an upstream is known at the end: in the log. */
Test(variables, of_the_upstream)
{
    static const struct {
        const char *request, *line;
    } rows[] = {
        {"/one", "127.0.0.1:P|200|x-value|c1|4|0.0|127.0.0.1:P|:P|GET\n"},
        {"/two", "127.0.0.1:1, 127.0.0.1:P|502, 200|x-value|c1|0, 4|-, 0.0|two|:80|GET\n"},
        {"/page",
         "127.0.0.1:1 : 127.0.0.1:P|502 : 200|x-value|c1|0 : 4|- : 0.0|127.0.0.1:P|:P|GET\n"},
        {"/none", "-|-|-|-|-||-|:-|GET\n"},
    };
    server_start(
        "log_format l '$upstream_addr|$upstream_status|$upstream_http_x_name|$upstream_cookie_c|"
        "$upstream_response_length|$time|$proxy_host|:$proxy_port|$request_method';"
        "map $upstream_header_time $time { ~^0\\.0\\d\\d$ 0.0; ~^-,\\s0\\.0\\d\\d$ '-, 0.0';"
        "  ~^-\\s:\\s0\\.0\\d\\d$ '-\x20: 0.0'; default $upstream_header_time; }"
        "upstream two { server 127.0.0.1:1; server LISTEN backup; }"
        "server { listen LISTEN; access_log DIR/l l; proxy_set_header Host up.example;"
        "location /one { proxy_pass http://LISTEN; } location /two { proxy_pass http://two; }"
        "location /page { proxy_pass http://127.0.0.1:1; error_page 502 = /one; }"
        "location /none { return 204; } }"
        "server { listen LISTEN; server_name up.example; add_header X-Name x-value;"
        "add_header Set-Cookie 'c=c1; Path=/'; return 200 body; }");
    char expected[4096] = "";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        server_ask(rows[i].request);
        strcat(expected, rows[i].line);
    }
    cr_expect_str_eq(server_file("l"), expected);
    server_stop();
}
