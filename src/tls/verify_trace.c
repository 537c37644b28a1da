#include "verify_trace.h"

#include <assert.h>

#include "name.h"

static enum verify_source source_of(const struct cert *c, const struct cert *sent,
                                    size_t sent_count)
{
    return c >= sent && c < sent + sent_count ? VERIFY_SENT : VERIFY_KNOWN;
}

void trace_path(struct verify_trace *t, const struct cert *const *path, size_t length,
                const struct cert *sent, size_t sent_count, bool is_complete)
{
    for (size_t i = 0; i < length; i++) {
        t->path[i].der = arena_str(t->arena, path[i]->der);
        t->path[i].source = source_of(path[i], sent, sent_count);
    }
    if (is_complete)
        t->path[length - 1].source = VERIFY_ANCHOR;
    t->length = length;
    t->is_complete = is_complete;
    t->check_count = 0;
}

void trace_subject(struct verify_trace *t, const struct cert *c)
{
    t->subject = name_text(t->arena, c->subject);
    t->issuer = name_text(t->arena, c->issuer);
}

static size_t place_in_path(const struct verify_trace *t, const struct cert *c)
{
    size_t at = 0;
    while (at < t->length && !str_eq(t->path[at].der, c->der))
        at++;
    return at;
}

void trace_check(struct verify_trace *t, const char *name, enum refusal r, const struct cert *c,
                 struct str words)
{
    assert(t->check_count < VERIFY_CHECKS_MAX);
    struct verify_check *check = &t->checks[t->check_count++];
    *check = (struct verify_check){.name = name, .refusal = r};
    if (r == REFUSAL_NONE)
        return;
    check->words = arena_str(t->arena, words);
    check->at = place_in_path(t, c);
}
