/* geo: a value by address. */
#include "variables.h"

static bool is_between(char c)
{
    return c == ',' || c == ' ';
}

/* Takes the last entry off X-Forwarded-For; nginx has blanks for commas, too. */
static struct str cut_last(struct str *list)
{
    while (list->len && is_between(list->ptr[list->len - 1]))
        list->len--;
    size_t start = list->len;
    while (start && !is_between(list->ptr[start - 1]))
        start--;
    struct str last = str_from(*list, start);
    list->len = start;
    return last;
}

/* A port behind it is dropped. */
static bool parse_forwarded(struct addr *a, struct str text)
{
    if (addr_parse_ip(a, text, 0))
        return true;
    size_t colon = str_find_last(text, ':');
    return colon != SIZE_MAX && addr_parse_ip(a, str_upto(text, colon), 0);
}

static bool is_proxy(const struct geo_conf *geo, const struct addr *a)
{
    VEC_FOR(const struct cidr, c, &geo->proxies)
        if (cidr_contains(c, a))
            return true;
    return false;
}

/* Behind trusted proxies: the last address that they tell, or with proxy_recursive the last
 * that is none of theirs. */
static void look_behind_proxies(struct request *req, const struct geo_conf *geo, struct addr *a)
{
    struct str list = STR_NONE;
    if (!is_proxy(geo, a) ||
        !variable_of_fields(req, &req->head.headers, STR("x_forwarded_for"), &list))
        return;
    while (list.len) {
        struct addr told;
        if (!parse_forwarded(&told, cut_last(&list)))
            return;
        *a = told;
        if (!geo->proxy_recursive || !is_proxy(geo, a))
            return;
    }
}

struct str geo_value(struct request *req, const struct geo_conf *geo)
{
    struct addr a;
    if (!geo->source)
        a = *client_addr(req->client);
    else if (!addr_parse_ip(&a, variable_value(req, geo->source, NULL), 0))
        (void)addr_parse_ip(&a, STR("255.255.255.255"), 0); /* what nginx takes for no address */
    if (geo->proxies.count)
        look_behind_proxies(req, geo, &a);
    const struct geo_entry *e = geo_find(geo, &a);
    return e != NULL ? e->value : geo->fallback;
}
