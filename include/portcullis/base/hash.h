/* FNV-1a: tells whether something is what it was, where nobody gains by making it look so. */
#ifndef PORTCULLIS_BASE_HASH_H
#define PORTCULLIS_BASE_HASH_H

#include <stdint.h>

#include "portcullis/base/str.h"

#define HASH_START UINT64_C(14695981039346656037)

static inline uint64_t hash_octets(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *octets = (const unsigned char *)data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ octets[i]) * UINT64_C(1099511628211);
    return hash;
}

static inline uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return hash_octets(hash, &number, sizeof number);
}

/* Its length, too: two that follow each other are not those with another cut between. */
static inline uint64_t hash_str(uint64_t hash, struct str s)
{
    return hash_octets(hash_number(hash, s.len), s.ptr, s.len);
}

#endif
