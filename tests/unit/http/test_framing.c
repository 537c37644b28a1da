#include <criterion/criterion.h>

#include "support.h"

struct row {
    const char *fields; /* lines */
    unsigned status;
    enum body_kind kind;
    uint64_t length;
};

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 1024);
}

static void tear_down(void)
{
    arena_deinit(&arena);
}

TestSuite(framing, .init = set_up, .fini = tear_down);

static struct headers headers_of(const char *fields)
{
    struct headers h = {0};
    struct str rest = str_of(fields);
    while (rest.len > 0) {
        struct str value = str_cut(&rest, '\n');
        struct str name = str_cut(&value, ':');
        headers_add(&h, &arena, name, str_trim(value));
    }
    return h;
}

static void expect_request(enum http_version version, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct request_head head = {.version = version, .headers = headers_of(rows[i].fields)};
        struct framing f = framing_of_request(&head);
        cr_expect_eq(f.status, rows[i].status, "%u for\n%s", f.status, rows[i].fields);
        cr_expect_eq(f.problem == NULL, f.status == 0);
        if (f.status != 0)
            continue;
        cr_expect_eq(f.kind, rows[i].kind, "%s", rows[i].fields);
        cr_expect_eq(f.length, rows[i].length, "%s", rows[i].fields);
    }
}

/* RFC 9112, 6.3 */
Test(framing, length_and_coding_together_are_refused)
{
    static const struct row rows[] = {
        {"Content-Length: 3\nTransfer-Encoding: chunked", 400, 0, 0},
        {"Transfer-Encoding: chunked\nContent-Length: 0", 400, 0, 0},
        {"Transfer-Encoding: identity\nContent-Length: 3", 400, 0, 0},
        {"transfer-encoding:\ncontent-length: 3", 400, 0, 0},
    };
    expect_request(HTTP_1_1, rows, COUNT(rows));
}

Test(framing, codings)
{
    static const struct row rows[] = {
        {"Transfer-Encoding: chunked", 0, BODY_CHUNKED, 0},
        {"Transfer-Encoding: CHUNKED", 0, BODY_CHUNKED, 0},
        {"Transfer-Encoding: gzip", 400, 0, 0},
        {"Transfer-Encoding: chunked, gzip", 400, 0, 0},
        {"Transfer-Encoding: chunked\nTransfer-Encoding: gzip", 400, 0, 0},
        {"Transfer-Encoding: chunked, chunked", 400, 0, 0},
        {"Transfer-Encoding: chunked\nTransfer-Encoding: chunked", 400, 0, 0},
        {"Transfer-Encoding: chunked, gzip, chunked", 400, 0, 0},
        {"Transfer-Encoding: identity", 400, 0, 0},
        {"Transfer-Encoding: xchunked", 400, 0, 0},
        {"Transfer-Encoding: chunked;q=1", 400, 0, 0},
        {"Transfer-Encoding: \x0b"
         "chunked",
         400, 0, 0},
        {"Transfer-Encoding: \"chunked\"", 400, 0, 0},
        {"Transfer-Encoding:", 400, 0, 0},
        {"Transfer-Encoding: ,", 400, 0, 0},
        {"Transfer-Encoding: chunked,", 400, 0, 0},
        {"Transfer-Encoding:\nTransfer-Encoding: chunked", 400, 0, 0},
        {"Transfer-Encoding: gzip, chunked", 501, 0, 0},
        {"Transfer-Encoding: gzip\nTransfer-Encoding: chunked", 501, 0, 0},
        {"Transfer-Encoding: foo, chunked", 501, 0, 0},
    };
    expect_request(HTTP_1_1, rows, COUNT(rows));
}

Test(framing, no_coding_in_http_1_0)
{
    static const struct row rows[] = {
        {"Transfer-Encoding: chunked", 400, 0, 0},
        {"Content-Length: 3", 0, BODY_LENGTH, 3},
        {"", 0, BODY_NONE, 0},
    };
    expect_request(HTTP_1_0, rows, COUNT(rows));
}

Test(framing, lengths)
{
    static const struct row rows[] = {
        {"", 0, BODY_NONE, 0},
        {"Content-Length: 0", 0, BODY_LENGTH, 0},
        {"Content-Length: 007", 0, BODY_LENGTH, 7},
        {"Content-Length: 9223372036854775807", 0, BODY_LENGTH, INT64_MAX},
        {"Content-Length: 9223372036854775808", 400, 0, 0},
        {"Content-Length: 18446744073709551617", 400, 0, 0},
        {"Content-Length:", 400, 0, 0},
        {"Content-Length: +1", 400, 0, 0},
        {"Content-Length: -1", 400, 0, 0},
        {"Content-Length: 0x1", 400, 0, 0},
        {"Content-Length: 1 2", 400, 0, 0},
        {"Content-Length: 1.0", 400, 0, 0},
        {"Content-Length: 3, 3", 400, 0, 0},
        {"Content-Length: 3,4", 400, 0, 0},
        {"Content-Length: 3\nContent-Length: 3", 400, 0, 0},
        {"Content-Length: 3\ncontent-length: 4", 400, 0, 0},
        {"Content-Length: \xd9\xa3", 400, 0, 0},
    };
    expect_request(HTTP_1_1, rows, COUNT(rows));
}

Test(framing, responses)
{
    static const struct {
        unsigned status;
        bool to_head;
        const char *fields;
        unsigned refused;
        enum body_kind kind;
        uint64_t length;
    } rows[] = {
        {200, false, "", 0, BODY_UNTIL_CLOSE, 0},
        {200, false, "Content-Length: 3", 0, BODY_LENGTH, 3},
        {200, false, "Transfer-Encoding: chunked", 0, BODY_CHUNKED, 0},
        {200, true, "", 0, BODY_NONE, 0},
        {200, true, "Content-Length: 3", 0, BODY_NONE, 0},
        {200, true, "Transfer-Encoding: chunked", 0, BODY_NONE, 0},
        {304, false, "Content-Length: 3", 0, BODY_NONE, 0},
        {204, false, "Content-Length: 3", 0, BODY_NONE, 0},
        {100, false, "Transfer-Encoding: chunked", 0, BODY_NONE, 0},
        {101, false, "", 0, BODY_NONE, 0},
        {403, false, "Content-Length: 0", 0, BODY_LENGTH, 0},
        {200, false, "Content-Length: 3\nTransfer-Encoding: chunked", 502, 0, 0},
        {200, false, "Content-Length: 3\nContent-Length: 3", 502, 0, 0},
        {200, false, "Content-Length: -3", 502, 0, 0},
        {204, false, "Content-Length: -3", 502, 0, 0},
        {304, false, "Transfer-Encoding: gzip", 502, 0, 0},
        {200, true, "Content-Length: -3", 502, 0, 0},
        {200, false, "Transfer-Encoding: gzip, chunked", 502, 0, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct response_head head = {
            .status = rows[i].status, .version = HTTP_1_1, .headers = headers_of(rows[i].fields)};
        struct framing f = framing_of_response(&head, rows[i].to_head);
        cr_expect_eq(f.status, rows[i].refused, "row %zu", i);
        cr_expect(f.status != 0 || (f.kind == rows[i].kind && f.length == rows[i].length),
                  "row %zu", i);
    }
}

Test(framing, a_coding_in_a_response_of_http_1_0_is_faulty)
{
    struct response_head head = {
        .status = 200, .version = HTTP_1_0, .headers = headers_of("Transfer-Encoding: chunked")};
    cr_assert_eq(framing_of_response(&head, false).status, 502);
}

/* RFC 9112, 9.3 */
Test(framing, connections_persist_by_version_and_field)
{
    static const struct {
        enum http_version version;
        const char *fields;
        bool keeps_alive;
    } rows[] = {
        {HTTP_1_1, "", true},
        {HTTP_1_1, "Connection: close", false},
        {HTTP_1_1, "Connection: x, Close", false},
        {HTTP_1_1, "Connection: x\nConnection: close", false},
        {HTTP_1_1, "Connection: closed", true},
        {HTTP_1_1, "Connection: keep-alive, close", false},
        {HTTP_1_0, "", false},
        {HTTP_1_0, "Connection: Keep-Alive", true},
        {HTTP_1_0, "Connection: upgrade", false},
        {HTTP_2_0, "", true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct headers h = headers_of(rows[i].fields);
        cr_expect_eq(framing_keeps_alive(rows[i].version, &h), rows[i].keeps_alive, "row %zu", i);
    }
}
