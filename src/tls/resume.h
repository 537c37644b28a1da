/* Resumption: between mbedTLS, which asks for tickets, and a session, which knows its client. */
#ifndef PORTCULLIS_TLS_RESUME_H
#define PORTCULLIS_TLS_RESUME_H

#include "context_internal.h"
#include "session_internal.h"

/* Of a server's context; without keys nothing is issued and nothing resumes. */
void resume_configure(struct tls_context *c);

/* Around mbedTLS's steps: its callbacks do not say which session they are about. */
void resume_enter(struct tls_session *s);
void resume_leave(void);

/* tls_session_id's: tells nothing of the session's secret. */
struct str resume_session_id(struct tls_session *s);

/* May this session be gone on with later? Only what a full handshake would still grant, and where
 * clients are asked for certificates only one that was accepted. */
bool resume_is_worth_a_ticket(struct tls_session *s);

#endif
