/* portcullis --check: is the server healthy? For containers that hold no other program. */
#ifndef PORTCULLIS_SRC_DAEMON_CHECK_H
#define PORTCULLIS_SRC_DAEMON_CHECK_H

#include "portcullis/daemon/command.h"

/* 0: an HTTP answer came, whatever it says. 1: stderr tells why not. */
int check_run(const struct command *c);

#endif
