/* Variables and templates: who asks gets the value as it is now, or as it was remembered. */
#include <assert.h>

#include "variables.h"

/* What a slot holds when it was computed and there is no value, or an empty one. */
static const char no_value[] = "-";
static const char empty_value[] = "";

#define MAP_DEPTH_MAX 32 /* maps whose sources are maps; more is a cycle */

const struct variable_row *variable_row_find(enum variable_id id)
{
    static const struct variable_row *const tables[] = {
        variables_of_request,
        variables_of_ssl,
        variables_of_upstream,
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (tables[i][id].value)
            return &tables[i][id];
    return NULL;
}

static void remember(struct request *req, const struct variable *v, struct str value, bool found)
{
    if (!found)
        value = str_make(no_value, 0);
    else if (!value.ptr)
        value = str_make(empty_value, 0);
    req->values[v->slot] = value;
}

static struct str builtin_value(struct request *req, const struct variable *v, bool *found)
{
    const struct variable_row *row = variable_row_find(v->id);
    struct str value = STR_NONE;
    *found = row && row->value(req, v, &value);
    if (!*found)
        value = STR_NONE;
    if (row && row->is_constant)
        remember(req, v, value, *found);
    return value;
}

static struct str capture_value(struct request *req, const struct variable *v, bool *found)
{
    const struct regex_captures *c = req->captures;
    *found = true;
    if (!c || v->group >= c->count || !c->group[v->group].ptr)
        return STR("");
    return c->group[v->group];
}

static struct str set_value(struct request *req, const struct variable *v, bool *found)
{
    (void)req;
    *found = v->is_set; /* a group's name is missing until its regex fits, other names are empty */
    return STR("");
}

static struct str mapped_value(struct request *req, const struct variable *v, bool *found)
{
    static unsigned depth; /* one thread evaluates, so one counter is enough */
    *found = true;
    if (depth == MAP_DEPTH_MAX) {
        log_write(&req->log, LOG_ERROR, "cycle while evaluating variable \"%.*s\"",
                  STR_ARG(v->name));
        return STR("");
    }
    depth++;
    struct str value = map_value(req, v->map);
    depth--;
    if (!v->map->is_volatile)
        remember(req, v, value, true);
    return value;
}

static struct str located_value(struct request *req, const struct variable *v, bool *found)
{
    *found = true;
    struct str value = geo_value(req, v->geo);
    remember(req, v, value, true);
    return value;
}

static struct str (*const kinds[])(struct request *, const struct variable *, bool *) = {
    [VARIABLE_BUILTIN] = builtin_value, [VARIABLE_CAPTURE] = capture_value,
    [VARIABLE_SET] = set_value,         [VARIABLE_MAP] = mapped_value,
    [VARIABLE_GEO] = located_value,
};

struct str variable_value(struct request *req, const struct variable *v, bool *found)
{
    bool ignored;
    if (!found)
        found = &ignored;
    struct str slot = req->values[v->slot];
    if (slot.ptr) {
        *found = slot.ptr != no_value;
        return slot;
    }
    return kinds[v->kind](req, v, found);
}

void variable_assign(struct request *req, const struct variable *v, struct str value)
{
    const struct variable_row *row = v->kind == VARIABLE_BUILTIN ? variable_row_find(v->id) : NULL;
    if (row && row->assign) {
        row->assign(req, value);
        return;
    }
    remember(req, v, value, true);
}

static struct str part_value(struct request *req, const struct template_part *part)
{
    return part->variable ? variable_value(req, part->variable, NULL) : part->text;
}

struct str template_value(struct request *req, const struct template *t)
{
    if (t->parts.count == 0)
        return STR("");
    if (t->parts.count == 1)
        return part_value(req, &t->parts.items[0]);
    struct str *values = ARENA_ARRAY(&req->arena, struct str, t->parts.count);
    for (size_t i = 0; i < t->parts.count; i++)
        values[i] = part_value(req, &t->parts.items[i]);
    return arena_concat(&req->arena, values, t->parts.count);
}

static void keep_captures(struct request *req, const struct regex_conf *r,
                          const struct regex_captures *c)
{
    if (!req->captures)
        req->captures = ARENA_NEW(&req->arena, struct regex_captures);
    *req->captures = *c;
    VEC_FOR(const struct regex_group, g, &r->groups) {
        struct str value = g->group < c->count ? c->group[g->group] : STR_NONE;
        variable_assign(req, g->variable, value);
    }
}

enum match_result request_try_match(struct request *req, const struct regex_conf *r,
                                    struct str subject)
{
    struct regex_captures captures;
    bool failed = false;
    if (!subject.ptr)
        subject = STR("");
    if (regex_match(r->regex, subject, &captures, &failed)) {
        keep_captures(req, r, &captures);
        return MATCH_YES;
    }
    if (!failed)
        return MATCH_NO;
    log_write(&req->log, LOG_ALERT, "regular expression \"%.*s\" exceeded its limit on \"%s\"",
              STR_ARG(r->source), log_quoted(subject));
    return MATCH_FAILED;
}

bool request_match(struct request *req, const struct regex_conf *r, struct str subject)
{
    enum match_result match = request_try_match(req, r, subject);
    req->match_failed |= match == MATCH_FAILED;
    return match == MATCH_YES;
}

struct str variable_seconds(struct request *req, int64_t ms)
{
    if (ms < 0)
        ms = 0;
    return arena_printf(&req->arena, "%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
}

/* nginx's families say '_' for what a field name says as '-'. */
static bool is_field_of(struct str field, struct str name)
{
    if (field.len != name.len)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char f = ascii_lower(field.ptr[i]);
        if ((f == '-' ? '_' : f) != ascii_lower(name.ptr[i]))
            return false;
    }
    return true;
}

bool variable_of_fields(struct request *req, const struct headers *h, struct str name,
                        struct str *out)
{
    if (!h)
        return false;
    const struct str separator = str_eq_nocase(name, STR("cookie")) ? STR("; ") : STR(", ");
    bool found = false;
    HEADERS_FOR(it, h) {
        if (!is_field_of(it->name, name))
            continue;
        *out = found ? arena_concat(&req->arena, (struct str[]){*out, separator, it->value}, 3)
                     : it->value;
        found = true;
    }
    return found;
}

bool variable_of_pairs(struct str text, struct str name, struct str *out)
{
    while (text.ptr) {
        struct str pair = str_trim(str_cut(&text, ';'));
        size_t equals = str_find(pair, '=');
        if (equals == SIZE_MAX || !str_eq_nocase(str_trim(str_upto(pair, equals)), name))
            continue;
        *out = str_trim(str_from(pair, equals + 1));
        return true;
    }
    return false;
}

struct str request_id(struct request *req)
{
    if (req->id.ptr)
        return req->id;
    unsigned char random[16];
    tls_random(random, sizeof random);
    struct buf text = {0};
    buf_append_hex(&text, random, sizeof random, ASCII_HEX_LOWER);
    req->id = arena_str(&req->arena, buf_str(&text));
    buf_deinit(&text);
    return req->id;
}
