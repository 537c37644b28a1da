/* Which prefix location fits a path, however many there are.
 *
 * Names stand in the order of octets. What a path begins with stands before the path's own place,
 * and whatever stands between the two begins with it, too:
 *
 *      /   /a/   /a/b   /a/b/c   ◀── place of "/a/b/d"   /x
 *
 * So the longest that fits is the name just before that place or one of those around it. */
#include <stdlib.h>

#include "loader.h"

static int compare_names(const void *a, const void *b)
{
    const struct location_conf *x = *(struct location_conf *const *)a;
    const struct location_conf *y = *(struct location_conf *const *)b;
    return str_compare(x->name, y->name);
}

static const struct location_conf *first_that_fits(const struct location_conf *loc, struct str path)
{
    while (loc != NULL && !str_starts(path, loc->name))
        loc = loc->around;
    return loc;
}

static void add_slashless(struct loader *l, struct location_set *set, struct location_conf *loc)
{
    if (set->slashless.arena == NULL)
        strmap_init(&set->slashless, l->arena, false);
    if (loc->auto_redirect)
        (void)strmap_add(&set->slashless, str_upto(loc->name, loc->name.len - 1), loc);
}

void prefixes_build(struct loader *l, struct location_set *set)
{
    const struct location_conf *before = NULL;

    for (size_t i = 0; i < set->exact.capacity; i++)
        if (set->exact.entries[i].value != NULL)
            add_slashless(l, set, set->exact.entries[i].value);
    if (set->prefixes.count > 0)
        qsort(set->prefixes.items, set->prefixes.count, sizeof *set->prefixes.items, compare_names);
    for (size_t i = 0; i < set->prefixes.count; i++) {
        struct location_conf *loc = set->prefixes.items[i];
        loc->around = first_that_fits(before, loc->name);
        add_slashless(l, set, loc);
        before = loc;
    }
}

/* How many names stand before path, or are path. */
static size_t place_of(const struct location_set *set, struct str path)
{
    size_t low = 0, high = set->prefixes.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_compare(set->prefixes.items[middle]->name, path) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct location_conf *location_find_prefix(const struct location_set *set, struct str path,
                                                 bool *is_redirect)
{
    size_t place = place_of(set, path);
    const struct location_conf *last = place > 0 ? set->prefixes.items[place - 1] : NULL;
    const struct location_conf *found = first_that_fits(last, path);

    *is_redirect = false;
    if (found != NULL && found->name.len == path.len)
        return found;
    const struct location_conf *slashed = strmap_find(&set->slashless, path);
    *is_redirect = slashed != NULL;
    return slashed != NULL ? slashed : found;
}
