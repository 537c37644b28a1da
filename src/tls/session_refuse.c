/* ssl_client_refuse alert: who is refused learns it from the handshake (RFC 8446, 4.4.2.4 and 6.2).
 * In TLS 1.2 the server's Finished is never sent; in TLS 1.3 it was sent before the client's
 * certificate came, so that the alert is the first that the client hears after its handshake. */
#include "context_internal.h"
#include "portcullis/base/clock.h"
#include "session_internal.h"

/* Any other reason: certificate_unknown. */
static const unsigned char alerts[REFUSALS] = {
    [REFUSAL_CERT_MISSING] = 116, /* certificate_required */
    [REFUSAL_CERT_MALFORMED] = MBEDTLS_SSL_ALERT_MSG_BAD_CERT,
    [REFUSAL_SIGNATURE_BAD] = MBEDTLS_SSL_ALERT_MSG_BAD_CERT,
    [REFUSAL_CERT_NOT_YET_VALID] = MBEDTLS_SSL_ALERT_MSG_BAD_CERT,
    [REFUSAL_EKU_WRONG] = MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT,
    [REFUSAL_KEY_USAGE_WRONG] = MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT,
    [REFUSAL_CA_AS_CLIENT] = MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT,
    [REFUSAL_ALG_UNSUPPORTED] = MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT,
    [REFUSAL_CERT_REVOKED] = MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED,
    [REFUSAL_CERT_EXPIRED] = MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED,
    [REFUSAL_ISSUER_UNKNOWN] = MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA,
    [REFUSAL_SELF_SIGNED] = MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA,
    [REFUSAL_SELF_SIGNED_CA] = MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA,
    [REFUSAL_INTERNAL] = MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR,
};

static unsigned char alert_for(const struct tls_session *s, enum refusal why)
{
    bool is_tls13 = mbedtls_ssl_get_version_number(&s->ssl) == MBEDTLS_SSL_VERSION_TLS1_3;
    if (why == REFUSAL_CERT_MISSING && !is_tls13)
        return MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE; /* RFC 5246, 7.4.6 */
    return alerts[why] != 0 ? alerts[why] : MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN;
}

static enum refusal refusal_of(const struct tls_settings *t, const struct identity *i)
{
    enum refusal why = identity_refusal(i);
    if (t->verify == TLS_VERIFY_ON)
        return why;
    bool may_lack = why == REFUSAL_CERT_MISSING;
    return t->verify == TLS_VERIFY_OPTIONAL && !may_lack ? why : REFUSAL_NONE;
}

bool session_refuses(struct tls_session *s, const struct identity *i)
{
    if (s->is_client || s->context == NULL || i == NULL || !s->context->settings.refuses_by_alert)
        return false;
    enum refusal why = refusal_of(&s->context->settings, i);
    if (why == REFUSAL_NONE)
        return false;
    (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert_for(s, why));
    s->refusal = why;
    s->status = TLS_FAILED;
    s->problem_is_client = true;
    s->problem = arena_z(&s->arena, identity_detail(i));
    return true;
}
