/* Why a session failed: in words for a log, and by an alert for the peer. */
#include <stdio.h>

#include <mbedtls/error.h>

#include "context_internal.h"
#include "session_internal.h"

/* RFC 8446, 6, and RFC 5246, 7.2 */
static const struct {
    unsigned char number;
    const char *name;
} alerts[] = {
    {0, "close notify"},
    {10, "unexpected message"},
    {20, "bad record MAC"},
    {21, "decryption failed"},
    {22, "record overflow"},
    {40, "handshake failure"},
    {41, "no certificate"},
    {42, "bad certificate"},
    {43, "unsupported certificate"},
    {44, "certificate revoked"},
    {45, "certificate expired"},
    {46, "certificate unknown"},
    {47, "illegal parameter"},
    {48, "unknown CA"},
    {49, "access denied"},
    {50, "decode error"},
    {51, "decrypt error"},
    {70, "protocol version"},
    {71, "insufficient security"},
    {80, "internal error"},
    {86, "inappropriate fallback"},
    {90, "user canceled"},
    {100, "no renegotiation"},
    {109, "missing extension"},
    {110, "unsupported extension"},
    {112, "unrecognized name"},
    {113, "bad certificate status response"},
    {115, "unknown PSK identity"},
    {116, "certificate required"},
    {120, "no application protocol"},
};

/* What mbedTLS' codes mean to somebody who reads a log. ours: it is not the peer's doing. */
static const struct {
    int code;
    bool ours;
    const char *words;
} problems[] = {
    {MBEDTLS_ERR_SSL_INVALID_MAC, false, "a record from the peer was damaged on its way"},
    {MBEDTLS_ERR_SSL_INVALID_RECORD, false, "the peer sent a malformed record"},
    {MBEDTLS_ERR_SSL_DECODE_ERROR, false, "the peer sent a malformed message"},
    {MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION, false, "the peer sent an extension out of place"},
    {MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL, false,
     "no application protocol (ALPN) in common: http/1.1 is offered"},
    {MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, false,
     "the peer sent a message out of place (renegotiation is not supported)"},
    {MBEDTLS_ERR_SSL_BAD_CERTIFICATE, false,
     "cert_malformed: the client's certificate is malformed"},
    {MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, false, "no protocol version in common"},
    {MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, false,
     "no cipher suite, group or signature algorithm in common"},
    {MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, false, "the peer sent an illegal parameter"},
    {MBEDTLS_ERR_SSL_PRIVATE_KEY_REQUIRED, true, "no certificate of this server fits the client"},
    {MBEDTLS_ERR_SSL_UNRECOGNIZED_NAME, false, "no server of that name"},
    {MBEDTLS_ERR_SSL_PK_TYPE_MISMATCH, false, "the key of a certificate does not fit its use"},
    {MBEDTLS_ERR_SSL_COUNTER_WRAPPING, false, "more records than one connection may carry"},
    {MBEDTLS_ERR_SSL_ALLOC_FAILED, true, "out of memory"},
    {MBEDTLS_ERR_X509_ALLOC_FAILED, true, "out of memory"},
    {MBEDTLS_ERR_PK_ALLOC_FAILED, true, "out of memory"},
    {MBEDTLS_ERR_PK_UNKNOWN_PK_ALG, false,
     "alg_unsupported: the client's certificate has a key of a kind that is not supported"},
    {MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE, false,
     "alg_unsupported: the client's certificate has a key on a curve that is not supported"},
    {MBEDTLS_ERR_RSA_VERIFY_FAILED, false, "the peer does not hold the key of its certificate"},
    {MBEDTLS_ERR_ECP_VERIFY_FAILED, false, "the peer does not hold the key of its certificate"},
};

static const char *alert_name(unsigned number)
{
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (alerts[i].number == number)
            return alerts[i].name;
    return "unknown";
}

enum tls_status session_fail_with(struct tls_session *s, bool is_client, const char *words)
{
    s->status = TLS_FAILED;
    s->problem_is_client = is_client;
    s->problem = arena_z(&s->arena, str_of(words));
    return s->status;
}

/* An alert in the clear: before there is an mbedTLS session. */
void session_send_plain_alert(struct tls_session *s, unsigned alert)
{
    const unsigned char record[] = {21, 3, 3, 0, 2, 2, (unsigned char)alert};
    buf_append(s->wire_out, record, sizeof record);
}

/* mbedTLS' numbers for ASN.1 (0x60 to 0x6e), points off their curve, X.509 and keys: in a server,
 * the client's certificate gives cause for them. */
static bool is_about_certificate(int rc)
{
    int low = -rc & 0x7f;
    return (low >= 0x60 && low <= 0x6e) || (-rc >= 0x2000 && -rc < 0x4000) ||
           rc == MBEDTLS_ERR_ECP_INVALID_KEY;
}

void session_describe(struct tls_session *s, int rc)
{
    bool in_certificate = is_about_certificate(rc);
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        if (problems[i].code != rc)
            continue;
        session_fail_with(s, !problems[i].ours, problems[i].words);
        return;
    }
    char words[96];
    mbedtls_strerror(rc, words, sizeof words);
    s->problem = arena_printf(&s->arena, "%s%s",
                              in_certificate
                                  ? "cert_malformed: the client's certificate is malformed: "
                                  : "",
                              words)
                     .ptr;
    s->status = TLS_FAILED;
    s->problem_is_client = true;
}

/* Where mbedTLS sends none itself. */
static unsigned char alert_of(const struct tls_session *s, int rc)
{
    if (rc == MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER)
        return MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER;
    if (rc == MBEDTLS_ERR_SSL_DECODE_ERROR)
        return MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR;
    return s->identity != NULL ? MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE
                               : MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
}

/* rc is what mbedTLS said; sent_before, how much had been sent before it said so. */
enum tls_status session_fail(struct tls_session *s, int rc, size_t sent_before)
{
    if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        unsigned alert = s->ssl.MBEDTLS_PRIVATE(in_msg)[1];
        s->status = TLS_FAILED;
        s->problem_is_client = true;
        s->problem =
            arena_printf(&s->arena, "peer sent alert: %s (%u)", alert_name(alert), alert).ptr;
        return s->status;
    }
    session_describe(s, rc);
    /* mbedTLS sends the fitting alert in most cases; nothing at all would leave the peer waiting.
     */
    if (buf_len(s->wire_out) == sent_before)
        (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             alert_of(s, rc));
    return s->status;
}
