/* The client's end, for --check and the tests: it shows a certificate, and verifies nothing. */
#include <assert.h>
#include <string.h>

#include "context_internal.h"
#include "portcullis/base/memory.h"
#include "random.h"
#include "session_internal.h"

static mbedtls_ssl_config *client_config(const struct tls_context *own)
{
    mbedtls_ssl_config *config = MEM_NEW(mbedtls_ssl_config);
    mbedtls_ssl_config_init(config);
    int rc = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT,
                                         MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    assert(rc == 0);
    (void)rc;
    mbedtls_ssl_conf_rng(config, random_for_mbedtls, NULL);
    if (own != NULL)
        context_configure(own, config);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_NONE);
    return config;
}

struct tls_session *tls_session_new_client(const struct tls_context *own_certificate,
                                           struct str server_name)
{
    struct tls_session *s = tls_session_new((struct tls_session_hooks){0});
    s->is_client = true;
    s->client_config = client_config(own_certificate);
    if (!session_set_up(s, s->client_config))
        return s;
    const char *name = server_name.len > 0 ? arena_z(&s->arena, server_name) : NULL;
    if (mbedtls_ssl_set_hostname(&s->ssl, name) != 0)
        s->status = TLS_FAILED;
    return s;
}

/* mbedTLS reads it for itself alone. Another message in its place waits to be read again. */
void session_note_request(struct tls_session *s)
{
    const unsigned char *message = s->ssl.MBEDTLS_PRIVATE(in_msg);
    size_t length = s->ssl.MBEDTLS_PRIVATE(in_hslen);
    if (message[0] == MBEDTLS_SSL_HS_CERTIFICATE_REQUEST && length >= 4)
        s->request = arena_str(&s->arena, str_make((const char *)message + 4, length - 4));
}

struct str tls_session_certificate_request(const struct tls_session *s, bool *is_tls13)
{
    *is_tls13 = mbedtls_ssl_get_version_number(&s->ssl) == MBEDTLS_SSL_VERSION_TLS1_3;
    return s->request;
}
