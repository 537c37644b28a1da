/* An image that is mapped. */
#ifndef PORTCULLIS_SRC_TLS_TRUST_IMAGE_H
#define PORTCULLIS_SRC_TLS_TRUST_IMAGE_H

struct tls_pool;
struct trust_image;

/* Of the pool's contexts, which judge by what was read from files. A descriptor, or -1 with errno.
 */
int trust_image_make(const struct tls_pool *p);

void trust_image_free(struct trust_image *i); /* NULL is fine */

#endif
