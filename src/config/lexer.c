/* The rules that surprise: a quote is one only where a word begins; "\" keeps the octet behind it
 * from ending the word and stays in it unless one of "'\trn follows; "${" does not open a block;
 * and ")" may follow a closing quote directly, for `if ($a = "b")`. */
#include "lexer.h"

#include <string.h>

void lexer_init(struct lexer *x, struct arena *a, struct str text)
{
    /* Some editors put it before a text in UTF-8. */
    static const struct str byte_order_mark = STR_INIT("\xef\xbb\xbf");
    if (str_starts(text, byte_order_mark))
        text = str_from(text, byte_order_mark.len);
    *x = (struct lexer){.arena = a, .text = text, .line = 1};
}

static bool at_end(const struct lexer *x)
{
    return x->at >= x->text.len;
}

static char peek(const struct lexer *x)
{
    return x->text.ptr[x->at];
}

static void step(struct lexer *x)
{
    if (peek(x) == '\n')
        x->line++;
    x->at++;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static enum lexer_end fail(struct lexer *x, const char *problem, const char *cure)
{
    x->problem = problem;
    x->cure = cure;
    return LEXER_ERROR;
}

static enum lexer_end fail_at_octet(struct lexer *x, const char *cure)
{
    unsigned char c = (unsigned char)peek(x);
    struct str problem = c >= 0x20 && c < 0x7f
                             ? arena_printf(x->arena, "unexpected \"%c\"", c)
                             : arena_printf(x->arena, "unexpected \"\\x%02x\"", c);
    return fail(x, problem.ptr, cure);
}

static enum lexer_end fail_at_end(struct lexer *x, const char *cure)
{
    return fail(x, "unexpected end of file, expecting \";\" or \"}\"", cure);
}

static void skip_space(struct lexer *x)
{
    while (!at_end(x)) {
        if (peek(x) == '#') {
            while (!at_end(x) && peek(x) != '\n')
                x->at++;
            continue;
        }
        if (!is_space(peek(x)))
            return;
        step(x);
    }
}

static char escaped(char c)
{
    static const char from[] = "\"'\\trn", to[] = "\"'\\\t\r\n";
    const char *found = c == '\0' ? NULL : strchr(from, c);
    return found ? to[found - from] : '\0';
}

static void add_word(struct lexer *x, struct str raw)
{
    char *word = arena_alloc(x->arena, raw.len + 1), *to = word;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i] == '\\' && i + 1 < raw.len ? escaped(raw.ptr[i + 1]) : '\0';
        *to++ = c ? c : raw.ptr[i];
        i += c != '\0';
    }
    *to = '\0';
    *VEC_PUSH(x->arena, &x->words) = str_make(word, (size_t)(to - word));
}

/* "\" and the octet behind it; false at the end of the text. */
static bool step_escape(struct lexer *x)
{
    step(x);
    if (at_end(x))
        return false;
    step(x);
    return true;
}

static bool read_quoted(struct lexer *x)
{
    char quote = peek(x);
    unsigned line = x->line;
    size_t start = ++x->at;

    while (!at_end(x) && peek(x) != quote) {
        if (peek(x) == '\\') {
            if (!step_escape(x))
                break;
            continue;
        }
        step(x);
    }
    if (at_end(x)) {
        fail_at_end(x, arena_printf(x->arena, "the %c that begins a text in line %u is not closed",
                                    quote, line)
                           .ptr);
        return false;
    }
    add_word(x, str_upto(str_from(x->text, start), x->at - start));
    x->at++;
    return true;
}

static bool read_bare(struct lexer *x)
{
    size_t start = x->at;
    bool after_dollar = false;

    while (!at_end(x)) {
        char c = peek(x);
        if (c == '\\') {
            after_dollar = false;
            if (!step_escape(x))
                break;
            continue;
        }
        if (is_space(c) || c == ';' || (c == '{' && !after_dollar))
            break;
        after_dollar = c == '$';
        step(x);
    }
    if (at_end(x)) {
        fail_at_end(x, NULL);
        return false;
    }
    add_word(x, str_upto(str_from(x->text, start), x->at - start));
    return true;
}

static bool read_word(struct lexer *x)
{
    if (peek(x) != '"' && peek(x) != '\'')
        return read_bare(x);
    if (!read_quoted(x))
        return false;
    if (at_end(x)) {
        fail_at_end(x, NULL);
        return false;
    }
    char c = peek(x);
    if (is_space(c) || c == ';' || c == '{' || c == ')')
        return true;
    fail_at_octet(x, "a blank or \";\" must follow the closing quote");
    return false;
}

static enum lexer_end end_words(struct lexer *x, enum lexer_end end)
{
    if (x->words.count == 0)
        return fail_at_octet(x, NULL);
    x->at++;
    return end;
}

static enum lexer_end close_block(struct lexer *x)
{
    if (x->words.count > 0)
        return fail_at_octet(x, "is a \";\" missing before it?");
    x->at++;
    return LEXER_CLOSE;
}

enum lexer_end lexer_next(struct lexer *x)
{
    x->words.items = NULL; /* the words read before belong to whoever took them */
    x->words.count = x->words.capacity = 0;
    for (;;) {
        skip_space(x);
        if (at_end(x))
            return x->words.count ? fail_at_end(x, NULL) : LEXER_EOF;
        switch (peek(x)) {
        case ';':
            return end_words(x, LEXER_SEMICOLON);
        case '{':
            return end_words(x, LEXER_OPEN);
        case '}':
            return close_block(x);
        case '\0':
            return fail_at_octet(x, "this is not a text file");
        default:
            if (x->words.count == 0)
                x->start_line = x->line;
            if (!read_word(x))
                return LEXER_ERROR;
        }
    }
}
