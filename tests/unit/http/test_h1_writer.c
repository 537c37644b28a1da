#include <criterion/criterion.h>

#include "portcullis/http/h1_writer.h"

static struct buf out;
static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 1024);
}

static void tear_down(void)
{
    buf_deinit(&out);
    arena_deinit(&arena);
}

TestSuite(h1_writer, .init = set_up, .fini = tear_down);

Test(h1_writer, writes_heads_and_leaves_holes_out)
{
    struct headers h = {0};
    headers_add(&h, &arena, STR("Host"), STR("a"));
    headers_add(&h, &arena, STR("Gone"), STR("b"));
    headers_add(&h, &arena, STR("Empty"), STR(""));
    header_remove(&h.items[1]);
    h1_write_request_line(&out, STR("GET"), STR("/x?y"), HTTP_1_1);
    h1_write_headers(&out, &h);
    h1_write_head_end(&out);
    cr_assert(str_eq_z(buf_str(&out), "GET /x?y HTTP/1.1\r\nHost: a\r\nEmpty: \r\n\r\n"));
}

Test(h1_writer, a_status_line_has_the_servers_reason_or_ours)
{
    h1_write_status_line(&out, 403, STR(""));
    h1_write_status_line(&out, 200, STR("Fine"));
    h1_write_status_line(&out, 799, STR_NONE);
    cr_assert(str_eq_z(buf_str(&out),
                       "HTTP/1.1 403 Forbidden\r\nHTTP/1.1 200 Fine\r\nHTTP/1.1 799 \r\n"));
}

/* RFC 9110, 5.5: variables such as $uri hold decoded octets. */
Test(h1_writer, no_value_begins_a_line_of_its_own)
{
    h1_write_header(&out, STR("X"), STR("a\r\nClient-Cert: b\0c"));
    h1_write_status_line(&out, 200, STR("a\r\nb"));
    h1_write_request_line(&out, STR("GE T"), STR("/a b\r\nc\x7f"), HTTP_1_0);
    cr_assert(str_eq_z(buf_str(&out), "X: a  Client-Cert: b c\r\nHTTP/1.1 200 a  b\r\n"
                                      "GE%20T /a%20b%0D%0Ac%7F HTTP/1.0\r\n"));
}

Test(h1_writer, an_empty_chunk_does_not_end_the_body)
{
    h1_write_chunk(&out, STR(""));
    h1_write_chunk(&out, STR("0123456789abcdef"));
    h1_write_last_chunk(&out, NULL);
    cr_assert(str_eq_z(buf_str(&out), "10\r\n0123456789abcdef\r\n0\r\n\r\n"));
}

Test(h1_writer, trailers_follow_the_last_chunk)
{
    struct headers trailers = {0};
    headers_add(&trailers, &arena, STR("X-Sum"), STR("1"));
    h1_write_last_chunk(&out, &trailers);
    cr_assert(str_eq_z(buf_str(&out), "0\r\nX-Sum: 1\r\n\r\n"));
}
