#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

const struct h1_limits default_limits = {
    .line_bytes = 8192,
    .field_bytes = 8192,
    .head_bytes = 32768,
    .fields = 100,
    .trailer_bytes = 4096,
    .ignore_invalid_fields = true,
};

static void print_headers(struct buf *out, const char *what, const struct headers *headers)
{
    HEADERS_FOR(it, headers) {
        buf_printf(out, "%s ", what);
        buf_append_str(out, it->name);
        buf_append_str(out, STR(": "));
        buf_append_str(out, it->value);
        buf_append_char(out, '\n');
    }
}

static struct framing print_head(struct buf *out, const struct h1_run *run,
                                 const struct h1_parser *p)
{
    if (p->direction == H1_RESPONSE) {
        const struct response_head *r = &p->response;
        buf_printf(out, "response %u 1.%u ", r->status, (unsigned)r->version - 10);
        buf_append_str(out, r->reason);
        buf_append_char(out, '\n');
        print_headers(out, "field", &r->headers);
        return framing_of_response(r, run->to_head);
    }
    const struct request_head *r = &p->request;
    buf_append_str(out, STR("request "));
    buf_append_str(out, r->method_text);
    buf_append_char(out, ' ');
    buf_append_str(out, r->target);
    buf_printf(out, " 1.%u\n", (unsigned)r->version - 10);
    print_headers(out, "field", &r->headers);
    return framing_of_request(r);
}

static void print_body(struct buf *out, struct buf *body)
{
    if (buf_is_empty(body))
        return;
    buf_printf(out, "body %zu ", buf_len(body));
    buf_append_str(out, buf_str(body));
    buf_append_char(out, '\n');
    buf_clear(body);
}

struct run {
    const struct h1_run *how;
    struct h1_parser parser;
    struct arena arena;
    struct buf in, body, out;
    bool is_over;
};

static void end_message(struct run *r)
{
    print_body(&r->out, &r->body);
    print_headers(&r->out, "trailer", &r->parser.trailers);
    buf_append_str(&r->out, STR("end\n"));
    bool was_last = r->parser.state == H1_STATE_DONE && r->parser.is_eof;
    arena_reset(&r->arena);
    h1_parser_restart(&r->parser, &r->arena);
    r->is_over = was_last;
}

static void end_in_error(struct run *r, unsigned status)
{
    print_body(&r->out, &r->body);
    buf_printf(&r->out, "error %u\n", status);
    r->is_over = true;
}

static void take_head(struct run *r)
{
    struct framing f = print_head(&r->out, r->how, &r->parser);
    if (f.status != 0)
        end_in_error(r, f.status);
    else
        h1_parser_body(&r->parser, f);
}

/* Takes the data in two halves, as a slow reader does. */
static void take_data(struct run *r)
{
    size_t half = (r->parser.data.len + 1) / 2;
    buf_append_str(&r->body, str_upto(r->parser.data, half));
    h1_parser_took(&r->parser, &r->in, half);
}

/* Of octets that feed has taken from the C library. */
static void drop(struct buf *exact)
{
    free(exact->data);
    *exact = (struct buf){0};
}

static void feed(struct run *r, struct str piece)
{
    /* An exact buffer of its own each time: a pointer kept into the old one is found out. */
    struct buf moved = {0};
    size_t size = buf_len(&r->in) + piece.len;
    moved.data = malloc(size == 0 ? 1 : size);
    moved.capacity = size;
    buf_append_str(&moved, buf_str(&r->in));
    buf_append_str(&moved, piece);
    drop(&r->in);
    r->in = moved;
    while (!r->is_over) {
        switch (h1_parser_next(&r->parser, &r->in)) {
        case H1_MORE:
            return;
        case H1_HEAD:
            take_head(r);
            break;
        case H1_DATA:
            take_data(r);
            break;
        case H1_END:
            end_message(r);
            break;
        case H1_ERROR:
            cr_assert_not_null(r->parser.problem);
            end_in_error(r, r->parser.error_status);
            break;
        }
    }
}

static void finish(struct run *r)
{
    if (r->is_over)
        return;
    bool may_end = h1_parser_eof(&r->parser);
    if (may_end && r->parser.state == H1_STATE_UNTIL_CLOSE)
        feed(r, STR(""));
    print_body(&r->out, &r->body);
    buf_append_str(&r->out, may_end ? STR("eof\n") : STR("more\n"));
}

struct buf h1_events(const struct h1_run *how, struct str input)
{
    struct run r = {.how = how};
    const struct h1_limits *limits = how->limits.line_bytes == 0 ? &default_limits : &how->limits;
    arena_init(&r.arena, 256);
    h1_parser_init(&r.parser, how->direction, limits);
    h1_parser_restart(&r.parser, &r.arena);
    size_t step = how->step == 0 ? input.len : how->step;
    struct str rest = input;
    if (how->cut > 0) {
        feed(&r, str_upto(input, how->cut));
        rest = str_from(input, how->cut);
        step = rest.len;
    }
    for (; rest.len > 0 && !r.is_over; rest = str_from(rest, step))
        feed(&r, str_upto(rest, step));
    finish(&r);
    arena_deinit(&r.arena);
    drop(&r.in);
    buf_deinit(&r.body);
    return r.out;
}

static void expect_once(const struct h1_run *run, struct str input, const char *events)
{
    struct buf got = h1_events(run, input);
    buf_append_char(&got, '\0');
    cr_expect_str_eq(got.data, events, "step %zu, cut %zu of\n%.*s\ngave\n%s\nnot\n%s", run->step,
                     run->cut, STR_ARG(input), got.data, events);
    buf_deinit(&got);
}

void h1_expect(const struct h1_run *run, struct str input, const char *events)
{
    struct h1_run how = *run;
    how.step = how.cut = 0;
    expect_once(&how, input, events);
    how.step = 1;
    expect_once(&how, input, events);
    how.step = 0;
    for (how.cut = 1; how.cut < input.len; how.cut++)
        expect_once(&how, input, events);
}

static unsigned status_of(enum h1_direction direction, struct str input)
{
    struct h1_run run = {.direction = direction};
    struct buf whole = h1_events(&run, input);
    buf_append_char(&whole, '\0');
    const char *error = strstr(whole.data, "error ");
    unsigned status = error == NULL ? 0 : (unsigned)strtoul(error + 6, NULL, 10);
    h1_expect(&run, input, whole.data);
    buf_deinit(&whole);
    return status;
}

unsigned h1_request_status(struct str input)
{
    return status_of(H1_REQUEST, input);
}

unsigned h1_response_status(struct str input)
{
    return status_of(H1_RESPONSE, input);
}
