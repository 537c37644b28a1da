/* The nearest of the names that there are, for one that was mistyped. */
#include "loader.h"

enum { NAME_MAX_COMPARED = 48 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Letters to add, drop, change or swap with a neighbour. */
static size_t distance(struct str a, struct str b)
{
    size_t rows[3][NAME_MAX_COMPARED + 1], *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, change);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b.len];
}

struct nearest nearest_to(struct str name)
{
    return (struct nearest){.name = name, .distance = 2 + name.len / 4};
}

void nearest_consider(struct nearest *n, struct str candidate)
{
    if (n->name.len < 2 || n->name.len > NAME_MAX_COMPARED || candidate.len > NAME_MAX_COMPARED)
        return;
    size_t d = distance(n->name, candidate);
    if (d < n->distance) {
        n->distance = d;
        n->found = candidate;
    }
}
