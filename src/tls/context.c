#include "portcullis/tls/context.h"

#include <assert.h>
#include <string.h>

#include <mbedtls/sha256.h>

#include "context_internal.h"
#include "pool.h"
#include "portcullis/base/memory.h"
#include "portcullis/tls/identity.h"
#include "random.h"
#include "resume.h"

/* ---- certificates, keys and tickets ---------------------------------------------------------- */

static bool has_server_purpose(const struct key_pair *pair)
{
    static const unsigned char server_auth[] = {0x2b, 6, 1, 5, 5, 7, 3, 1};
    return mbedtls_x509_crt_check_extended_key_usage(&pair->chain, (const char *)server_auth,
                                                     sizeof server_auth) == 0;
}

static bool has_server_usage(const struct key_pair *pair)
{
    return mbedtls_x509_crt_check_key_usage(&pair->chain, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0;
}

bool key_pair_is_for_servers(const struct key_pair *pair)
{
    return has_server_purpose(pair) && has_server_usage(pair);
}

static void warn_about_usage(const struct tls_report *r, const struct key_pair *pair)
{
    if (!has_server_purpose(pair))
        tls_report_problem(
            r, LOG_WARN,
            "certificate \"%.*s\" is not meant for servers (its extendedKeyUsage lacks "
            "serverAuth) and will not be shown to clients",
            STR_ARG(pair->certificate_path));
    if (!has_server_usage(pair))
        tls_report_problem(
            r, LOG_WARN,
            "certificate \"%.*s\" cannot be used (its keyUsage lacks digitalSignature) and will "
            "not be shown to clients",
            STR_ARG(pair->certificate_path));
}

static bool load_pairs(struct tls_context *c, struct tls_pool *p, const struct tls_report *r)
{
    const struct tls_settings *s = &c->settings;
    bool good = true;
    if (s->certificate_keys.count < s->certificates.count)
        return tls_report_problem(r, LOG_EMERG,
                                  "no \"ssl_certificate_key\" is defined for certificate \"%.*s\"",
                                  STR_ARG(s->certificates.items[s->certificate_keys.count]));
    c->pairs = ARENA_ARRAY(&c->arena, struct key_pair *, s->certificates.count + 1);
    for (size_t i = 0; i < s->certificates.count; i++) {
        struct key_pair *pair = pool_pair(p, s->certificates.items[i], s->certificate_keys.items[i],
                                          s->password_file, r);
        if (pair == NULL) {
            good = false;
            continue;
        }
        warn_about_usage(r, pair);
        c->pairs[c->pair_count++] = pair;
    }
    return good;
}

static bool choose_tickets(struct tls_context *c, struct tls_pool *p, const struct tls_report *r)
{
    const struct tls_settings *s = &c->settings;
    if ((!s->session_tickets && s->session_cache == NULL) ||
        (s->ticket_keys.count == 0 && s->ticket_zone == NULL))
        return true;
    struct ticket_set *t = pool_tickets(p, s, r);
    if (t != NULL)
        c->tickets = t->keys;
    return t != NULL;
}

/* ---- the context ----------------------------------------------------------------------------- */

static struct str *copy_paths(struct arena *a, const struct str *paths, size_t count)
{
    struct str *copy = ARENA_ARRAY(a, struct str, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = arena_str(a, paths[i]);
    return copy;
}

static void copy_settings(struct tls_context *c, const struct tls_settings *s)
{
    struct arena *a = &c->arena;
    struct tls_settings *to = &c->settings;
    *to = *s;
    to->certificates.items = copy_paths(a, s->certificates.items, s->certificates.count);
    to->certificate_keys.items = copy_paths(a, s->certificate_keys.items,
                                            s->certificate_keys.count);
    to->keys.items = copy_paths(a, s->keys.items, s->keys.count);
    to->ticket_keys.items = copy_paths(a, s->ticket_keys.items, s->ticket_keys.count);
    struct str *texts[] = {&c->settings.password_file,
                           &c->settings.client_certificate,
                           &c->settings.trusted_certificate,
                           &c->settings.intermediates,
                           &c->settings.crl,
                           &c->settings.ciphers,
                           &c->settings.ciphersuites,
                           &c->settings.ecdh_curve};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_str(a, *texts[i]);
}

/* TLS 1.3's suites first, then those of the list. */
static bool choose_suites(struct tls_context *c, const struct tls_report *r)
{
    const struct tls_settings *s = &c->settings;
    struct str bad;
    size_t count = 0;
    int found[SUITES_MAX];
    if (s->protocols & TLS_PROTOCOL_1_3) {
        size_t n = suites_from_ciphersuites(found, s->ciphersuites, &bad);
        if (n == 0)
            return tls_report_problem(
                r, LOG_EMERG,
                "SSL_CONF_cmd(\"Ciphersuites\", \"%.*s\") failed: \"%.*s\" is not supported",
                STR_ARG(s->ciphersuites), STR_ARG(bad));
        memcpy(c->suites, found, n * sizeof *found);
        count = n;
    }
    if (s->protocols & TLS_PROTOCOL_1_2) {
        struct str list = s->ciphers.len > 0 ? s->ciphers : STR("HIGH:!aNULL:!MD5");
        size_t n = suites_from_cipher_list(found, list, &bad);
        if (n == 0)
            return tls_report_problem(
                r, LOG_EMERG,
                "ssl_ciphers \"%.*s\" leaves no cipher: only suites with ECDHE and AES or "
                "ChaCha20 are supported",
                STR_ARG(list));
        for (size_t i = 0; i < n && count < SUITES_MAX; i++)
            c->suites[count++] = found[i];
    }
    c->suites[count] = 0;
    return true;
}

static bool choose_groups(struct tls_context *c, const struct tls_report *r)
{
    struct str bad;
    size_t count = groups_from_curves(c->groups, c->settings.ecdh_curve, &bad);
    c->groups[count] = 0;
    if (count > 0)
        return true;
    return tls_report_problem(
        r, LOG_EMERG,
        "ssl_ecdh_curve: \"%.*s\" is not supported; use X25519, prime256v1, secp384r1, "
        "secp521r1 or auto",
        STR_ARG(bad));
}

static bool settings_are_sound(const struct tls_settings *s, const struct tls_report *r)
{
    if (!(s->protocols & (TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3)))
        return tls_report_problem(r, LOG_EMERG,
                                  "ssl_protocols leaves no version: name TLSv1.2 or TLSv1.3");
    bool needs_ca = s->verify != TLS_VERIFY_OFF && s->verify != TLS_VERIFY_OPTIONAL_NO_CA;
    if (needs_ca && s->client_certificate.len == 0 && s->trusted_certificate.len == 0)
        return tls_report_problem(
            r, LOG_EMERG,
            "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client");
    return true;
}

/* RFC 8446, 4.2.3. No SHA-1; PKCS #1 v1.5 is for TLS 1.2 and for signatures in certificates. */
static const uint16_t signature_schemes[] = {
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,       MBEDTLS_TLS1_3_SIG_NONE,
};

void context_configure(const struct tls_context *c, mbedtls_ssl_config *config)
{
    unsigned protocols = c->settings.protocols;
    mbedtls_ssl_conf_min_tls_version(config, protocols & TLS_PROTOCOL_1_2
                                                 ? MBEDTLS_SSL_VERSION_TLS1_2
                                                 : MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_max_tls_version(config, protocols & TLS_PROTOCOL_1_3
                                                 ? MBEDTLS_SSL_VERSION_TLS1_3
                                                 : MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_rng(config, random_for_mbedtls, NULL);
    mbedtls_ssl_conf_ciphersuites(config, c->suites);
    mbedtls_ssl_conf_groups(config, c->groups);
    mbedtls_ssl_conf_sig_algs(config, signature_schemes);
    /* A server with keys for tickets takes more: resume_configure. */
    mbedtls_ssl_conf_tls13_key_exchange_modes(config,
                                              MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    for (size_t i = 0; i < c->pair_count; i++)
        must(mbedtls_ssl_conf_own_cert(config, &c->pairs[i]->chain, key_mbedtls(c->pairs[i]->key)));
}

static void configure_server(struct tls_context *c)
{
    static const char *protocols[] = {"http/1.1", NULL};
    mbedtls_ssl_config *config = &c->config;
    must(mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                     MBEDTLS_SSL_PRESET_DEFAULT));
    must(mbedtls_ssl_conf_alpn_protocols(config, protocols));
    context_configure(c, config);
    resume_configure(c);
    mbedtls_ssl_conf_preference_order(config, c->settings.prefer_server_ciphers
                                                  ? MBEDTLS_SSL_SRV_CIPHERSUITE_ORDER_SERVER
                                                  : MBEDTLS_SSL_SRV_CIPHERSUITE_ORDER_CLIENT);
    /* The handshake always completes; the verdict is made by identity_judge alone. */
    mbedtls_ssl_conf_authmode(config, tls_settings_ask(&c->settings) ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                                     : MBEDTLS_SSL_VERIFY_NONE);
}

static struct verify_rules rules_of(const struct tls_settings *s)
{
    return (struct verify_rules){
        .depth = s->verify_depth,
        .rsa_bits = 2048,
        .partial_chain = s->partial_chain,
        .clock_skew = s->clock_skew_ms / 1000,
        .crl_leaf_only = s->crl_check == TLS_CRL_LEAF,
        .crl_may_miss = s->crl_missing == TLS_CRL_MISSING_ALLOW,
        .crl_grace = s->crl_grace_ms / 1000,
    };
}

/* Certificates and CAs alone: what else a server block says of clients is asked again when one
 * resumes. */
static void bind_tickets(struct tls_context *c, const struct trust_set *set)
{
    mbedtls_sha256_context sha;
    mbedtls_sha256_init(&sha);
    must(mbedtls_sha256_starts(&sha, 0));
    if (set != NULL)
        must(mbedtls_sha256_update(&sha, set->digest, sizeof set->digest));
    for (size_t i = 0; i < c->pair_count; i++)
        must(mbedtls_sha256_update(&sha, c->pairs[i]->chain.raw.p, c->pairs[i]->chain.raw.len));
    must(mbedtls_sha256_finish(&sha, c->binding));
    mbedtls_sha256_free(&sha);
}

void context_trust(struct tls_context *c, const struct trust_set *set,
                   const struct verify_rules *rules)
{
    mbedtls_ssl_config *config = &c->config;
    mbedtls_x509_crt *names = set != NULL ? set->names : NULL;
    c->set = set;
    c->trust = set != NULL ? set->trust : trust_nobody();
    c->rules = *rules;
    bind_tickets(c, set);
    mbedtls_ssl_conf_dn_hints(config, names);
    mbedtls_ssl_conf_cert_req_ca_list(config, names != NULL
                                                  ? MBEDTLS_SSL_CERT_REQ_CA_LIST_ENABLED
                                                  : MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
}

struct tls_context *tls_context_new(struct tls_pool *pool, const struct tls_settings *s,
                                    struct tls_report r)
{
    struct tls_context *c = MEM_NEW(struct tls_context);
    arena_init(&c->arena, 4096);
    mbedtls_ssl_config_init(&c->config);
    copy_settings(c, s);
    struct verify_rules rules = rules_of(s);
    list_init(&c->link);
    /* Each is tried, so that one run tells all that is wrong. */
    bool good = settings_are_sound(s, &r);
    good = choose_suites(c, &r) && good;
    good = choose_groups(c, &r) && good;
    good = (s->judges_only || load_pairs(c, pool, &r)) && good;
    good = (s->judges_only || choose_tickets(c, pool, &r)) && good;
    const struct trust_set *set = pool_trust(pool, s, &rules, &r);
    if (!good || set == NULL) {
        tls_context_free(c);
        return NULL;
    }
    configure_server(c);
    context_trust(c, set, &rules);
    list_push_back(&pool->contexts, &c->link);
    return c;
}

void tls_context_free(struct tls_context *c)
{
    if (c == NULL)
        return;
    list_remove(&c->link);
    mbedtls_ssl_config_free(&c->config);
    arena_deinit(&c->arena);
    mem_free(c);
}

const struct tls_settings *tls_context_settings(const struct tls_context *c)
{
    return &c->settings;
}

static bool same_rules(const struct verify_rules *a, const struct verify_rules *b)
{
    return a->depth == b->depth && a->rsa_bits == b->rsa_bits &&
           a->partial_chain == b->partial_chain && a->clock_skew == b->clock_skew &&
           a->crl_leaf_only == b->crl_leaf_only && a->crl_may_miss == b->crl_may_miss &&
           a->crl_grace == b->crl_grace;
}

bool tls_context_same_trust(const struct tls_context *a, const struct tls_context *b)
{
    return tls_settings_ask(&a->settings) && tls_settings_ask(&b->settings) &&
           a->trust == b->trust && same_rules(&a->rules, &b->rules);
}

bool tls_context_is_orphan(const struct tls_context *c)
{
    return c->set == NULL;
}

bool tls_context_is_outdated(const struct tls_context *c)
{
    return c->is_outdated;
}

void tls_context_judge(const struct tls_context *c, struct identity *i, time_t now)
{
    identity_judge(i, c->trust, now, &c->rules);
}

enum refusal tls_context_verdict(const struct tls_context *c, const struct identity *i, time_t now)
{
    return identity_verdict(i, c->trust, now, &c->rules);
}

void tls_context_judge_again(const struct tls_context *c, struct identity *i, time_t now,
                             time_t max_age)
{
    if (!identity_is_judged(i, c->trust, now, max_age))
        tls_context_judge(c, i, now);
}

void tls_context_trace(const struct tls_context *c, const struct identity *i, time_t now,
                       struct verify_trace *trace)
{
    identity_trace(i, c->trust, now, &c->rules, trace);
}
