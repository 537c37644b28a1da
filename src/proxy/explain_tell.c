/* There is no request, only a certificate: what depends on more stays as it is written. The request
 * that is made up here has what $ssl_client_* and map look at, and nothing else. */
#include "explain_tell.h"

#include "identity_presets.h"
#include "variables.h"

/* ---- values ---- */

enum { DEPTH_MAX = 16 }; /* of maps of maps, which may go round */

static struct str text_of(struct request *req, const struct template *t, unsigned depth);
static bool is_known(const struct request *req, const struct template *t, unsigned depth);

static bool variable_is_known(const struct request *req, const struct variable *v, unsigned depth)
{
    if (req->values[v->slot].ptr)
        return true;
    switch (v->kind) {
    case VARIABLE_BUILTIN:
        return str_starts(v->name, STR("ssl_client_"));
    case VARIABLE_CAPTURE:
        return req->captures != NULL;
    case VARIABLE_MAP:
        return depth < DEPTH_MAX && is_known(req, &v->map->source, depth + 1);
    case VARIABLE_SET:
    case VARIABLE_GEO:
        break;
    }
    return false;
}

static bool is_known(const struct request *req, const struct template *t, unsigned depth)
{
    VEC_FOR(const struct template_part, part, &t->parts)
    if (part->variable && !variable_is_known(req, part->variable, depth))
        return false;
    return true;
}

static struct str part_text(struct request *req, const struct template_part *part, unsigned depth)
{
    const struct variable *v = part->variable;
    if (!v)
        return part->text;
    if (!variable_is_known(req, v, depth))
        return arena_printf(&req->arena, "$%.*s", STR_ARG(v->name));
    if (v->kind == VARIABLE_MAP) /* the value that was found may have unknown ones in it */
        return text_of(req, map_find(req, v->map), depth + 1);
    return variable_value(req, v, NULL);
}

static struct str text_of(struct request *req, const struct template *t, unsigned depth)
{
    struct str *texts = ARENA_ARRAY(&req->arena, struct str, t->parts.count + 1);
    for (size_t i = 0; i < t->parts.count; i++)
        texts[i] = part_text(req, &t->parts.items[i], depth);
    return arena_concat(&req->arena, texts, t->parts.count);
}

/* ---- fields ---- */

static void add(struct explain_answer *answer, struct arena *a, struct str name, struct str value)
{
    if (value.len == 0)
        return;
    *VEC_PUSH(a, &answer->told) = (struct explain_field){
        .name = name, .value = arena_str(a, value), .is_sent = header_value_is_valid(value)};
}

static void add_fields(struct request *req, struct arena *a, struct explain_answer *answer)
{
    struct headers presets = {0};
    VEC_FOR(const struct set_header_conf, set, &answer->location->proxy.set_headers)
    if (set->is_identity)
        add(answer, a, set->name, text_of(req, &set->value, 0));
    identity_presets_add(req, &presets, &req->arena);
    HEADERS_FOR(it, &presets)
    add(answer, a, it->name, it->value);
}

void explain_tell(const struct explain_question *q, bool identity_counts, struct arena *a,
                  struct explain_answer *answer)
{
    const struct location_conf *loc = answer->location;
    if (!loc->proxy.is_set)
        return;
    struct request req = {
        .bind = answer->bind,
        .server = answer->server,
        .location = loc,
        .outer_location = loc,
        .identity = identity_counts ? q->identity : NULL,
        .reported = answer->refusal,
        .log = log_process,
    };
    answer->upstream = loc->proxy.url.source;
    arena_init(&req.arena, 16384);
    req.values = ARENA_ARRAY(&req.arena, struct str, q->snapshot->http.variables.count + 1);
    add_fields(&req, a, answer);
    arena_deinit(&req.arena);
}
