/* nginx's grammar, a directive at a time: words up to ";", "{" or "}". Pure: text in, words out. */
#ifndef CONFIG_LEXER_H
#define CONFIG_LEXER_H

#include "portcullis/base/vec.h"

struct lexer {
    struct arena *arena;
    struct str text;
    size_t at;
    unsigned line;       /* of at */
    unsigned start_line; /* of the first word of the directive read last */
    VEC(struct str) words;
    const char *problem; /* after LEXER_ERROR, in nginx's words */
    const char *cure;    /* may be NULL */
};

enum lexer_end {
    LEXER_SEMICOLON, /* words; */
    LEXER_OPEN,      /* words { */
    LEXER_CLOSE,     /* } and no words */
    LEXER_EOF,       /* no words */
    LEXER_ERROR,
};

void lexer_init(struct lexer *x, struct arena *a, struct str text);
enum lexer_end lexer_next(struct lexer *x);

#endif
