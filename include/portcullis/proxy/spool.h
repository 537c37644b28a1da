/* The body of a request while it is gathered before the upstream is asked (proxy_request_buffering
 * on): up to limit octets in memory, more in a file without a name. It can be read again and again,
 * so that the request can be said again to another peer. Embedded; zero is an empty one without
 * room. */
#ifndef PORTCULLIS_PROXY_SPOOL_H
#define PORTCULLIS_PROXY_SPOOL_H

#include "portcullis/base/buf.h"

struct spool {
    struct buf memory; /* what is not in the file */
    size_t limit;
    struct str directory; /* borrowed */
    bool in_file;
    int fd;              /* when in_file */
    int directory_errno; /* why it is in /tmp instead; 0: it is not */
    uint64_t size;       /* of all */
};

void spool_init(struct spool *s, size_t limit, struct str directory);
void spool_deinit(struct spool *s);
/* False with errno: the file could not be made or written. */
bool spool_add(struct spool *s, struct str octets);
/* No more comes: what memory holds besides a file goes there too. */
bool spool_end(struct spool *s);
/* At most max octets from offset on, appended to out. False with errno: they could not be read. */
bool spool_read(const struct spool *s, uint64_t offset, size_t max, struct buf *out);

#endif
