/* Files of server blocks that change while they are in use: read again, looked over as a whole, and
 * compared with what is in use. */
#ifndef PORTCULLIS_TLS_RENEWAL_H
#define PORTCULLIS_TLS_RENEWAL_H

#include "portcullis/tls/context.h"

/* The files that the pool's contexts are made of: how many. Paths are borrowed, some are there more
 * than once. */
size_t tls_pool_files(const struct tls_pool *p, struct arena *a, const struct str **paths);

enum tls_renewal {
    TLS_RENEWAL_NOTHING,  /* nothing to be taken over: nothing has changed, or it was reported */
    TLS_RENEWAL_TRUST,    /* CA certificates or revocation lists: *image is for trust_image_adopt */
    TLS_RENEWAL_CONTEXTS, /* certificates of servers, or ticket keys: contexts must be made anew.
                             *image: for those that are there, where trust has changed, too; -1
                             otherwise */
};

/* Changes nothing of the pool. key_line: where its keys are apart (key_process.h), a socket to
 * another such process for the keys as they are now; it is taken. what: words for the log, of what
 * has changed. Reported as LOG_ERROR or worse is why none of it may be used: a file that cannot be
 * loaded, a certificate among the CAs that is none, a list that its CA did not sign or that is
 * older than the one in use. */
enum tls_renewal tls_pool_renew(const struct tls_pool *p, int key_line, struct tls_report r,
                                struct buf *what, int *image);

#endif
