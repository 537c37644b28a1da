/* Names to addresses, blocking, at start alone: getaddrinfo. */
#ifndef PORTCULLIS_BASE_RESOLVE_H
#define PORTCULLIS_BASE_RESOLVE_H

#include "portcullis/base/addr.h"
#include "portcullis/base/arena.h"

/* "host", "host:port", "[v6]:port", "*:port" (any=true), "unix:/path". Returns the count in *addrs
 * (arena), or 0 with nginx's words in *problem
 * ("host not found in upstream", "invalid port in …" without what the caller adds). default_port 0:
 * a port must be there. */
size_t resolve_now(struct arena *a, struct str text, uint16_t default_port, struct addr **addrs,
                   const char **problem);

#endif
