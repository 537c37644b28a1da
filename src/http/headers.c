#include "portcullis/http/headers.h"

#include <stdint.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

void headers_add(struct headers *h, struct arena *a, struct str name, struct str value)
{
    if (h->count == h->capacity) {
        size_t capacity = h->capacity == 0 ? FIRST_CAPACITY : h->capacity * 2;
        struct header *items = arena_alloc(a, capacity * sizeof *items);
        if (h->count > 0)
            memcpy(items, h->items, h->count * sizeof *items);
        h->items = items;
        h->capacity = capacity;
    }
    h->items[h->count++] = (struct header){name, value, header_name_find(name)};
}

static bool is_named(const struct header *it, enum header_name id, struct str name)
{
    return it->id == id && (id != HEADER_OTHER || str_eq_nocase(it->name, name));
}

static struct header *find_from(const struct headers *h, size_t start, enum header_name id,
                                struct str name)
{
    for (size_t i = start; i < h->count; i++)
        if (is_named(&h->items[i], id, name))
            return &h->items[i];
    return NULL;
}

struct header *headers_find(const struct headers *h, enum header_name id)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->items[i].id == id)
            return &h->items[i];
    return NULL;
}

struct header *headers_find_name(const struct headers *h, struct str name)
{
    return find_from(h, 0, header_name_find(name), name);
}

struct header *headers_find_next(const struct headers *h, const struct header *it)
{
    return find_from(h, (size_t)(it - h->items) + 1, it->id, it->name);
}

bool headers_has(const struct headers *h, enum header_name id)
{
    return headers_find(h, id) != NULL;
}

size_t headers_count(const struct headers *h, enum header_name id)
{
    size_t count = 0;
    for (size_t i = 0; i < h->count; i++)
        count += h->items[i].id == id;
    return count;
}

struct str headers_value(const struct headers *h, enum header_name id)
{
    const struct header *it = headers_find(h, id);
    return it == NULL ? STR_NONE : it->value;
}

struct str headers_joined(const struct headers *h, struct arena *a, struct str name, struct str sep)
{
    const struct header *first = headers_find_name(h, name);
    if (first == NULL)
        return STR_NONE;
    size_t len = first->value.len;
    const struct header *it = first;
    while ((it = headers_find_next(h, it)) != NULL)
        len += sep.len + it->value.len;
    if (len == first->value.len)
        return first->value;

    char *text = arena_alloc(a, len + 1);
    char *to = text;
    for (it = first; it != NULL; it = headers_find_next(h, it)) {
        if (it != first)
            to = (char *)memcpy(to, sep.ptr, sep.len) + sep.len;
        memcpy(to, it->value.ptr, it->value.len);
        to += it->value.len;
    }
    *to = '\0';
    return str_make(text, len);
}

void headers_set(struct headers *h, struct arena *a, struct str name, struct str value)
{
    struct header *first = headers_find_name(h, name);
    if (first == NULL) {
        headers_add(h, a, name, value);
        return;
    }
    struct header *next;
    while ((next = headers_find_next(h, first)) != NULL)
        header_remove(next);
    first->name = name;
    first->value = value;
}

void headers_remove(struct headers *h, enum header_name id)
{
    struct header *it;
    while ((it = headers_find(h, id)) != NULL)
        header_remove(it);
}

void headers_remove_name(struct headers *h, struct str name)
{
    struct header *it;
    while ((it = headers_find_name(h, name)) != NULL)
        header_remove(it);
}

void header_remove(struct header *it)
{
    it->id = HEADER_REMOVED;
}

bool header_list_next(struct str *rest, struct str *element)
{
    while (rest->len > 0) {
        *element = str_trim(str_cut(rest, ','));
        if (element->len > 0)
            return true;
    }
    return false;
}

bool header_list_has(struct str value, struct str token)
{
    struct str element;
    while (header_list_next(&value, &element))
        if (str_eq_nocase(element, token))
            return true;
    return false;
}

/* RFC 9110, 5.6.2 */
static bool is_token_char(unsigned char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return ascii_is_alpha((char)c) || ascii_is_digit((char)c) ||
           (c != '\0' && strchr(others, c) != NULL);
}

bool header_name_is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_token_char((unsigned char)name.ptr[i]))
            return false;
    return name.len > 0;
}

bool header_value_is_valid(struct str value)
{
    return str_find(value, '\r') == SIZE_MAX && str_find(value, '\n') == SIZE_MAX &&
           str_find(value, '\0') == SIZE_MAX;
}

struct str header_value_unfold(struct arena *a, struct str value)
{
    const struct str fold = STR("\n\t");
    size_t at = str_search(value, fold);
    if (at == SIZE_MAX)
        return value;
    char *out = arena_alloc(a, value.len);
    size_t len = 0;
    for (; at != SIZE_MAX; at = str_search(value, fold)) {
        memcpy(out + len, value.ptr, at);
        len += at;
        out[len++] = ' ';
        value = str_from(value, at + fold.len);
    }
    if (value.len > 0)
        memcpy(out + len, value.ptr, value.len);
    return str_make(out, len + value.len);
}
