#include "portcullis/tls/session.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "context_internal.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "resume.h"
#include "session_internal.h"
#include "suites.h"

enum {
    /* Two hellos, a certificate chain and what belongs to it; TLS 1.3's dummy records have no end.
     */
    HANDSHAKE_OCTETS_MAX = 131072,
};

/* ---- wire ------------------------------------------------------------------------------------ */

static size_t take(struct buf *from, unsigned char *out, size_t size)
{
    struct str have = str_upto(buf_str(from), size);
    if (have.len > 0)
        memcpy(out, have.ptr, have.len);
    buf_consume(from, have.len);
    return have.len;
}

static int receive_wire(void *owner, unsigned char *out, size_t size)
{
    struct tls_session *s = owner;
    /* A part of a record would stay in mbedTLS's buffers, and then one of the next, for ever. */
    bool is_next = s->status == TLS_OPEN && s->ssl.MBEDTLS_PRIVATE(in_left) == 0;
    if (is_next && session_must_wait(s))
        return MBEDTLS_ERR_SSL_WANT_READ;
    size_t n = take(&s->first_in, out, size);
    buf_release(&s->first_in);
    if (n == 0 && s->wire_in != NULL)
        n = take(s->wire_in, out, size);
    s->octets_in += n;
    return n > 0 ? (int)n : MBEDTLS_ERR_SSL_WANT_READ;
}

/* The group stands in the clear in what a server sends: in ServerHello's key_share (RFC 8446,
 * 4.2.8), or in ServerKeyExchange (RFC 8422, 5.4). mbedTLS forgets it after the handshake. */
static unsigned group_in_server_hello(const unsigned char *p, size_t len)
{
    size_t at = 4 + 2 + 32;
    if (at >= len)
        return 0;
    at += 1 + p[at] + 2 + 1 + 2; /* session id, cipher suite, compression, extensions' length */
    while (at + 6 <= len) {
        size_t type = (size_t)p[at] << 8 | p[at + 1];
        size_t size = (size_t)p[at + 2] << 8 | p[at + 3];
        if (type == 51)
            return (unsigned)p[at + 4] << 8 | p[at + 5];
        at += 4 + size;
    }
    return 0;
}

static void notice_group(struct tls_session *s, const unsigned char *record, size_t size)
{
    if (size < RECORD_HEADER + 8 || record[0] != MBEDTLS_SSL_MSG_HANDSHAKE)
        return;
    const unsigned char *message = record + RECORD_HEADER;
    unsigned group = 0;
    if (message[0] == MBEDTLS_SSL_HS_SERVER_HELLO)
        group = group_in_server_hello(message, size - RECORD_HEADER);
    if (message[0] == MBEDTLS_SSL_HS_SERVER_KEY_EXCHANGE && message[4] == 3) /* named_curve */
        group = (unsigned)message[5] << 8 | message[6];
    if (group != 0)
        s->group = group;
}

static int send_wire(void *owner, const unsigned char *data, size_t size)
{
    struct tls_session *s = owner;
    if (s->status == TLS_HANDSHAKING && !s->is_client)
        notice_group(s, data, size);
    buf_append(s->wire_out, data, size);
    return (int)size;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct tls_session *tls_session_new(struct tls_session_hooks hooks)
{
    struct tls_session *s = MEM_NEW(struct tls_session);
    s->hooks = hooks;
    arena_init(&s->arena, 2048);
    return s;
}

void tls_session_free(struct tls_session *s)
{
    if (s == NULL)
        return;
    if (s->has_ssl)
        mbedtls_ssl_free(&s->ssl);
    if (s->client_config != NULL)
        mbedtls_ssl_config_free(s->client_config);
    mem_free(s->client_config);
    identity_unref(s->identity);
    identity_unref(s->candidate);
    buf_deinit(&s->first_in);
    arena_deinit(&s->arena);
    mem_free(s->hello_texts);
    mem_free(s);
}

bool session_set_up(struct tls_session *s, const mbedtls_ssl_config *config)
{
    mbedtls_ssl_init(&s->ssl);
    s->has_ssl = true;
    int rc = mbedtls_ssl_setup(&s->ssl, config);
    if (rc != 0) {
        session_describe(s, rc);
        return false;
    }
    mbedtls_ssl_set_bio(&s->ssl, s, send_wire, receive_wire, NULL);
    return true;
}

/* ---- the ClientHello ------------------------------------------------------------------------- */

/* mbedTLS gets the message that was read here, octet for octet, in one record: as one that speaks
 * TLS 1.2 alone it takes no other. Records are not part of what a handshake is made of (RFC 8446,
 * 4.4.1). */
static bool put_hello_first(struct tls_session *s)
{
    struct str message = s->hello.message;
    if (message.len > RECORD_PLAIN_MAX)
        return false;
    unsigned char header[RECORD_HEADER] = {MBEDTLS_SSL_MSG_HANDSHAKE, 3, 1,
                                           (unsigned char)(message.len >> 8),
                                           (unsigned char)message.len};
    buf_append(&s->first_in, header, sizeof header);
    buf_append_str(&s->first_in, message);
    buf_consume(s->wire_in, s->hello.scanned);
    return true;
}

/* Asked as early as can be, once. */
static bool may_sign(struct tls_session *s)
{
    if (!s->may_sign && !s->is_shed) {
        s->may_sign = s->hooks.may_sign == NULL || s->hooks.may_sign(s->hooks.owner);
        s->is_shed = !s->may_sign;
    }
    return s->may_sign;
}

static enum tls_status fail_shed(struct tls_session *s)
{
    return session_fail_with(s, true, "shed: more full handshakes than ssl_handshake_rate");
}

/* Without a ticket or session there is nothing to resume, and no reason to go on to a key exchange.
 * What a client of both versions shows as session id (RFC 8446, D.4) says nothing of that. */
static bool may_resume(const struct client_hello *h)
{
    return h->has_psk || (h->has_session_id && h->versions.len == 0);
}

static enum tls_status choose_context(struct tls_session *s)
{
    s->context = s->hooks.choose(s->hooks.owner, &s->hello);
    if (s->context == NULL || s->context->settings.reject_handshake) {
        session_send_plain_alert(s, MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME);
        return session_fail_with(s, true,
                                 s->context == NULL ? "no server of that name"
                                                    : "handshake rejected (ssl_reject_handshake)");
    }
    if (!may_resume(&s->hello) && !may_sign(s)) {
        session_send_plain_alert(s, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
        return fail_shed(s);
    }
    if (!put_hello_first(s)) {
        session_send_plain_alert(s, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
        return session_fail_with(s, true, "the ClientHello is longer than 16384 octets");
    }
    if (!session_set_up(s, &s->context->config)) {
        session_send_plain_alert(s, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
        return s->status;
    }
    return TLS_HANDSHAKING;
}

static enum tls_status read_hello(struct tls_session *s)
{
    const char *problem;
    char words[128];
    unsigned alert;
    switch (client_hello_read(&s->hello, &s->arena, buf_str(s->wire_in), &problem, &alert)) {
    case CLIENT_HELLO_MORE:
        return TLS_HANDSHAKING;
    case CLIENT_HELLO_NOT_TLS:
        session_fail_with(s, true, "the client does not speak TLS");
        s->status = TLS_NOT_TLS;
        return s->status;
    case CLIENT_HELLO_MALFORMED:
        session_send_plain_alert(s, alert);
        snprintf(words, sizeof words, "malformed ClientHello: %s", problem);
        return session_fail_with(s, true, words);
    case CLIENT_HELLO_READY:
        break;
    }
    return s->peer_ended ? TLS_HANDSHAKING : choose_context(s);
}

/* ---- the handshake --------------------------------------------------------------------------- */

/* Our verdict is on what mbedTLS checked possession of: both must mean the same key. */
static bool same_key(const mbedtls_x509_crt *crt, const struct identity *i)
{
    struct str ours = identity_public_key(i);
    return ours.len == 0 || str_eq(ours, str_make((char *)crt->pk_raw.p, crt->pk_raw.len));
}

/* Copies: nothing of it depends on mbedTLS' certificates afterwards. */
bool session_know_client(struct tls_session *s, const mbedtls_x509_crt *crt)
{
    enum { CHAIN_MAX = 256 }; /* 16 KB of message at no less than 128 octets each */
    struct str chain[CHAIN_MAX] = {0};
    size_t count = 0;
    if (s->candidate != NULL)
        return true;
    for (const mbedtls_x509_crt *c = crt; c != NULL && count < CHAIN_MAX; c = c->next)
        chain[count++] = str_make((char *)c->raw.p, c->raw.len);
    struct identity *i = identity_new(chain, count);
    if (crt != NULL && !same_key(crt, i)) {
        identity_unref(i);
        return false;
    }
    identity_set_proved_at(i, clock_wall());
    if (s->context != NULL)
        tls_context_judge(s->context, i, clock_wall());
    s->candidate = i;
    return true;
}

/* Before the state whose turn it is. False: it must not come to it. */
static bool before_step(struct tls_session *s, int *state)
{
    if (*state == MBEDTLS_SSL_SERVER_CERTIFICATE) {
        /* A full handshake, whatever tickets were shown. */
        s->is_full = true;
        identity_unref(s->candidate);
        s->candidate = NULL;
        if (!may_sign(s))
            return false;
    }
    /* TLS 1.2: the client has proved its key, and our Finished is not yet sent. */
    if (*state == MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC && s->is_full &&
        session_know_client(
            s, s->ssl.MBEDTLS_PRIVATE(session_negotiate)->MBEDTLS_PRIVATE(peer_cert)) &&
        session_refuses(s, s->candidate))
        return false;
    if (*state == MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET &&
        (!session_know_client(s, mbedtls_ssl_get_peer_cert(&s->ssl)) ||
         !resume_is_worth_a_ticket(s)))
        *state = MBEDTLS_SSL_HANDSHAKE_OVER;
    return true;
}

static int run_handshake(struct tls_session *s)
{
    int rc = 0, *state = &s->ssl.MBEDTLS_PRIVATE(state);
    resume_enter(s);
    while (rc == 0 && *state != MBEDTLS_SSL_HANDSHAKE_OVER) {
        int was = *state;
        if (!s->is_client && !before_step(s, state))
            break;
        if (*state != MBEDTLS_SSL_HANDSHAKE_OVER)
            rc = mbedtls_ssl_handshake_step(&s->ssl);
        if (s->is_client && rc == 0 && was == MBEDTLS_SSL_CERTIFICATE_REQUEST)
            session_note_request(s);
    }
    resume_leave();
    return rc;
}

/* Whoever showed no ticket that was taken is who its certificates say. */
static bool make_identity(struct tls_session *s)
{
    if (!session_know_client(s, mbedtls_ssl_get_peer_cert(&s->ssl)))
        return false;
    s->identity = s->candidate;
    s->candidate = NULL;
    return true;
}

/* Where ServerHello still waits to be sent, the first call for an alert sends that alone. */
static enum tls_status shed_after_hello(struct tls_session *s)
{
    for (bool waits = true; waits;) {
        waits = s->ssl.MBEDTLS_PRIVATE(out_left) > 0;
        (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
    }
    return fail_shed(s);
}

static enum tls_status shake_hands(struct tls_session *s)
{
    size_t sent_before = buf_len(s->wire_out);
    int rc = run_handshake(s);
    if (s->octets_in > HANDSHAKE_OCTETS_MAX) {
        (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
        return session_fail_with(s, true, "the peer sent too much before the handshake's end");
    }
    if (s->is_shed)
        return shed_after_hello(s);
    if (s->refusal != REFUSAL_NONE)
        return s->status;
    if (rc == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_HANDSHAKING;
    if (rc != 0)
        return session_fail(s, rc, sent_before);
    if (!make_identity(s)) {
        (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
        return session_fail_with(
            s, true, "cert_malformed: the client's certificate can be read in two ways");
    }
    if (session_refuses(s, s->identity))
        return s->status;
    s->status = TLS_OPEN;
    s->octets_in = 0;
    if (!s->is_client)
        session_settle(s);
    return s->status;
}

/* ---- data ------------------------------------------------------------------------------------ */

static void receive(struct tls_session *s, struct buf *plain, size_t plain_max)
{
    if (s->status == TLS_HANDSHAKING && !s->has_ssl && !s->is_client)
        read_hello(s);
    if (s->status == TLS_HANDSHAKING && s->has_ssl)
        shake_hands(s);
    if (s->status == TLS_OPEN)
        session_read(s, plain, plain_max);
}

enum tls_status tls_session_receive(struct tls_session *s, struct buf *wire_in, struct buf *plain,
                                    size_t plain_max, struct buf *wire_out)
{
    s->wire_in = wire_in;
    s->wire_out = wire_out;
    if (!session_open_records(s, plain, plain_max)) {
        session_wake(s);
        receive(s, plain, plain_max);
        session_rest(s);
    }
    s->wire_in = s->wire_out = NULL;
    return s->status;
}

void tls_session_peer_ended(struct tls_session *s)
{
    s->peer_ended = true;
}

void tls_session_send_close(struct tls_session *s, struct buf *wire_out)
{
    if (s->is_closing || (s->status != TLS_OPEN && s->status != TLS_CLOSED))
        return;
    s->is_closing = true;
    s->wire_out = wire_out;
    session_wake(s);
    (void)mbedtls_ssl_close_notify(&s->ssl);
    session_rest(s);
    s->wire_out = NULL;
}

bool tls_session_has_pending(const struct tls_session *s)
{
    return s->status == TLS_OPEN && mbedtls_ssl_check_pending(&s->ssl) != 0;
}

/* ---- what there is to know ------------------------------------------------------------------- */

enum tls_status tls_session_status(const struct tls_session *s)
{
    return s->status;
}

const char *tls_session_problem(const struct tls_session *s)
{
    return s->problem != NULL ? s->problem : "";
}

enum refusal tls_session_refusal(const struct tls_session *s)
{
    return s->refusal;
}

bool tls_session_problem_is_client(const struct tls_session *s)
{
    return s->problem_is_client;
}

const struct tls_context *tls_session_context(const struct tls_session *s)
{
    return s->context;
}

struct identity *tls_session_identity(const struct tls_session *s)
{
    return s->identity;
}

struct identity *tls_session_judged_identity(struct tls_session *s, time_t now, time_t max_age)
{
    if (s->identity != NULL && s->context != NULL)
        tls_context_judge_again(s->context, s->identity, now, max_age);
    return s->identity;
}

static bool is_established(const struct tls_session *s)
{
    return s->identity != NULL;
}

struct str tls_session_protocol(const struct tls_session *s)
{
    return is_established(s) ? str_of(mbedtls_ssl_get_version(&s->ssl)) : STR_NONE;
}

struct str tls_session_cipher(const struct tls_session *s)
{
    if (!is_established(s))
        return STR_NONE;
    return suite_name((unsigned)mbedtls_ssl_get_ciphersuite_id_from_ssl(&s->ssl));
}

struct str tls_session_curve(const struct tls_session *s)
{
    return is_established(s) ? group_name(s->group) : STR_NONE;
}

struct str tls_session_server_name(const struct tls_session *s)
{
    return s->hello.server_name;
}

struct str tls_session_alpn(const struct tls_session *s)
{
    return is_established(s) ? str_of(mbedtls_ssl_get_alpn_protocol(&s->ssl)) : STR_NONE;
}

struct str tls_session_id(struct tls_session *s)
{
    if (s->id.ptr == NULL && is_established(s))
        s->id = resume_session_id(s);
    return s->id;
}

bool tls_session_is_reused(const struct tls_session *s)
{
    return is_established(s) && !s->is_client && !s->is_full;
}

static struct str names(struct tls_session *s, struct str pairs,
                        void (*append_name)(struct buf *out, unsigned id))
{
    struct buf out = {0};
    for (; pairs.len >= 2; pairs = str_from(pairs, 2)) {
        unsigned id = (unsigned)(unsigned char)pairs.ptr[0] << 8 | (unsigned char)pairs.ptr[1];
        if (suite_is_grease(id) || id == 0x00ff) /* renegotiation_info's stand-in */
            continue;
        if (!buf_is_empty(&out))
            buf_append_char(&out, ':');
        append_name(&out, id);
    }
    struct str text = arena_str(&s->arena, buf_str(&out));
    buf_deinit(&out);
    return text;
}

struct str tls_session_ciphers(struct tls_session *s)
{
    if (s->ciphers.ptr == NULL)
        s->ciphers = names(s, s->hello.cipher_suites, suite_append_name);
    return s->ciphers;
}

struct str tls_session_curves(struct tls_session *s)
{
    if (s->curves.ptr == NULL)
        s->curves = names(s, s->hello.groups, group_append_name);
    return s->curves;
}
