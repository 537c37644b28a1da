#include "portcullis/base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool parse_ipv4(struct in_addr *out, struct str text)
{
    char z[INET_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof z || str_find(text, '\0') != SIZE_MAX)
        return false;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    return inet_pton(AF_INET, z, out) == 1;
}

static bool parse_ipv6(struct in6_addr *out, struct str text)
{
    char z[INET6_ADDRSTRLEN];
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = str_make(text.ptr + 1, text.len - 2);
    if (text.len == 0 || text.len >= sizeof z || str_find(text, '\0') != SIZE_MAX)
        return false;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    return inet_pton(AF_INET6, z, out) == 1;
}

bool addr_parse_ip(struct addr *a, struct str text, uint16_t port)
{
    *a = (struct addr){.len = 0};
    if (parse_ipv4(&a->in.sin_addr, text)) {
        a->in.sin_family = AF_INET;
        a->in.sin_port = htons(port);
        a->len = sizeof a->in;
        return true;
    }
    if (parse_ipv6(&a->in6.sin6_addr, text)) {
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_port = htons(port);
        a->len = sizeof a->in6;
        return true;
    }
    return false;
}

bool addr_parse_unix(struct addr *a, struct str path)
{
    const struct str prefix = STR("unix:");
    if (!str_starts(path, prefix))
        return false;
    path = str_from(path, prefix.len);
    if (path.len > 0 && path.ptr[path.len - 1] == ':')
        path.len--;
    if (path.len == 0 || path.len >= sizeof a->un.sun_path || str_find(path, '\0') != SIZE_MAX)
        return false;
    *a = (struct addr){.len = sizeof a->un};
    a->un.sun_family = AF_UNIX;
    memcpy(a->un.sun_path, path.ptr, path.len);
    return true;
}

void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len)
{
    *a = (struct addr){.len = 0};
    if (len > sizeof a->un)
        len = sizeof a->un;
    memcpy(&a->sa, sa, len);
    a->len = len;
}

int addr_family(const struct addr *a)
{
    return a->len == 0 ? AF_UNSPEC : a->sa.sa_family;
}

uint16_t addr_port(const struct addr *a)
{
    switch (addr_family(a)) {
    case AF_INET:
        return ntohs(a->in.sin_port);
    case AF_INET6:
        return ntohs(a->in6.sin6_port);
    default:
        return 0;
    }
}

void addr_set_port(struct addr *a, uint16_t port)
{
    switch (addr_family(a)) {
    case AF_INET:
        a->in.sin_port = htons(port);
        break;
    case AF_INET6:
        a->in6.sin6_port = htons(port);
        break;
    default:
        break;
    }
}

/* An unnamed socket has a length that ends before the path. */
static struct str unix_path(const struct addr *a)
{
    size_t before = offsetof(struct sockaddr_un, sun_path);
    if (a->len <= before)
        return (struct str){"", 0};
    return str_make(a->un.sun_path, strnlen(a->un.sun_path, a->len - before));
}

struct str addr_binary(const struct addr *a)
{
    switch (addr_family(a)) {
    case AF_INET:
        return str_make((const char *)&a->in.sin_addr, 4);
    case AF_INET6:
        return str_make((const char *)&a->in6.sin6_addr, 16);
    case AF_UNIX:
        return unix_path(a);
    default:
        return STR_NONE;
    }
}

bool addr_eq_host(const struct addr *a, const struct addr *b)
{
    return addr_family(a) == addr_family(b) && str_eq(addr_binary(a), addr_binary(b));
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return addr_eq_host(a, b) && addr_port(a) == addr_port(b);
}

bool addr_is_wildcard(const struct addr *a)
{
    static const char zero[16];
    struct str octets = addr_binary(a);
    if (addr_family(a) != AF_INET && addr_family(a) != AF_INET6)
        return false;
    return memcmp(octets.ptr, zero, octets.len) == 0;
}

static struct str write_unix(const struct addr *a, char *out)
{
    struct str path = unix_path(a);
    int len = snprintf(out, ADDR_TEXT_MAX, "unix:%.*s", STR_ARG(path));
    return str_make(out, (size_t)len);
}

struct str addr_text(const struct addr *a, char out[static ADDR_TEXT_MAX])
{
    struct str octets = addr_binary(a);
    if (addr_family(a) == AF_UNIX)
        return write_unix(a, out);
    if (octets.ptr == NULL || inet_ntop(addr_family(a), octets.ptr, out, ADDR_TEXT_MAX) == NULL)
        out[0] = '\0';
    return str_of(out);
}

struct str addr_text_port(const struct addr *a, char out[static ADDR_TEXT_MAX])
{
    char host[ADDR_TEXT_MAX];
    struct str text = addr_text(a, host);
    if (addr_family(a) == AF_UNIX)
        return write_unix(a, out);
    bool is_v6 = addr_family(a) == AF_INET6;
    int len = snprintf(out, ADDR_TEXT_MAX, "%s%.*s%s:%u", is_v6 ? "[" : "", STR_ARG(text),
                       is_v6 ? "]" : "", (unsigned)addr_port(a));
    return str_make(out, (size_t)len);
}

/* Clears what is outside of the mask; says whether there was something. */
static bool clear_low_bits(uint8_t *net, size_t octets, unsigned bits)
{
    bool had = false;
    for (size_t i = 0; i < octets; i++) {
        unsigned here = bits > i * 8 ? bits - (unsigned)i * 8 : 0;
        uint8_t mask = here >= 8 ? 0xff : (uint8_t)(0xff00 >> here);
        had = had || (net[i] & ~mask) != 0;
        net[i] &= mask;
    }
    return had;
}

bool cidr_parse(struct cidr *c, struct str text, bool *had_low_bits)
{
    bool ignored;
    if (had_low_bits == NULL)
        had_low_bits = &ignored;
    *had_low_bits = false;
    *c = (struct cidr){.family = AF_UNSPEC};
    if (str_eq_z(text, "all"))
        return true;
    c->family = AF_UNIX;
    if (str_eq_z(text, "unix:"))
        return true;

    struct str bits = text;
    struct str host = str_cut(&bits, '/');
    struct addr a;
    if (host.len > 0 && host.ptr[0] == '[') /* as nginx: blocks are written without brackets */
        return false;
    if (!addr_parse_ip(&a, host, 0))
        return false;
    struct str octets = addr_binary(&a);
    uint64_t count = octets.len * 8;
    if (bits.ptr != NULL && (!str_to_u64(bits, &count) || count > octets.len * 8))
        return false;
    c->family = a.sa.sa_family;
    c->bits = (unsigned)count;
    memcpy(c->net, octets.ptr, octets.len);
    *had_low_bits = clear_low_bits(c->net, octets.len, c->bits);
    return true;
}

static bool bits_match(const uint8_t *net, const char *octets, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(net, octets, whole) != 0)
        return false;
    return rest == 0 || ((net[whole] ^ (uint8_t)octets[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static bool is_mapped(const struct addr *a)
{
    return addr_family(a) == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);
}

struct cidr cidr_of(const struct addr *a)
{
    struct str octets = addr_binary(a);
    struct cidr c = {.family = is_mapped(a) ? AF_INET : (sa_family_t)addr_family(a)};

    if (is_mapped(a))
        octets = str_from(octets, 12);
    if (c.family == AF_INET || c.family == AF_INET6) {
        memcpy(c.net, octets.ptr, octets.len);
        c.bits = (unsigned)octets.len * 8;
    }
    return c;
}

bool cidr_holds(const struct cidr *outer, const struct cidr *inner)
{
    return outer->family == inner->family && outer->bits <= inner->bits &&
           bits_match(outer->net, (const char *)inner->net, outer->bits);
}

bool cidr_contains(const struct cidr *c, const struct addr *a)
{
    int family = addr_family(a);
    struct str octets = addr_binary(a);
    if (c->family == AF_UNSPEC)
        return true;
    if (c->family == AF_UNIX)
        return family == AF_UNIX;
    if (c->family == AF_INET && is_mapped(a)) {
        family = AF_INET;
        octets = str_from(octets, 12);
    }
    return c->family == family && bits_match(c->net, octets.ptr, c->bits);
}
