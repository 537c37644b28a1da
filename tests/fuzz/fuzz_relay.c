/* What is passed on. A head that was read and is written again must be read as the same; and fields
 * whose values hold any octets at all (from variables: $uri, $ssl_client_*) stay one line each. */
#include <assert.h>
#include <stdint.h>

#include "portcullis/http/h1_parser.h"
#include "portcullis/http/h1_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct h1_limits limits = {.line_bytes = 8192,
                                        .field_bytes = 8192,
                                        .head_bytes = 32768,
                                        .fields = 1000,
                                        .trailer_bytes = 8192,
                                        .ignore_invalid_fields = true,
                                        .underscores = true};

static bool read_head(struct h1_parser *p, enum h1_direction d, struct arena *a, struct str octets)
{
    struct buf in = {0};
    h1_parser_init(p, d, &limits);
    h1_parser_restart(p, a);
    buf_append_str(&in, octets);
    bool is_head = h1_parser_next(p, &in) == H1_HEAD;
    buf_deinit(&in);
    return is_head;
}

static void expect_same_fields(const struct headers *a, const struct headers *b)
{
    size_t n = 0;
    HEADERS_FOR(it, a) {
        assert(n < b->count);
        assert(str_eq(it->name, b->items[n].name) && str_eq(it->value, b->items[n].value));
        n++;
    }
    assert(n == b->count);
}

static void pass_on(enum h1_direction d, struct arena *a, struct str octets)
{
    struct h1_parser p, again;
    struct buf out = {0};
    if (!read_head(&p, d, a, octets))
        return;
    if (d == H1_REQUEST)
        h1_write_request_line(&out, p.request.method_text, p.request.target, p.request.version);
    else
        h1_write_status_line(&out, p.response.status, p.response.reason);
    h1_write_headers(&out, d == H1_REQUEST ? &p.request.headers : &p.response.headers);
    h1_write_head_end(&out);
    bool is_head = read_head(&again, d, a, buf_str(&out));
    assert(is_head);
    (void)is_head;
    if (d == H1_REQUEST)
        assert(str_eq(p.request.method_text, again.request.method_text) &&
               str_eq(p.request.target, again.request.target));
    expect_same_fields(&p.request.headers, &again.request.headers);
    expect_same_fields(&p.response.headers, &again.response.headers);
    buf_deinit(&out);
}

/* Values, each behind its length in one octet. */
static void write_values(struct str in)
{
    struct buf out = {0};
    size_t lines = 2, ends = 0;
    struct str first = str_upto(in, in.len / 2);
    h1_write_request_line(&out, first, in, HTTP_1_1);
    for (; in.len > 0; lines++) {
        struct str value = str_upto(str_from(in, 1), (unsigned char)in.ptr[0]);
        in = str_from(in, 1 + value.len);
        h1_write_header(&out, STR("X"), value);
    }
    h1_write_head_end(&out);
    struct str all = buf_str(&out);
    for (size_t i = 0; i < all.len; i++) {
        bool is_end = all.ptr[i] == '\r' && i + 1 < all.len && all.ptr[i + 1] == '\n';
        assert(is_end || (all.ptr[i] != '\r' && all.ptr[i] != '\n' && all.ptr[i] != '\0'));
        ends += is_end;
        i += is_end;
    }
    assert(ends == lines);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    if (size == 0)
        return 0;
    struct str rest = str_make((const char *)data + 1, size - 1);
    arena_init(&a, 1024);
    if (data[0] % 3 == 2)
        write_values(rest);
    else
        pass_on(data[0] % 3 == 1 ? H1_RESPONSE : H1_REQUEST, &a, rest);
    arena_deinit(&a);
    return 0;
}
