/* The built-in bodies of errors, redirects and refusals. */
#include "portcullis/base/json.h"
#include "respond.h"

#define TAIL "<hr><center>%.*s</center>\n</body>\n</html>\n"
#define HEAD \
    "<html>\n<head><title>%u %.*s</title></head>\n<body>\n<center><h1>%u %.*s</h1></center>\n"

struct str page_html(struct arena *a, const struct page *p)
{
    if (p->title.len == 0)
        return STR(""); /* as nginx: no page for a status without a name */
    struct str note = STR("");
    if (p->note.len)
        note = arena_printf(a, "<center>%.*s</center>\n", STR_ARG(p->note));
    return arena_printf(a, HEAD "%.*s" TAIL, p->status, STR_ARG(p->title), p->status,
                        STR_ARG(p->title), STR_ARG(note), STR_ARG(p->server));
}

/* ---- refusals ---- */

/* What stands here is ours (codes, sentences, hex), but an escape is cheaper than the proof. */
static struct str html_escape(struct arena *a, struct str s)
{
    static const char *const names[128] = {
        ['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;", ['\''] = "&#39;",
    };
    struct str *parts = ARENA_ARRAY(a, struct str, s.len);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        const char *name = c < 128 ? names[c] : "?";
        parts[i] = name ? str_of(name) : str_make(s.ptr + i, 1);
    }
    return arena_concat(a, parts, s.len);
}

/* "" for nothing to say. */
static struct str html_line(struct arena *a, const char *before, struct str text, const char *after)
{
    text = html_escape(a, text);
    return text.len ? arena_printf(a, "%s%.*s%s\n", before, STR_ARG(text), after) : STR("");
}

static struct str refusal_html(struct arena *a, const struct refusal_page *p)
{
    struct str code = html_line(a, "<p><code>", p->code, "</code></p>");
    struct str cure = html_line(a, "<p>", p->cure, "</p>");
    struct str detail = html_line(a, "<p>", p->detail, "</p>");
    return arena_printf(a,
                        HEAD "<center>%.*s%.*s%.*s<p>Request <code>%.*s</code></p></center>\n" TAIL,
                        p->status, STR_ARG(p->title), p->status, STR_ARG(p->title), STR_ARG(code),
                        STR_ARG(cure), STR_ARG(detail), STR_ARG(p->request_id), STR_ARG(p->server));
}

static void json_member(struct json *j, const char *name, struct str text)
{
    if (text.len)
        json_string(j, name, text);
}

static struct str refusal_json(struct arena *a, const struct refusal_page *p)
{
    struct buf out = {0};
    struct json j = {.out = &out};
    json_open(&j, NULL, '{');
    json_number(&j, "status", p->status);
    json_member(&j, "reason", p->code);
    json_member(&j, "message", p->cure);
    json_member(&j, "detail", p->detail);
    json_string(&j, "request_id", p->request_id);
    json_close(&j, '}');
    buf_append_char(&out, '\n');
    struct str page = arena_str(a, buf_str(&out));
    buf_deinit(&out);
    return page;
}

static struct str text_line(struct arena *a, struct str text)
{
    return text.len ? arena_printf(a, "%.*s\n", STR_ARG(text)) : STR("");
}

static struct str refusal_text(struct arena *a, const struct refusal_page *p)
{
    struct str cure = text_line(a, p->cure), detail = text_line(a, p->detail);
    return arena_printf(a, "%u %.*s%s%.*s\n%.*s%.*sRequest %.*s\n", p->status, STR_ARG(p->title),
                        p->code.len ? ": " : "", STR_ARG(p->code), STR_ARG(cure), STR_ARG(detail),
                        STR_ARG(p->request_id));
}

static const struct form {
    struct str accepts, type;
    struct str (*write)(struct arena *a, const struct refusal_page *p);
} forms[] = {
    {STR_INIT("text/html"), STR_INIT("text/html"), refusal_html},
    {STR_INIT("application/json"), STR_INIT("application/json"), refusal_json},
    {STR_INIT("text/plain"), STR_INIT("text/plain"), refusal_text},
};
#define FORMS (sizeof forms / sizeof *forms)

static const struct form *form_of(struct str media_type)
{
    for (size_t i = 0; i < FORMS; i++)
        if (str_eq_nocase(forms[i].accepts, media_type))
            return &forms[i];
    return NULL;
}

/* The first that Accept lists, without weighing: good enough for an error. Text for who lists none.
 */
static const struct form *choose(const struct headers *request)
{
    struct str rest = headers_value(request, HEADER_ACCEPT), element;
    while (header_list_next(&rest, &element)) {
        struct str parameters = element;
        const struct form *f = form_of(str_trim(str_cut(&parameters, ';')));
        if (f)
            return f;
    }
    return &forms[FORMS - 1];
}

struct str page_refusal(struct arena *a, const struct refusal_page *p,
                        const struct headers *request, struct str *type)
{
    const struct form *f = choose(request);
    *type = f->type;
    return f->write(a, p);
}
