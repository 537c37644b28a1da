/* A session's insides, for the files that it is made of. */
#ifndef PORTCULLIS_TLS_SESSION_INTERNAL_H
#define PORTCULLIS_TLS_SESSION_INTERNAL_H

#include <mbedtls/ssl.h>

#include "portcullis/tls/session.h"

enum {
    SESSION_PLACES = 5, /* in each of mbedTLS's buffers */
    RECORD_HEADER = 5,
    RECORD_PLAIN_MAX = 16384,
};

struct tls_session {
    struct tls_session_hooks hooks;
    const struct tls_context *context;
    struct arena arena;
    struct client_hello hello;
    char *hello_texts; /* where those of a settled session are */
    enum tls_status status;
    bool has_ssl, is_closing, is_client, peer_ended;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config *client_config; /* a client's own */
    struct identity *identity;
    struct identity *candidate; /* of the ticket, then of the certificates, until TLS_OPEN */
    struct str request;         /* a client's: see tls_session_certificate_request */
    unsigned tickets_tried;
    bool is_full;           /* the server showed its certificate: nothing was resumed */
    bool may_sign, is_shed; /* was asked, and answered: yes; no */

    /* The caller's buffers, while a call from outside runs. */
    struct buf *wire_in, *wire_out;
    struct buf first_in; /* goes before wire_in: the ClientHello in one record */
    size_t octets_in;    /* taken from wire_in since the last plaintext */
    unsigned group;      /* of the key exchange; 0: not known yet */

    bool is_resting; /* without mbedTLS's buffers (session_memory.c) */
    unsigned char in_counter[8];
    uint8_t in_places[SESSION_PLACES], out_places[SESSION_PLACES];

    struct str ciphers, curves, id; /* texts, made when asked for */
    const char *problem;
    bool problem_is_client;
    enum refusal refusal; /* why session_refuses said so */
};

/* Sets the candidate, unless there is one; crt: what the client showed and proved to hold the key
 * of, or NULL. False: it can be read in two ways. */
bool session_know_client(struct tls_session *s, const mbedtls_x509_crt *crt);
/* Where ssl_client_refuse says alert and i is to be refused: the alert is sent, the session failed.
 */
bool session_refuses(struct tls_session *s, const struct identity *i);
/* A client's, after it looked for a CertificateRequest. */
void session_note_request(struct tls_session *s);
/* Makes the mbedTLS session. False: the session has failed. */
bool session_set_up(struct tls_session *s, const mbedtls_ssl_config *config);

/* The handshake is over and its client known: what nobody will ask for again is freed. */
void session_settle(struct tls_session *s);
/* Around what mbedTLS is asked to do: a session that waits for its peer has no buffers. */
void session_wake(struct tls_session *s);
void session_rest(struct tls_session *s);

/* ---- session_data.c ---- */

/* Reads what came, through mbedTLS, until plain holds plain_max octets. */
enum tls_status session_read(struct tls_session *s, struct buf *plain, size_t plain_max);
/* The same past mbedTLS, which must have nothing in its buffers, but for a record that has not come
 * whole. False: the next one is for session_read. */
bool session_open_records(struct tls_session *s, struct buf *plain, size_t plain_max);

/* Nothing has come, or data whose record is not whole. */
bool session_must_wait(const struct tls_session *s);

/* ---- session_problem.c ---- */

/* The words are the session's, or constant. */
enum tls_status session_fail_with(struct tls_session *s, bool is_client, const char *words);
/* By what mbedTLS said; no alert is sent. */
void session_describe(struct tls_session *s, int rc);
/* The same, and an alert, unless more than sent_before was sent by now: mbedTLS' own. */
enum tls_status session_fail(struct tls_session *s, int rc, size_t sent_before);
/* In the clear: before there is an mbedTLS session. */
void session_send_plain_alert(struct tls_session *s, unsigned alert);

#endif
