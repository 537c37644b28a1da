/* TLS's presentation language (RFC 8446, 3.4), as far as messages are read by our own code. *in
 * moves behind what was taken; false: there is less. */
#ifndef PORTCULLIS_TLS_WIRE_H
#define PORTCULLIS_TLS_WIRE_H

#include "portcullis/base/str.h"

bool wire_take_number(struct str *in, size_t octets, size_t *value);
/* opaque vector<…> whose length takes so many octets. */
bool wire_take_vector(struct str *in, size_t octets, struct str *vector);

#endif
