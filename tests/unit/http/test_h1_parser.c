#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

static const struct h1_run requests = {.direction = H1_REQUEST};
static const struct h1_run responses = {.direction = H1_RESPONSE};

Test(h1_parser, gives_the_same_events_whole_and_cut_at_every_octet)
{
    h1_expect(
        &requests,
        STR("\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n00a;x=\"y\"\r\n, world!!!\r\n0\r\nX-Sum: 1\r\n\r\n"
            "PUT /b HTTP/1.0\nContent-Length:3\n\nabcGET / HTTP/1.1\r\nHost: \t b \t\r\n\r\n"),
        "request POST /a?b 1.1\nfield Host: a\nfield Transfer-Encoding: chunked\n"
        "body 15 hello, world!!!\ntrailer X-Sum: 1\nend\n"
        "request PUT /b 1.0\nfield Content-Length: 3\nbody 3 abc\nend\n"
        "request GET / 1.1\nfield Host: b\nend\neof\n");
}

Test(h1_parser, reads_responses_one_behind_the_other)
{
    h1_expect(&responses,
              STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"
                  "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n"
                  "HTTP/1.0 200 OK then\r\nServer: a_b\r\nX_y: 1\r\n\r\nuntil the end"),
              "response 100 1.1 Continue\nend\n"
              "response 200 1.1 \nfield Content-Length: 2\nbody 2 ok\nend\n"
              "response 204 1.1 No Content\nfield Content-Length: 2\nend\n"
              "response 200 1.0 OK then\nfield Server: a_b\nfield X_y: 1\n"
              "body 13 until the end\nend\neof\n");
}

Test(h1_parser, an_answer_to_head_has_no_body)
{
    const struct h1_run run = {.direction = H1_RESPONSE, .to_head = true};
    h1_expect(&run, STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
              "response 200 1.1 OK\nfield Content-Length: 2\nend\neof\n");
}

Test(h1_parser, an_end_in_the_middle_is_not_an_end)
{
    static const char *const cases[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        "HTTP/1.1 200 OK\r\n",
        "H",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf events = h1_events(&responses, str_of(cases[i]));
        cr_expect(str_ends(buf_str(&events), STR("more\n")), "%s", cases[i]);
        buf_deinit(&events);
    }
}

struct row {
    struct str input;
    unsigned status; /* 0: no refusal */
};
#define ROW(text, status) {STR_INIT(text), status}

static void expect_statuses(const struct row *rows, size_t count,
                            unsigned (*status_of)(struct str input))
{
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(status_of(rows[i].input), rows[i].status, "not %u:\n%.*s", rows[i].status,
                     STR_ARG(rows[i].input));
}

/* RFC 9112, 2.2 */
Test(h1_parser, line_ends)
{
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\nHost: a\n\n", 0),
        ROW("GET / HTTP/1.1\nHost: a\r\n\n", 0),
        ROW("GET / HTTP/1.1\rHost: a\r\r", 0), /* waits: no line has ended */
        ROW("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
        ROW("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHo\rst: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", 400),
        ROW("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

#define LINES_8 "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
Test(h1_parser, empty_lines_before_a_request_are_skipped_and_bounded)
{
    static const struct row rows[] = {
        ROW("\r\nGET / HTTP/1.1\r\n\r\n", 0),
        ROW("\n\r\n\nGET / HTTP/1.1\r\n\r\n", 0),
        ROW(LINES_8 LINES_8 LINES_8 LINES_8 "GET / HTTP/1.1\r\n\r\n", 0), /* 64 octets */
        ROW(LINES_8 LINES_8 LINES_8 LINES_8 "\nGET / HTTP/1.1\r\n\r\n", 400),
        ROW(" GET / HTTP/1.1\r\n\r\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

Test(h1_parser, white_space_before_the_first_field_is_refused)
{
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\n \r\n\r\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

/* RFC 9112, 3 */
Test(h1_parser, request_line)
{
    static const struct row rows[] = {
        ROW("GET  / HTTP/1.1\r\n\r\n", 400),
        ROW("GET / HTTP/1.1 \r\n\r\n", 400),
        ROW("GET /  HTTP/1.1\r\n\r\n", 400),
        ROW("GET /a b HTTP/1.1\r\n\r\n", 400),
        ROW("GET\t/\tHTTP/1.1\r\n\r\n", 400),
        ROW("GET /\0 HTTP/1.1\r\n\r\n", 400),
        ROW("GET /\x7f HTTP/1.1\r\n\r\n", 400),
        ROW("GET /\xff HTTP/1.1\r\n\r\n", 0),
        ROW("GET  HTTP/1.1\r\n\r\n", 400),
        ROW("GET HTTP/1.1\r\n\r\n", 400),
        ROW("GET\r\n\r\n", 400),
        ROW("GE(T / HTTP/1.1\r\n\r\n", 400),
        ROW("G\x80T / HTTP/1.1\r\n\r\n", 400),
        ROW("GE:T / HTTP/1.1\r\n\r\n", 400),
        ROW("\x16\x03\x01\x02", 400),
        ROW("VERSION-CONTROL / HTTP/1.1\r\n\r\n", 0),
        ROW("M_SEARCH / HTTP/1.1\r\n\r\n", 0),
        ROW("get / HTTP/1.1\r\n\r\n", 400), /* Django and others read it as GET */
        ROW("GEt / HTTP/1.1\r\n\r\n", 400),
        ROW("GET1 / HTTP/1.1\r\n\r\n", 400),
        ROW("GET. / HTTP/1.1\r\n\r\n", 400),
        ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKL / HTTP/1.1\r\n\r\n",
            0),
        ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLM / HTTP/1.1\r\n\r\n",
            501),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

Test(h1_parser, versions)
{
    static const struct row rows[] = {
        ROW("GET / HTTP/1.0\r\n\r\n", 0),    ROW("GET / HTTP/1.2\r\n\r\n", 0),
        ROW("GET / HTTP/1.9\r\n\r\n", 0),    ROW("GET / HTTP/2.0\r\n\r\n", 505),
        ROW("PRI * HTTP/2.0\r\n\r\n", 505),  ROW("GET / HTTP/0.9\r\n\r\n", 505),
        ROW("GET / HTTP/9.1\r\n\r\n", 505),  ROW("GET / HTTP/1.10\r\n\r\n", 400),
        ROW("GET / HTTP/11.1\r\n\r\n", 400), ROW("GET / HTTP/1\r\n\r\n", 400),
        ROW("GET / HTTP/1.\r\n\r\n", 400),   ROW("GET / http/1.1\r\n\r\n", 400),
        ROW("GET / HTTP/+1.1\r\n\r\n", 400), ROW("GET / HTTP\r\n\r\n", 400),
        ROW("GET / HTTPS/1.1\r\n\r\n", 400), ROW("GET / HTTP/a.1\r\n\r\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

Test(h1_parser, simple_requests_of_http_0_9_are_refused_at_their_line)
{
    cr_assert_eq(h1_request_status(STR("GET /\r\n")), 400);
}

Test(h1_parser, an_unknown_minor_version_is_understood_as_1_1)
{
    h1_expect(&requests, STR("GET / HTTP/1.7\r\n\r\n"), "request GET / 1.1\nend\neof\n");
}

/* RFC 9112, 5 */
Test(h1_parser, field_lines)
{
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHo st: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\n: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\n:\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHo\x01st: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHo\x7fst: a\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost: a\r\n\0\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n", 0),
        ROW("GET / HTTP/1.1\r\nHost::a\r\n\r\n", 0),
        ROW("GET / HTTP/1.1\r\nX: \x80\xff\t\"\r\n\r\n", 0),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

Test(h1_parser, folded_lines_are_refused)
{
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nX: a\r\n\tb: c\r\n\r\n", 400),
        ROW("GET / HTTP/1.1\r\nX: a\r\n \r\n\r\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

Test(h1_parser, sizes_end_in_414_and_431)
{
    const struct h1_limits limits = {
        .line_bytes = 20, .field_bytes = 12, .head_bytes = 40, .fields = 2, .trailer_bytes = 16};
    const struct h1_run run = {.direction = H1_REQUEST, .limits = limits};
    h1_expect(&run, STR("GET /456 HTTP/1.1\r\n\r\n"), "request GET /456 1.1\nend\neof\n");
    h1_expect(&run, STR("GET /45678 HTTP/1.1\r\n\r\n"), "error 414\n");
    h1_expect(&run, STR("GET /45678901234567890"), "error 414\n");
    h1_expect(&run, STR("GET / HTTP/1.1\r\nA: 4567890\r\n\r\n"),
              "request GET / 1.1\nfield A: 4567890\nend\neof\n");
    h1_expect(&run, STR("GET / HTTP/1.1\r\nA: 45678901\r\n\r\n"), "error 431\n");
    h1_expect(&run, STR("GET / HTTP/1.1\r\nA: 4567890123"), "error 431\n");
    h1_expect(&run, STR("GET / HTTP/1.1\r\nA: 456\r\nB: 456\r\n\r\n"),
              "request GET / 1.1\nfield A: 456\nfield B: 456\nend\neof\n");
    h1_expect(&run, STR("GET / HTTP/1.1\r\nA: 4567890\r\nB: 4567890\r\n\r\n"), "error 431\n");
    h1_expect(&run, STR("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"), "error 431\n");
    struct h1_run short_head = run;
    short_head.limits.head_bytes = 18; /* its empty line does not fit */
    h1_expect(&short_head, STR("GET / HTTP/1.1\r\n\r\n"), "request GET / 1.1\nend\neof\n");
    h1_expect(&short_head, STR("GET /4 HTTP/1.1\r\n\r\n"), "error 431\n");
    h1_expect(&short_head, STR("GET /456 HTTP/1.1\r\n\r\n"), "error 414\n");
}

Test(h1_parser, names_that_are_not_nginxs_are_skipped)
{
    h1_expect(&requests,
              STR("GET / HTTP/1.1\r\nX_Client_DN: a\r\nX.Y: b\r\nX(Y: c\r\n\xc3\xa4: d\r\n"
                  "Good-1: e\r\n\r\n"),
              "request GET / 1.1\nfield Good-1: e\nend\neof\n");
}

Test(h1_parser, names_that_are_not_nginxs_are_refused_when_not_ignored)
{
    struct h1_run run = {.direction = H1_REQUEST, .limits = default_limits};
    run.limits.ignore_invalid_fields = false;
    h1_expect(&run, STR("GET / HTTP/1.1\r\nX_Y: a\r\n\r\n"), "error 400\n");
    h1_expect(&run, STR("GET / HTTP/1.1\r\nX.Y: a\r\n\r\n"), "error 400\n");
    run.limits.underscores = true;
    h1_expect(&run, STR("GET / HTTP/1.1\r\nX_Y: a\r\n\r\n"),
              "request GET / 1.1\nfield X_Y: a\nend\neof\n");
}

Test(h1_parser, no_other_spelling_of_the_length_is_passed_on)
{
    static const char *const names[] = {"Content_Length", "content_LENGTH", "Transfer_Encoding"};
    struct h1_run run = {.direction = H1_REQUEST, .limits = default_limits};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char head[128], trailers[128];
        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nContent-Length: 1\r\n%s: 0\r\n\r\na",
                 names[i]);
        snprintf(trailers, sizeof trailers,
                 "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n%s: 0\r\n\r\n",
                 names[i]);
        run.limits.underscores = true;
        h1_expect(&run, str_of(head), "error 400\n");
        h1_expect(&run, str_of(trailers),
                  "request POST / 1.1\nfield Transfer-Encoding: chunked\nerror 400\n");
        run.limits.underscores = false; /* then it is left out like any other */
        h1_expect(&run, str_of(head),
                  "request POST / 1.1\nfield Content-Length: 1\nbody 1 a\nend\neof\n");
    }
}

/* RFC 9112, 7.1 */
#define CHUNKED "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

Test(h1_parser, chunk_sizes)
{
    static const struct row rows[] = {
        ROW(CHUNKED "1\r\na\r\n0\r\n\r\n", 0),
        ROW(CHUNKED "0001\r\na\r\n000\r\n\r\n", 0),
        ROW(CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 0),
        ROW(CHUNKED "7fffffffffffffff\r\n", 0),
        ROW(CHUNKED "8000000000000000\r\n", 400),
        ROW(CHUNKED "ffffffffffffffff\r\n", 400),
        ROW(CHUNKED "10000000000000001\r\n", 400),
        ROW(CHUNKED "+1\r\na\r\n", 400),
        ROW(CHUNKED "-1\r\na\r\n", 400),
        ROW(CHUNKED "0x1\r\na\r\n", 400),
        ROW(CHUNKED "1_0\r\na\r\n", 400),
        ROW(CHUNKED " 1\r\na\r\n", 400),
        ROW(CHUNKED "1 \r\na\r\n", 400),
        ROW(CHUNKED "g\r\na\r\n", 400),
        ROW(CHUNKED "\r\na\r\n", 400),
        ROW(CHUNKED ";x\r\na\r\n", 400),
        ROW(CHUNKED "1\0\r\na\r\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

Test(h1_parser, line_ends_are_exact)
{
    static const struct row rows[] = {
        ROW(CHUNKED "1\na\r\n0\r\n\r\n", 400),
        ROW(CHUNKED "1\r\na\n0\r\n\r\n", 400),
        ROW(CHUNKED "1\r\na\r0\r\n\r\n", 400),
        ROW(CHUNKED "1\r\na0\r\n\r\n", 400),
        ROW(CHUNKED "1\r\nab\r\n0\r\n\r\n", 400),
        ROW(CHUNKED "1\r\r\na\r\n0\r\n\r\n", 400),
        ROW(CHUNKED "1;a\nb\r\na\r\n0\r\n\r\n", 400),
        ROW(CHUNKED "1;a\rb\r\na\r\n0\r\n\r\n", 400),
        ROW(CHUNKED "0\n\r\n", 400),
        ROW(CHUNKED "0\r\n\n", 400),
        ROW(CHUNKED "0\r\nX: y\n\r\n", 400),
        ROW(CHUNKED "0\r\nX: y\r\n\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

Test(h1_parser, extensions_are_ignored)
{
    static const struct row rows[] = {
        ROW(CHUNKED "1;a=b\r\na\r\n0;c\r\n\r\n", 0),
        ROW(CHUNKED "1 \t; a = \"b;c\"\r\na\r\n0\r\n\r\n", 0),
        ROW(CHUNKED "1;\r\na\r\n0\r\n\r\n", 0),
        ROW(CHUNKED "1 a\r\na\r\n0\r\n\r\n", 400),
        ROW(CHUNKED "1;\x01\r\na\r\n0\r\n\r\n", 400),
        ROW(CHUNKED "1;\0\r\na\r\n0\r\n\r\n", 400),
        ROW(CHUNKED "1;\x7f\r\na\r\n0\r\n\r\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
}

Test(h1_parser, extensions_are_bounded)
{
    struct buf one = {0}, many = {0};
    buf_append_str(&one, STR(CHUNKED "1;"));
    for (int i = 0; i < 2000; i++)
        buf_append_char(&one, 'x');
    cr_expect_eq(h1_request_status(buf_str(&one)), 400);

    struct h1_run run = requests;
    buf_append_str(&many, STR(CHUNKED));
    for (int i = 0; i < 40; i++)
        buf_printf(&many, "1;%0500d\r\na\r\n", 0);
    struct buf events = h1_events(&run, buf_str(&many));
    cr_expect(str_ends(buf_str(&events), STR("error 400\n")));
    buf_deinit(&events);
    buf_deinit(&one);
    buf_deinit(&many);
}

Test(h1_parser, trailers_are_never_headers)
{
    struct h1_parser p;
    struct arena a;
    struct buf in = {0};
    arena_init(&a, 1024);
    h1_parser_init(&p, H1_REQUEST, &default_limits);
    h1_parser_restart(&p, &a);
    buf_append_str(&in, STR(CHUNKED "0\r\nClient-Cert: x\r\nHost: evil\r\n\r\n"));
    cr_assert_eq(h1_parser_next(&p, &in), H1_HEAD);
    h1_parser_body(&p, framing_of_request(&p.request));
    cr_assert_eq(h1_parser_next(&p, &in), H1_END);
    cr_assert_eq(p.request.headers.count, 1);
    cr_assert_eq(p.trailers.count, 1);
    cr_assert_not(headers_has(&p.request.headers, HEADER_HOST));
    buf_deinit(&in);
    arena_deinit(&a);
}

Test(h1_parser, trailers_hold_no_framing_routing_or_credentials)
{
    h1_expect(
        &requests,
        STR(CHUNKED "0\r\ncontent-length: 3\r\nTransfer-encoding: chunked\r\nHOST: b\r\n"
                    "Authorization: c\r\nConnection: d\r\nCookie: e\r\nX-Good: f\r\n\r\n"),
        "request POST / 1.1\nfield Transfer-Encoding: chunked\ntrailer X-Good: f\nend\neof\n");
}

Test(h1_parser, trailers_are_bounded_and_strict)
{
    struct h1_run run = {.direction = H1_REQUEST, .limits = default_limits};
    static const struct row rows[] = {
        ROW(CHUNKED "0\r\nX : y\r\n\r\n", 400),
        ROW(CHUNKED "0\r\nX: y\r\n z\r\n\r\n", 400),
        ROW(CHUNKED "0\r\nX: \0\r\n\r\n", 400),
        ROW(CHUNKED "0\r\nX\r\n\r\n", 400),
    };
    expect_statuses(rows, COUNT(rows), h1_request_status);
    static const struct str whole = STR_INIT(CHUNKED "0\r\nX: y\r\nZ: y\r\n\r\n");
    const char *const read = "request POST / 1.1\nfield Transfer-Encoding: chunked\n"
                             "trailer X: y\ntrailer Z: y\nend\neof\n";
    const char *const refused = "request POST / 1.1\nfield Transfer-Encoding: chunked\nerror 431\n";
    run.limits.trailer_bytes = 14;
    h1_expect(&run, whole, read);
    run.limits.trailer_bytes = 13;
    h1_expect(&run, whole, refused);
    run.limits.trailer_bytes = 1000;
    run.limits.fields = 2; /* of the head apart */
    h1_expect(&run, whole, read);
    run.limits.fields = 1;
    h1_expect(&run, whole, refused);
    run.limits.fields = 2;
    run.limits.field_bytes = 28; /* Transfer-Encoding's */
    h1_expect(&run, STR(CHUNKED "0\r\nX: 45678901234567890123456\r\n\r\n"),
              "request POST / 1.1\nfield Transfer-Encoding: chunked\n"
              "trailer X: 45678901234567890123456\nend\neof\n");
    h1_expect(&run, STR(CHUNKED "0\r\nX: 456789012345678901234567\r\n\r\n"), refused);
}

/* RFC 9112, 6.3 and 9.2; RFC 9110, 15.2 */
Test(h1_parser, what_is_wrong_with_a_response_is_502)
{
    static const struct row rows[] = {
        ROW("HTTP/1.1 200 OK\r\n\r\n", 0),
        ROW("HTTP/1.1 200\r\n\r\n", 0),
        ROW("HTTP/1.1 200 a\tb \xff\r\n\r\n", 0),
        ROW("HTTP/1.1 999 What\r\n\r\n", 0),
        ROW("HTTP/1.1 099 What\r\n\r\n", 502),
        ROW("HTTP/1.1 20 OK\r\n\r\n", 502),
        ROW("HTTP/1.1 2000 OK\r\n\r\n", 502),
        ROW("HTTP/1.1 +20 OK\r\n\r\n", 502),
        ROW("HTTP/1.1  200 OK\r\n\r\n", 502),
        ROW("HTTP/1.1\r\n\r\n", 502),
        ROW("HTTP/2.0 200 OK\r\n\r\n", 502),
        ROW("HTTP/1.1 200 O\0K\r\n\r\n", 502),
        ROW("HTTP/1.1 200 O\rK\r\n\r\n", 502),
        ROW("ICY 200 OK\r\n\r\n", 502),
        ROW("<html>", 502),
        ROW("\r\nHTTP/1.1 200 OK\r\n\r\n", 502),
        ROW("HTTP/1.1 200 OK\r\nServer : a\r\n\r\n", 502),
        ROW("HTTP/1.1 200 OK\r\nServer\r\n\r\n", 502),
        ROW("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", 502),
        ROW("HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n", 502),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 502),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 502),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 502),
    };
    expect_statuses(rows, COUNT(rows), h1_response_status);
}

Test(h1_parser, a_token_is_a_valid_name_in_a_response)
{
    h1_expect(&responses, STR("HTTP/1.1 204 OK\r\nX.a_b!: 1\r\nX(: 2\r\n\r\n"),
              "response 204 1.1 OK\nfield X.a_b!: 1\nend\neof\n");
}

Test(h1_parser, has_begun_with_the_first_octet_that_is_no_empty_line)
{
    struct h1_parser p;
    struct arena a;
    struct buf in = {0};
    arena_init(&a, 1024);
    h1_parser_init(&p, H1_REQUEST, &default_limits);
    h1_parser_restart(&p, &a);
    cr_assert_not(h1_parser_has_begun(&p));
    buf_append_str(&in, STR("\r\n"));
    cr_assert_eq(h1_parser_next(&p, &in), H1_MORE);
    cr_assert_not(h1_parser_has_begun(&p));
    cr_assert(h1_parser_eof(&p));
    buf_append_str(&in, STR("G"));
    cr_assert_eq(h1_parser_next(&p, &in), H1_MORE);
    cr_assert(h1_parser_has_begun(&p));
    cr_assert_not(h1_parser_eof(&p));
    buf_deinit(&in);
    arena_deinit(&a);
}

Test(h1_parser, reads_nothing_after_an_error)
{
    struct h1_parser p;
    struct arena a;
    struct buf in = {0};
    arena_init(&a, 1024);
    h1_parser_init(&p, H1_REQUEST, &default_limits);
    h1_parser_restart(&p, &a);
    buf_append_str(&in, STR("\rGET / HTTP/1.1\r\n\r\n"));
    cr_assert_eq(h1_parser_next(&p, &in), H1_ERROR);
    buf_consume(&in, 1);
    cr_assert_eq(h1_parser_next(&p, &in), H1_ERROR);
    cr_assert_eq(p.error_status, 400);
    buf_deinit(&in);
    arena_deinit(&a);
}

Test(h1_parser, counts_the_octets_of_a_message)
{
    struct h1_parser p;
    struct arena a;
    struct buf in = {0};
    arena_init(&a, 1024);
    h1_parser_init(&p, H1_REQUEST, &default_limits);
    h1_parser_restart(&p, &a);
    buf_append_str(&in, STR(CHUNKED "2\r\nab\r\n0\r\nX: y\r\n\r\n"));
    size_t size = buf_len(&in);
    cr_assert_eq(h1_parser_next(&p, &in), H1_HEAD);
    cr_assert(str_eq_z(p.request.line, "POST / HTTP/1.1"));
    cr_assert_eq(p.request.method, METHOD_POST);
    h1_parser_body(&p, framing_of_request(&p.request));
    cr_assert_eq(h1_parser_next(&p, &in), H1_DATA);
    h1_parser_took(&p, &in, 2);
    cr_assert_eq(h1_parser_next(&p, &in), H1_END);
    cr_assert_eq(p.head_bytes, sizeof CHUNKED - 1);
    cr_assert_eq(p.body_bytes, 2);
    cr_assert_eq(p.head_bytes + p.body_bytes + p.framing_bytes, size);
    buf_deinit(&in);
    arena_deinit(&a);
}

Test(h1_parser, a_tunnel_is_data_until_its_end)
{
    struct h1_parser p;
    struct arena a;
    struct buf in = {0};
    arena_init(&a, 1024);
    h1_parser_init(&p, H1_RESPONSE, &default_limits);
    h1_parser_restart(&p, &a);
    buf_append_str(&in, STR("HTTP/1.1 101 Switching Protocols\r\n\r\nframe"));
    cr_assert_eq(h1_parser_next(&p, &in), H1_HEAD);
    h1_parser_body(&p, (struct framing){.kind = BODY_UNTIL_CLOSE});
    cr_assert_eq(h1_parser_next(&p, &in), H1_DATA);
    cr_assert(str_eq_z(p.data, "frame"));
    cr_assert(h1_parser_eof(&p));
    cr_assert_eq(h1_parser_next(&p, &in), H1_DATA);
    h1_parser_took(&p, &in, 5);
    cr_assert_eq(h1_parser_next(&p, &in), H1_END);
    buf_deinit(&in);
    arena_deinit(&a);
}
