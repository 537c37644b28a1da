#include "portcullis/tls/refusal.h"

#include <assert.h>

static const struct {
    const char *code, *openssl_words, *cure, *remedy;
} reasons[REFUSALS] = {
    [REFUSAL_NONE] = {"", "", "", ""},
#define X(id, reason_code, words, owner_does, operator_does) \
    [REFUSAL_##id] = {reason_code, words, owner_does, operator_does},
#include "portcullis/tls/reasons.def"
#undef X
};

const char *refusal_code(enum refusal r)
{
    assert(r < REFUSALS);
    return reasons[r].code;
}

const char *refusal_openssl_words(enum refusal r)
{
    assert(r < REFUSALS);
    return reasons[r].openssl_words;
}

const char *refusal_cure(enum refusal r)
{
    assert(r < REFUSALS);
    return reasons[r].cure;
}

const char *refusal_remedy(enum refusal r)
{
    assert(r < REFUSALS);
    return reasons[r].remedy;
}
