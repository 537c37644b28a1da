/* A head stays in `in` until its empty line has come, then is copied once into the arena, and
 * the strings of the message point into that copy:
 *
 *      in   GET / HTTP/1.1 CRLF Host: a CRLF Acc…
 *           |                           |       |
 *           0                       line_start  scanned = what was searched for a line end
 */
#include "portcullis/http/h1_parser.h"

#include <assert.h>
#include <string.h>

enum {
    BLANK_MAX = 64,                   /* RFC 9112, 2.2: at least one empty line; bounded */
    METHOD_MAX = 64,                  /* RFC 9110, 9.1: 501 */
    CHUNK_LINE_MAX = 1024,            /* with its extension and CRLF */
    CHUNK_EXTENSIONS_MAX = 16 * 1024, /* of a message: chunks of one octet must not hide a flood */
};

/* What an octet does in a field's name. Zero is right everywhere. */
enum { UNDERSCORE = 1, TOKEN = 2, ODD = 4, BAD = 8 };

static const unsigned char octet_classes[256] = {
    [0 ... ' '] = BAD,   ['!'] = TOKEN,         ['"'] = ODD,        ['#' ... '\''] = TOKEN,
    ['('] = ODD,         [')'] = ODD,           ['*'] = TOKEN,      ['+'] = TOKEN,
    [','] = ODD,         ['.'] = TOKEN,         ['/'] = ODD,        [':' ... '@'] = ODD,
    ['[' ... ']'] = ODD, ['^'] = TOKEN,         ['_'] = UNDERSCORE, ['`'] = TOKEN,
    ['{'] = ODD,         ['|'] = TOKEN,         ['}'] = ODD,        ['~'] = TOKEN,
    [0x7f] = BAD,        [0x80 ... 0xff] = ODD,
};

static unsigned classes_of(struct str s)
{
    unsigned classes = 0;
    for (size_t i = 0; i < s.len; i++)
        classes |= octet_classes[(unsigned char)s.ptr[i]];
    return classes;
}

static enum h1_result fail(struct h1_parser *p, unsigned status, const char *problem)
{
    p->state = H1_STATE_FAILED;
    p->error_status = p->direction == H1_RESPONSE ? 502 : status;
    p->problem = problem;
    return H1_ERROR;
}

/* For the functions that answer yes or no. */
static bool refuse(struct h1_parser *p, unsigned status, const char *problem)
{
    fail(p, status, problem);
    return false;
}

void h1_parser_init(struct h1_parser *p, enum h1_direction d, const struct h1_limits *limits)
{
    *p = (struct h1_parser){.direction = d, .limits = *limits};
}

void h1_parser_restart(struct h1_parser *p, struct arena *arena)
{
    *p = (struct h1_parser){.direction = p->direction, .limits = p->limits, .arena = arena};
}

/* ---- The first line ---- */

/* "HTTP/" DIGIT "." DIGIT; a minor version that we do not know is understood as the highest we do.
 * RFC 9110, 2.5. */
static bool parse_version(struct h1_parser *p, struct str text, enum http_version *version)
{
    const struct str name = STR("HTTP/");
    if (text.len != 8 || !str_starts(text, name) || !ascii_is_digit(text.ptr[5]) ||
        text.ptr[6] != '.' || !ascii_is_digit(text.ptr[7]))
        return refuse(p, 400, "invalid HTTP version");
    if (text.ptr[5] != '1')
        return refuse(p, 505, "HTTP version not supported");
    *version = text.ptr[7] == '0' ? HTTP_1_0 : HTTP_1_1;
    return true;
}

/* Methods are upper case: RFC 9110, 9.1 tells case apart, servers that make "get" GET do not, and a
 * guard that looks for GET must not be walked around. nginx takes the same octets. */
static bool is_method(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') && s.ptr[i] != '_' && s.ptr[i] != '-')
            return false;
    return s.len > 0;
}

/* RFC 9112, 3: one space each. */
static bool parse_request_line(struct h1_parser *p, struct str line)
{
    struct request_head *r = &p->request;
    struct str rest = line;
    r->line = line;
    r->method_text = str_cut(&rest, ' ');
    r->target = str_cut(&rest, ' ');
    if (!is_method(r->method_text))
        return refuse(p, 400, "invalid method");
    if (r->method_text.len > METHOD_MAX)
        return refuse(p, 501, "method is too long");
    if (r->target.len == 0 || (classes_of(r->target) & BAD) != 0)
        return refuse(p, 400, "invalid request target");
    if (rest.ptr == NULL)
        return refuse(p, 400, "request line without a version");
    r->method = http_method_find(r->method_text);
    return parse_version(p, rest, &r->version);
}

/* RFC 9112, 4; the space behind the code may be missing, as often it is. */
static bool parse_status_line(struct h1_parser *p, struct str line)
{
    uint64_t status;
    struct str rest = line;
    struct str version = str_cut(&rest, ' ');
    struct str code = str_cut(&rest, ' ');
    if (!parse_version(p, version, &p->response.version))
        return false;
    if (code.len != 3 || !str_to_u64(code, &status) || status < 100)
        return refuse(p, 502, "invalid status code");
    for (size_t i = 0; i < rest.len; i++)
        if ((octet_classes[(unsigned char)rest.ptr[i]] & BAD) != 0 && rest.ptr[i] != ' ' &&
            rest.ptr[i] != '\t')
            return refuse(p, 502, "control octet in the reason phrase");
    p->response.status = (unsigned)status;
    p->response.reason = rest.ptr == NULL ? STR("") : rest;
    return true;
}

static bool parse_first_line(struct h1_parser *p, struct str line)
{
    return p->direction == H1_REQUEST ? parse_request_line(p, line) : parse_status_line(p, line);
}

/* The first line was parsed in `in`, which may have moved since: now the strings point into the
 * copy of the head. */
static void point_into_copy(struct h1_parser *p, const char *copy)
{
    if (p->direction == H1_REQUEST) {
        p->request.line.ptr = copy;
        p->request.method_text.ptr = copy;
        p->request.target.ptr = copy + p->request.method_text.len + 1;
        return;
    }
    if (p->response.reason.len > 0)
        p->response.reason.ptr = copy + sizeof "HTTP/1.1 200 " - 1;
}

/* ---- Fields ---- */

/* A name that may not be passed on. nginx takes [A-Za-z0-9-] from clients, and "_" when told to;
 * of an upstream every token is good. */
static bool is_invalid_name(const struct h1_parser *p, unsigned classes)
{
    if (p->direction == H1_RESPONSE)
        return (classes & ODD) != 0;
    return (classes & ~(p->limits.underscores ? UNDERSCORE : 0U)) != 0;
}

/* CGI and its heirs read '_' as '-': to them it would say another length than to us. */
static bool is_framings_twin(struct str name)
{
    static const struct str names[] = {STR_INIT("content-length"), STR_INIT("transfer-encoding")};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t same = 0;
        while (name.len == names[i].len && same < name.len &&
               (name.ptr[same] == '_' ? '-' : ascii_lower(name.ptr[same])) == names[i].ptr[same])
            same++;
        if (same == names[i].len)
            return true;
    }
    return false;
}

/* Framing, routing, credentials and what changes a request's meaning: RFC 9110, 6.5.1. */
static bool is_forbidden_in_trailers(enum header_name id)
{
    switch (id) {
    case HEADER_AUTHORIZATION:
    case HEADER_CACHE_CONTROL:
    case HEADER_CONNECTION:
    case HEADER_CONTENT_ENCODING:
    case HEADER_CONTENT_LENGTH:
    case HEADER_CONTENT_RANGE:
    case HEADER_CONTENT_TYPE:
    case HEADER_COOKIE:
    case HEADER_EXPECT:
    case HEADER_HOST:
    case HEADER_KEEP_ALIVE:
    case HEADER_MAX_FORWARDS:
    case HEADER_PROXY:
    case HEADER_PROXY_CONNECTION:
    case HEADER_SET_COOKIE:
    case HEADER_TE:
    case HEADER_TRAILER:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
        return true;
    default:
        return false;
    }
}

/* RFC 9112, 5 */
static bool parse_field(struct h1_parser *p, struct headers *into, struct str line)
{
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return refuse(p, 400, "white space before a field name"); /* obs-fold: 5.2 */
    struct str value = line;
    struct str name = str_cut(&value, ':');
    if (value.ptr == NULL)
        return refuse(p, 400, "field line without a colon");
    if (name.len == 0)
        return refuse(p, 400, "empty field name");
    unsigned classes = classes_of(name);
    if ((classes & BAD) != 0)
        return refuse(p, 400, "white space or control octet in a field name");
    if (str_find(value, '\r') != SIZE_MAX)
        return refuse(p, 400, "bare CR in a field value");
    if (is_invalid_name(p, classes))
        return p->limits.ignore_invalid_fields || refuse(p, 400, "invalid field name");
    if (p->direction == H1_REQUEST && (classes & UNDERSCORE) != 0 && is_framings_twin(name))
        return refuse(p, 400, "a field name that may be read as one of the framing's");
    headers_add(into, p->arena, name, str_trim(value));
    if (into == &p->trailers && is_forbidden_in_trailers(into->items[into->count - 1].id))
        into->count--;
    return true;
}

static struct str without_line_end(struct str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* block ends with its empty line. */
static bool parse_fields(struct h1_parser *p, struct headers *into, struct str block)
{
    if (str_find(block, '\0') != SIZE_MAX)
        return refuse(p, 400, "NUL in the head");
    for (;;) {
        struct str line = without_line_end(str_cut(&block, '\n'));
        if (line.len == 0)
            return true;
        if (!parse_field(p, into, line))
            return false;
    }
}

/* ---- Heads and trailers: lines up to an empty one ---- */

/* end: where the line at line_start ends, or what there is of it. Says the same of a whole line and
 * of its beginning, so that it matters not how the octets come. */
static bool check_line_size(struct h1_parser *p, size_t end)
{
    size_t size = end - p->line_start;
    if (p->state == H1_STATE_TRAILERS) {
        if (size > p->limits.field_bytes || end > p->limits.trailer_bytes)
            return refuse(p, 431, "trailers are too large");
        return true;
    }
    if (p->lines == 0) {
        if (size > p->limits.line_bytes || end > p->limits.head_bytes)
            return refuse(p, 414, "first line is too long");
        return true;
    }
    if (size > p->limits.field_bytes)
        return refuse(p, 431, "field line is too long");
    if (end > p->limits.head_bytes)
        return refuse(p, 431, "head is too large");
    return true;
}

/* In chunk framing a line ends with CRLF and nothing else; in heads LF is taken for it, since
 * heads are written anew. RFC 9112, 2.2. */
static bool check_line(struct h1_parser *p, struct str line)
{
    if (p->state == H1_STATE_TRAILERS && (line.len == 0 || line.ptr[line.len - 1] != '\r'))
        return refuse(p, 400, "bare LF in trailers");
    if (p->lines > p->limits.fields && without_line_end(line).len > 0)
        return refuse(p, 431, "too many fields");
    return p->lines > 0 || parse_first_line(p, without_line_end(line));
}

/* H1_HEAD: *end octets are the whole of it. */
static enum h1_result find_end_of_fields(struct h1_parser *p, const struct buf *in, size_t *end)
{
    struct str all = buf_str(in);
    for (;;) {
        size_t lf = str_find(str_from(all, p->scanned), '\n');
        p->scanned = lf == SIZE_MAX ? all.len : p->scanned + lf + 1;
        if (!check_line_size(p, p->scanned))
            return H1_ERROR;
        if (lf == SIZE_MAX)
            return H1_MORE;

        struct str line = str_make(all.ptr + p->line_start, p->scanned - 1 - p->line_start);
        if (!check_line(p, line))
            return H1_ERROR;
        p->line_start = p->scanned;
        p->lines++;
        if (without_line_end(line).len == 0) {
            *end = p->scanned;
            return H1_HEAD;
        }
    }
}

static void begin_lines(struct h1_parser *p, enum h1_state state, size_t lines)
{
    p->state = state;
    p->scanned = p->line_start = 0;
    p->lines = lines;
}

static struct str take_copy(struct h1_parser *p, struct buf *in, size_t size)
{
    struct str copy = arena_str(p->arena, str_upto(buf_str(in), size));
    buf_consume(in, size);
    return copy;
}

static enum h1_result next_in_head(struct h1_parser *p, struct buf *in)
{
    size_t end;
    enum h1_result result = find_end_of_fields(p, in, &end);
    if (result != H1_HEAD)
        return result;

    bool is_request = p->direction == H1_REQUEST;
    struct str head = take_copy(p, in, end);
    p->head_bytes = end;
    point_into_copy(p, head.ptr);
    struct str fields = str_from(head, str_find(head, '\n') + 1);
    if (!parse_fields(p, is_request ? &p->request.headers : &p->response.headers, fields))
        return H1_ERROR;
    p->state = H1_STATE_DECIDE;
    return H1_HEAD;
}

static enum h1_result end_message(struct h1_parser *p)
{
    p->state = H1_STATE_DONE;
    return H1_END;
}

static enum h1_result next_in_trailers(struct h1_parser *p, struct buf *in)
{
    size_t end;
    enum h1_result result = find_end_of_fields(p, in, &end);
    if (result != H1_HEAD)
        return result;
    p->framing_bytes += end;
    if (!parse_fields(p, &p->trailers, take_copy(p, in, end)))
        return H1_ERROR;
    return end_message(p);
}

/* Empty lines before a request are skipped: RFC 9112, 2.2. H1_MORE with state HEAD: go on. */
static enum h1_result next_at_start(struct h1_parser *p, struct buf *in)
{
    while (!buf_is_empty(in)) {
        struct str all = buf_str(in);
        char c = all.ptr[0];
        bool is_crlf = c == '\r' && all.len > 1 && all.ptr[1] == '\n';
        if (p->direction == H1_RESPONSE || (c != '\n' && c != '\r')) {
            bool is_begin = p->direction == H1_RESPONSE
                                ? c == 'H'
                                : (octet_classes[(unsigned char)c] & (ODD | BAD)) == 0;
            if (!is_begin)
                return fail(p, 400, "not HTTP");
            begin_lines(p, H1_STATE_HEAD, 0);
            return H1_MORE;
        }
        if (c == '\r' && all.len == 1)
            return H1_MORE;
        if (c == '\r' && !is_crlf)
            return fail(p, 400, "bare CR before the request line");
        p->blank_bytes += is_crlf ? 2 : 1;
        if (p->blank_bytes > BLANK_MAX)
            return fail(p, 400, "too many empty lines before the request line");
        buf_consume(in, is_crlf ? 2 : 1);
    }
    return H1_MORE;
}

/* ---- Bodies ---- */

void h1_parser_body(struct h1_parser *p, struct framing f)
{
    assert(p->state == H1_STATE_DECIDE && f.status == 0);
    p->left = 0;
    switch (f.kind) {
    case BODY_NONE:
        p->state = H1_STATE_DONE;
        break;
    case BODY_CHUNKED:
        begin_lines(p, H1_STATE_CHUNK_SIZE, 0);
        break;
    case BODY_UNTIL_CLOSE:
        p->state = H1_STATE_UNTIL_CLOSE;
        break;
    case BODY_LENGTH:
        p->state = H1_STATE_LENGTH;
        p->left = f.length;
        break;
    }
}

static enum h1_result give_data(struct h1_parser *p, const struct buf *in, uint64_t max)
{
    struct str all = buf_str(in);
    p->data = str_upto(all, max < all.len ? (size_t)max : all.len);
    return H1_DATA;
}

void h1_parser_took(struct h1_parser *p, struct buf *in, size_t n)
{
    assert(n <= p->data.len);
    p->data = str_from(p->data, n);
    p->body_bytes += n;
    if (p->state != H1_STATE_UNTIL_CLOSE)
        p->left -= n;
    buf_consume(in, n);
}

/* *( BWS ";" …): what it says is of no use to us, but it must be text. RFC 9112, 7.1.1. */
static bool is_chunk_extension(struct str s)
{
    struct str trimmed = str_trim(s);
    if (s.len > 0 && (trimmed.len == 0 || trimmed.ptr[0] != ';'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool parse_chunk_line(struct h1_parser *p, struct str line)
{
    if (line.len == 0 || line.ptr[line.len - 1] != '\r')
        return refuse(p, 400, "bare LF behind a chunk size");
    line.len--;
    size_t digits = 0;
    while (digits < line.len && ascii_hex_value(line.ptr[digits]) >= 0)
        digits++;
    if (!str_hex_to_u64(str_upto(line, digits), &p->left) || p->left > INT64_MAX)
        return refuse(p, 400, "invalid chunk size");
    if (!is_chunk_extension(str_from(line, digits)))
        return refuse(p, 400, "invalid chunk extension");
    p->chunk_line_bytes += line.len - digits;
    if (p->chunk_line_bytes > CHUNK_EXTENSIONS_MAX)
        return refuse(p, 400, "chunk extensions are too large");
    return true;
}

static enum h1_result next_in_chunk_size(struct h1_parser *p, struct buf *in)
{
    struct str all = buf_str(in);
    size_t lf = str_find(str_from(all, p->scanned), '\n');
    size_t size = lf == SIZE_MAX ? all.len : p->scanned + lf + 1;
    p->scanned = size;
    if (size > CHUNK_LINE_MAX)
        return fail(p, 400, "chunk line is too long");
    if (lf == SIZE_MAX)
        return H1_MORE;
    if (!parse_chunk_line(p, str_upto(all, size - 1)))
        return H1_ERROR;
    p->framing_bytes += size;
    buf_consume(in, size);
    if (p->left == 0)
        begin_lines(p, H1_STATE_TRAILERS, 1);
    else
        p->state = H1_STATE_CHUNK_DATA;
    return H1_MORE;
}

static enum h1_result next_at_chunk_end(struct h1_parser *p, struct buf *in)
{
    struct str all = buf_str(in);
    const struct str crlf = STR("\r\n");
    if (!str_starts(crlf, str_upto(all, crlf.len)))
        return fail(p, 400, "chunk does not end with CRLF");
    if (all.len < crlf.len)
        return H1_MORE;
    p->framing_bytes += crlf.len;
    buf_consume(in, crlf.len);
    begin_lines(p, H1_STATE_CHUNK_SIZE, 0);
    return H1_MORE;
}

/* ---- What comes next ---- */

/* H1_MORE while the state changes means: go on in the new state. */
static enum h1_result next_in_state(struct h1_parser *p, struct buf *in)
{
    switch (p->state) {
    case H1_STATE_START:
        return next_at_start(p, in);
    case H1_STATE_HEAD:
        return next_in_head(p, in);
    case H1_STATE_DECIDE:
        assert(!"h1_parser_body comes first");
        return H1_ERROR;
    case H1_STATE_LENGTH:
        if (p->left == 0)
            return end_message(p);
        return buf_is_empty(in) ? H1_MORE : give_data(p, in, p->left);
    case H1_STATE_CHUNK_SIZE:
        return next_in_chunk_size(p, in);
    case H1_STATE_CHUNK_DATA:
        if (p->left == 0) {
            p->state = H1_STATE_CHUNK_END;
            return H1_MORE;
        }
        return buf_is_empty(in) ? H1_MORE : give_data(p, in, p->left);
    case H1_STATE_CHUNK_END:
        return next_at_chunk_end(p, in);
    case H1_STATE_TRAILERS:
        return next_in_trailers(p, in);
    case H1_STATE_UNTIL_CLOSE:
        if (buf_is_empty(in))
            return p->is_eof ? end_message(p) : H1_MORE;
        return give_data(p, in, UINT64_MAX);
    case H1_STATE_DONE:
        return H1_END;
    case H1_STATE_FAILED:
        return H1_ERROR;
    }
    return H1_ERROR;
}

enum h1_result h1_parser_next(struct h1_parser *p, struct buf *in)
{
    assert(p->arena != NULL);
    for (;;) {
        enum h1_state before = p->state;
        enum h1_result result = next_in_state(p, in);
        if (result != H1_MORE || p->state == before)
            return result;
    }
}

bool h1_parser_eof(struct h1_parser *p)
{
    p->is_eof = true;
    switch (p->state) {
    case H1_STATE_START:
    case H1_STATE_UNTIL_CLOSE:
    case H1_STATE_DONE:
        return true;
    case H1_STATE_LENGTH:
        return p->left == 0;
    default:
        return false;
    }
}

bool h1_parser_has_begun(const struct h1_parser *p)
{
    return p->state != H1_STATE_START;
}
