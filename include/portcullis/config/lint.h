/* What is allowed and yet hardly meant: for -t. */
#ifndef PORTCULLIS_CONFIG_LINT_H
#define PORTCULLIS_CONFIG_LINT_H

#include <time.h>

#include "portcullis/config/snapshot.h"

/* Each finding, as the problems of load.h: LOG_WARN for what may let in or keep out the wrong ones,
 * LOG_NOTICE for what only does nothing. */
void config_lint(const struct snapshot *s, time_t now,
                 void (*problem)(void *owner, enum log_level level, struct str message),
                 void *owner);
/* What expires soon or has expired, of the files of servers: for whoever serves, at the start and
 * once a day. is_first: what was told when the files were read is not told again. */
void config_remind(const struct snapshot *s, time_t now, bool is_first,
                   void (*problem)(void *owner, enum log_level level, struct str message),
                   void *owner);

#endif
