#include "constraints.h"

#include <string.h>

#include "der.h"
#include "name.h"

/* Names times constraints that one certificate may cost. */
enum { COMPARISONS_MAX = 4096 };

enum name_form {
    FORM_EMAIL = DER_CONTEXT(1),
    FORM_DNS = DER_CONTEXT(2),
    FORM_DIRECTORY = DER_CONTEXT_COMPOUND(4),
    FORM_URI = DER_CONTEXT(6),
    FORM_IP = DER_CONTEXT(7),
};

enum match { MATCH_NO, MATCH_YES, MATCH_UNDECIDABLE };

/* "example.org" holds for itself and whatever ends in ".example.org"; the empty one for all. */
static bool host_is_within(struct str host, struct str base)
{
    if (base.len == 0)
        return true;
    if (base.len > host.len || !str_ends_nocase(host, base))
        return false;
    return base.len == host.len || base.ptr[0] == '.' || host.ptr[host.len - base.len - 1] == '.';
}

static struct str without_last_dot(struct str host)
{
    return host.len > 0 && host.ptr[host.len - 1] == '.' ? str_upto(host, host.len - 1) : host;
}

static enum match dns_matches(struct str name, struct str base)
{
    return host_is_within(without_last_dot(name), without_last_dot(base)) ? MATCH_YES : MATCH_NO;
}

/* A host, or ".domain" for all hosts in it and not itself (URIs, e-mail). */
static bool host_or_domain(struct str host, struct str base)
{
    if (base.len > 0 && base.ptr[0] == '.')
        return host.len > base.len && str_ends_nocase(host, base);
    return str_eq_nocase(host, base);
}

static enum match email_matches(struct str name, struct str base)
{
    size_t at = str_find_last(name, '@');
    size_t base_at = str_find_last(base, '@');
    if (at == SIZE_MAX || at == 0 || at + 1 == name.len)
        return MATCH_UNDECIDABLE;
    struct str host = str_from(name, at + 1);
    if (base.len == 0)
        return MATCH_YES;
    if (base_at == SIZE_MAX)
        return host_or_domain(host, base) ? MATCH_YES : MATCH_NO;
    /* The local part keeps its case (RFC 5280, 7.5). */
    return str_eq(str_upto(name, at), str_upto(base, base_at)) &&
                   str_eq_nocase(host, str_from(base, base_at + 1))
               ? MATCH_YES
               : MATCH_NO;
}

/* The host of a URI (RFC 3986, 3.2); an IP address or none cannot be decided (RFC 5280, 4.2.1.10:
 * MUST reject). */
static bool uri_host(struct str uri, struct str *host)
{
    size_t colon = str_find(uri, ':');
    if (colon == SIZE_MAX)
        return false;
    struct str rest = str_from(uri, colon + 1);
    if (!str_starts(rest, STR("//")))
        return false;
    rest = str_from(rest, 2);
    size_t end = 0;
    while (end < rest.len && strchr("/?#", rest.ptr[end]) == NULL)
        end++;
    rest = str_upto(rest, end);
    size_t at = str_find_last(rest, '@');
    if (at != SIZE_MAX)
        rest = str_from(rest, at + 1);
    if (rest.len == 0 || rest.ptr[0] == '[')
        return false;
    size_t port = str_find(rest, ':');
    if (port != SIZE_MAX)
        rest = str_upto(rest, port);
    *host = rest;
    /* All digits and dots: an address. */
    size_t i = 0;
    while (i < rest.len && (ascii_is_digit(rest.ptr[i]) || rest.ptr[i] == '.'))
        i++;
    return rest.len > 0 && i < rest.len;
}

static enum match uri_matches(struct str name, struct str base)
{
    struct str host;
    if (!uri_host(name, &host))
        return MATCH_UNDECIDABLE;
    if (base.len == 0)
        return MATCH_YES;
    return host_or_domain(host, base) ? MATCH_YES : MATCH_NO;
}

/* base: address and mask. Of the other family: no match. */
static enum match ip_matches(struct str name, struct str base)
{
    if (base.len != 8 && base.len != 32)
        return MATCH_UNDECIDABLE;
    if (base.len != name.len * 2)
        return MATCH_NO;
    for (size_t i = 0; i < name.len; i++)
        if ((name.ptr[i] ^ base.ptr[i]) & base.ptr[name.len + i])
            return MATCH_NO;
    return MATCH_YES;
}

static enum match directory_matches(struct str name, struct str base)
{
    if (!name_is_valid(base))
        return MATCH_UNDECIDABLE;
    return name_is_within(name, base) ? MATCH_YES : MATCH_NO;
}

static const struct {
    unsigned form;
    enum match (*matches)(struct str name, struct str base);
} forms[] = {
    {FORM_EMAIL, email_matches}, {FORM_DNS, dns_matches}, {FORM_DIRECTORY, directory_matches},
    {FORM_URI, uri_matches},     {FORM_IP, ip_matches},
};

static enum match name_matches(unsigned form, struct str name, struct str base)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].form == form)
            return forms[i].matches(name, base);
    return MATCH_UNDECIDABLE;
}

struct check {
    struct str permitted, excluded; /* GeneralSubtrees' content */
    unsigned left;                  /* of COMPARISONS_MAX */
};

/* Takes the next subtree's base. minimum and maximum do not occur (RFC 5280, 4.2.1.10). */
static bool next_subtree(struct str *subtrees, struct der_item *base)
{
    struct str subtree;
    return der_take(subtrees, DER_SEQUENCE, &subtree) && der_next(&subtree, base) &&
           subtree.len == 0;
}

/* Does name match any subtree of its form? *any: was there one of its form? */
static enum refusal search(struct check *k, struct str subtrees, unsigned form, struct str name,
                           bool *any, bool *found)
{
    struct der_item base;
    *any = *found = false;
    while (subtrees.len > 0) {
        if (k->left-- == 0)
            return REFUSAL_CHAIN_TOO_COMPLEX;
        if (!next_subtree(&subtrees, &base))
            return REFUSAL_CRITICAL_UNKNOWN;
        if (base.tag != form)
            continue;
        *any = true;
        switch (name_matches(form, name, base.content)) {
        case MATCH_UNDECIDABLE:
            return REFUSAL_NAME_NOT_PERMITTED;
        case MATCH_YES:
            *found = true;
            return REFUSAL_NONE;
        case MATCH_NO:
            break;
        }
    }
    return REFUSAL_NONE;
}

static enum refusal check_name(struct check *k, unsigned form, struct str name)
{
    bool any, found;
    enum refusal r = search(k, k->excluded, form, name, &any, &found);
    if (r != REFUSAL_NONE || found)
        return r != REFUSAL_NONE ? r : REFUSAL_NAME_NOT_PERMITTED;
    r = search(k, k->permitted, form, name, &any, &found);
    if (r != REFUSAL_NONE)
        return r;
    return any && !found ? REFUSAL_NAME_NOT_PERMITTED : REFUSAL_NONE;
}

/* As OpenSSL: letters, digits, '-' and '_' between dots, at least one of those. */
static bool looks_like_host(struct str s)
{
    bool dotted = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '.' && i > 0 && i + 1 < s.len && s.ptr[i - 1] != '.')
            dotted = true;
        else if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' && c != '*')
            return false;
    }
    return dotted;
}

/* By its characters: the octets of a BMPString are no name that any constraint could match. */
static enum refusal check_attribute(struct check *k, const struct name_walk *w, unsigned form)
{
    struct buf text = {0};
    enum refusal r = REFUSAL_NONE;
    name_append_value(&text, w);
    if (form != FORM_DNS || looks_like_host(buf_str(&text)))
        r = check_name(k, form, buf_str(&text));
    buf_deinit(&text);
    return r;
}

static enum refusal check_subject(struct check *k, const struct cert *c, bool cn_is_host)
{
    enum refusal r = REFUSAL_NONE;
    if (!name_is_empty(c->subject))
        r = check_name(k, FORM_DIRECTORY, c->subject);
    struct name_walk w = name_walk_begin(c->subject);
    while (r == REFUSAL_NONE && name_next(&w))
        if (str_eq(w.oid, name_oid_email))
            r = check_attribute(k, &w, FORM_EMAIL);
        else if (cn_is_host && str_eq(w.oid, name_oid_common_name))
            r = check_attribute(k, &w, FORM_DNS);
    return r;
}

enum refusal constraints_check(struct str name_constraints, const struct cert *c, bool is_leaf)
{
    struct check k = {.left = COMPARISONS_MAX};
    struct str in = name_constraints;
    if (!der_optional(&in, DER_CONTEXT_COMPOUND(0), &k.permitted) ||
        !der_optional(&in, DER_CONTEXT_COMPOUND(1), &k.excluded) || in.len > 0)
        return REFUSAL_CERT_MALFORMED;

    bool has_dns = false;
    struct der_item name;
    for (struct str rest = c->alt_names; der_next(&rest, &name);) {
        has_dns |= name.tag == FORM_DNS;
        enum refusal r = check_name(&k, name.tag, name.content);
        if (r != REFUSAL_NONE)
            return r;
    }
    return check_subject(&k, c, is_leaf && !has_dns);
}
