/* The first octet says which direction and how the rest is cut. Whole and cut, the parser must say
 * the same. Build: clang -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/fuzz_h1_parser.c
 * src/http/[!.]*.c src/base/[!.]*.c -lpcre2-8 */
#include <assert.h>
#include <stdint.h>

#include "portcullis/http/h1_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that was said, in one number. */
static uint64_t add(uint64_t said, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        said = (said ^ (unsigned char)data[i]) * 0x100000001b3U;
    return said;
}

static uint64_t add_fields(uint64_t said, const struct headers *headers)
{
    HEADERS_FOR(it, headers)
        said = add(add(said, it->name.ptr, it->name.len), it->value.ptr, it->value.len);
    return said * 31;
}

/* One piece; false when there is nothing more to say. */
static bool feed(struct h1_parser *p, struct arena *arena, struct buf *in, uint64_t *said)
{
    for (;;) {
        struct framing f;
        switch (h1_parser_next(p, in)) {
        case H1_MORE:
            return true;
        case H1_HEAD:
            *said = add_fields(add_fields(*said, &p->request.headers), &p->response.headers);
            f = p->direction == H1_REQUEST ? framing_of_request(&p->request)
                                           : framing_of_response(&p->response, false);
            *said = *said * 31 + f.status;
            if (f.status != 0)
                return false;
            h1_parser_body(p, f);
            break;
        case H1_DATA:
            *said = add(*said, p->data.ptr, p->data.len);
            h1_parser_took(p, in, p->data.len);
            break;
        case H1_END:
            *said = add_fields(*said, &p->trailers) + p->head_bytes + p->framing_bytes;
            arena_reset(arena);
            h1_parser_restart(p, arena);
            break;
        case H1_ERROR:
            *said = *said * 31 + p->error_status;
            return false;
        }
    }
}

static uint64_t run(enum h1_direction direction, const uint8_t *data, size_t size, size_t step)
{
    static const struct h1_limits limits = {.line_bytes = 64,
                                            .field_bytes = 64,
                                            .head_bytes = 256,
                                            .fields = 8,
                                            .trailer_bytes = 64,
                                            .ignore_invalid_fields = true};
    struct h1_parser p;
    struct arena arena;
    struct buf in = {0};
    uint64_t said = 0xcbf29ce484222325U;
    arena_init(&arena, 256);
    h1_parser_init(&p, direction, &limits);
    h1_parser_restart(&p, &arena);
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = size - at < step ? size - at : step;
        buf_append(&in, data + at, piece);
        if (!feed(&p, &arena, &in, &said))
            break;
    }
    buf_deinit(&in);
    arena_deinit(&arena);
    return said;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum h1_direction direction = (data[0] & 1) != 0 ? H1_RESPONSE : H1_REQUEST;
    uint64_t whole = run(direction, data + 1, size - 1, size);
    uint64_t cut = run(direction, data + 1, size - 1, 1U + (data[0] >> 1) % 16);
    assert(whole == cut);
    return 0;
}
