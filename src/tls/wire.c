#include "wire.h"

bool wire_take_number(struct str *in, size_t octets, size_t *value)
{
    if (in->len < octets)
        return false;
    *value = 0;
    for (size_t i = 0; i < octets; i++)
        *value = *value << 8 | (unsigned char)in->ptr[i];
    *in = str_from(*in, octets);
    return true;
}

bool wire_take_vector(struct str *in, size_t octets, struct str *vector)
{
    size_t length;
    if (!wire_take_number(in, octets, &length) || length > in->len)
        return false;
    *vector = str_upto(*in, length);
    *in = str_from(*in, length);
    return true;
}
