/* A password for a file: the first line of another file, or asked for at the terminal. */
#ifndef PORTCULLIS_SRC_DAEMON_PASSWORD_H
#define PORTCULLIS_SRC_DAEMON_PASSWORD_H

#include "portcullis/base/buf.h"

struct password {
    const char *file; /* NULL: the terminal */
    struct buf text;
};

/* struct bundle's question; owner is the struct password. */
struct str password_ask(void *owner);
void password_deinit(struct password *p); /* wiped */

#endif
