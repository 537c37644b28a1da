#include "portcullis/http/message.h"

static const struct {
    struct str text;
    bool is_idempotent; /* RFC 9110, 9.2.2; RFC 4918 for WebDAV's */
} methods[] = {
    [METHOD_OTHER] = {STR_INIT(""), false},
    [METHOD_GET] = {STR_INIT("GET"), true},
    [METHOD_HEAD] = {STR_INIT("HEAD"), true},
    [METHOD_POST] = {STR_INIT("POST"), false},
    [METHOD_PUT] = {STR_INIT("PUT"), true},
    [METHOD_DELETE] = {STR_INIT("DELETE"), true},
    [METHOD_CONNECT] = {STR_INIT("CONNECT"), false},
    [METHOD_OPTIONS] = {STR_INIT("OPTIONS"), true},
    [METHOD_TRACE] = {STR_INIT("TRACE"), true},
    [METHOD_PATCH] = {STR_INIT("PATCH"), false},
    [METHOD_MKCOL] = {STR_INIT("MKCOL"), true},
    [METHOD_COPY] = {STR_INIT("COPY"), true},
    [METHOD_MOVE] = {STR_INIT("MOVE"), true},
    [METHOD_PROPFIND] = {STR_INIT("PROPFIND"), true},
    [METHOD_PROPPATCH] = {STR_INIT("PROPPATCH"), true},
    [METHOD_LOCK] = {STR_INIT("LOCK"), false},
    [METHOD_UNLOCK] = {STR_INIT("UNLOCK"), true},
};

enum http_method http_method_find(struct str text)
{
    for (size_t i = METHOD_GET; i < sizeof methods / sizeof *methods; i++)
        if (str_eq(methods[i].text, text))
            return (enum http_method)i;
    return METHOD_OTHER;
}

struct str http_method_text(enum http_method m)
{
    return methods[m].text;
}

bool http_method_is_idempotent(enum http_method m)
{
    return methods[m].is_idempotent;
}

struct str http_version_text(enum http_version v)
{
    switch (v) {
    case HTTP_0_9:
        return STR("HTTP/0.9");
    case HTTP_1_0:
        return STR("HTTP/1.0");
    case HTTP_1_1:
        return STR("HTTP/1.1");
    case HTTP_2_0:
        return STR("HTTP/2.0");
    }
    return STR("");
}

/* nginx's words where it has some, since operators and their tests know them. */
static const struct {
    unsigned status;
    struct str reason;
} reasons[] = {
    {100, STR_INIT("Continue")},
    {101, STR_INIT("Switching Protocols")},
    {102, STR_INIT("Processing")},
    {103, STR_INIT("Early Hints")},
    {200, STR_INIT("OK")},
    {201, STR_INIT("Created")},
    {202, STR_INIT("Accepted")},
    {203, STR_INIT("Non-Authoritative Information")},
    {204, STR_INIT("No Content")},
    {205, STR_INIT("Reset Content")},
    {206, STR_INIT("Partial Content")},
    {207, STR_INIT("Multi-Status")},
    {208, STR_INIT("Already Reported")},
    {226, STR_INIT("IM Used")},
    {300, STR_INIT("Multiple Choices")},
    {301, STR_INIT("Moved Permanently")},
    {302, STR_INIT("Moved Temporarily")},
    {303, STR_INIT("See Other")},
    {304, STR_INIT("Not Modified")},
    {305, STR_INIT("Use Proxy")},
    {307, STR_INIT("Temporary Redirect")},
    {308, STR_INIT("Permanent Redirect")},
    {400, STR_INIT("Bad Request")},
    {401, STR_INIT("Unauthorized")},
    {402, STR_INIT("Payment Required")},
    {403, STR_INIT("Forbidden")},
    {404, STR_INIT("Not Found")},
    {405, STR_INIT("Not Allowed")},
    {406, STR_INIT("Not Acceptable")},
    {407, STR_INIT("Proxy Authentication Required")},
    {408, STR_INIT("Request Time-out")},
    {409, STR_INIT("Conflict")},
    {410, STR_INIT("Gone")},
    {411, STR_INIT("Length Required")},
    {412, STR_INIT("Precondition Failed")},
    {413, STR_INIT("Request Entity Too Large")},
    {414, STR_INIT("Request-URI Too Large")},
    {415, STR_INIT("Unsupported Media Type")},
    {416, STR_INIT("Requested Range Not Satisfiable")},
    {417, STR_INIT("Expectation Failed")},
    {418, STR_INIT("I'm a teapot")},
    {421, STR_INIT("Misdirected Request")},
    {422, STR_INIT("Unprocessable Content")},
    {423, STR_INIT("Locked")},
    {424, STR_INIT("Failed Dependency")},
    {425, STR_INIT("Too Early")},
    {426, STR_INIT("Upgrade Required")},
    {428, STR_INIT("Precondition Required")},
    {429, STR_INIT("Too Many Requests")},
    {431, STR_INIT("Request Header Fields Too Large")},
    {451, STR_INIT("Unavailable For Legal Reasons")},
    {500, STR_INIT("Internal Server Error")},
    {501, STR_INIT("Not Implemented")},
    {502, STR_INIT("Bad Gateway")},
    {503, STR_INIT("Service Temporarily Unavailable")},
    {504, STR_INIT("Gateway Time-out")},
    {505, STR_INIT("HTTP Version Not Supported")},
    {506, STR_INIT("Variant Also Negotiates")},
    {507, STR_INIT("Insufficient Storage")},
    {508, STR_INIT("Loop Detected")},
    {510, STR_INIT("Not Extended")},
    {511, STR_INIT("Network Authentication Required")},
};

struct str http_status_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return STR("");
}

bool http_status_has_body(unsigned status)
{
    return status >= 200 && status != 204 && status != 304;
}
