#include "explain_request.h"
#include "identity_presets.h"

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
    VEC_FOR(const struct set_header_conf, set, &req->location->proxy.set_headers) {
        struct str value;
        if (!set->is_identity)
            continue;
        (void)explain_text_of(req, &set->value, &value);
        add(answer, a, set->name, header_value_unfold(a, value));
    }
    identity_presets_add(req, &presets, &req->arena);
    HEADERS_FOR(it, &presets)
        add(answer, a, it->name, it->value);
}

void explain_tell(struct request *req, struct arena *a, struct explain_answer *answer)
{
    const struct proxy_conf *p = &req->location->proxy;
    if (!p->is_set || answer->returned != 0)
        return;
    answer->upstream = p->url.source;
    add_fields(req, a, answer);
}
