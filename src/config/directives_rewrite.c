/* set, if, return, rewrite, break: a script in the order of the file. */
#include "loader.h"

static struct rewrite_op *add_op(struct loader *l, const struct conf_node *node,
                                 struct rewrite_op op)
{
    struct rewrite_op *to = VEC_PUSH(l->arena, &loader_location(l)->script.ops);
    *to = op;
    to->pos = node->pos;
    return to;
}

/* ---- set, break, return ---- */

static bool set_set(struct loader *l, const struct conf_node *node, void *field)
{
    struct rewrite_op op = {.kind = REWRITE_SET};
    struct str name;
    (void)field;
    if (!variable_name(l, node, node->args[0], &name))
        return false;
    struct variable *v = variable_define(l, node, name, VARIABLE_SET);
    if (!v || !template_compile(l, node, node->args[1], &op.value))
        return false;
    v->is_set = true;
    op.variable = v;
    variable_comes_from(l, v, &op.value);
    add_op(l, node, op);
    return true;
}

static bool set_break(struct loader *l, const struct conf_node *node, void *field)
{
    (void)field;
    add_op(l, node, (struct rewrite_op){.kind = REWRITE_BREAK});
    return true;
}

static bool is_url(struct str s)
{
    return str_starts_nocase(s, STR("http://")) || str_starts_nocase(s, STR("https://")) ||
           str_starts(s, STR("$scheme"));
}

static bool set_return(struct loader *l, const struct conf_node *node, void *field)
{
    struct rewrite_op op = {.kind = REWRITE_RETURN, .status = 302};
    uint64_t status;
    (void)field;
    bool is_lone_url = node->count == 1 && is_url(node->args[0]);
    if (!is_lone_url) {
        if (!str_to_u64(node->args[0], &status) || status > 999)
            return loader_error(l, node, "it takes a status, a status and a text, or a URL",
                                "invalid return code \"%.*s\"", STR_ARG(node->args[0]));
        op.status = (unsigned)status;
    }
    op.has_value = is_lone_url || node->count == 2;
    if (op.has_value && !template_compile(l, node, node->args[node->count - 1], &op.value))
        return false;
    add_op(l, node, op);
    return true;
}

/* ---- rewrite ---- */

static const struct {
    const char *name;
    enum rewrite_flag flag;
    bool is_redirect;
} rewrite_flags[] = {
    {"last", REWRITE_FLAG_LAST, false},
    {"break", REWRITE_FLAG_BREAK, false},
    {"redirect", REWRITE_FLAG_REDIRECT, true},
    {"permanent", REWRITE_FLAG_PERMANENT, true},
};

static bool read_rewrite_flag(struct loader *l, const struct conf_node *node, struct rewrite_op *op)
{
    if (node->count < 3)
        return true;
    for (size_t i = 0; i < sizeof rewrite_flags / sizeof *rewrite_flags; i++)
        if (str_eq_z(node->args[2], rewrite_flags[i].name)) {
            op->flag = rewrite_flags[i].flag;
            op->is_redirect |= rewrite_flags[i].is_redirect;
            return true;
        }
    return invalid_parameter(l, node, node->args[2],
                             "it must be \"last\", \"break\", \"redirect\" or \"permanent\"");
}

static bool set_rewrite(struct loader *l, const struct conf_node *node, void *field)
{
    struct rewrite_op op = {.kind = REWRITE_REWRITE};
    struct str to = node->args[1];
    (void)field;
    op.is_redirect = is_url(to);
    op.drops_args = str_ends(to, STR("?"));
    if (!regex_compile(l, node, node->args[0], false, &op.regex) ||
        !template_compile(l, node, to, &op.value) || !read_rewrite_flag(l, node, &op))
        return false;
    add_op(l, node, op);
    return true;
}

/* ---- if ---- */

/* The condition's words without the brackets around them: at most "$x", operator, value. */
struct condition {
    struct str words[3];
    size_t count;
};

static bool invalid_condition(struct loader *l, const struct conf_node *node, struct str word)
{
    return loader_error(l, node,
                        "it must be ($variable), ($variable = text), ($variable ~ regex) or "
                        "(-f file), with one operator",
                        "invalid condition \"%.*s\"", STR_ARG(word));
}

static bool read_condition(struct loader *l, const struct conf_node *node, struct condition *c)
{
    for (size_t i = 0; i < node->count; i++) {
        struct str word = node->args[i];
        bool is_first = i == 0, is_last = i + 1 == node->count;
        if ((is_first && !str_starts(word, STR("("))) || (is_last && !str_ends(word, STR(")"))))
            return invalid_condition(l, node, word);
        if (is_first)
            word = str_from(word, 1);
        if (is_last)
            word.len--;
        /* A bracket alone is no word; an empty text in quotes is. */
        if (word.len == 0 && (is_first || is_last))
            continue;
        if (c->count == 3)
            return invalid_condition(l, node, word);
        c->words[c->count++] = arena_str(l->arena, word);
    }
    return c->count > 0 || invalid_condition(l, node, node->args[0]);
}

static const struct {
    const char *name;
    enum if_kind kind;
    bool nocase;
} operators[] = {
    {"=", IF_EQUAL, false}, {"!=", IF_NOT_EQUAL, false}, {"~", IF_MATCH, false},
    {"~*", IF_MATCH, true}, {"!~", IF_NOT_MATCH, false}, {"!~*", IF_NOT_MATCH, true},
};

static bool compile_right(struct loader *l, const struct conf_node *node, struct rewrite_op *op,
                          struct str right, bool nocase)
{
    if (op->condition == IF_EQUAL || op->condition == IF_NOT_EQUAL)
        return template_compile(l, node, right, &op->right);
    if (!regex_compile(l, node, right, nocase, &op->regex))
        return false;
    regex_groups_come_from(l, &op->regex, &op->left);
    return true;
}

static bool compile_comparison(struct loader *l, const struct conf_node *node,
                               const struct condition *c, struct rewrite_op *op)
{
    struct str name;
    if (!variable_name(l, node, c->words[0], &name) ||
        !template_compile(l, node, c->words[0], &op->left))
        return false;
    /* "($x=y)" would be a text that always is. */
    if (op->left.parts.count != 1)
        return loader_error(l, node, "write spaces around the operator: if ($variable = text)",
                            "invalid condition \"%.*s\"", STR_ARG(c->words[0]));
    op->condition = IF_TRUE;
    if (c->count == 1)
        return true;
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (str_eq_z(c->words[1], operators[i].name) && c->count == 3) {
            op->condition = operators[i].kind;
            return compile_right(l, node, op, c->words[2], operators[i].nocase);
        }
    if (c->count == 2)
        return invalid_condition(l, node, c->words[1]);
    return loader_error(l, node, "it must be =, !=, ~, ~*, !~ or !~*",
                        "unexpected \"%.*s\" in condition", STR_ARG(c->words[1]));
}

static bool compile_file_test(struct loader *l, const struct conf_node *node,
                              const struct condition *c, struct rewrite_op *op)
{
    static const struct {
        char letter;
        enum if_kind kind;
    } tests[] = {{'f', IF_FILE}, {'d', IF_DIRECTORY}, {'e', IF_EXISTS}, {'x', IF_EXECUTABLE}};
    struct str test = c->words[0];
    op->negate = str_starts(test, STR("!"));
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (c->count == 2 && test.ptr[test.len - 1] == tests[i].letter) {
            op->condition = tests[i].kind;
            return template_compile(l, node, c->words[1], &op->left);
        }
    return invalid_condition(l, node, test);
}

static bool is_file_test(struct str word)
{
    return (word.len == 2 && word.ptr[0] == '-') ||
           (word.len == 3 && word.ptr[0] == '!' && word.ptr[1] == '-');
}

/* What is set where a condition holds tells what the condition looks at. */
static void load_if(struct loader *l, const struct conf_node *node, void *conf)
{
    const struct location_conf *block = conf;
    location_load(l, node, conf);
    VEC_FOR(const struct rewrite_op, op, &loader_location(l)->script.ops) {
        if (op->then != block)
            continue;
        VEC_FOR(const struct rewrite_op, inner, &block->script.ops) {
            if (inner->kind != REWRITE_SET)
                continue;
            variable_comes_from(l, inner->variable, &op->left);
            variable_comes_from(l, inner->variable, &op->right);
        }
    }
}

bool set_if(struct loader *l, const struct conf_node *node, void *field)
{
    struct rewrite_op op = {.kind = REWRITE_IF};
    struct condition c = {0};
    (void)field;
    if (!read_condition(l, node, &c))
        return false;
    bool good = is_file_test(c.words[0])           ? compile_file_test(l, node, &c, &op)
                : str_starts(c.words[0], STR("$")) ? compile_comparison(l, node, &c, &op)
                                                   : invalid_condition(l, node, c.words[0]);
    op.then = location_new(l, node, LOCATION_IF);
    block_postpone(l, load_if, node, op.then);
    if (good)
        add_op(l, node, op);
    return good;
}

enum {
    IN_SCRIPTS = IN_SERVER | IN_LOCATION | IN_ANY_IF,
};

static const struct directive rows[] = {
    {"set", IN_SCRIPTS, 2, 2, set_set, NO_FIELD, NULL, IS_LIST, NULL},
    {"if", IN_SERVER | IN_LOCATION, 1, MANY, set_if, NO_FIELD, NULL, IS_LIST | IS_BLOCK, NULL},
    {"return", IN_SCRIPTS, 1, 2, set_return, NO_FIELD, NULL, IS_LIST, NULL},
    {"rewrite", IN_SCRIPTS, 2, 3, set_rewrite, NO_FIELD, NULL, IS_LIST, NULL},
    {"break", IN_SCRIPTS, 0, 0, set_break, NO_FIELD, NULL, IS_LIST, NULL},
};

const struct directive_table directives_rewrite = {OF_LOCATION, rows, sizeof rows / sizeof *rows};
