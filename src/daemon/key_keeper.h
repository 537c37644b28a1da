/* Starts the key process of a configuration (ssl_key_process on). */
#ifndef PORTCULLIS_SRC_DAEMON_KEY_KEEPER_H
#define PORTCULLIS_SRC_DAEMON_KEY_KEEPER_H

#include <sys/types.h>

#include "portcullis/config/snapshot.h"

/* In the builder, while it loads. Returns its end of the socket, or -1: the log says why. The
 * process ends with the last that could ask it. */
int key_keeper_start(const struct process_conf *conf);
/* Is it the one that was started last? */
bool key_keeper_is(pid_t pid);

#endif
