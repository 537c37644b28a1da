/* set, if, return, rewrite, break: run in the order of the file, as nginx's script engine does. An
 * `if` that holds makes its block the request's location and runs the block's own directives in its
 * place. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "respond.h"
#include "rewrite.h"

enum op_result { OP_NEXT, OP_STOP, OP_ANSWERED, OP_FAILED };

struct run {
    struct request *req;
    bool is_location;  /* not the server's own script: an `if` changes the location */
    bool path_changed; /* and no "break" since */
};

static enum op_result run_ops(struct run *run, const struct script *script);

/* ---- set, break ---- */

static enum op_result run_set(struct run *run, const struct rewrite_op *op)
{
    variable_assign(run->req, op->variable, template_value(run->req, &op->value));
    return OP_NEXT;
}

static enum op_result run_break(struct run *run, const struct rewrite_op *op)
{
    (void)op;
    run->path_changed = false;
    return OP_STOP;
}

/* ---- if ---- */

static bool is_true(struct str s)
{
    return s.len > 0 && !str_eq(s, STR("0"));
}

static bool is_file_kind(struct request *req, const struct rewrite_op *op, struct str path)
{
    const char *z = arena_z(&req->arena, path);
    struct stat st;
    if (path.len == 0 || stat(z, &st) != 0)
        return false;
    switch (op->condition) {
    case IF_FILE:
        return S_ISREG(st.st_mode);
    case IF_DIRECTORY:
        return S_ISDIR(st.st_mode);
    case IF_EXECUTABLE:
        return (st.st_mode & S_IXUSR) != 0;
    default:
        return true;
    }
}

/* As in nginx, what does not fit leaves $1 and its like empty. */
static enum match_result match_anew(struct request *req, const struct regex_conf *r,
                                    struct str subject)
{
    enum match_result match = request_try_match(req, r, subject);
    if (match == MATCH_NO)
        req->captures = NULL;
    return match;
}

enum match_result rewrite_if_holds(struct request *req, const struct rewrite_op *op,
                                   struct str left, struct str right)
{
    enum match_result match;
    switch (op->condition) {
    case IF_TRUE:
        return is_true(left) ? MATCH_YES : MATCH_NO;
    case IF_EQUAL:
        return str_eq(left, right) ? MATCH_YES : MATCH_NO;
    case IF_NOT_EQUAL:
        return str_eq(left, right) ? MATCH_NO : MATCH_YES;
    case IF_MATCH:
        return match_anew(req, &op->regex, left);
    case IF_NOT_MATCH:
        match = match_anew(req, &op->regex, left);
        return match == MATCH_FAILED ? MATCH_FAILED : match == MATCH_YES ? MATCH_NO : MATCH_YES;
    default:
        return is_file_kind(req, op, left) != op->negate ? MATCH_YES : MATCH_NO;
    }
}

/* The block becomes the location; what limits the location's methods goes on doing so. */
static void enter_block(struct run *run, const struct location_conf *block)
{
    const struct location_conf *outer = run->req->outer_location;
    request_set_location(run->req, block);
    run->req->outer_location = outer;
}

static enum op_result run_if(struct run *run, const struct rewrite_op *op)
{
    struct str left = template_value(run->req, &op->left);
    struct str right = template_value(run->req, &op->right);
    enum match_result match = rewrite_if_holds(run->req, op, left, right);
    if (match == MATCH_FAILED)
        return OP_FAILED;
    if (match == MATCH_NO)
        return OP_NEXT;
    if (run->is_location)
        enter_block(run, op->then);
    return run_ops(run, &op->then->script);
}

/* ---- return ---- */

static bool is_redirect_status(unsigned status)
{
    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

/* What a server's own script answers is behind the server's own ssl_verify_client; a location's was
 * looked at before its script ran. */
static bool may_answer(const struct run *run)
{
    return run->is_location || !run->req->is_checked || access_check_location(run->req);
}

static enum op_result run_return(struct run *run, const struct rewrite_op *op)
{
    struct request *req = run->req;
    if (!may_answer(run))
        return OP_ANSWERED;
    struct str text = op->has_value ? template_value(req, &op->value) : STR("");
    if (is_redirect_status(op->status) && op->has_value)
        respond_redirect(req, op->status, text);
    else if (!op->has_value && (op->status >= 400 || is_redirect_status(op->status)))
        respond_status(req, op->status);
    else
        respond_text(req, op->status, text, respond_type(req));
    return OP_ANSWERED;
}

/* ---- rewrite ---- */

/* Did the path come with escapes? Then captures of it are escaped again where they stand in
 * arguments or in a redirect, so that a "%3F" in the path does not become a "?" there. */
static bool path_was_quoted(const struct request *req)
{
    struct str path = str_upto(req->uri.raw, str_find(req->uri.raw, '?'));
    return str_find(path, '%') != SIZE_MAX || str_find(path, '+') != SIZE_MAX;
}

/* nginx's NGX_ESCAPE_ARGS: space " # % & + ; ? controls, DEL and what is not ASCII. */
static struct str escape_capture(struct request *req, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *start = arena_alloc(&req->arena, 3 * s.len + 1), *to = start;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c > 0x20 && c < 0x7f && !strchr("#%&+;?", c)) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = hex[c >> 4];
        *to++ = hex[c & 15];
    }
    return str_make(start, (size_t)(to - start));
}

struct replacement {
    struct buf text; /* path, then arguments */
    size_t args_at;  /* where these begin in text; SIZE_MAX: no "?" was written */
};

static void expand_text(struct replacement *r, struct str text, bool cuts_args)
{
    size_t question = cuts_args && r->args_at == SIZE_MAX ? str_find(text, '?') : SIZE_MAX;
    if (question == SIZE_MAX) {
        buf_append_str(&r->text, text);
        return;
    }
    buf_append_str(&r->text, str_upto(text, question));
    r->args_at = buf_len(&r->text);
    buf_append_str(&r->text, str_from(text, question + 1));
}

static struct str variable_part(struct request *req, const struct variable *v, bool escapes)
{
    struct str value = variable_value(req, v, NULL);
    bool is_capture = v->kind == VARIABLE_CAPTURE;
    return escapes && is_capture ? escape_capture(req, value) : value;
}

/* A "?" written in the replacement begins the arguments, one inside a variable's value does not. */
static void expand(struct request *req, const struct rewrite_op *op, struct replacement *r)
{
    const bool was_quoted = path_was_quoted(req);
    VEC_FOR(const struct template_part, part, &op->value.parts) {
        bool is_last = part + 1 == op->value.parts.items + op->value.parts.count;
        if (part->variable) {
            bool escapes = was_quoted && (op->is_redirect || r->args_at != SIZE_MAX);
            buf_append_str(&r->text, variable_part(req, part->variable, escapes));
            continue;
        }
        struct str text = part->text;
        if (is_last && op->drops_args && str_ends(text, STR("?")))
            text.len--;
        expand_text(r, text, !op->is_redirect);
    }
}

static int hex_pair(struct str s, size_t at)
{
    if (at + 1 >= s.len)
        return -1;
    int high = ascii_hex_value(s.ptr[at]), low = ascii_hex_value(s.ptr[at + 1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* nginx's NGX_UNESCAPE_REDIRECT: plain characters of the path that needed no escape lose it. */
static struct str unescape_redirect(struct request *req, struct str s)
{
    char *start = arena_alloc(&req->arena, s.len + 1), *to = start;
    size_t i = 0;
    while (i < s.len && s.ptr[i] != '?') {
        int c = s.ptr[i] == '%' ? hex_pair(s, i + 1) : -1;
        if (c > '%' && c < 0x7f && c != '?') {
            *to++ = (char)c;
            i += 3;
            continue;
        }
        *to++ = s.ptr[i++];
    }
    memcpy(to, s.ptr + i, s.len - i);
    to += s.len - i;
    return str_make(start, (size_t)(to - start));
}

static enum op_result answer_redirect(struct run *run, const struct rewrite_op *op, struct str text)
{
    struct request *req = run->req;
    if (!may_answer(run))
        return OP_ANSWERED;
    struct str url = unescape_redirect(req, text);
    if (!op->drops_args && req->args.len) {
        bool written = str_find(op->value.source, '?') != SIZE_MAX;
        struct str parts[] = {url, written ? STR("&") : STR("?"), req->args};
        url = arena_concat(&req->arena, parts, 3);
    }
    respond_redirect(req, op->flag == REWRITE_FLAG_PERMANENT ? 301 : 302, url);
    return OP_ANSWERED;
}

static void change_args(struct request *req, const struct rewrite_op *op, struct str args)
{
    if (!op->drops_args && req->args.len)
        args = arena_concat(&req->arena, (struct str[]){args, STR("&"), req->args}, 3);
    req->args = args;
}

static enum op_result change_path(struct run *run, const struct rewrite_op *op, struct str text,
                                  size_t args_at)
{
    struct request *req = run->req;
    if (args_at != SIZE_MAX)
        change_args(req, op, str_from(text, args_at));
    else if (op->drops_args)
        req->args = STR("");
    req->path = args_at == SIZE_MAX ? text : str_upto(text, args_at);
    req->path_is_original = false;
    req->is_internal = true;
    run->path_changed = op->flag != REWRITE_FLAG_BREAK;
    if (op->flag == REWRITE_FLAG_BREAK)
        req->path_fits_location = false;
    if (req->path.len == 0) {
        log_write(&req->log, LOG_ERROR, "the rewritten URI has a zero length");
        return OP_FAILED;
    }
    return op->flag == REWRITE_FLAG_NONE ? OP_NEXT : OP_STOP;
}

static enum op_result run_rewrite(struct run *run, const struct rewrite_op *op)
{
    struct request *req = run->req;
    enum match_result match = match_anew(req, &op->regex, req->path);
    if (match == MATCH_FAILED)
        return OP_FAILED;
    if (match == MATCH_NO)
        return OP_NEXT;
    struct replacement r = {.args_at = SIZE_MAX};
    expand(req, op, &r);
    struct str text = arena_str(&req->arena, buf_str(&r.text));
    buf_deinit(&r.text);
    if (op->is_redirect)
        return answer_redirect(run, op, text);
    return change_path(run, op, text, r.args_at);
}

/* ---- the engine ---- */

static enum op_result run_ops(struct run *run, const struct script *script)
{
    static enum op_result (*const kinds[])(struct run *, const struct rewrite_op *) = {
        [REWRITE_SET] = run_set,         [REWRITE_IF] = run_if,       [REWRITE_RETURN] = run_return,
        [REWRITE_REWRITE] = run_rewrite, [REWRITE_BREAK] = run_break,
    };
    VEC_FOR(const struct rewrite_op, op, &script->ops) {
        enum op_result result = kinds[op->kind](run, op);
        if (result != OP_NEXT)
            return result;
    }
    return OP_NEXT;
}

enum rewrite_result rewrite_run(struct request *req, const struct script *script)
{
    struct run run = {.req = req, .is_location = script != &req->server->root->script};
    if (!run.is_location && req->step == REQUEST_LOCATE)
        return REWRITE_CONTINUE; /* no location was found: the server's script has run already */
    switch (run_ops(&run, script)) {
    case OP_ANSWERED:
        return REWRITE_ANSWERED;
    case OP_FAILED:
        return REWRITE_FAILED;
    default:
        return run.path_changed ? REWRITE_RELOCATE : REWRITE_CONTINUE;
    }
}
