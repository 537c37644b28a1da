/* Where bodies that are too large for memory go (client_body_temp_path). The builder makes the
 * folders while it may, gives them to the workers' user and keeps them open, so that workers need
 * no way to them. */
#ifndef PORTCULLIS_PROXY_FOLDERS_H
#define PORTCULLIS_PROXY_FOLDERS_H

#include "portcullis/base/str.h"

/* Descriptor of the folder; -1: it was not made here (then its path is tried). Belongs to
 * folders.c. */
int folder_find(struct str path);
void folders_each(void (*each)(void *owner, int fd), void *owner);

#endif
