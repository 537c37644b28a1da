/* There is no request, only a certificate: what depends on more stays as it is written. The request
 * that is made up here has what $ssl_client_* and map look at, and nothing else. */
#include "explain_tell.h"

#include "identity_presets.h"
#include "variables.h"

/* ---- values ---- */

enum { DEPTH_MAX = 8 }; /* of maps of maps, which may go round */

/* False: some of it depends on more than the certificate, and stands there as a variable. */
static bool text_of(struct request *req, const struct template *t, unsigned depth, struct str *out);

static bool map_text(struct request *req, const struct map_conf *map, unsigned depth,
                     struct str *out)
{
    struct str source;
    return depth < DEPTH_MAX && text_of(req, &map->source, depth + 1, &source) &&
           text_of(req, map_find(req, map, source), depth + 1, out);
}

static bool variable_text(struct request *req, const struct variable *v, unsigned depth,
                          struct str *out)
{
    bool is_known = req->values[v->slot].ptr ||
                    (v->kind == VARIABLE_BUILTIN && str_starts(v->name, STR("ssl_client_"))) ||
                    (v->kind == VARIABLE_CAPTURE && req->captures);
    if (is_known)
        *out = variable_value(req, v, NULL);
    return is_known || (v->kind == VARIABLE_MAP && map_text(req, v->map, depth, out));
}

static bool part_text(struct request *req, const struct template_part *part, unsigned depth,
                      struct str *out)
{
    *out = part->text;
    if (!part->variable || variable_text(req, part->variable, depth, out))
        return true;
    *out = arena_printf(&req->arena, "$%.*s", STR_ARG(part->variable->name));
    return false;
}

static bool text_of(struct request *req, const struct template *t, unsigned depth, struct str *out)
{
    struct str *texts = ARENA_ARRAY(&req->arena, struct str, t->parts.count + 1);
    bool is_known = true;
    for (size_t i = 0; i < t->parts.count; i++)
        is_known &= part_text(req, &t->parts.items[i], depth, &texts[i]);
    *out = arena_concat(&req->arena, texts, t->parts.count);
    return is_known;
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
    {
        struct str value;
        if (!set->is_identity)
            continue;
        (void)text_of(req, &set->value, 0, &value);
        add(answer, a, set->name, value);
    }
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
