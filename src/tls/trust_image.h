/* An image that is mapped. */
#ifndef PORTCULLIS_SRC_TLS_TRUST_IMAGE_H
#define PORTCULLIS_SRC_TLS_TRUST_IMAGE_H

struct trust_image;

void trust_image_free(struct trust_image *i); /* NULL is fine */

#endif
