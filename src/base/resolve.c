#include "portcullis/base/resolve.h"

#include <netdb.h>
#include <string.h>

/* What stands before and behind the port's colon. */
struct host_port {
    struct str host, port;
    bool has_port;
};

static bool split_brackets(struct str text, struct host_port *hp)
{
    size_t end = str_find(text, ']');

    if (end == SIZE_MAX)
        return false;
    hp->host = str_upto(text, end + 1);
    struct str rest = str_from(text, end + 1);
    hp->has_port = rest.len > 0;
    if (hp->has_port && rest.ptr[0] != ':')
        return false;
    hp->port = hp->has_port ? str_from(rest, 1) : STR_NONE;
    return true;
}

static bool split(struct str text, struct host_port *hp)
{
    if (text.len > 0 && text.ptr[0] == '[')
        return split_brackets(text, hp);
    size_t colon = str_find_last(text, ':');
    hp->has_port = colon != SIZE_MAX;
    hp->host = hp->has_port ? str_upto(text, colon) : text;
    hp->port = hp->has_port ? str_from(text, colon + 1) : STR_NONE;
    return true;
}

static bool read_port(const struct host_port *hp, uint16_t default_port, uint16_t *port,
                      const char **problem)
{
    uint64_t value = default_port;

    if (hp->has_port && (!str_to_u64(hp->port, &value) || value < 1 || value > 65535)) {
        *problem = "invalid port";
        return false;
    }
    if (value == 0) {
        *problem = "no port";
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

static size_t one_addr(struct arena *a, const struct addr *one, struct addr **addrs)
{
    *addrs = ARENA_NEW(a, struct addr);
    **addrs = *one;
    return 1;
}

static size_t look_up(struct arena *a, struct str host, uint16_t port, struct addr **addrs)
{
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *answer;
    size_t count = 0;

    if (getaddrinfo(arena_z(a, host), NULL, &hints, &answer) != 0)
        return 0;
    for (struct addrinfo *ai = answer; ai != NULL; ai = ai->ai_next)
        count++;
    *addrs = ARENA_ARRAY(a, struct addr, count);
    count = 0;
    /* IPv4 first, as nginx orders them. */
    for (int pass = 0; pass < 2; pass++)
        for (struct addrinfo *ai = answer; ai != NULL; ai = ai->ai_next) {
            if (ai->ai_family != (pass == 0 ? AF_INET : AF_INET6))
                continue;
            addr_from_sockaddr(&(*addrs)[count], ai->ai_addr, ai->ai_addrlen);
            addr_set_port(&(*addrs)[count++], port);
        }
    freeaddrinfo(answer);
    return count;
}

size_t resolve_now(struct arena *a, struct str text, uint16_t default_port, struct addr **addrs,
                   const char **problem)
{
    struct host_port hp;
    struct addr literal;
    uint16_t port;

    if (str_starts_nocase(text, STR("unix:"))) {
        if (addr_parse_unix(&literal, text))
            return one_addr(a, &literal, addrs);
        *problem = "invalid path of the unix domain socket";
        return 0;
    }
    if (!split(text, &hp)) {
        *problem = "invalid host";
        return 0;
    }
    if (hp.host.len == 0) {
        *problem = "no host";
        return 0;
    }
    if (!read_port(&hp, default_port, &port, problem))
        return 0;
    if (str_eq_z(hp.host, "*"))
        hp.host = STR("0.0.0.0");
    if (addr_parse_ip(&literal, hp.host, port))
        return one_addr(a, &literal, addrs);
    size_t count = hp.host.ptr[0] == '[' ? 0 : look_up(a, hp.host, port, addrs);
    if (count == 0)
        *problem = "host not found";
    return count;
}
