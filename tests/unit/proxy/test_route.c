#include <criterion/criterion.h>

#include "support_server.h"

#define AT(name) " { return 200 " name "; } "

Test(route, location_in_nginx_order)
{
    static const struct server_row rows[] = {
        {"/", "200 exact-root"},
        {"/other", "200 root"},
        {"/exact", "200 exact"},
        {"/exact/", "200 root"},
        {"/exactly", "200 root"},
        {"/images/a.gif", "200 final"},
        {"/images/deep/a.gif", "200 deep-regex"}, /* the longest prefix is not ^~ there */
        {"/documents/a", "200 documents"},
        {"/documents/a.GIF", "200 gif-any-case"},
        {"/documents/a.gif", "200 gif"},
        {"/doc", "200 root"},
        {"/documents", "200 root"},
        {"/a%2Egif", "200 gif"},
        {"/images/../documents/a", "200 documents"},
        {"//documents///a", "200 documents"},
        {"/longer/prefix/x", "200 longer-prefix"},
        {"/longer/x", "200 longer"},
        {"/Longer/x", "200 root"},
        {"/x?y=/exact", "200 root"},
    };
    SERVER_CHECK(
        "server { listen LISTEN;"
        "location = /" AT("exact-root") "location /" AT("root") "location = /exact" AT(
            "ex"
            "ac"
            "t") "location ^~ /images/" AT("final") "location /images/deep/" AT("deep") "location "
                                                                                        "/longer/"
                                                                                        "prefix"
                                                                                        "/" AT(
                                                                                            "lon"
                                                                                            "ger"
                                                                                            "-pr"
                                                                                            "efi"
                                                                                            "x") "l"
                                                                                                 "o"
                                                                                                 "c"
                                                                                                 "a"
                                                                                                 "t"
                                                                                                 "i"
                                                                                                 "o"
                                                                                                 "n"
                                                                                                 " "
                                                                                                 "/"
                                                                                                 "d"
                                                                                                 "o"
                                                                                                 "c"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 "t"
                                                                                                 "s"
                                                                                                 "/" AT(
                                                                                                     "docum"
                                                                                                     "ents") "location /longer/" AT("longer") "location ~ \\.gif$ { if ($uri ~ ^/images/deep/) { return 200 deep-regex; } return 200 gif; }"
                                                                                                                                              "location ~* \\.gif$" AT(
                                                                                                                                                  "gif-any-case") "}",
        rows);
}

Test(route, nested_locations)
{
    static const struct server_row rows[] = {
        {"/a/", "200 a"},
        {"/a/b/", "200 ab"},
        {"/a/b/c", "200 ab"},
        {"/a/b/exact", "200 exact"},
        {"/a/x.php", "200 a-php"},
        {"/a/b/x.php", "200 a-php"}, /* no location in /a/b/ fits, so the regexes of /a/ are next */
        {"/a/x.txt", "200 outer-txt"},
        {"/f/x.txt", "200 f"},
        {"/f/x.php", "200 f-php"},
        {"/r/x", "200 r"},
        {"/r/x.in", "200 r-in"},
        {"/none", "404"},
    };
    SERVER_CHECK(
        "server { listen LISTEN;"
        "location /a/ { location /a/b/ { location = /a/b/exact" AT(
            "exact") "return 200 ab; }"
                     "  location ~ \\.php$" AT(
                         "a-php") "return 200 a; }"
                                  "location ^~ /f/ { location ~ \\.php$" AT(
                                      "f-php") "return 200 f; }"
                                               "location ~ \\.txt$" AT(
                                                   "outer-txt") "location ~ ^/r/ { location ~ "
                                                                "\\.in$" AT("r-in") "return 200 r; "
                                                                                    "} }",
        rows);
}

Test(route, captures_of_the_location)
{
    static const struct server_row rows[] = {
        {"/user/42/edit", "200 42:edit"},
        {"/named/joe", "200 joe joe"},
        {"/named/", "404"},
    };
    SERVER_CHECK("server { listen LISTEN;"
                 "location ~ ^/user/(\\d+)/(.*)$ { return 200 $1:$2; }"
                 "location ~ ^/named/(?<who>[a-z]+)$ { return 200 \"$who $1\"; } }",
                 rows);
}

Test(route, servers_by_name)
{
    static const struct server_row rows[] = {
        {"/|Host: a.example", "200 a"},
        {"/|Host: A.Example.", "200 a"},
        {"/|Host: a.example:8080", "200 a"},
        {"/|Host: x.wild.example", "200 head"},
        {"/|Host: y.x.wild.example", "200 head"},
        {"/|Host: wild.example", "200 default"},
        {"/|Host: dot.example", "200 dot"},
        {"/|Host: x.dot.example", "200 dot"},
        {"/|Host: tail.com", "200 tail"},
        {"/|Host: tail.co.uk", "200 tail"},
        {"/|Host: long.x.wild.example", "200 longest"},
        {"/|Host: u7.re.example", "200 regex 7 7"},
        {"/|Host: nobody.example", "200 default"},
        {"GET / HTTP/1.0", "200 default"},
        {"GET http://a.example/ HTTP/1.1|Host: x.dot.example", "200 a"},
    };
    SERVER_CHECK("server { listen LISTEN; server_name first.example; return 200 first; }"
                 "server { listen LISTEN default_server; server_name _; return 200 default; }"
                 "server { listen LISTEN; server_name a.example; return 200 a; }"
                 "server { listen LISTEN; server_name *.wild.example; return 200 head; }"
                 "server { listen LISTEN; server_name *.x.wild.example; location / { if ($host ~ "
                 "^long) { return 200 longest; } return 200 head; } }"
                 "server { listen LISTEN; server_name .dot.example; return 200 dot; }"
                 "server { listen LISTEN; server_name tail.*; return 200 tail; }"
                 "server { listen LISTEN; server_name ~^u(?<n>\\d+)\\.re\\.example$; return 200 "
                 "\"regex $n $1\"; }",
                 rows);
}

Test(route, a_missing_slash_before_a_proxied_folder)
{
    static const struct server_row rows[] = {
        {"/app", "301 -> http://localhost:P/app/"},
        {"/app?a=b&c", "301 -> http://localhost:P/app/?a=b&c"},
        {"/a%20b", "301 -> http://localhost:P/a%20b/"},
        {"/own", "200 own"},
        {"/plain", "200 rest"},
        {"/regex.gif", "301 -> http://localhost:P/regex.gif/"},
    };
    SERVER_CHECK(
        "server { listen LISTEN; location / { return 200 rest; }"
        "location /app/ { proxy_pass http://127.0.0.1:1; }"
        "location '/a b/' { proxy_pass http://127.0.0.1:1; }"
        "location /own/ { proxy_pass http://127.0.0.1:1; } location = /own { return 200 own; }"
        "location /plain/ { return 200 plain; }"
        "location /regex.gif/ { proxy_pass http://127.0.0.1:1; } location ~ gif$ { return 200 gif; "
        "} }",
        rows);
}

Test(route, internal_locations_are_not_there_for_clients)
{
    static const struct server_row rows[] = {
        {"/hidden", "404"},
        {"/to-hidden", "200 hidden"},
        {"/errors", "403 hidden"},
    };
    SERVER_CHECK(
        "server { listen LISTEN; location /hidden { internal; if ($uri) { return 200 hidden; } }"
        "location /to-hidden { rewrite ^ /hidden last; }"
        "location /errors { error_page 403 /hidden; return 403; } }",
        rows);
}
