/* A script as far as the certificate decides it: the idiom of `if ($ssl_client_verify != SUCCESS) {
 * return 403; }`, also by way of set and map. What looks at the request itself is not followed, and
 * the first such place is named. */
#include "explain_request.h"
#include "rewrite.h"
#include "variables.h"

struct follower {
    struct request *req;
    struct explain_answer *answer;
    bool is_location;
    unsigned depth; /* of if blocks that hold */
};

/* True: nothing behind it runs. */
static bool follow_script(struct follower *f, const struct script *script);

static void leave_open(struct follower *f, const struct rewrite_op *op)
{
    if (f->answer->open.line == 0)
        f->answer->open = op->pos;
}

static bool follow_set(struct follower *f, const struct rewrite_op *op)
{
    struct str value;
    if (op->variable->kind == VARIABLE_BUILTIN)
        return false;
    bool is_known = explain_text_of(f->req, &op->value, &value);
    f->req->values[op->variable->slot] = is_known ? value : STR_NONE;
    return false;
}

static bool looks_at_files(const struct rewrite_op *op)
{
    return op->condition > IF_NOT_MATCH;
}

static bool follow_if(struct follower *f, const struct rewrite_op *op)
{
    struct str left, right;
    if (looks_at_files(op) || !explain_text_of(f->req, &op->left, &left) ||
        !explain_text_of(f->req, &op->right, &right)) {
        leave_open(f, op);
        return false;
    }
    if (rewrite_if_holds(f->req, op, left, right) != MATCH_YES)
        return false;
    if (f->is_location)
        f->req->location = op->then;
    f->depth++;
    bool is_over = follow_script(f, &op->then->script);
    f->depth--;
    return is_over;
}

static bool follow_return(struct follower *f, const struct rewrite_op *op)
{
    f->answer->returned = op->status;
    f->answer->returned_pos = op->pos;
    f->answer->is_barred = f->depth > 0 && op->status >= 400;
    return true;
}

static bool follow_rewrite(struct follower *f, const struct rewrite_op *op)
{
    if (request_try_match(f->req, &op->regex, f->req->path) == MATCH_NO)
        return false;
    leave_open(f, op);
    return true;
}

static bool follow_break(struct follower *f, const struct rewrite_op *op)
{
    (void)f;
    (void)op;
    return true;
}

static bool follow_script(struct follower *f, const struct script *script)
{
    static bool (*const kinds[])(struct follower *, const struct rewrite_op *) = {
        [REWRITE_SET] = follow_set,       [REWRITE_IF] = follow_if,
        [REWRITE_RETURN] = follow_return, [REWRITE_REWRITE] = follow_rewrite,
        [REWRITE_BREAK] = follow_break,
    };
    VEC_FOR(const struct rewrite_op, op, &script->ops)
        if (kinds[op->kind](f, op))
            return true;
    return false;
}

void explain_follow(struct request *req, struct explain_answer *answer)
{
    struct follower f = {.req = req, .answer = answer};
    const struct location_conf *root = answer->server->root;
    (void)follow_script(&f, &root->script);
    f.is_location = true;
    if (answer->returned == 0 && answer->location != root)
        (void)follow_script(&f, &answer->location->script);
}
