/* What a session does without. Between calls most sessions have nothing in mbedTLS's record
 * buffers, so these go from one to the next: a worker needs as many as there are sessions in the
 * middle of a record. Handshakes that wait for their client are no exception.
 *
 *      octets come, data go ──▶ session_wake ──▶ mbedTLS ──▶ session_rest ──▶ pool
 *
 * It uses private fields of the pinned mbedTLS (patch 0007). */
#include <assert.h>
#include <string.h>

#include "portcullis/base/memory.h"
#include "session_internal.h"

/* ---- buffers, lent --------------------------------------------------------------------------- */

/* As many as stay; more are freed. */
enum { POOL_MAX = 32 };

/* A worker has one thread. */
static struct pool {
    unsigned char *free[POOL_MAX];
    size_t count;
} in_pool, out_pool;

static unsigned char *pool_take(struct pool *p, size_t size)
{
    return p->count > 0 ? p->free[--p->count] : mem_zalloc(size);
}

/* Data that mbedTLS decrypted were wiped when they were read; the rest is no secret. */
static void pool_give(struct pool *p, unsigned char *buffer)
{
    if (p->count < POOL_MAX)
        p->free[p->count++] = buffer;
    else
        mem_free(buffer);
}

/* mbedTLS's places in a buffer. */
#define PLACES(ssl, side)                                                         \
    {                                                                             \
        &(ssl)->MBEDTLS_PRIVATE(side##_ctr), &(ssl)->MBEDTLS_PRIVATE(side##_hdr), \
        &(ssl)->MBEDTLS_PRIVATE(side##_len), &(ssl)->MBEDTLS_PRIVATE(side##_iv),  \
        &(ssl)->MBEDTLS_PRIVATE(side##_msg),                                      \
    }

static unsigned char *lift(unsigned char **buffer, unsigned char **const places[],
                           uint8_t at[static SESSION_PLACES])
{
    unsigned char *taken = *buffer;
    for (size_t i = 0; i < SESSION_PLACES; i++) {
        assert(*places[i] - taken <= UINT8_MAX);
        at[i] = (uint8_t)(*places[i] - taken);
        *places[i] = NULL;
    }
    *buffer = NULL;
    return taken;
}

static void lay(unsigned char **buffer, unsigned char **const places[],
                const uint8_t at[static SESSION_PLACES], unsigned char *new)
{
    *buffer = new;
    for (size_t i = 0; i < SESSION_PLACES; i++)
        *places[i] = new + at[i];
}

/* Nothing came that was not read, no part of a message waits for the rest, nothing waits to be
 * sent. The last handshake message stays, read, until mbedTLS reads on. */
static bool is_quiet(const mbedtls_ssl_context *ssl)
{
    size_t message = ssl->MBEDTLS_PRIVATE(in_hslen);
    return ssl->MBEDTLS_PRIVATE(in_left) == 0 && ssl->MBEDTLS_PRIVATE(in_offt) == NULL &&
           (message == 0 || message == ssl->MBEDTLS_PRIVATE(in_msglen)) &&
           ssl->MBEDTLS_PRIVATE(badmac_seen_or_in_hsfraglen) == 0 &&
           ssl->MBEDTLS_PRIVATE(keep_current_message) == 0 && ssl->MBEDTLS_PRIVATE(out_left) == 0;
}

void session_rest(struct tls_session *s)
{
    mbedtls_ssl_context *ssl = &s->ssl;
    unsigned char **const in[] = PLACES(ssl, in), **const out[] = PLACES(ssl, out);
    bool goes_on = s->status == TLS_HANDSHAKING || s->status == TLS_OPEN;
    if (s->is_client || !s->has_ssl || s->is_resting || !goes_on || !is_quiet(ssl))
        return;
    /* As mbedTLS does before it reads the next record. */
    ssl->MBEDTLS_PRIVATE(in_msglen) = ssl->MBEDTLS_PRIVATE(in_hslen) = 0;
    memcpy(s->in_counter, ssl->MBEDTLS_PRIVATE(in_ctr), sizeof s->in_counter);
    pool_give(&in_pool, lift(&ssl->MBEDTLS_PRIVATE(in_buf), in, s->in_places));
    pool_give(&out_pool, lift(&ssl->MBEDTLS_PRIVATE(out_buf), out, s->out_places));
    s->is_resting = true;
}

void session_wake(struct tls_session *s)
{
    mbedtls_ssl_context *ssl = &s->ssl;
    unsigned char **const in[] = PLACES(ssl, in), **const out[] = PLACES(ssl, out);
    if (!s->is_resting)
        return;
    lay(&ssl->MBEDTLS_PRIVATE(in_buf), in, s->in_places,
        pool_take(&in_pool, mbedtls_ssl_in_buffer_size));
    lay(&ssl->MBEDTLS_PRIVATE(out_buf), out, s->out_places,
        pool_take(&out_pool, mbedtls_ssl_out_buffer_size));
    memcpy(ssl->MBEDTLS_PRIVATE(in_ctr), s->in_counter, sizeof s->in_counter);
    s->is_resting = false;
}

/* ---- the handshake, forgotten ---------------------------------------------------------------- */

/* Of the ClientHello, only what may be asked for later. */
static void shrink_hello(struct tls_session *s)
{
    struct str *kept[] = {&s->hello.server_name, &s->hello.cipher_suites, &s->hello.groups};
    size_t size = kept[0]->len + kept[1]->len + kept[2]->len;
    char *copy = s->hello_texts = mem_alloc(size);
    for (size_t i = 0; i < 3; i++) {
        if (kept[i]->ptr == NULL)
            continue;
        memcpy(copy, kept[i]->ptr, kept[i]->len);
        kept[i]->ptr = copy;
        copy += kept[i]->len;
    }
    s->hello.alpn = s->hello.versions = s->hello.message = STR_NONE;
    s->hello.signature_algorithms = STR_NONE;
    s->ciphers = s->curves = s->id = STR_NONE;
    arena_deinit(&s->arena);
}

void session_settle(struct tls_session *s)
{
    mbedtls_ssl_forget_handshake(&s->ssl);
    shrink_hello(s);
}
