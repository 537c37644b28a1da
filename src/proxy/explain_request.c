#include "explain_request.h"

#include "variables.h"

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

bool explain_text_of(struct request *req, const struct template *t, struct str *out)
{
    return text_of(req, t, 0, out);
}

void explain_request_init(struct request *req, const struct explain_question *q,
                          const struct explain_answer *answer, struct identity *identity)
{
    *req = (struct request){
        .bind = answer->bind,
        .server = answer->server,
        .location = answer->location,
        .outer_location = answer->location,
        .path = answer->path,
        .identity = identity,
        .reported = answer->refusal,
        .log = log_process,
    };
    arena_init(&req->arena, 16384);
    req->values = ARENA_ARRAY(&req->arena, struct str, q->snapshot->http.variables.count + 1);
}

void explain_request_deinit(struct request *req)
{
    arena_deinit(&req->arena);
}
