/* proxy_client_identity's header fields. Private to the proxy floor. */
#ifndef PORTCULLIS_PROXY_IDENTITY_PRESETS_H
#define PORTCULLIS_PROXY_IDENTITY_PRESETS_H

#include "portcullis/proxy/request.h"

/* Those of the location's presets, for a verified client alone. */
void identity_presets_add(const struct request *req, struct headers *h, struct arena *a);
/* Does one of these presets set this name, in any spelling? */
bool identity_preset_sets(unsigned bits, struct str name);
struct str identity_preset_name(size_t n); /* ptr NULL behind the last */

/* ---- identity_headers.c ---- */

/* In the eyes of an application; blanks around b do not count. */
bool identity_name_is_same(struct str a, struct str b);

#endif
