/* Socket addresses: IPv4, IPv6 and unix, their text, and blocks of them (CIDR). */
#ifndef PORTCULLIS_BASE_ADDR_H
#define PORTCULLIS_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "portcullis/base/str.h"

struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
    socklen_t len;
};

/* "[::1]:80", "::ffff:1.2.3.4", "unix:/path" and the NUL */
#define ADDR_TEXT_MAX 128

/* text without a port ("127.0.0.1", "::1", "[::1]"); false when it is not a literal address. */
bool addr_parse_ip(struct addr *a, struct str text, uint16_t port);
/* "unix:/path" (an ending ':' is cut, as nginx does in proxy_pass). */
bool addr_parse_unix(struct addr *a, struct str path);
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len);

int addr_family(const struct addr *a);
uint16_t addr_port(const struct addr *a); /* 0 for unix */
void addr_set_port(struct addr *a, uint16_t port);
bool addr_eq(const struct addr *a, const struct addr *b);      /* with port */
bool addr_eq_host(const struct addr *a, const struct addr *b); /* without */
bool addr_is_wildcard(const struct addr *a);                   /* 0.0.0.0 or :: */

/* As nginx writes them: "1.2.3.4", "::1" ; with port "1.2.3.4:80", "[::1]:80"; "unix:/path";
 * a client on a unix socket is "unix:". */
struct str addr_text(const struct addr *a, char out[static ADDR_TEXT_MAX]);
struct str addr_text_port(const struct addr *a, char out[static ADDR_TEXT_MAX]);
/* 4 or 16 octets in network order, as $binary_remote_addr. */
struct str addr_binary(const struct addr *a);

struct cidr {
    sa_family_t family; /* AF_INET, AF_INET6, AF_UNIX ("unix:"), AF_UNSPEC ("all") */
    uint8_t net[16];
    unsigned bits;
};

/* "192.0.2.0/24", "2001:db8::/32", one address, "all", "unix:". *had_low_bits says that bits
 * outside the mask were set and cleared. */
bool cidr_parse(struct cidr *c, struct str text, bool *had_low_bits);
/* The block of an address alone; an IPv4-mapped one is IPv4's. */
struct cidr cidr_of(const struct addr *a);
bool cidr_holds(const struct cidr *outer, const struct cidr *inner);
/* IPv4-mapped IPv6 addresses match IPv4 blocks. */
bool cidr_contains(const struct cidr *c, const struct addr *a);

#endif
