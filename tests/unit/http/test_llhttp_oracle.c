/* The parser beside llhttp 9, an independent one: random inputs that both accept must mean the
 * same, down to the octet where the message ends. Where one refuses alone, a row says why. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "portcullis/base/log.h"
#include "portcullis/http/uri.h"
#include "support.h"

#ifndef PC_HAVE_LLHTTP
Test(llhttp_oracle, skipped_because_llhttp_9_was_not_found)
{
    cr_skip_test("llhttp 9 was not found");
}
#else
#include <llhttp.h>

/* What a parser made of an input. */
struct verdict {
    bool is_accepted, is_complete;
    struct buf meaning; /* first line, fields, body */
    size_t end;         /* of the message, in the input */
    const char *problem;
};

static void verdict_deinit(struct verdict *v)
{
    buf_deinit(&v->meaning);
}

static bool is_plain_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    return true;
}

/* The parser skips the others in requests, as nginx does. */
static void add_field(struct buf *out, struct str name, struct str value)
{
    if (!is_plain_name(name))
        return;
    buf_append_str(out, name);
    buf_append_str(out, STR(": "));
    buf_append_str(out, str_trim(value));
    buf_append_char(out, '\n');
}

/* ---- Ours ---- */

static struct framing describe_head(struct verdict *v, const struct h1_parser *p)
{
    const struct headers *headers = p->direction == H1_REQUEST ? &p->request.headers
                                                               : &p->response.headers;
    if (p->direction == H1_REQUEST) {
        buf_append_str(&v->meaning, p->request.method_text);
        buf_append_char(&v->meaning, ' ');
        buf_append_str(&v->meaning, p->request.target);
        buf_append_char(&v->meaning, '\n');
    } else {
        buf_printf(&v->meaning, "%u ", p->response.status);
        buf_append_str(&v->meaning, p->response.reason);
        buf_append_char(&v->meaning, '\n');
    }
    HEADERS_FOR(it, headers)
        add_field(&v->meaning, it->name, it->value);
    return p->direction == H1_REQUEST ? framing_of_request(&p->request)
                                      : framing_of_response(&p->response, false);
}

static struct verdict ask_ours(enum h1_direction direction, struct str input)
{
    struct verdict v = {.is_accepted = true};
    struct arena arena;
    struct h1_parser p;
    struct uri uri;
    struct buf in = {0};
    arena_init(&arena, 1024);
    h1_parser_init(&p, direction, &default_limits);
    h1_parser_restart(&p, &arena);
    buf_append_str(&in, input);
    for (bool goes_on = true; goes_on;) {
        struct framing f;
        switch (h1_parser_next(&p, &in)) {
        case H1_HEAD:
            f = describe_head(&v, &p);
            if (direction == H1_REQUEST &&
                !uri_parse(&uri, &arena, p.request.target, true, &f.problem))
                f.status = 400;
            if (f.status == 0) {
                h1_parser_body(&p, f);
                break;
            }
            v.problem = f.problem;
            v.is_accepted = goes_on = false;
            break;
        case H1_DATA:
            buf_append_str(&v.meaning, p.data);
            h1_parser_took(&p, &in, p.data.len);
            break;
        case H1_MORE:
            goes_on = false;
            break;
        case H1_END:
            v.is_complete = true;
            goes_on = false;
            break;
        case H1_ERROR:
            v.problem = p.problem;
            v.is_accepted = goes_on = false;
            break;
        }
    }
    v.end = input.len - buf_len(&in);
    buf_deinit(&in);
    arena_deinit(&arena);
    return v;
}

/* ---- llhttp ---- */

struct theirs {
    llhttp_t parser;
    struct verdict *v;
    struct buf target, name, value;
    bool in_trailers;
};

static int on_target(llhttp_t *p, const char *at, size_t len)
{
    buf_append(&((struct theirs *)p->data)->target, at, len);
    return 0;
}

static int on_name(llhttp_t *p, const char *at, size_t len)
{
    buf_append(&((struct theirs *)p->data)->name, at, len);
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
    buf_append(&((struct theirs *)p->data)->value, at, len);
    return 0;
}

static int on_first_line(llhttp_t *p)
{
    struct theirs *t = p->data;
    if (p->type == HTTP_REQUEST)
        buf_printf(&t->v->meaning, "%s ", llhttp_method_name((llhttp_method_t)p->method));
    else
        buf_printf(&t->v->meaning, "%u ", (unsigned)p->status_code);
    buf_append_str(&t->v->meaning, buf_str(&t->target));
    buf_append_char(&t->v->meaning, '\n');
    return 0;
}

static int on_field_complete(llhttp_t *p)
{
    struct theirs *t = p->data;
    if (!t->in_trailers)
        add_field(&t->v->meaning, buf_str(&t->name), buf_str(&t->value));
    buf_clear(&t->name);
    buf_clear(&t->value);
    return 0;
}

static int on_head(llhttp_t *p)
{
    ((struct theirs *)p->data)->in_trailers = true;
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
    buf_append(&((struct theirs *)p->data)->v->meaning, at, len);
    return 0;
}

static int on_end(llhttp_t *p)
{
    ((struct theirs *)p->data)->v->is_complete = true;
    return HPE_PAUSED;
}

static struct verdict ask_theirs(enum h1_direction direction, struct str input)
{
    struct verdict v = {0};
    struct theirs t = {.v = &v};
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_url = settings.on_status = on_target;
    settings.on_url_complete = settings.on_status_complete = on_first_line;
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    settings.on_header_value_complete = on_field_complete;
    settings.on_headers_complete = on_head;
    settings.on_body = on_body;
    settings.on_message_complete = on_end;
    llhttp_init(&t.parser, direction == H1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    t.parser.data = &t;
    /* The nearest to lines that may end with LF in heads. */
    llhttp_set_lenient_optional_cr_before_lf(&t.parser, 1);

    llhttp_errno_t rc = llhttp_execute(&t.parser, input.ptr, input.len);
    v.is_accepted = rc == HPE_OK || rc == HPE_PAUSED || rc == HPE_PAUSED_UPGRADE;
    v.end = rc == HPE_OK ? input.len : (size_t)(llhttp_get_error_pos(&t.parser) - input.ptr);
    v.problem = v.is_accepted ? NULL : llhttp_get_error_reason(&t.parser);
    buf_deinit(&t.target);
    buf_deinit(&t.name);
    buf_deinit(&t.value);
    return v;
}

/* ---- Where they may differ ---- */

struct difference {
    const char *problem; /* what the one that refuses says */
    const char *why;
};

static const struct difference ours_alone_refuses[] = {
    {"unknown Transfer-Encoding", "RFC 9112, 6.1: 501; llhttp leaves it to its caller"},
    {"Transfer-Encoding does not end in chunked", "of a 304 too, where llhttp looks no further"},
    {"Transfer-Encoding is chunked twice", "RFC 9112, 6.1; llhttp takes it for once in responses"},
    {"malformed Transfer-Encoding", "RFC 9112, 6.1: empty elements are for confusing others"},
    {"empty Transfer-Encoding", "RFC 9112, 6.1; llhttp takes it for none"},
    {"Transfer-Encoding in HTTP/1.0", "RFC 9112, 6.1; llhttp takes it"},
    {"request line without a version", "HTTP/0.9 is refused"},
    {"invalid HTTP version", "RFC 9112, 3: one space each; llhttp takes many"},
    {"invalid request target", "RFC 9112, 3: one space each; llhttp takes many"},
    {"control octet in the reason phrase", "it is nobody's text"},
    {"bare LF behind a chunk size",
     "RFC 9112, 2.2; the leniency for heads loosens llhttp here too"},
    {"chunk does not end with CRLF", "RFC 9112, 2.2; the same"},
    {"bare LF in trailers", "RFC 9112, 2.2; the same"},
    {"bare CR before the request line", "RFC 9112, 2.2"},
    {"invalid host in the request target", "RFC 9110, 4.2.1: a URI of http has one"},
    {"both Content-Length and Transfer-Encoding",
     "RFC 9112, 6.3; llhttp takes an empty one for none"},
    {"invalid status code", "a code has three digits and its first is not 0"},
    {"not HTTP", "a response begins with its status line; llhttp skips empty lines"},
};

static const struct difference theirs_alone_refuses[] = {
    {"Invalid header token", "as nginx, names that are not its own are skipped"},
    {"Invalid header value char", "as nginx, control octets but CR, LF, NUL pass in values"},
    {"Invalid method encountered", "RFC 9110, 9.1: unknown methods are passed on"},
    {"Expected space after method", "RFC 9110, 9.1: unknown methods are passed on"},
    {"Expected CRLF after version", "RFC 9112, 2.2: LF ends a line of a head"},
    {"Invalid char in url path", "as nginx, octets over 0x7f pass"},
    {"Invalid char in url query", "as nginx, octets over 0x7f pass"},
    {"Unexpected char in url schema", "RFC 3986, 3.1 has digits, + - . in schemes"},
    {"Content-Length can't be present with Transfer-Encoding", "in trailers, where it is dropped"},
    {"Invalid `Transfer-Encoding` header value", "in trailers, where it is dropped"},
    {"Invalid character in Content-Length", "RFC 9110, 5.6.3: OWS behind a value may be HTAB"},
    {"Invalid character in chunk size", "RFC 9112, 7.1.1: BWS may stand before the semicolon"},
    {"Invalid character in chunk extensions name", "extensions are not looked into"},
    {"Invalid character in chunk extensions value", "extensions are not looked into"},
    {"Invalid character in chunk extensions quoted value", "extensions are not looked into"},
    {"Invalid character in chunk extensions", "extensions are not looked into"},
};

/* Inputs that llhttp understands in a way of its own: not compared. */
static const struct {
    struct str part;
    const char *why;
} quirks[] = {
    {STR_INIT("1\n\n"), "with LF alone it takes an empty line behind the first for nothing"},
    {STR_INIT("0\n\n"), "the same"},
    {STR_INIT("chunked\t"), "it does not cut HTAB behind a coding: RFC 9110, 5.6.3"},
};

static bool is_quirk(struct str input)
{
    for (size_t i = 0; i < COUNT(quirks); i++)
        if (str_search(input, quirks[i].part) != SIZE_MAX)
            return true;
    return false;
}

static bool is_explained(const struct difference *rows, size_t count, const char *problem)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].problem, problem) == 0)
            return true;
    return false;
}

static bool may_differ(const struct verdict *ours, const struct verdict *theirs)
{
    if (!ours->is_complete && !theirs->is_complete) /* refused, or not decided yet */
        return true;
    if (!ours->is_accepted)
        return is_explained(ours_alone_refuses, COUNT(ours_alone_refuses), ours->problem);
    if (!theirs->is_accepted)
        return is_explained(theirs_alone_refuses, COUNT(theirs_alone_refuses), theirs->problem);
    return ours->is_complete == theirs->is_complete && ours->end == theirs->end &&
           str_eq(buf_str(&ours->meaning), buf_str(&theirs->meaning));
}

static const char *name_of(const struct verdict *v)
{
    if (!v->is_accepted)
        return v->problem;
    return v->is_complete ? "taken" : "waits";
}

static void compare(enum h1_direction direction, struct str input)
{
    if (is_quirk(input))
        return;
    struct verdict ours = ask_ours(direction, input);
    struct verdict theirs = ask_theirs(direction, input);
    if (!may_differ(&ours, &theirs)) {
        struct buf text = {0};
        log_append_escaped(&text, input, false);
        cr_expect_fail("%.*s\nours: %s, end %zu\ntheirs: %s, end %zu", STR_ARG(buf_str(&text)),
                       name_of(&ours), ours.end, name_of(&theirs), theirs.end);
        buf_deinit(&text);
    }
    verdict_deinit(&ours);
    verdict_deinit(&theirs);
}

/* ---- Inputs ---- */

static const struct str requests[] = {
    STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_INIT("GET /a?b=c HTTP/1.0\r\nConnection: keep-alive\r\nX-A: 1\r\nX-B: \t2 \r\n\r\nGET /"),
    STR_INIT("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST / HTTP/1.1\r\n"),
    STR_INIT("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /"),
    STR_INIT("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
             "a;x=y\r\n0123456789\r\n01\r\nz\r\n0\r\nX-T: u\r\n\r\n"),
    STR_INIT("\r\nHEAD / HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    STR_INIT("OPTIONS * HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    STR_INIT("GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
};

static const struct str responses[] = {
    STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1"),
    STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP"),
    STR_INIT("HTTP/1.1 304 Not Modified\r\nServer: a\r\n\r\n"),
    STR_INIT("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n"),
    STR_INIT("HTTP/1.0 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx"),
    STR_INIT("HTTP/1.1 200 \r\nX-A: 1\r\nX-B:2\r\n\r\nuntil close"),
};

static const struct str tokens[] = {
    STR_INIT("Content-Length: 3\r\n"),
    STR_INIT("content-length:5\r\n"),
    STR_INIT("Transfer-Encoding: chunked\r\n"),
    STR_INIT("Transfer-Encoding: identity\r\n"),
    STR_INIT("transfer-encoding:\tchunked \r\n"),
    STR_INIT("Transfer-Encoding: x\r\n"),
    STR_INIT("Connection: close\r\n"),
    STR_INIT("X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
    STR_INIT("\r\n"),
    STR_INIT("\n"),
    STR_INIT("\r"),
    STR_INIT(" "),
    STR_INIT("\t"),
    STR_INIT(":"),
    STR_INIT(","),
    STR_INIT(";"),
    STR_INIT("0"),
    STR_INIT("-"),
    STR_INIT("+"),
    STR_INIT("0x"),
    STR_INIT("\0"),
    STR_INIT("\x7f"),
    STR_INIT("\x80"),
    STR_INIT("\r\n "),
    STR_INIT("chunked, "),
    STR_INIT("0\r\n\r\n"),
    STR_INIT("ffffffffffffffff"),
    STR_INIT("\""),
};

/* The same inputs in each run. */
static uint64_t random_state = 0x9e3779b97f4a7c15U;

static size_t random_below(size_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % limit);
}

static void splice(struct buf *text, size_t at, size_t removed, struct str inserted)
{
    struct buf changed = {0};
    struct str all = buf_str(text);
    buf_append_str(&changed, str_upto(all, at));
    buf_append_str(&changed, inserted);
    buf_append_str(&changed, str_from(all, at + removed));
    buf_deinit(text);
    *text = changed;
}

static void mutate(struct buf *text)
{
    size_t at = random_below(buf_len(text) + 1);
    struct str token = tokens[random_below(COUNT(tokens))];
    switch (random_below(4)) {
    case 0:
        splice(text, at, 1 + random_below(3), STR(""));
        break;
    case 1:
        splice(text, at, token.len, token);
        break;
    default: {
        /* At the beginning of a line more is at stake. */
        size_t lf = str_find(str_from(buf_str(text), at), '\n');
        if (random_below(2) == 0 && lf != SIZE_MAX)
            at += lf + 1;
        splice(text, at, 0, token);
    }
    }
}

static void compare_mutants(enum h1_direction direction, const struct str *seeds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        compare(direction, seeds[i]);
    for (int i = 0; i < 30000; i++) {
        struct buf text = {0};
        buf_append_str(&text, seeds[random_below(count)]);
        for (size_t n = 1 + random_below(3); n > 0; n--)
            mutate(&text);
        compare(direction, buf_str(&text));
        buf_deinit(&text);
    }
}

Test(llhttp_oracle, requests_mean_the_same_to_both)
{
    compare_mutants(H1_REQUEST, requests, COUNT(requests));
}

Test(llhttp_oracle, responses_mean_the_same_to_both)
{
    compare_mutants(H1_RESPONSE, responses, COUNT(responses));
}
#endif
