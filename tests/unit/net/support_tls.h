/* A TLS client on the other end of a stream's socket, and the certificate its server shows. */
#ifndef TESTS_UNIT_NET_SUPPORT_TLS_H
#define TESTS_UNIT_NET_SUPPORT_TLS_H

#include "support.h"

struct tls_client {
    struct loop *loop;
    struct watch *watch;
    int fd;
    struct tls_session *session;
    struct buf in, got, out;
    bool reading; /* takes what comes */
    bool ended;   /* the peer closed the socket */
    void (*also_on_data)(struct tls_client *c);
};

/* For the server's side of a stream; refuses every name when told to. */
struct tls_session *server_session(bool refuses);
/* The other end of the stream's socket speaks TLS and runs on the loop. */
void tls_client_init(struct tls_client *c, struct loop *l, int fd);
void tls_client_send(struct tls_client *c, const char *z);
void tls_client_send_close(struct tls_client *c);
void tls_client_hang_up(struct tls_client *c); /* closes the socket */
void tls_client_deinit(struct tls_client *c);

#endif
