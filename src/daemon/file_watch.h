/* Watches files by name, and says when some of them have changed and been quiet for a moment:
 * written in place, renamed over, or led elsewhere by a symbolic link on the way to them
 * (Kubernetes swaps the link of a folder). One descriptor to poll. */
#ifndef PORTCULLIS_SRC_DAEMON_FILE_WATCH_H
#define PORTCULLIS_SRC_DAEMON_FILE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "portcullis/base/str.h"

struct file_watch;

/* Paths are absolute and copied. What changed since that time counts as a change, too: the files
 * were read before they could be watched. NULL with errno. */
struct file_watch *file_watch_new(const struct str *paths, size_t count, time_t since);
void file_watch_free(struct file_watch *w); /* NULL is fine */

/* Readable when file_watch_take has something to do. */
int file_watch_fd(const struct file_watch *w);
/* Have files changed, and nothing more for FILE_WATCH_QUIET_MS? Says so once for each change; what
 * comes after is another one. */
enum { FILE_WATCH_QUIET_MS = 300 };
bool file_watch_take(struct file_watch *w);

#endif
