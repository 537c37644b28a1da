/* What the upstream is asked: here it is another server block of the same proxy, which says what
 * came. */
#include <criterion/criterion.h>

#include "support_server.h"

#define ECHO(what) \
    "server { listen LISTEN; server_name echo.test; location / { return 200 \"" what "\"; } }"
#define GATE                                                                   \
    "server { listen LISTEN default_server; proxy_set_header Host echo.test; " \
    "proxy_http_version 1.1; "

Test(forward, target)
{
    static const struct server_row rows[] = {
        /* without a URI: octet for octet, but for ".." */
        {"/plain/a%2Fb/./c?x=%20", "200 /plain/a%2Fb/./c?x=%20"},
        {"/plain/a%2Fb/../c%20?x=/../%20", "200 /plain/a/c%20?x=/../%20"},
        {"/re/../plain/%2e%2e/plain/x", "200 /plain/x"},
        {"/re/..%2fplain/x?", "200 /plain/x"},
        {"/plain/..", "200 /fallback"},
        {"/plain//x", "200 /plain//x"},
        {"/plain/?", "200 /plain/?"},
        /* with one: the location's prefix is replaced, the rest escaped again */
        {"/uri/x", "200 /new/x"},
        {"/uri/a%20b%3fc%25?q=%20", "200 /new/a%20b%3Fc%25?q=%20"},
        {"/uri/./x/../y", "200 /new/y"},
        {"/uri//x", "200 /new/x"},
        {"/uri/?", "200 /new/"},
        {"/cutx/y", "200 /tox/y"},
        {"/exact", "200 /to"},
        {"/exact?a", "200 /to?a"},
        {"/re/x%41", "200 /re/x%41"},
        /* rewritten */
        {"/break/x%20y?q", "200 /b/x%20y?q"},
        {"/breakuri/x", "200 /b/x"},
        {"/last/x", "200 /plain/x"},
        /* with variables */
        {"/var/a%2Fb?q", "200 /var/a%2Fb?q"},
        {"/varuri/a?q", "200 /fixed/q"},
        {"/varreq/a%2Fb?q", "200 /varreq/a%2Fb?q"},
        {"/varquery", "200 /?x=1"},
        {"/if/x%41?a", "200 /if/x%41?a"},
        /* put together so that it leads out of what the location opens */
        {"/cut/x", "200 /to/x"},
        {"/open.x", "200 /new/.x"},
        {"/open..x", "200 /new/..x"},
        {"/open../x", "400"},
        {"/open..", "400"},
        {"/open%2e%2e/x?q", "400"},
        {"/open..%2fx", "400"},
        {"/open../x?a=/open../x", "400"},
        {"/broken../x", "400"},
        {"/varuri/a?../x", "400"},
        {"/varuri/a?%2e%2E%2fx", "400"},
        {"/varuri/a?..;a/x", "400"},
        {"/varuri/a?x?../y", "200 /fixed/x?../y"},
        {"/varreq/a/../b", "400"},
    };
    SERVER_CHECK("upstream up { server LISTEN; }" ECHO("$request_uri") GATE
                 "location /plain/ { proxy_pass http://up; }"
                 "location = / { return 200 /fallback; }"
                 "location /uri/ { proxy_pass http://up/new/; }"
                 "location /cut { proxy_pass http://up/to; }"
                 "location /open { proxy_pass http://up/new/; }"
                 "location /broken { rewrite ^/broken(.*) /b/$1 break; proxy_pass http://up; }"
                 "location = /exact { proxy_pass http://up/to; }"
                 "location ~ ^/re/ { proxy_pass http://up; }"
                 "location /break/ { rewrite ^/break/(.*) /b/$1 break; proxy_pass http://up; }"
                 "location /breakuri/ { rewrite ^/breakuri/(.*) /b/$1 break; proxy_pass "
                 "http://up/ignored/; }"
                 "location /last/ { rewrite ^/last/(.*) /plain/$1 last; }"
                 "location /var/ { set $to up; proxy_pass http://$to; }"
                 "location /varuri/ { set $to up; proxy_pass http://$to/fixed/$args; }"
                 "location /varreq/ { set $to up; proxy_pass http://$to$request_uri; }"
                 "location /varquery { set $to up; proxy_pass http://$to?x=1; }"
                 "location /if/ { if ($args = a) { proxy_pass http://up; } } }",
                 rows);
}

Test(forward, method_and_fields)
{
    static const struct server_row rows[] = {
        {"PUT /x", "200 PUT [ ] host= conn= up="},
        {"GET /x|X-A: 1|X-B: 2", "200 GET [1 2] host= conn= up="},
        /* RFC 9110, 7.6.1 */
        {"!GET /x|Connection: close, x-a|X-A: 1|X-B: 2", "200 GET [ 2] host= conn= up="},
        {"GET /x|Upgrade: h2c|Connection: close, upgrade", "200 GET [ ] host= conn= up="},
        {"GET /x|Keep-Alive: timeout=5|TE: trailers", "200 GET [ ] host= conn= up="},
        {"GET /method", "200 POST [ ] host= conn= up="},
        {"GET /set|X-A: of the client", "200 GET [set localhost] host= conn= up="},
        {"GET /removed|X-A: 1|X-B: 2", "200 GET [ 2] host= conn= up="},
        {"GET /none|X-A: 1|X-B: 2", "200 GET [ ] host= conn= up="},
        {"GET /proxyhost", "200 GET [up 80] host= conn= up="},
        {"GET /proxyhostvar", "200 GET [up 80] host= conn= up="},
    };
    SERVER_CHECK(
        "upstream up { server LISTEN; keepalive 2; }" ECHO(
            "$request_method [$http_x_a $http_x_b] host=$http_x_host conn=$http_connection "
            "up=$http_upgrade") GATE
        "proxy_set_header Connection \"\";"
        "location / { proxy_pass http://up; }"
        "location /method { proxy_method POST; proxy_pass http://up; }"
        "location /set { proxy_set_header Host echo.test; proxy_set_header Connection \"\"; "
        "  proxy_set_header X-A set; proxy_set_header X-B $host; proxy_pass http://up; }"
        "location /removed { proxy_set_header Host echo.test; proxy_set_header Connection \"\"; "
        "  proxy_set_header X-A \"\"; proxy_pass http://up; }"
        "location /none { proxy_pass_request_headers off; proxy_pass http://up; }"
        "location /proxyhost { proxy_set_header Host echo.test; proxy_set_header Connection \"\"; "
        "  proxy_set_header X-A $proxy_host; proxy_set_header X-B $proxy_port; proxy_pass "
        "http://up; }"
        "location /proxyhostvar { proxy_set_header Host echo.test; proxy_set_header Connection "
        "\"\"; "
        "  proxy_set_header X-A $proxy_host; proxy_set_header X-B $proxy_port; set $to up; "
        "  proxy_pass http://$to; } }",
        rows);
}

Test(forward, response_fields)
{
    static const struct {
        const char *request, *has, *has_not;
    } rows[] = {
        {"/", "X-Up: 1\r\n", "Server: upstream"},
        {"/hide", "X-Too: 2\r\n", "X-Up: 1\r\n"},
        {"/pass", "X-Accel-Expires: 5\r\n", "X-Accel-Buffering"},
        {"/", "200 OK", "X-Accel-Expires"},
    };
    server_start(
        "upstream up { server LISTEN; }"
        "server { listen LISTEN; server_name echo.test; add_header X-Up 1; add_header X-Too 2; "
        "add_header X-Accel-Expires 5; add_header X-Accel-Buffering no; return 200 ok; }" GATE
        "location / { proxy_pass http://up; }"
        "location /hide { proxy_hide_header x-up; proxy_pass http://up; }"
        "location /pass { proxy_pass_header X-Accel-Expires; proxy_pass http://up; } }");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *answer = server_ask(rows[i].request);
        cr_expect(strstr(answer, rows[i].has), "%s: no %s in\n%s", rows[i].request, rows[i].has,
                  answer);
        cr_expect(!strstr(answer, rows[i].has_not), "%s: %s in\n%s", rows[i].request,
                  rows[i].has_not, answer);
    }
    server_stop();
}

Test(forward, accel_redirect_and_interception)
{
    static const struct server_row rows[] = {
        {"/accel", "200 inner /inner/x q"},
        {"/named", "200 named /named"},
        {"/ignored", "200 redirecting"},
        {"/unsafe", "404 page"},
        {"/up", "404 page"},
        {"/caught", "503 page"},
        {"/caught-ok", "200 page"},
        {"/caught-twice", "503"},
        {"/passed", "503 upstream's"},
        {"/chain", "502 upstream's"},
        {"/inner/x", "404 page"},
    };
    SERVER_CHECK(
        "upstream up { server LISTEN; }"
        "server { listen LISTEN; server_name echo.test; "
        "location = /accel { add_header X-Accel-Redirect /inner/x?q; return 200 redirecting; }"
        "location = /named { add_header X-Accel-Redirect @named; return 200 redirecting; }"
        "location = /ignored { add_header X-Accel-Redirect /inner/x; return 200 redirecting; }"
        "location = /unsafe { add_header X-Accel-Redirect /../x; return 200 redirecting; }"
        "location = /up { add_header X-Accel-Redirect /a/../inner/x; return 200 redirecting; }"
        "location / { return 503 \"upstream's\"; } }" GATE
        "error_page 404 /page404; location /page404 { return 404 page; }"
        "location / { proxy_pass http://up; }"
        "location /inner { internal; return 200 \"inner $uri $args\"; }"
        "location @named { return 200 \"named $uri\"; }"
        "location /ignored { proxy_ignore_headers X-Accel-Redirect; proxy_pass http://up; }"
        "location /caught { proxy_intercept_errors on; error_page 503 /page; proxy_pass http://up; "
        "}"
        "location /caught-ok { proxy_intercept_errors on; error_page 503 =200 /page; proxy_pass "
        "http://up; }"
        "location /caught-twice { proxy_intercept_errors on; error_page 503 =200 /twice; "
        "proxy_pass http://up; }"
        "location /twice { proxy_intercept_errors on; error_page 503 /page; proxy_pass http://up; }"
        "location /page { return 200 page; }"
        "location /chain { error_page 502 @next; proxy_pass http://127.0.0.1:1; }"
        "location @next { proxy_pass http://up; } }",
        rows);
}

Test(forward, a_page_for_401_asks_for_the_same_credentials)
{
    server_start("upstream up { server LISTEN; }"
                 "server { listen LISTEN; server_name echo.test; add_header WWW-Authenticate "
                 "'Bearer realm=x' always; return 401; }" GATE
                 "proxy_intercept_errors on; error_page 401 /page; location / { proxy_pass "
                 "http://up; } location /page { return 200 page; } location /other { error_page "
                 "404 /page; proxy_hide_header WWW-Authenticate; proxy_pass http://up; } }");
    const char *answer = server_ask("/");
    cr_expect(strstr(answer, "401 ") && strstr(answer, "\r\nWWW-Authenticate: Bearer realm=x\r\n"),
              "%s", answer);
    answer = server_ask("/other");
    cr_expect(strstr(answer, "401 ") && !strstr(answer, "WWW-Authenticate"), "%s", answer);
    server_stop();
}
