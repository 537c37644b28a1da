/* Application data. As long as mbedTLS has nothing in its record buffers, these are not even lent:
 *
 *      wire in ──▶ session_open_records ──▶ plaintext
 *      plaintext ─▶ seal_records ─────────▶ wire out
 *
 * go from one of the caller's buffers to the other (patch 0010). mbedTLS sees every record that is
 * not a good one of data: an alert, a KeyUpdate, a forged one. */
#include "context_internal.h"
#include "session_internal.h"

enum {
    RECORD_MAX = RECORD_HEADER + RECORD_PLAIN_MAX + 256, /* RFC 8446, 5.2 */
    RECORD_OVERHEAD_MAX =
        96, /* header, nonce, padding, tag or MAC of any cipher that is built in */
    /* Records without data (empty ones, warnings) that a peer may send in a row, in octets. */
    IDLE_OCTETS_MAX = 65536,
    /* KeyUpdates in a row without data: each costs us five hashes and a key's set-up. */
    KEY_UPDATES_MAX = 32,
};

/* ---- in -------------------------------------------------------------------------------------- */

static void note_data(struct tls_session *s)
{
    s->octets_in = 0;
    s->ssl.MBEDTLS_PRIVATE(key_updates) = 0;
}

/* What a peer may do for ever without saying anything, and no longer. */
static const char *idle_excess(const struct tls_session *s)
{
    if (s->octets_in > IDLE_OCTETS_MAX)
        return "the peer sent too many records without data";
    if (s->ssl.MBEDTLS_PRIVATE(key_updates) > KEY_UPDATES_MAX)
        return "the peer sent too many KeyUpdates without data";
    return NULL;
}

/* Its octets, header included; 0: not all of the header is there. */
static size_t record_size(struct str wire)
{
    if (wire.len < RECORD_HEADER)
        return 0;
    return RECORD_HEADER + ((size_t)(unsigned char)wire.ptr[3] << 8 | (unsigned char)wire.ptr[4]);
}

bool session_must_wait(const struct tls_session *s)
{
    struct str wire = s->wire_in != NULL ? buf_str(s->wire_in) : STR_NONE;
    size_t size = record_size(wire);
    return wire.len == 0 || (wire.ptr[0] == MBEDTLS_SSL_MSG_APPLICATION_DATA &&
                             size <= RECORD_MAX && (size == 0 || size > wire.len));
}

enum tls_status session_read(struct tls_session *s, struct buf *plain, size_t plain_max)
{
    while (buf_len(plain) < plain_max) {
        size_t sent_before = buf_len(s->wire_out);
        size_t available = mbedtls_ssl_get_bytes_avail(&s->ssl);
        /* No room is made before there is something to put in it. */
        if (available == 0 && buf_is_empty(&s->first_in) && buf_is_empty(s->wire_in) &&
            !mbedtls_ssl_check_pending(&s->ssl))
            return TLS_OPEN;
        size_t left = buf_len(s->wire_in);
        char *room = buf_reserve(plain, left > RECORD_PLAIN_MAX ? left : RECORD_PLAIN_MAX);
        int rc = mbedtls_ssl_read(&s->ssl, (unsigned char *)room, RECORD_PLAIN_MAX);
        if (rc > 0) {
            buf_added(plain, (size_t)rc);
            note_data(s);
            continue;
        }
        const char *excess = idle_excess(s);
        if (excess != NULL) {
            (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                                 MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
            return session_fail_with(s, true, excess);
        }
        if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            s->status = TLS_CLOSED;
            return s->status;
        }
        /* 0: two empty records. The end of the transport is never told to mbedTLS. */
        if (rc != 0 && rc != MBEDTLS_ERR_SSL_WANT_READ &&
            rc != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
            return session_fail(s, rc, sent_before);
        if (rc != 0 && session_must_wait(s))
            return TLS_OPEN;
    }
    return TLS_OPEN;
}

/* False: the first record is not a good one of data. */
static bool open_record(struct tls_session *s, struct str record, struct buf *plain)
{
    /* Room for all that is there, at once. */
    char *room = buf_reserve(plain, buf_len(s->wire_in));
    size_t length;
    if (mbedtls_ssl_open_data(&s->ssl, s->in_counter, (const unsigned char *)record.ptr, record.len,
                              (unsigned char *)room, &length) != 0)
        return false;
    buf_added(plain, length);
    buf_consume(s->wire_in, record.len);
    note_data(s);
    return true;
}

bool session_open_records(struct tls_session *s, struct buf *plain, size_t plain_max)
{
    if (!s->is_resting || s->status != TLS_OPEN)
        return false;
    while (buf_len(plain) < plain_max) {
        struct str wire = buf_str(s->wire_in);
        size_t size = record_size(wire);
        if (session_must_wait(s))
            return true;
        if (size == 0 || size > wire.len || size > RECORD_MAX ||
            !open_record(s, str_upto(wire, size), plain))
            return false;
    }
    return true;
}

/* ---- out ------------------------------------------------------------------------------------- */

/* What is left of data goes through mbedTLS. */
static struct str seal_records(struct tls_session *s, struct str data, size_t most)
{
    while (s->is_resting && data.len > 0) {
        size_t size = data.len < most ? data.len : most, length;
        size_t room = size + RECORD_OVERHEAD_MAX;
        unsigned char *out = (unsigned char *)buf_reserve(s->wire_out, room);
        if (mbedtls_ssl_seal_data(&s->ssl, (const unsigned char *)data.ptr, size, out, room,
                                  &length) != 0)
            break;
        buf_added(s->wire_out, length);
        data = str_from(data, size);
    }
    return data;
}

static struct str write_record(struct tls_session *s, struct str data, size_t most)
{
    size_t size = data.len < most ? data.len : most;
    session_wake(s);
    int rc = mbedtls_ssl_write(&s->ssl, (const unsigned char *)data.ptr, size);
    session_rest(s);
    if (rc > 0)
        return str_from(data, (size_t)rc);
    session_describe(s, rc);
    return STR_NONE;
}

/* What the configuration says, and the client asked for (RFC 8449, RFC 6066, 4). */
static size_t record_plain_max(const struct tls_session *s)
{
    size_t most = s->context != NULL ? s->context->settings.buffer_size : 0;
    int asked = mbedtls_ssl_get_max_out_record_payload(&s->ssl);
    if (most == 0 || most > RECORD_PLAIN_MAX)
        most = RECORD_PLAIN_MAX;
    return asked > 0 && (size_t)asked < most ? (size_t)asked : most;
}

void tls_session_send(struct tls_session *s, struct str data, struct buf *wire_out)
{
    if (s->status != TLS_OPEN && s->status != TLS_CLOSED)
        return; /* It failed in between; the owner learns that from its next receive. */
    size_t most = record_plain_max(s);
    s->wire_out = wire_out;
    (void)buf_reserve(wire_out, data.len + (data.len / most + 1) * RECORD_OVERHEAD_MAX);
    while (data.len > 0) {
        data = seal_records(s, data, most);
        if (data.len > 0)
            data = write_record(s, data, most);
    }
    s->wire_out = NULL;
}
