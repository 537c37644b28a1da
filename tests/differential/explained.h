/* Where OpenSSL and we may differ, and by whose word. */
#ifndef TESTS_DIFFERENTIAL_EXPLAINED_H
#define TESTS_DIFFERENTIAL_EXPLAINED_H

#include "portcullis/tls/refusal.h"
#include "world.h"

/* REFUSALS stands for a revocation list that we do not load: the program would not start. */
enum {
    REFUSAL_AT_LOAD = REFUSALS,
    REFUSAL_ANY, /* in a row: whatever our words, they must refuse every path of this client */
};

/* What an error of theirs is about; NULL: nothing, and everything if we refused. */
struct place {
    const struct cert_spec *cert;
    const struct list_spec *list;
};

struct explained {
    enum refusal ours; /* REFUSAL_NONE: we accept what they refuse with theirs */
    int theirs;        /* X509_V_OK: they accept */
    bool (*holds)(const struct world *w, struct place at); /* only then; NULL: always */
    const char *section, *why;
    /* Passed over only if we accept: when we refuse, what comes after it would say nothing. */
    bool is_search;
};

extern const struct explained explained[];
extern const size_t explained_count;

/* The row's place; explained_count: none. */
size_t explained_find(const struct world *w, enum refusal ours, int theirs, struct place at);

#endif
