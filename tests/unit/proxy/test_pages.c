#include <criterion/criterion.h>

#include "../../../src/proxy/respond.h"

#define HTML "text/html"
#define JSON "application/json"
#define TEXT "text/plain"

static struct str refusal(struct arena *a, const char *accept, const char *cure, struct str *type)
{
    struct headers h = {0};
    if (accept)
        headers_add(&h, a, STR("Accept"), str_of(accept));
    struct refusal_page page = {
        .status = 403,
        .title = STR("Forbidden"),
        .code = STR("cert_expired"),
        .cure = str_of(cure),
        .request_id = STR("0123456789abcdef0123456789abcdef"),
        .server = STR("portcullis"),
    };
    return page_refusal(a, &page, &h, type);
}

Test(pages, a_refusal_is_told_in_the_form_asked_for)
{
    static const struct {
        const char *accept, *type;
    } rows[] = {
        {NULL, TEXT},
        {"*/*", TEXT},
        {"text/html", HTML},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML},
        {"TEXT/HTML", HTML},
        {"application/json", JSON},
        {"application/json; charset=utf-8", JSON},
        {"application/json, text/html", JSON},
        {"image/webp , text/html;q=0.5", HTML},
        {"text/plain, text/html", TEXT},
        {"", TEXT},
        {", ,", TEXT},
        {"text/htmlx", TEXT},
    };
    struct arena a;
    arena_init(&a, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str type, body = refusal(&a, rows[i].accept, "Renew it.", &type);
        cr_expect(str_eq_z(type, rows[i].type), "Accept: %s", rows[i].accept);
        cr_expect(str_search(body, STR("cert_expired")) != SIZE_MAX);
        cr_expect(str_search(body, STR("Renew it.")) != SIZE_MAX);
        cr_expect(str_search(body, STR("0123456789abcdef0123456789abcdef")) != SIZE_MAX);
    }
    arena_deinit(&a);
}

Test(pages, a_refusal_says_what_it_is_given)
{
    static const struct {
        const char *accept, *code, *cure, *detail, *expected;
    } rows[] = {
        {JSON, "", "", "", "{\"status\":403,\"request_id\":\"1\"}\n"},
        {JSON, "c", "Do.", "",
         "{\"status\":403,\"reason\":\"c\",\"message\":\"Do.\",\"request_id\":\"1\"}\n"},
        {JSON, "c", "Do.", "CN=\"x",
         "{\"status\":403,\"reason\":\"c\",\"message\":\"Do.\",\"detail\":\"CN=\\\"x\",\"request_"
         "id\":\"1\"}\n"},
        {TEXT, "", "", "", "403 Forbidden\nRequest 1\n"},
        {TEXT, "c", "Do.", "", "403 Forbidden: c\nDo.\nRequest 1\n"},
        {TEXT, "c", "Do.", "CN=x", "403 Forbidden: c\nDo.\nCN=x\nRequest 1\n"},
        {HTML, "", "", "", "</h1></center>\n<center><p>Request <code>1</code></p></center>"},
        {HTML, "c", "Do.", "CN=<x",
         "<center><p><code>c</code></p>\n<p>Do.</p>\n<p>CN=&lt;x</p>\n<p>Request"},
    };
    struct arena a;
    arena_init(&a, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct headers h = {0};
        struct str type;
        headers_add(&h, &a, STR("Accept"), str_of(rows[i].accept));
        struct refusal_page page = {.status = 403,
                                    .title = STR("Forbidden"),
                                    .code = str_of(rows[i].code),
                                    .cure = str_of(rows[i].cure),
                                    .detail = str_of(rows[i].detail),
                                    .request_id = STR("1")};
        struct str body = page_refusal(&a, &page, &h, &type);
        cr_expect(str_search(body, str_of(rows[i].expected)) != SIZE_MAX, "row %zu: %.*s", i,
                  STR_ARG(body));
    }
    arena_deinit(&a);
}

Test(pages, sentences_are_escaped_for_their_form)
{
    static const struct {
        const char *accept, *expected;
    } rows[] = {
        {HTML, "a &lt;b&gt; &amp; &quot;c&quot; d&#39;s \\ ??"},
        {JSON, "a <b> & \\\"c\\\" d's \\\\ \xc3\xa9"},
    };
    struct arena a;
    arena_init(&a, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str type, body = refusal(&a, rows[i].accept, "a <b> & \"c\" d's \\ \xc3\xa9", &type);
        cr_expect(str_search(body, str_of(rows[i].expected)) != SIZE_MAX, "%.*s", STR_ARG(body));
    }
    arena_deinit(&a);
}

Test(pages, a_status_without_a_name_has_no_page)
{
    struct arena a;
    arena_init(&a, 1024);
    struct page page = {.status = 599, .server = STR("portcullis")};
    cr_expect(page_html(&a, &page).len == 0);
    page.title = STR("Teapot");
    struct str body = page_html(&a, &page);
    cr_expect(str_search(body, STR("<h1>599 Teapot</h1>")) != SIZE_MAX, "%.*s", STR_ARG(body));
    arena_deinit(&a);
}
