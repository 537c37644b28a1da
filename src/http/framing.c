#include "portcullis/http/framing.h"

static struct framing refuse(unsigned status, const char *problem)
{
    return (struct framing){.status = status, .problem = problem};
}

/* The one value that is understood is "chunked", alone. Every other one is refused; this says
 * with which status and why. RFC 9112, 6.1 and 6.3. */
static struct framing refuse_codings(const struct headers *headers)
{
    size_t count = 0, chunked = 0;
    bool ends_in_chunked = false, has_unknown = false;
    for (const struct header *it = headers_find(headers, HEADER_TRANSFER_ENCODING); it != NULL;
         it = headers_find_next(headers, it)) {
        struct str rest = it->value, coding;
        while (header_list_next(&rest, &coding)) {
            ends_in_chunked = str_eq_nocase(coding, STR("chunked"));
            has_unknown = has_unknown || !ends_in_chunked;
            chunked += ends_in_chunked;
            count++;
        }
    }
    if (count == 0)
        return refuse(400, "empty Transfer-Encoding");
    if (chunked > 1)
        return refuse(400, "Transfer-Encoding is chunked twice");
    if (!ends_in_chunked)
        return refuse(400, "Transfer-Encoding does not end in chunked");
    if (has_unknown)
        return refuse(501, "unknown Transfer-Encoding");
    return refuse(400, "malformed Transfer-Encoding");
}

static bool is_chunked_alone(const struct headers *headers)
{
    return headers_count(headers, HEADER_TRANSFER_ENCODING) == 1 &&
           str_eq_nocase(headers_value(headers, HEADER_TRANSFER_ENCODING), STR("chunked"));
}

static struct framing framing_of_length(const struct headers *headers)
{
    uint64_t length;
    if (headers_count(headers, HEADER_CONTENT_LENGTH) > 1)
        return refuse(400, "more than one Content-Length");
    if (!str_to_u64(headers_value(headers, HEADER_CONTENT_LENGTH), &length) || length > INT64_MAX)
        return refuse(400, "invalid Content-Length");
    return (struct framing){.kind = BODY_LENGTH, .length = length};
}

/* What the fields say: of both directions, with a request's statuses. RFC 9112, 6.3. */
static struct framing framing_of_fields(enum http_version version, const struct headers *headers)
{
    bool has_length = headers_has(headers, HEADER_CONTENT_LENGTH);
    if (!headers_has(headers, HEADER_TRANSFER_ENCODING))
        return has_length ? framing_of_length(headers) : (struct framing){.kind = BODY_NONE};
    if (has_length)
        return refuse(400, "both Content-Length and Transfer-Encoding");
    if (version < HTTP_1_1)
        return refuse(400, "Transfer-Encoding in HTTP/1.0");
    if (!is_chunked_alone(headers))
        return refuse_codings(headers);
    return (struct framing){.kind = BODY_CHUNKED};
}

struct framing framing_of_request(const struct request_head *head)
{
    return framing_of_fields(head->version, &head->headers);
}

struct framing framing_of_response(const struct response_head *head, bool to_head)
{
    struct framing f = framing_of_fields(head->version, &head->headers);
    if (f.status != 0)
        return refuse(502, f.problem);
    if (to_head || !http_status_has_body(head->status))
        return (struct framing){.kind = BODY_NONE};
    if (f.kind == BODY_NONE)
        f.kind = BODY_UNTIL_CLOSE;
    return f;
}

static bool connection_has(const struct headers *headers, struct str token)
{
    for (const struct header *it = headers_find(headers, HEADER_CONNECTION); it != NULL;
         it = headers_find_next(headers, it))
        if (header_list_has(it->value, token))
            return true;
    return false;
}

bool framing_keeps_alive(enum http_version version, const struct headers *headers)
{
    if (connection_has(headers, STR("close")))
        return false;
    return version >= HTTP_1_1 || connection_has(headers, STR("keep-alive"));
}
