/* One TLS connection (RFC 8446, RFC 5246), server side (and client side for --check and tests). No
 * sockets: wire octets in and out of buffers.
 *
 *      wire in ──▶ tls_session_receive ──▶ plaintext
 *                        │ └─────────────▶ wire out (handshake, alerts)
 *      plaintext ─▶ tls_session_send ────▶ wire out
 */
#ifndef PORTCULLIS_TLS_SESSION_H
#define PORTCULLIS_TLS_SESSION_H

#include "portcullis/base/buf.h"
#include "portcullis/tls/client_hello.h"
#include "portcullis/tls/context.h"
#include "portcullis/tls/identity.h"

struct tls_session;

struct tls_session_hooks {
    /* The ClientHello is here: which server block serves it? NULL refuses with unrecognized_name.
     * Called once. */
    const struct tls_context *(*choose)(void *owner, const struct client_hello *hello);
    /* A full handshake is about to cost us a signature. False sheds it. Once at most; NULL: all
     * may. */
    bool (*may_sign)(void *owner);
    void *owner;
};

enum tls_status {
    TLS_HANDSHAKING, /* more octets are needed */
    TLS_OPEN,        /* established; plaintext may flow */
    TLS_CLOSED,      /* the peer sent close_notify */
    TLS_FAILED,      /* an alert is in wire_out; tls_session_problem says why */
    TLS_NOT_TLS,     /* the client does not speak TLS; wire_in is untouched */
};

struct tls_session *tls_session_new(struct tls_session_hooks hooks);
/* A client for --check and the tests; verifies nothing. context may hold a certificate to show;
 * server_name may be STR_NONE. */
struct tls_session *tls_session_new_client(const struct tls_context *own_certificate,
                                           struct str server_name);
void tls_session_free(struct tls_session *s);

/* Takes from wire_in, gives plaintext (stops when plain holds plain_max octets or more) and what
 * must be sent. */
enum tls_status tls_session_receive(struct tls_session *s, struct buf *wire_in, struct buf *plain,
                                    size_t plain_max, struct buf *wire_out);
/* The peer sends nothing more than what it has sent by now. As long as it was not answered, it
 * never will be: a handshake takes its answer. Receive says TLS_HANDSHAKING then, or what else
 * came. */
void tls_session_peer_ended(struct tls_session *s);
/* Encrypts all of data; only when TLS_OPEN. */
void tls_session_send(struct tls_session *s, struct str data, struct buf *wire_out);
void tls_session_send_close(struct tls_session *s, struct buf *wire_out); /* close_notify, once */
/* Has decrypted or undecrypted whole octets pending inside, so that receive should be called again
 * without new input? */
bool tls_session_has_pending(const struct tls_session *s);

enum tls_status tls_session_status(const struct tls_session *s);
/* For the log: "peer sent alert: unknown CA (48)", … */
const char *tls_session_problem(const struct tls_session *s);
/* Why the client was refused by an alert, tls_session_problem being the detail; else REFUSAL_NONE.
 */
enum refusal tls_session_refusal(const struct tls_session *s);
bool tls_session_problem_is_client(const struct tls_session *s); /* level info, not error */

/* From the choice on. */
const struct tls_context *tls_session_context(const struct tls_session *s);
/* From TLS_OPEN on; borrowed: identity_ref to keep. */
struct identity *tls_session_identity(const struct tls_session *s);
/* The same, judged again where the verdict is not of today's trust or older than max_age seconds
 * (0: however old). */
struct identity *tls_session_judged_identity(struct tls_session *s, time_t now, time_t max_age);

/* A client's: the body of the server's CertificateRequest, in TLS 1.3's form or 1.2's, however the
 * handshake ended; ptr NULL: it did not ask. */
struct str tls_session_certificate_request(const struct tls_session *s, bool *is_tls13);

/* nginx's $ssl_* ; empty before. */
struct str tls_session_protocol(const struct tls_session *s); /* TLSv1.3 */
struct str tls_session_cipher(const struct tls_session *s);   /* OpenSSL's name */
struct str tls_session_curve(const struct tls_session *s);
struct str tls_session_server_name(const struct tls_session *s); /* SNI */
struct str tls_session_alpn(const struct tls_session *s);
/* Hex, and the same for connections that resume one TLS 1.2 session. */
struct str tls_session_id(struct tls_session *s);
/* Went on with a session whose client was known, by its ticket. */
bool tls_session_is_reused(const struct tls_session *s);
struct str tls_session_ciphers(struct tls_session *s); /* offered by the client, by ':' */
struct str tls_session_curves(struct tls_session *s);

#endif
