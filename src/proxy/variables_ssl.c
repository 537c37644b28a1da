/* $ssl_*: of the connection's TLS session and of the client's identity. Empty values do not exist,
 * as in nginx. */
#include "portcullis/base/clock.h"

#include "variables.h"

static struct tls_session *session_of(struct request *req)
{
    return stream_tls(client_stream(req->client));
}

/* ---- the session ---- */

static bool of_session(struct request *req, const struct variable *v, struct str *out)
{
    static struct str (*const fact[VARIABLE_IDS])(const struct tls_session *) = {
        [VARIABLE_ID_SSL_ALPN_PROTOCOL] = tls_session_alpn,
        [VARIABLE_ID_SSL_CIPHER] = tls_session_cipher,
        [VARIABLE_ID_SSL_CURVE] = tls_session_curve,
        [VARIABLE_ID_SSL_PROTOCOL] = tls_session_protocol,
        [VARIABLE_ID_SSL_SERVER_NAME] = tls_session_server_name,
    };
    struct tls_session *s = session_of(req);
    if (!s)
        return false;
    *out = fact[v->id](s);
    return out->len > 0;
}

static bool ssl_ciphers(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    struct tls_session *s = session_of(req);
    if (s)
        *out = tls_session_ciphers(s);
    return out->len > 0;
}

static bool ssl_curves(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    struct tls_session *s = session_of(req);
    if (s)
        *out = tls_session_curves(s);
    return out->len > 0;
}

static bool ssl_session_id(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    struct tls_session *s = session_of(req);
    if (!s)
        return false;
    *out = tls_session_id(s);
    return out->len > 0;
}

static bool ssl_session_reused(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    struct tls_session *s = session_of(req);
    if (!s)
        return false;
    *out = tls_session_is_reused(s) ? STR("r") : STR(".");
    return true;
}

static bool none(struct request *req, const struct variable *v, struct str *out)
{
    (void)req;
    (void)v;
    (void)out;
    return false;
}

/* ---- the client ---- */

static bool of_fact(struct request *req, const struct variable *v, struct str *out)
{
    static const enum identity_fact facts[VARIABLE_IDS] = {
        [VARIABLE_ID_SSL_CLIENT_S_DN] = IDENTITY_SUBJECT,
        [VARIABLE_ID_SSL_CLIENT_I_DN] = IDENTITY_ISSUER,
        [VARIABLE_ID_SSL_CLIENT_S_DN_LEGACY] = IDENTITY_SUBJECT_LEGACY,
        [VARIABLE_ID_SSL_CLIENT_I_DN_LEGACY] = IDENTITY_ISSUER_LEGACY,
        [VARIABLE_ID_SSL_CLIENT_V_START] = IDENTITY_NOT_BEFORE,
        [VARIABLE_ID_SSL_CLIENT_V_END] = IDENTITY_NOT_AFTER,
        [VARIABLE_ID_SSL_CLIENT_SERIAL] = IDENTITY_SERIAL,
        [VARIABLE_ID_SSL_CLIENT_FINGERPRINT] = IDENTITY_SHA1,
        [VARIABLE_ID_SSL_CLIENT_FINGERPRINT_SHA256] = IDENTITY_SHA256,
        [VARIABLE_ID_SSL_CLIENT_CA] = IDENTITY_CA,
        [VARIABLE_ID_SSL_CLIENT_CHAIN] = IDENTITY_CHAIN,
        [VARIABLE_ID_SSL_CLIENT_CN] = IDENTITY_CN,
        [VARIABLE_ID_SSL_CLIENT_PROVED_AT] = IDENTITY_PROVED_AT,
        [VARIABLE_ID_SSL_CLIENT_SAN_DNS] = IDENTITY_SAN_DNS,
        [VARIABLE_ID_SSL_CLIENT_SAN_EMAIL] = IDENTITY_SAN_EMAIL,
        [VARIABLE_ID_SSL_CLIENT_SAN_IP] = IDENTITY_SAN_IP,
        [VARIABLE_ID_SSL_CLIENT_SAN_URI] = IDENTITY_SAN_URI,
        [VARIABLE_ID_SSL_CLIENT_SPIFFE_ID] = IDENTITY_SPIFFE_ID,
        [VARIABLE_ID_SSL_CLIENT_SPKI_SHA256] = IDENTITY_SPKI_SHA256,
        [VARIABLE_ID_SSL_CLIENT_X5T_S256] = IDENTITY_X5T_S256,
    };
    if (req->identity)
        *out = identity_fact(req->identity, facts[v->id]);
    return out->len > 0;
}

static bool ssl_client_verify(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    if (!req->identity && !client_is_tls(req->client))
        return false;
    /* access.c takes away an identity that does not count for this server: that is none. */
    *out = req->identity ? identity_verify_text(req->identity) : STR("NONE");
    return true;
}

static bool ssl_client_refusal(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    *out = str_of(refusal_code(req->refusal ? req->refusal : req->reported));
    return out->len > 0;
}

/* nginx's "raw" PEM ends with a newline, which the identity's has not. */
static bool ssl_client_raw_cert(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    struct str pem = req->identity ? identity_fact(req->identity, IDENTITY_PEM) : STR_NONE;
    if (pem.len == 0)
        return false;
    *out = arena_concat(&req->arena, (struct str[]){pem, STR("\n")}, 2);
    return true;
}

/* For proxy_set_header in its obsolete folded form: a tab in front of each line but the first. */
static bool ssl_client_cert(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    struct str pem = req->identity ? identity_fact(req->identity, IDENTITY_PEM) : STR_NONE;
    if (pem.len == 0)
        return false;
    size_t lines = 0;
    for (size_t i = 0; i < pem.len; i++)
        lines += pem.ptr[i] == '\n';
    char *to = arena_alloc(&req->arena, pem.len + lines);
    *out = str_make(to, pem.len + lines);
    for (size_t i = 0; i < pem.len; i++) {
        *to++ = pem.ptr[i];
        if (pem.ptr[i] == '\n')
            *to++ = '\t';
    }
    return true;
}

static bool ssl_client_escaped_cert(struct request *req, const struct variable *v, struct str *out)
{
    struct str raw;
    if (!ssl_client_raw_cert(req, v, &raw))
        return false;
    *out = uri_escape_component(&req->arena, raw);
    return true;
}

/* Whole days until the certificate ends; less than one is 0. */
static bool ssl_client_v_remain(struct request *req, const struct variable *v, struct str *out)
{
    (void)v;
    if (!req->identity || !identity_has_certificate(req->identity))
        return false;
    int64_t left = (int64_t)identity_not_after_time(req->identity) - (int64_t)clock_wall();
    *out = arena_printf(&req->arena, "%lld", (long long)(left < 0 ? 0 : left / 86400));
    return true;
}

const struct variable_row variables_of_ssl[VARIABLE_IDS] = {
    [VARIABLE_ID_SSL_ALPN_PROTOCOL] = {.value = of_session},
    [VARIABLE_ID_SSL_CIPHER] = {.value = of_session},
    [VARIABLE_ID_SSL_CIPHERS] = {.value = ssl_ciphers},
    [VARIABLE_ID_SSL_CURVE] = {.value = of_session},
    [VARIABLE_ID_SSL_CURVES] = {.value = ssl_curves},
    [VARIABLE_ID_SSL_EARLY_DATA] = {.value = none}, /* there is no 0-RTT here */
    [VARIABLE_ID_SSL_PROTOCOL] = {.value = of_session},
    [VARIABLE_ID_SSL_SERVER_NAME] = {.value = of_session},
    [VARIABLE_ID_SSL_SESSION_ID] = {.value = ssl_session_id},
    [VARIABLE_ID_SSL_SESSION_REUSED] = {.value = ssl_session_reused},
    [VARIABLE_ID_SSL_SIGALG] = {.value = none},
    [VARIABLE_ID_SSL_CLIENT_CERT] = {.value = ssl_client_cert, .is_constant = true},
    [VARIABLE_ID_SSL_CLIENT_ESCAPED_CERT] = {.value = ssl_client_escaped_cert, .is_constant = true},
    [VARIABLE_ID_SSL_CLIENT_FINGERPRINT] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_FINGERPRINT_SHA256] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_I_DN] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_I_DN_LEGACY] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_RAW_CERT] = {.value = ssl_client_raw_cert, .is_constant = true},
    [VARIABLE_ID_SSL_CLIENT_REFUSAL] = {.value = ssl_client_refusal},
    [VARIABLE_ID_SSL_CLIENT_S_DN] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_S_DN_LEGACY] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_SERIAL] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_SIGALG] = {.value = none},
    [VARIABLE_ID_SSL_CLIENT_V_END] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_V_REMAIN] = {.value = ssl_client_v_remain},
    [VARIABLE_ID_SSL_CLIENT_V_START] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_VERIFY] = {.value = ssl_client_verify},
    [VARIABLE_ID_SSL_CLIENT_CA] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_CHAIN] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_CN] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_PROVED_AT] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_SAN_DNS] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_SAN_EMAIL] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_SAN_IP] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_SAN_URI] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_SPIFFE_ID] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_SPKI_SHA256] = {.value = of_fact},
    [VARIABLE_ID_SSL_CLIENT_X5T_S256] = {.value = of_fact},
};
