#include "portcullis/http/names.h"

static const struct str texts[HEADER_NAMES] = {
#define X(id, text) [HEADER_##id] = STR_INIT(text),
#include "portcullis/http/names.def"
#undef X
};

/* Open addressing: four places for each name, so that most look-ups end at the first. */
enum { PLACES = 256 };
_Static_assert(HEADER_NAMES * 4 <= PLACES, "the table of names is too full");
static unsigned char places[PLACES];
static bool is_built;

static unsigned place_of(struct str name)
{
    unsigned first = (unsigned char)name.ptr[0] | 0x20U;
    unsigned middle = (unsigned char)name.ptr[name.len / 2] | 0x20U;
    unsigned last = (unsigned char)name.ptr[name.len - 1] | 0x20U;
    return (unsigned)name.len * 29 + first * 5 + middle * 17 + last * 43;
}

static void build(void)
{
    for (unsigned id = HEADER_REMOVED + 1; id < HEADER_NAMES; id++) {
        unsigned at = place_of(texts[id]);
        while (places[at % PLACES] != HEADER_OTHER)
            at++;
        places[at % PLACES] = (unsigned char)id;
    }
    is_built = true;
}

enum header_name header_name_find(struct str name)
{
    if (!is_built)
        build();
    if (name.len == 0)
        return HEADER_OTHER;
    for (unsigned at = place_of(name);; at++) {
        unsigned id = places[at % PLACES];
        if (id == HEADER_OTHER || str_eq_nocase(texts[id], name))
            return (enum header_name)id;
    }
}

struct str header_name_text(enum header_name id)
{
    return texts[id];
}
