/* Files that are read as a whole: keys, certificates, lists. */
#ifndef PORTCULLIS_BASE_FILE_H
#define PORTCULLIS_BASE_FILE_H

#include "portcullis/base/buf.h"

/* Appends all of it; false with errno. Directories and files past 256 MB are errors. */
bool file_read(struct str path, struct buf *out);

#endif
