#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lexer.h"
#include "portcullis/base/memory.h"

enum { DEPTH_MAX = 64, FILES_MAX = 10000, FILE_SIZE_MAX = 64 << 20 };

/* The files that are being read, innermost first: none of them may be included again. */
struct include_chain {
    struct str path;
    struct include_chain *outer;
};

struct parser {
    struct tree *tree;
    struct lexer lexer;
    struct str file;
};

static bool parse_block(struct parser *p, const struct conf_node *block, struct conf_nodes *out);

/* ---- include ---- */

static bool is_glob(struct str s)
{
    return str_find(s, '*') != SIZE_MAX || str_find(s, '?') != SIZE_MAX ||
           str_find(s, '[') != SIZE_MAX;
}

static void include_glob(struct tree *t, struct str pattern, const struct conf_pos *from,
                         struct conf_nodes *out)
{
    glob_t found;
    int rc = glob(pattern.ptr, 0, NULL, &found); /* sorted */

    if (rc == GLOB_NOMATCH)
        return;
    if (rc != 0) {
        report_error(t->report, from, NULL, "glob() \"%s\" failed", pattern.ptr);
        return;
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        tree_read(t, arena_str(t->report->arena, str_of(found.gl_pathv[i])), from, out);
    globfree(&found);
}

static void include(struct tree *t, const struct conf_node *node, struct conf_nodes *out)
{
    if (node->count != 1) {
        report_error(t->report, &node->pos, "it takes a file name or a pattern",
                     "invalid number of arguments in \"include\" directive");
        return;
    }
    struct str path = node->args[0];
    if (!str_starts(path, STR("/")))
        path = arena_concat(t->report->arena, (struct str[]){t->directory, path}, 2);
    if (is_glob(path))
        include_glob(t, path, &node->pos, out);
    else
        tree_read(t, path, &node->pos, out);
}

/* ---- text to nodes ---- */

static struct conf_node take_node(struct parser *p, bool has_block)
{
    const struct lexer *x = &p->lexer;
    return (struct conf_node){
        .name = x->words.items[0],
        .args = x->words.items + 1,
        .count = x->words.count - 1,
        .pos = {p->file, x->start_line},
        .has_block = has_block,
    };
}

static bool fail(struct parser *p)
{
    struct conf_pos pos = {p->file, p->lexer.line};
    p->tree->is_malformed = true;
    report_error(p->tree->report, &pos, p->lexer.cure, "%s", p->lexer.problem);
    return false;
}

/* What is wrong inside an included file was reported and does not disturb this one's grammar. */
static void parse_simple(struct parser *p, struct conf_nodes *out)
{
    struct conf_node node = take_node(p, false);

    if (p->tree->directory.len && str_eq_z(node.name, "include"))
        include(p->tree, &node, out);
    else
        *VEC_PUSH(p->tree->report->arena, &out->list) = node;
}

/* "~^[0-9]{3}$ x;" in a map: its "{" would open a block, and every "}" behind it close the wrong
 * one, up to a complaint at the end of the file. */
static bool is_part_of_regex(struct str name)
{
    if (str_starts(name, STR("if(")) || str_starts(name, STR("location")))
        return false; /* a space is missing */
    for (const char *c = "~^$[]()|*\\}"; *c; c++)
        if (str_find(name, *c) != SIZE_MAX)
            return true;
    return false;
}

static bool parse_nested(struct parser *p, struct conf_nodes *out)
{
    struct conf_node node = take_node(p, true);
    struct conf_nodes children = {0};

    if (is_part_of_regex(node.name)) {
        p->lexer.problem = "unexpected \"{\"";
        p->lexer.cure = "a regular expression with \"{\", \"}\" or \";\" must be in quotes";
        return fail(p);
    }
    if (p->tree->depth >= DEPTH_MAX) {
        p->tree->is_malformed = true;
        report_error(p->tree->report, &node.pos, NULL, "blocks are nested too deeply");
        return false;
    }
    p->tree->depth++;
    bool good = parse_block(p, &node, &children);
    p->tree->depth--;
    node.children.items = children.list.items;
    node.children.count = children.list.count;
    *VEC_PUSH(p->tree->report->arena, &out->list) = node;
    return good;
}

/* The file ended: good outside of blocks alone. */
static bool end_file(struct parser *p, const struct conf_node *block)
{
    if (block == NULL)
        return true;
    p->lexer.problem = "unexpected end of file, expecting \"}\"";
    p->lexer.cure = arena_printf(p->tree->report->arena,
                                 "the block \"%.*s\" that begins in line %u is not closed, or a "
                                 "regular expression with \"{\" is not in quotes",
                                 STR_ARG(block->name), block->pos.line)
                        .ptr;
    return fail(p);
}

static bool end_block(struct parser *p, const struct conf_node *block)
{
    if (block != NULL)
        return true;
    p->lexer.problem = "unexpected \"}\"";
    p->lexer.cure = "no block is open here";
    return fail(p);
}

static bool parse_block(struct parser *p, const struct conf_node *block, struct conf_nodes *out)
{
    for (;;) {
        switch (lexer_next(&p->lexer)) {
        case LEXER_SEMICOLON:
            parse_simple(p, out);
            break;
        case LEXER_OPEN:
            if (!parse_nested(p, out))
                return false;
            break;
        case LEXER_CLOSE:
            return end_block(p, block);
        case LEXER_EOF:
            return end_file(p, block);
        case LEXER_ERROR:
            return fail(p);
        }
    }
}

bool tree_parse(struct tree *t, struct str file, struct str text, struct conf_nodes *out)
{
    struct parser p = {.tree = t, .file = file};
    lexer_init(&p.lexer, t->report->arena, text);
    return parse_block(&p, NULL, out);
}

/* ---- files ---- */

static bool fail_errno(struct tree *t, const struct conf_pos *from, const char *call,
                       struct str path, int err)
{
    report_error(t->report, from, NULL, "%s \"%.*s\" failed (%d: %s)", call, STR_ARG(path), err,
                 strerror(err));
    return false;
}

static bool read_text(struct tree *t, int fd, struct str path, const struct conf_pos *from,
                      struct str *text)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(t, from, "fstat()", path, errno);
    if (S_ISDIR(st.st_mode))
        return fail_errno(t, from, "read()", path, EISDIR);

    struct buf content = {0};
    ssize_t got;
    do {
        got = read(fd, buf_reserve(&content, 65536), 65536);
        if (got > 0)
            buf_added(&content, (size_t)got);
    } while ((got > 0 && buf_len(&content) <= FILE_SIZE_MAX) || (got < 0 && errno == EINTR));
    int err = got > 0 ? EFBIG : errno;
    *text = arena_str(t->report->arena, buf_str(&content));
    buf_deinit(&content);
    return got == 0 || fail_errno(t, from, "read()", path, err);
}

static bool may_read(struct tree *t, struct str path, const struct conf_pos *from)
{
    for (const struct include_chain *c = t->chain; c; c = c->outer)
        if (str_eq(c->path, path)) {
            report_error(t->report, from, NULL, "\"%.*s\" includes itself", STR_ARG(path));
            return false;
        }
    if (t->files++ < FILES_MAX)
        return true;
    t->is_malformed = true;
    report_error(t->report, from, NULL, "too many files are included");
    return false;
}

/* Once, however often a file is included. */
static void keep_text(struct tree *t, struct str path, struct str text)
{
    if (t->snapshot == NULL)
        return;
    VEC_FOR(const struct conf_text, f, &t->snapshot->files) {
        if (str_eq(f->path, path))
            return;
    }
    *VEC_PUSH(t->report->arena, &t->snapshot->files) = (struct conf_text){path, text};
}

bool tree_read(struct tree *t, struct str path, const struct conf_pos *from, struct conf_nodes *out)
{
    struct str text;
    if (!may_read(t, path, from))
        return false;
    int fd = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_errno(t, from, "open()", path, errno);
    bool good = read_text(t, fd, path, from, &text);
    close(fd);
    if (!good)
        return false;
    keep_text(t, path, text);

    struct include_chain link = {path, t->chain};
    unsigned depth = t->depth;
    t->chain = &link;
    good = tree_parse(t, path, text, out);
    t->chain = link.outer;
    t->depth = depth;
    return good;
}
