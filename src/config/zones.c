/* Shared memory zones. They are named here, and mapped by the daemon. */
#include "loader.h"

struct zone *zone_of(struct loader *l, struct str name, size_t size)
{
    struct zone **end = &l->snapshot->zones;
    for (; *end; end = &(*end)->next)
        if (str_eq((*end)->name, name) && (*end)->size == size)
            return *end;
    *end = ARENA_NEW(l->arena, struct zone);
    **end = (struct zone){.name = name, .size = size};
    return *end;
}

struct zone *zone_declare(struct loader *l, const struct conf_node *node, struct str name,
                          struct str shown, size_t size)
{
    if (name.len >= ZONE_NAME_MAX) {
        loader_error(l, node, "give it a shorter one", "the name of zone \"%.*s\" is too long",
                     STR_ARG(shown));
        return NULL;
    }
    for (const struct zone *z = l->snapshot->zones; z; z = z->next)
        if (str_eq(z->name, name) && z->size != size) {
            loader_error(l, node, "write the same size everywhere",
                         "the size %zu of zone \"%.*s\" conflicts with already declared size %zu",
                         size, STR_ARG(shown), z->size);
            return NULL;
        }
    return zone_of(l, name, size);
}
