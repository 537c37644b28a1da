/* A connection of the command line's own to a server: blocking, each wait bounded. */
#ifndef PORTCULLIS_SRC_DAEMON_DIAL_H
#define PORTCULLIS_SRC_DAEMON_DIAL_H

#include "portcullis/base/addr.h"
#include "portcullis/tls/session.h"

struct dial {
    int fd;                  /* -1: none */
    struct tls_session *tls; /* NULL: without */
    struct buf in, out;
    struct buf plain; /* what came */
    /* Why a call said false; err is errno, 0 where it says nothing. */
    const char *problem;
    int err;
};

/* tls is the dial's from now on, whatever comes of it. */
bool dial_connect(struct dial *d, const struct addr *to, struct tls_session *tls);
bool dial_shake_hands(struct dial *d); /* true without TLS */
bool dial_send(struct dial *d, struct str data);
/* Waits for more in plain, or for TLS's own messages. */
bool dial_receive(struct dial *d);
void dial_close(struct dial *d);

#endif
