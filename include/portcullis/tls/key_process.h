/* Private keys in a process of their own (ssl_key_process on): it reads them, and signs for whoever
 * holds an end of its sockets. No other process ever has their octets in its memory.
 *
 *   builder   key_process_start ─▶ tls_pool_ask_for_keys ─▶ loads over it     (number, public key)
 *   worker    tls_pool_reconnect_keys ─▶ a line of its own ─▶ signatures
 */
#ifndef PORTCULLIS_TLS_KEY_PROCESS_H
#define PORTCULLIS_TLS_KEY_PROCESS_H

#include "portcullis/tls/context.h"

/* In the key process: answers until nobody is left to ask, and when the builder has gone for
 * linger_ms at most: so long workers have to finish. socket: SOCK_SEQPACKET, whose other end is the
 * builder's, the only one over which keys are loaded. seal is called once, before the first
 * signature and after the last load: what it needs no more can be given up there. False ends it. */
void key_process_run(int socket, int linger_ms, bool (*seal)(void *owner), void *owner);

/* Before contexts are made: their keys are loaded and used over this socket, which becomes the
 * pool's. */
void tls_pool_ask_for_keys(struct tls_pool *p, int socket);
/* In a worker, before its first handshake: a line of its own. True also where keys are here. False
 * with errno: the key process is gone. */
bool tls_pool_reconnect_keys(struct tls_pool *p);

#endif
