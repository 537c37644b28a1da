#include "../../../src/config/lexer.h"
#include "support.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 1024);
}

static void tear_down(void)
{
    arena_deinit(&arena);
}

TestSuite(lexer, .init = set_up, .fini = tear_down);

/* Words as <a><b>, then what ended them: ; { } . (end) or ! and the problem. */
static struct str shown(const char *text)
{
    static const char ends[] = {
        [LEXER_SEMICOLON] = ';', [LEXER_OPEN] = '{', [LEXER_CLOSE] = '}', [LEXER_EOF] = '.'};
    struct lexer x;
    struct str out = STR("");
    enum lexer_end end;

    lexer_init(&x, &arena, str_of(text));
    do {
        end = lexer_next(&x);
        for (size_t i = 0; end != LEXER_ERROR && i < x.words.count; i++)
            out = arena_printf(&arena, "%.*s<%.*s>", STR_ARG(out), STR_ARG(x.words.items[i]));
        if (end == LEXER_ERROR)
            return arena_printf(&arena, "%.*s!%s@%u", STR_ARG(out), x.problem, x.line);
        out = arena_printf(&arena, "%.*s%c", STR_ARG(out), ends[end]);
    } while (end != LEXER_EOF);
    return out;
}

Test(lexer, reads_nginx_words)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", "."},
        {"  \r\n\t ", "."},
        {"a;", "<a>;."},
        {"a b  c\n\td ;", "<a><b><c><d>;."},
        {"a{b;}", "<a>{<b>;}."},
        {"a {}", "<a>{}."},
        {"# a;\nb;# c", "<b>;."},
        {"a #b;\n c;", "<a><c>;."},
        {"a#b;", "<a#b>;."},
        {"\"a b\" 'c d';", "<a b><c d>;."},
        {"\"\" '';", "<><>;."},
        {"a\"b;", "<a\"b>;."},
        {"a'b c';", "<a'b><c'>;."},
        {"\"a;b{c}\";", "<a;b{c}>;."},
        {"\"a'b\" 'a\"b';", "<a'b><a\"b>;."},
        {"a\\ b;", "<a\\ b>;."},
        {"a\\;b;", "<a\\;b>;."},
        {"a\\{;", "<a\\{>;."},
        {"\\t\\r\\n;", "<\t\r\n>;."},
        {"\\\\ \\\" \\';", "<\\><\"><'>;."},
        {"\"\\\"\" '\\'';", "<\"><'>;."},
        {"\\.php$;", "<\\.php$>;."},
        {"\\#a;", "<\\#a>;."},
        {"${a}b{}", "<${a}b>{}."},
        {"a${b}${c};", "<a${b}${c}>;."},
        {"$a{}", "<$a>{}."},
        {"\"${a}\";", "<${a}>;."},
        {"$;", "<$>;."},
        {"a}b;", "<a}b>;."},
        {"if ($a = \"b\") {}", "<if><($a><=><b><)>{}."},
        {"'a'{}", "<a>{}."},
        {"'a\nb';", "<a\nb>;."},
        {"a; b", "<a>;!unexpected end of file, expecting \";\" or \"}\"@1"},
        {"a b ", "!unexpected end of file, expecting \";\" or \"}\"@1"},
        {"a\n'b", "!unexpected end of file, expecting \";\" or \"}\"@2"},
        {"a \\", "!unexpected end of file, expecting \";\" or \"}\"@1"},
        {"\"a\"", "!unexpected end of file, expecting \";\" or \"}\"@1"},
        {";", "!unexpected \";\"@1"},
        {"a;\n;", "<a>;!unexpected \";\"@2"},
        {"{", "!unexpected \"{\"@1"},
        {"a }", "!unexpected \"}\"@1"},
        {"\"a\"b;", "!unexpected \"b\"@1"},
        {"'a''b';", "!unexpected \"'\"@1"},
        {"a \x01;", "<a><\x01>;."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        EXPECT_STR(shown(rows[i].text), rows[i].expected);
}

Test(lexer, refuses_nul)
{
    struct lexer x;
    lexer_init(&x, &arena, STR("a;\0b;"));
    cr_expect_eq(lexer_next(&x), LEXER_SEMICOLON);
    cr_expect_eq(lexer_next(&x), LEXER_ERROR);
    cr_expect_str_eq(x.problem, "unexpected \"\\x00\"");
}

Test(lexer, tells_where_a_directive_begins)
{
    struct lexer x;
    lexer_init(&x, &arena, STR("\n\na\n  b\n;\nc;"));
    lexer_next(&x);
    cr_expect_eq(x.start_line, 3);
    cr_expect_eq(x.line, 5);
    lexer_next(&x);
    cr_expect_eq(x.start_line, 6);
}

Test(lexer, stands_any_cut)
{
    static const char text[] = "a \"b\\\"c\" 'd' { e ${f} \\; #g\n h; }";
    for (size_t len = 0; len < sizeof text; len++) {
        struct lexer x;
        enum lexer_end end;
        lexer_init(&x, &arena, arena_str(&arena, str_make(text, len)));
        do
            end = lexer_next(&x);
        while (end != LEXER_EOF && end != LEXER_ERROR);
        cr_expect(x.at <= len);
    }
}
