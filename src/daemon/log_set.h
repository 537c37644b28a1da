/* The master's open log files, by path, shared by the configurations that name them. Workers get
 * descriptors and open nothing. */
#ifndef PORTCULLIS_SRC_DAEMON_LOG_SET_H
#define PORTCULLIS_SRC_DAEMON_LOG_SET_H

#include "portcullis/base/log.h"

struct log_set {
    struct log_file *files;
};

/* Opens path, or finds it open; NULL with errno. */
struct log_file *log_set_take(struct log_set *set, const char *path);
/* Opens all anew (USR1), in place: the descriptors' numbers stay. What cannot be opened stays as it
 * was, and is logged. */
void log_set_reopen(struct log_set *set);
/* Closes those that keep says nobody needs. */
void log_set_sweep(struct log_set *set, bool (*keep)(void *owner, const struct log_file *file),
                   void *owner);
/* As nginx opens logs; -1 with errno. */
int log_open(const char *path);

#endif
