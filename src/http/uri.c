#include "portcullis/http/uri.h"

#include <string.h>

#include "portcullis/base/addr.h"

static bool is_alnum(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool fail(const char **problem, const char *why)
{
    *problem = why;
    return false;
}

static bool has_unsafe_octets(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
            return true;
    return false;
}

/* ---- The path, as ngx_http_parse_complex_uri normalises it ---- */

/* Nothing that the long way below would change? */
static bool is_plain_path(struct str path, bool merge_slashes)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c == '%' || ((c == '.' || c == ';') && path.ptr[i - 1] == '/'))
            return false;
        if (merge_slashes && c == '/' && i > 0 && path.ptr[i - 1] == '/')
            return false;
    }
    return true;
}

/* The path that is being written: out[0] is '/', and the last segment begins at segment. */
struct path_writer {
    char *out;
    size_t len, segment;
};

/* Takes the last segment away and the one before it; false above the root. */
static bool leave_segment(struct path_writer *w)
{
    if (w->segment == 1)
        return false;
    size_t slash = w->segment - 2;
    while (w->out[slash] != '/')
        slash--;
    w->len = w->segment = slash + 1;
    return true;
}

/* Servers that know parameters of segments (Tomcat, Jetty) read "..;x" as "..", ".;x" as ".", and
 * "/;x/" as "//": another path than the one that was looked up here. */
static bool hides_dots(struct str segment, bool is_last)
{
    struct str rest = segment, name = str_cut(&rest, ';');
    if (rest.ptr == NULL)
        return false;
    return str_eq(name, STR("..")) || str_eq(name, STR(".")) || (name.len == 0 && !is_last);
}

/* *was_dots: the segment is gone, and the slash before it is now the last octet. */
static bool end_segment(struct path_writer *w, bool is_last, bool *was_dots, const char **problem)
{
    struct str last = str_make(w->out + w->segment, w->len - w->segment);
    *was_dots = true;
    if (str_eq(last, STR("..")))
        return leave_segment(w) || fail(problem, "\"..\" leads above the root");
    if (hides_dots(last, is_last))
        return fail(problem, "parameters behind no segment, \".\" or \"..\" in the path");
    *was_dots = str_eq(last, STR("."));
    if (*was_dots)
        w->len = w->segment;
    return true;
}

static bool add_slash(struct path_writer *w, bool merge_slashes, const char **problem)
{
    bool was_dots;
    if (!end_segment(w, false, &was_dots, problem))
        return false;
    if (was_dots || (merge_slashes && w->len == w->segment))
        return true;
    w->out[w->len++] = '/';
    w->segment = w->len;
    return true;
}

/* One octet of the path, decoded. As with nginx an escaped "/" or "." is one like any other, so
 * that no spelling of ".." gets past the routing. */
static bool take_octet(struct str *rest, char *c, const char **problem)
{
    *c = rest->ptr[0];
    if (*c != '%') {
        *rest = str_from(*rest, 1);
        return true;
    }
    int high = rest->len < 3 ? -1 : ascii_hex_value(rest->ptr[1]);
    int low = rest->len < 3 ? -1 : ascii_hex_value(rest->ptr[2]);
    if (high < 0 || low < 0)
        return fail(problem, "invalid escape in the path");
    *c = (char)(high << 4 | low);
    *rest = str_from(*rest, 3);
    return *c != '\0' || fail(problem, "%00 in the path");
}

static bool normalise(struct uri *u, struct arena *a, struct str raw, bool merge_slashes,
                      const char **problem)
{
    struct path_writer w = {.out = arena_z(a, raw), .len = 1, .segment = 1};
    struct str rest = str_from(raw, 1);
    bool was_dots;
    while (rest.len > 0) {
        char c;
        if (!take_octet(&rest, &c, problem))
            return false;
        if (c != '/')
            w.out[w.len++] = c;
        else if (!add_slash(&w, merge_slashes, problem))
            return false;
    }
    if (!end_segment(&w, true, &was_dots, problem))
        return false;
    w.out[w.len] = '\0';
    u->path = str_make(w.out, w.len);
    u->is_changed = !str_eq(u->path, raw);
    return true;
}

/* ---- The target ---- */

/* raw begins with '/': path, query, fragment. */
static bool parse_origin(struct uri *u, struct arena *a, struct str raw, bool merge_slashes,
                         const char **problem)
{
    u->raw = str_cut(&raw, '#');
    u->args = u->raw;
    struct str path = str_cut(&u->args, '?');
    u->has_args = u->args.ptr != NULL;
    if (!is_plain_path(path, merge_slashes))
        return normalise(u, a, path, merge_slashes, problem);
    u->path = path;
    return true;
}

/* RFC 3986, 3.1 */
static bool is_scheme(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.ptr[i]) && !is_one_of(s.ptr[i], "+-."))
            return false;
    return s.len > 0 && ascii_is_alpha(s.ptr[0]);
}

static size_t find_end_of_authority(struct str s)
{
    size_t i = 0;
    while (i < s.len && !is_one_of(s.ptr[i], "/?#"))
        i++;
    return i;
}

static bool parse_absolute(struct uri *u, struct arena *a, struct str target, size_t colon,
                           bool merge_slashes, const char **problem)
{
    struct str name, port;
    struct str rest = str_from(target, colon + 3);
    size_t end = find_end_of_authority(rest);
    u->form = URI_ABSOLUTE;
    u->scheme = str_upto(target, colon);
    u->authority = str_upto(rest, end);
    if (!is_scheme(u->scheme))
        return fail(problem, "invalid scheme in the request target");
    if (!uri_host_parse(a, u->authority, &name, &port))
        return fail(problem, "invalid host in the request target");
    struct str path = str_from(rest, end);
    if (path.len == 0 || path.ptr[0] != '/')
        path = arena_concat(a, (const struct str[]){STR("/"), path}, 2);
    return parse_origin(u, a, path, merge_slashes, problem);
}

static bool parse_authority(struct uri *u, struct arena *a, struct str target, const char **problem)
{
    struct str name, port;
    if (!uri_host_parse(a, target, &name, &port) || port.len == 0)
        return fail(problem, "invalid request target");
    u->form = URI_AUTHORITY;
    u->authority = u->raw = target;
    u->path = STR("/");
    return true;
}

/* RFC 9112, 3.2 */
bool uri_parse(struct uri *u, struct arena *a, struct str target, bool merge_slashes,
               const char **problem)
{
    *u = (struct uri){.form = URI_ORIGIN};
    if (target.len == 0)
        return fail(problem, "empty request target");
    if (has_unsafe_octets(target))
        return fail(problem, "white space or control octet in the request target");
    if (target.ptr[0] == '/')
        return parse_origin(u, a, target, merge_slashes, problem);
    if (str_eq(target, STR("*"))) {
        u->form = URI_ASTERISK;
        u->raw = target;
        u->path = STR("/");
        return true;
    }
    size_t colon = str_search(target, STR("://"));
    if (colon != SIZE_MAX)
        return parse_absolute(u, a, target, colon, merge_slashes, problem);
    return parse_authority(u, a, target, problem);
}

/* ---- Hosts ---- */

static struct str lower_copy(struct arena *a, struct str s)
{
    char *copy = arena_z(a, s);
    for (size_t i = 0; i < s.len; i++)
        copy[i] = ascii_lower(copy[i]);
    return str_make(copy, s.len);
}

/* RFC 3986, 3.2.2, reg-name, without escapes (which names of hosts do not have) and with no empty
 * label but after a last dot. */
static bool is_reg_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && !is_one_of(s.ptr[i], "-._~!$&'()*+,;="))
            return false;
        if (s.ptr[i] == '.' && (i == 0 || s.ptr[i - 1] == '.'))
            return false;
    }
    return s.len > 0;
}

static bool is_ipv6_literal(struct str s)
{
    struct addr ignored;
    return addr_parse_ip(&ignored, s, 0) && addr_family(&ignored) == AF_INET6;
}

static bool is_port(struct str s)
{
    uint64_t port;
    return s.len == 0 || (str_to_u64(s, &port) && port <= 65535);
}

bool uri_host_parse(struct arena *a, struct str text, struct str *name, struct str *port)
{
    bool is_literal = text.len > 0 && text.ptr[0] == '[';
    size_t end = str_find(text, is_literal ? ']' : ':');
    if (is_literal && end == SIZE_MAX)
        return false;
    struct str host = str_upto(text, is_literal ? end + 1 : end);
    struct str behind = str_from(text, host.len);
    if (behind.len > 0 && behind.ptr[0] != ':')
        return false;
    if (is_literal ? !is_ipv6_literal(host) : !is_reg_name(host))
        return false;
    *port = behind.len > 0 ? str_from(behind, 1) : STR("");
    if (host.ptr[host.len - 1] == '.')
        host.len--;
    *name = lower_copy(a, host);
    return is_port(*port);
}

enum { HOST_NAME_MAX_OCTETS = 253, LABEL_MAX_OCTETS = 63 };

static bool is_label(struct str label)
{
    for (size_t i = 0; i < label.len; i++)
        if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
            return false;
    return label.len > 0 && label.len <= LABEL_MAX_OCTETS;
}

bool host_normalise(struct str in, struct arena *a, struct str *out)
{
    if (in.len > 0 && in.ptr[in.len - 1] == '.')
        in.len--;
    if (in.len == 0 || in.len > HOST_NAME_MAX_OCTETS)
        return false;
    for (struct str rest = in; rest.ptr != NULL;)
        if (!is_label(str_cut(&rest, '.')))
            return false;
    *out = lower_copy(a, in);
    return true;
}

/* ---- Escapes ---- */

enum escape_set { ESCAPE_PATH, ESCAPE_ARGS, ESCAPE_COMPONENT };

/* The octets that nginx leaves as they are. */
static bool stays(unsigned char c, enum escape_set set)
{
    if (c <= ' ' || c >= 0x7f)
        return false;
    switch (set) {
    case ESCAPE_PATH:
        return !is_one_of((char)c, "\"#%<>?\\^`{|}");
    case ESCAPE_ARGS:
        return !is_one_of((char)c, "\"#%<>?\\^`{|}&+;");
    case ESCAPE_COMPONENT:
        return is_alnum((char)c) || is_one_of((char)c, "-._~");
    }
    return false;
}

static struct str escape(struct arena *a, struct str text, enum escape_set set)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = text.len;
    for (size_t i = 0; i < text.len; i++)
        len += stays((unsigned char)text.ptr[i], set) ? 0 : 2;
    if (len == text.len)
        return text;

    char *out = arena_alloc(a, len + 1);
    char *to = out;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (stays(c, set)) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    *to = '\0';
    return str_make(out, len);
}

struct str uri_escape_path(struct arena *a, struct str path)
{
    return escape(a, path, ESCAPE_PATH);
}

struct str uri_escape_args(struct arena *a, struct str text)
{
    return escape(a, text, ESCAPE_ARGS);
}

struct str uri_escape_component(struct arena *a, struct str text)
{
    return escape(a, text, ESCAPE_COMPONENT);
}

struct str uri_unescape(struct arena *a, struct str text)
{
    if (str_find(text, '%') == SIZE_MAX)
        return text;
    char *out = arena_z(a, text);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int high = -1, low = -1;
        if (text.ptr[i] == '%' && text.len - i > 2) {
            high = ascii_hex_value(text.ptr[i + 1]);
            low = ascii_hex_value(text.ptr[i + 2]);
        }
        bool is_escape = high >= 0 && low >= 0;
        out[len++] = is_escape ? (char)(high << 4 | low) : text.ptr[i];
        i += is_escape ? 2 : 0;
    }
    out[len] = '\0';
    return str_make(out, len);
}

bool uri_leads_up(struct arena *a, struct str target)
{
    struct str path = uri_unescape(a, str_upto(target, str_find(target, '?')));
    while (path.ptr != NULL) {
        struct str segment = str_cut(&path, '/');
        if (str_eq(str_cut(&segment, ';'), STR("..")))
            return true;
    }
    return false;
}

struct str uri_arg(struct str args, struct str name)
{
    while (args.len > 0) {
        struct str value = str_cut(&args, '&');
        struct str key = str_cut(&value, '=');
        if (value.ptr != NULL && str_eq_nocase(key, name))
            return value;
    }
    return STR_NONE;
}
