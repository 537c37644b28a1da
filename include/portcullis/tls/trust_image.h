/* Whom the server blocks of a configuration trust, as an image: CA certificates, revocation lists
 * and the rules of the verdict, flat in a sealed memfd. All workers map it, so that a list of a
 * million entries is in memory once, and those of older configurations get the newest, so that
 * their open connections are judged by what is trusted now. */
#ifndef PORTCULLIS_TLS_TRUST_IMAGE_H
#define PORTCULLIS_TLS_TRUST_IMAGE_H

#include "portcullis/tls/context.h"

/* When all contexts of the pool are made: puts their trust into an image, and has them judge by
 * that; what was read from files is freed. Its descriptor, or -1 with errno. */
int trust_image_share(struct tls_pool *p);

/* From now on the pool's contexts judge by this image. In one of the pool's own configuration each
 * finds itself, in another's the server block that has its first key (tls_settings.keys) now. Where
 * there is none, or one that asks nobody for a certificate or by another policy (which is not in
 * the image), it is orphaned (tls_context_is_orphan); one that asked nobody may be outdated
 * (tls_context_is_outdated). False: it cannot be read, and all are
 * orphans. fd stays the caller's. */
bool trust_image_adopt(struct tls_pool *p, int fd);

#endif
