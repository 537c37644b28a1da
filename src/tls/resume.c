/* Sessions live on as tickets, which clients keep (ssl_session_tickets), or which the cache keeps
 * for those that come back with a session's id (ssl_session_cache): TLS 1.2's own, or in TLS 1.3,
 * when clients get none, one that stands where the ticket would.
 *
 * A ticket is worth no more than a full handshake would be now:
 *
 *   issued    at a handshake's end, when the client was accepted or nobody asked who it is
 *   bound to  the own certificates, the client CAs and the server name that it was issued under
 *   taken     when the time since the key was proved is below ssl_session_timeout, and the client
 *             it names is accepted by the CAs, revocation lists and rules of this moment
 *
 * Anything else is a full handshake, which finds the reason. */
#include "resume.h"

#include <assert.h>
#include <string.h>

#include <mbedtls/sha256.h>

#include "identity_internal.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "session_cache.h"
#include "ticket.h"

enum {
    /* What one ClientHello may have us look at. */
    TICKETS_TRIED_MAX = 4,
    /* RFC 8446, 4.6.1: a week, in seconds. */
    LIFETIME_MAX = 604800,
    /* One for the next connection and one for a parallel one, as OpenSSL gives. */
    TICKETS_ISSUED = 2,
};

/* A worker has one thread, and mbedTLS does not call back later. */
static struct tls_session *entered;

void resume_enter(struct tls_session *s)
{
    entered = s;
}

void resume_leave(void)
{
    entered = NULL;
}

/* ---- what a ticket is for -------------------------------------------------------------------- */

static struct str join(struct arena *a, struct str first, struct str second)
{
    char *out = arena_alloc(a, first.len + second.len + 1);
    memcpy(out, first.ptr, first.len);
    if (second.len > 0)
        memcpy(out + first.len, second.ptr, second.len);
    return str_make(out, first.len + second.len);
}

/* id: the session's in the cache; empty for a ticket that the client keeps. */
static struct str binding(const struct tls_session *s, struct str id, struct arena *a)
{
    const unsigned char *b = s->context->binding;
    struct str server = join(a, str_make((char *)b, sizeof s->context->binding), id);
    return join(a, server, s->hello.server_name);
}

static uint32_t mix(uint32_t hash, unsigned id)
{
    return (hash ^ id) * 16777619u;
}

/* RFC 8701's values change from one ClientHello to the next. */
static uint32_t mix_list(uint32_t hash, struct str ids)
{
    for (; ids.len >= 2; ids = str_from(ids, 2)) {
        unsigned id = (unsigned)(unsigned char)ids.ptr[0] << 8 | (unsigned char)ids.ptr[1];
        if (!suite_is_grease(id))
            hash = mix(hash, id);
    }
    return mix(hash, 0);
}

/* TLS 1.2 chooses a suite without a look at the session's. Both are the same where all is that it
 * is chosen by: what the client offers and what is set here (own certificates are bound to). */
static uint32_t choice_of(const struct tls_session *s)
{
    const struct tls_context *c = s->context;
    const struct client_hello *h = &s->hello;
    uint32_t hash = mix_list(2166136261u, h->cipher_suites);
    hash = mix_list(mix_list(hash, h->groups), h->signature_algorithms);
    for (const int *suite = c->suites; *suite != 0; suite++)
        hash = mix(hash, (unsigned)*suite);
    for (const uint16_t *group = c->groups; *group != 0; group++)
        hash = mix(hash, *group);
    return mix(hash, c->settings.prefer_server_ciphers);
}

static int64_t seconds_left(const struct tls_context *c, int64_t proved_at)
{
    return c->settings.session_timeout_ms / 1000 - (clock_wall() - proved_at);
}

/* ---- issuing --------------------------------------------------------------------------------- */

/* RFC 7627, 5.4: without the extension a TLS 1.2 session could be one that an attacker set up with
 * both ends. */
static bool is_tied_to_its_handshake(const struct tls_session *s)
{
    return mbedtls_ssl_get_version_number(&s->ssl) != MBEDTLS_SSL_VERSION_TLS1_2 ||
           s->hello.has_extended_master_secret;
}

bool resume_is_worth_a_ticket(struct tls_session *s)
{
    const struct tls_context *c = s->context;
    if (c->tickets == NULL || s->candidate == NULL || !is_tied_to_its_handshake(s))
        return false;
    if (tls_settings_ask(&c->settings) && !identity_is_verified(s->candidate))
        return false;
    /* In TLS 1.3 it is too late to find that out while the ticket is written. */
    const struct str *chain;
    size_t count = identity_sent(s->candidate, &chain);
    return seconds_left(c, identity_proved_at(s->candidate)) > 0 && ticket_holds(chain, count) &&
           ticket_keys_current(c->tickets) != NULL;
}

static struct str secret_of(const mbedtls_ssl_session *m)
{
    if (m->MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_3)
        return str_make((char *)m->MBEDTLS_PRIVATE(resumption_key),
                        m->MBEDTLS_PRIVATE(resumption_key_len));
    return str_make((char *)m->MBEDTLS_PRIVATE(master), sizeof m->MBEDTLS_PRIVATE(master));
}

/* Of one that is worth a ticket. */
static void describe(struct ticket *t, const struct tls_session *s, const mbedtls_ssl_session *m)
{
    const struct str *chain;
    *t = (struct ticket){
        .version = (uint16_t)m->MBEDTLS_PRIVATE(tls_version),
        .suite = (uint16_t)m->MBEDTLS_PRIVATE(ciphersuite),
        .flags = m->MBEDTLS_PRIVATE(ticket_flags),
        .age_add = m->MBEDTLS_PRIVATE(ticket_age_add),
        .choice = choice_of(s),
        .created_ms = clock_wall_ms(),
        .proved_at = identity_proved_at(s->candidate),
        .secret = secret_of(m),
        .chain_count = identity_sent(s->candidate, &chain),
    };
    for (size_t i = 0; i < t->chain_count; i++)
        t->chain[i] = chain[i];
}

/* 0: there is none to be had. */
static size_t make_ticket(struct tls_session *s, const mbedtls_ssl_session *m, struct str id,
                          unsigned char *out, size_t size)
{
    struct ticket t;
    if (!session_know_client(s, m->MBEDTLS_PRIVATE(peer_cert)) || !resume_is_worth_a_ticket(s))
        return 0;
    describe(&t, s, m);
    return ticket_seal(&t, ticket_keys_current(s->context->tickets), binding(s, id, &s->arena), out,
                       size);
}

static bool keep_ticket(struct tls_session *s, const mbedtls_ssl_session *m,
                        const unsigned char id[static SESSION_ID])
{
    unsigned char sealed[TICKET_SIZE_MAX];
    size_t size = make_ticket(s, m, str_make((char *)id, SESSION_ID), sealed, sizeof sealed);
    if (size > 0)
        session_cache_put(s->context->settings.session_cache, id, str_make((char *)sealed, size));
    return size > 0;
}

/* TLS 1.2 sends an empty ticket when there is none to be had (RFC 5077, 3.3). */
static int write_ticket(void *owner, const mbedtls_ssl_session *m, unsigned char *out,
                        const unsigned char *end, size_t *size, uint32_t *lifetime)
{
    struct tls_context *c = owner;
    struct tls_session *s = entered;
    *size = *lifetime = 0;
    if (c->settings.session_tickets) {
        *size = make_ticket(s, m, STR_NONE, out, (size_t)(end - out));
    } else if (end - out >= SESSION_ID) {
        tls_random(out, SESSION_ID);
        *size = keep_ticket(s, m, out) ? SESSION_ID : 0;
    }
    if (*size == 0)
        return MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE;
    int64_t left = seconds_left(c, identity_proved_at(s->candidate));
    *lifetime = (uint32_t)(left < LIFETIME_MAX ? left : LIFETIME_MAX);
    return 0;
}

static int keep_session(void *owner, const unsigned char *id, size_t size,
                        const mbedtls_ssl_session *m)
{
    (void)owner;
    return size == SESSION_ID && keep_ticket(entered, m, id) ? 0
                                                             : MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE;
}

/* ---- taking ---------------------------------------------------------------------------------- */

static bool has_suite(const struct tls_context *c, int suite)
{
    for (const int *id = c->suites; *id != 0; id++)
        if (*id == suite)
            return true;
    return false;
}

static bool fits(const struct ticket *t, const struct tls_session *s)
{
    const struct tls_context *c = s->context;
    bool is_tls12 = t->version == MBEDTLS_SSL_VERSION_TLS1_2;
    return t->version == mbedtls_ssl_get_version_number(&s->ssl) && has_suite(c, t->suite) &&
           seconds_left(c, t->proved_at) > 0 && t->proved_at <= clock_wall() &&
           t->created_ms <= clock_wall_ms() && is_tied_to_its_handshake(s) &&
           (!is_tls12 || (t->choice == choice_of(s) && t->secret.len == TICKET_SECRET_MAX));
}

/* Judged by what holds now, as at a full handshake: who was not asked showed nothing. The candidate
 * is always of the ticket that was taken last, and of none that was not. */
static bool is_welcome(struct tls_session *s, const struct ticket *t)
{
    struct identity *i = identity_new(t->chain, t->chain_count);
    identity_set_proved_at(i, (time_t)t->proved_at);
    tls_context_judge(s->context, i, clock_wall());
    bool good = tls_settings_ask(&s->context->settings) ? identity_is_verified(i)
                                                        : !identity_has_certificate(i);
    if (good) {
        identity_unref(s->candidate);
        s->candidate = i;
    } else {
        identity_unref(i);
    }
    return good;
}

static void restore(mbedtls_ssl_session *m, const struct ticket *t)
{
    m->MBEDTLS_PRIVATE(tls_version) = (mbedtls_ssl_protocol_version)t->version;
    m->MBEDTLS_PRIVATE(endpoint) = MBEDTLS_SSL_IS_SERVER;
    m->MBEDTLS_PRIVATE(ciphersuite) = t->suite;
    m->MBEDTLS_PRIVATE(ticket_flags) = t->flags;
    m->MBEDTLS_PRIVATE(ticket_age_add) = t->age_add;
    /* mbedTLS reckons by a clock that other hosts, and this one before its last start, do not
     * share. */
    m->MBEDTLS_PRIVATE(ticket_creation_time) = mbedtls_ms_time() -
                                               (clock_wall_ms() - t->created_ms);
    if (t->version == MBEDTLS_SSL_VERSION_TLS1_3) {
        memcpy(m->MBEDTLS_PRIVATE(resumption_key), t->secret.ptr, t->secret.len);
        m->MBEDTLS_PRIVATE(resumption_key_len) = (uint8_t)t->secret.len;
    } else {
        memcpy(m->MBEDTLS_PRIVATE(master), t->secret.ptr, t->secret.len);
    }
}

static int take_ticket(struct tls_session *s, struct str id, struct str sealed,
                       mbedtls_ssl_session *m, struct arena *a)
{
    struct ticket t;
    if (!ticket_open(&t, s->context->tickets, binding(s, id, a), sealed, a))
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    bool good = fits(&t, s) && is_welcome(s, &t);
    if (good)
        restore(m, &t);
    mem_wipe((void *)(uintptr_t)t.secret.ptr, t.secret.len);
    return good ? 0 : MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
}

static int take_kept(struct tls_session *s, struct str id, mbedtls_ssl_session *m, struct arena *a)
{
    if (id.len != SESSION_ID)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    struct str sealed = session_cache_get(s->context->settings.session_cache,
                                          (const unsigned char *)id.ptr, a);
    return take_ticket(s, id, sealed, m, a);
}

static int parse_ticket(void *owner, mbedtls_ssl_session *m, unsigned char *sealed, size_t size)
{
    const struct tls_context *c = owner;
    struct tls_session *s = entered;
    struct str shown = str_make((char *)sealed, size);
    struct arena a;
    if (s->tickets_tried++ >= TICKETS_TRIED_MAX)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    arena_init(&a, TICKET_SIZE_MAX / 4);
    int rc = c->settings.session_tickets ? take_ticket(s, STR_NONE, shown, m, &a)
                                         : take_kept(s, shown, m, &a);
    arena_deinit(&a);
    return rc;
}

static int find_session(void *owner, const unsigned char *id, size_t size, mbedtls_ssl_session *m)
{
    struct arena a;
    (void)owner;
    arena_init(&a, TICKET_SIZE_MAX / 4);
    int rc = take_kept(entered, str_make((const char *)id, size), m, &a);
    arena_deinit(&a);
    if (rc == 0) {
        memcpy(m->MBEDTLS_PRIVATE(id), id, size);
        m->MBEDTLS_PRIVATE(id_len) = size;
    }
    return rc;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Each has one, also where no ticket was made of it. */
static struct str root_of(const mbedtls_ssl_session *m)
{
    const mbedtls_ssl_tls13_application_secrets *secrets = &m->MBEDTLS_PRIVATE(app_secrets);
    if (m->MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_3)
        return str_make((char *)secrets->resumption_master_secret,
                        sizeof secrets->resumption_master_secret);
    return secret_of(m);
}

struct str resume_session_id(struct tls_session *s)
{
    const mbedtls_ssl_session *m = s->ssl.MBEDTLS_PRIVATE(session);
    unsigned char digest[32];
    if (m == NULL)
        return STR_NONE;
    struct str text = join(&s->arena, STR("portcullis session"), root_of(m));
    int rc = mbedtls_sha256((const unsigned char *)text.ptr, text.len, digest, 0);
    mem_wipe((void *)(uintptr_t)text.ptr, text.len);
    assert(rc == 0);
    (void)rc;
    struct buf hex = {0};
    buf_append_hex(&hex, digest, sizeof digest, ASCII_HEX_LOWER);
    struct str id = arena_str(&s->arena, buf_str(&hex));
    buf_deinit(&hex);
    return id;
}

/* ---- configuration --------------------------------------------------------------------------- */

void resume_configure(struct tls_context *c)
{
    if (c->tickets == NULL) {
        mbedtls_ssl_conf_new_session_tickets(&c->config, 0);
        return;
    }
    /* Always with an own key exchange: a ticket's thief cannot read what follows. No early data. */
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        &c->config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                        MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
    mbedtls_ssl_conf_session_tickets(&c->config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_new_session_tickets(&c->config, TICKETS_ISSUED);
    mbedtls_ssl_conf_session_tickets_cb(&c->config, write_ticket, parse_ticket, c);
    if (c->settings.session_cache != NULL)
        mbedtls_ssl_conf_session_cache(&c->config, c, find_session, keep_session);
}
