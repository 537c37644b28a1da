#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "der.h"
#include "name.h"
#include "pem.h"
#include "portcullis/base/file.h"
#include "portcullis/base/memory.h"
#include "portcullis/base/random.h"

/* ---- reports --------------------------------------------------------------------------------- */

bool tls_report_problem(const struct tls_report *r, enum log_level level, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    buf_append_char(&text, '\0');
    r->problem(r->owner, level, buf_str(&text).ptr);
    buf_deinit(&text);
    return false;
}

/* ---- the pool -------------------------------------------------------------------------------- */

struct tls_pool *tls_pool_new(void)
{
    struct tls_pool *p = MEM_NEW(struct tls_pool);
    arena_init(&p->arena, 4096);
    p->key_line = -1;
    must(random_fill(p->id, sizeof p->id) ? 0 : -1);
    list_init(&p->contexts);
    return p;
}

static void free_pair(struct key_pair *pair)
{
    mbedtls_x509_crt_free(&pair->chain);
    key_free(pair->key);
}

void pool_drop_trusts(struct tls_pool *p)
{
    for (struct trust_set *t = p->trusts; t != NULL; t = t->next)
        trust_free(t->trust);
    p->trusts = NULL;
}

void tls_pool_free(struct tls_pool *p)
{
    if (p == NULL)
        return;
    for (struct key_pair *pair = p->pairs; pair != NULL; pair = pair->next)
        free_pair(pair);
    pool_drop_trusts(p);
    trust_image_free(p->image);
    for (struct ticket_set *t = p->tickets; t != NULL; t = t->next)
        ticket_keys_free(t->keys);
    if (p->key_line != -1)
        (void)close(p->key_line);
    arena_deinit(&p->arena);
    mem_free(p);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* What a kind of file is called, what its blocks are labelled, and who takes one. */
struct file_kind {
    const char *what, *directive;
    bool (*is_label)(struct str label);
    bool (*add)(void *owner, struct str der, const char **problem);
};

static bool is_crl_label(struct str label)
{
    return str_eq(label, STR("X509 CRL"));
}

static bool bad_block(const struct tls_report *r, const struct file_kind *kind, struct str path,
                      size_t number, const char *problem)
{
    return tls_report_problem(r, LOG_EMERG,
                              "cannot load %s \"%.*s\": number %zu in it cannot be used: %s (%s)",
                              kind->what, STR_ARG(path), number, problem, kind->directive);
}

/* Of a file in which there is no PEM at all. */
static const char *describe_other(struct str octets)
{
    if (octets.len == 0)
        return "it is empty";
    if (der_at(octets, DER_SEQUENCE))
        return "it is not PEM but DER or PKCS #12; convert it by openssl x509 -inform DER, or by "
               "openssl pkcs12 -nokeys";
    if (str_starts(octets, STR("\xff\xfe")) || str_starts(octets, STR("\xfe\xff")))
        return "it is UTF-16; save it as UTF-8";
    return "there is none in PEM in it";
}

static bool report_none(const struct tls_report *r, const struct file_kind *kind, struct str path,
                        struct str octets, struct str other)
{
    if (other.len > 0)
        return tls_report_problem(
            r, LOG_EMERG,
            "cannot load %s \"%.*s\": there is none in PEM in it, but a \"%.*s\" (%s)", kind->what,
            STR_ARG(path), STR_ARG(other), kind->directive);
    return tls_report_problem(r, LOG_EMERG, "cannot load %s \"%.*s\": %s (%s)", kind->what,
                              STR_ARG(path), describe_other(octets), kind->directive);
}

static bool add_blocks(const struct tls_report *r, const struct file_kind *kind, struct str path,
                       struct str text, void *owner)
{
    struct buf der = {0};
    struct str label, all = text, other = STR_NONE;
    size_t count = 0;
    bool good = true;
    enum pem_result found = PEM_BLOCK;
    while (good && (found = pem_next(&text, &label, &der)) == PEM_BLOCK) {
        const char *problem;
        if (str_eq(label, STR("TRUSTED CERTIFICATE")))
            good = bad_block(r, kind, path, count + 1,
                             "it is OpenSSL's TRUSTED CERTIFICATE; convert it by openssl x509");
        else if (kind->is_label(label) && !kind->add(owner, buf_str(&der), &problem))
            good = bad_block(r, kind, path, count + 1, problem);
        count += kind->is_label(label);
        if (other.len == 0)
            other = label;
    }
    buf_deinit(&der);
    if (!good)
        return false;
    if (found == PEM_BROKEN)
        return tls_report_problem(
            r, LOG_EMERG,
            "cannot load %s \"%.*s\": the PEM is cut off or damaged after %zu good "
            "part%s; write the file anew (%s)",
            kind->what, STR_ARG(path), count, count == 1 ? "" : "s", kind->directive);
    return count > 0 || report_none(r, kind, path, all, other);
}

/* One after the other. */
static bool add_ders(const struct tls_report *r, const struct file_kind *kind, struct str path,
                     struct str octets, void *owner)
{
    struct der_item item;
    for (size_t number = 1; octets.len > 0; number++) {
        const char *problem = "the DER is cut off or damaged";
        if (!der_take_whole(&octets, DER_SEQUENCE, &item) ||
            !kind->add(owner, item.whole, &problem))
            return bad_block(r, kind, path, number, problem);
    }
    return true;
}

static bool load_file(const struct tls_report *r, const struct file_kind *kind, struct str path,
                      void *owner)
{
    struct buf text = {0};
    bool good;
    if (!file_read(path, &text))
        good = tls_report_problem(r, LOG_EMERG, "cannot load %s \"%.*s\" (%d: %s) (%s)", kind->what,
                                  STR_ARG(path), errno, strerror(errno), kind->directive);
    else if (kind->is_label == is_crl_label && der_at(buf_str(&text), DER_SEQUENCE))
        good = add_ders(r, kind, path, buf_str(&text), owner);
    else
        good = add_blocks(r, kind, path, buf_str(&text), owner);
    buf_deinit(&text);
    return good;
}

/* ---- trust ----------------------------------------------------------------------------------- */

static bool add_ca(void *owner, struct str der, const char **problem)
{
    struct trust_set *t = owner;
    return trust_add_ca(t->trust, der, problem) &&
           mbedtls_sha256_update(&t->seen, (const unsigned char *)der.ptr, der.len) == 0;
}

enum { CA_NAMES_MAX = 8192 }; /* Half a list would make clients leave out good certificates. */

static bool has_name(const struct trust_set *t, struct str subject)
{
    for (const mbedtls_x509_crt *n = t->names; n != NULL; n = n->next)
        if (str_eq(str_make((char *)n->subject_raw.p, n->subject_raw.len), subject))
            return true;
    return false;
}

/* mbedTLS takes the names from certificates, and looks at the subjects alone. */
void trust_set_add_name(struct trust_set *t, struct str subject)
{
    /* Too many are sent to nobody. */
    if (t->names_size > CA_NAMES_MAX || has_name(t, subject))
        return;
    mbedtls_x509_crt *n = ARENA_NEW(t->arena, mbedtls_x509_crt);
    struct str copy = arena_str(t->arena, subject);
    n->version = 3;
    n->subject_raw.p = (unsigned char *)(uintptr_t)copy.ptr;
    n->subject_raw.len = copy.len;
    *(t->names == NULL ? &t->names : &t->last_name->next) = n;
    t->last_name = n;
    t->names_size += 2 + copy.len;
}

static bool add_named_ca(void *owner, struct str der, const char **problem)
{
    struct cert cert;
    bool good = cert_read(&cert, der, problem) && add_ca(owner, der, problem);
    if (good)
        trust_set_add_name(owner, cert.subject);
    cert_deinit(&cert);
    return good;
}

static bool add_intermediate(void *owner, struct str der, const char **problem)
{
    struct trust_set *t = owner;
    return trust_add_intermediate(t->trust, der, problem);
}

static bool add_crl(void *owner, struct str der, const char **problem)
{
    struct trust_set *t = owner;
    return trust_add_crl(t->trust, der, problem);
}

static const struct file_kind client_ca_kind = {"CA certificates", "ssl_client_certificate",
                                                pem_is_certificate, add_named_ca};
static const struct file_kind trusted_ca_kind = {"CA certificates", "ssl_trusted_certificate",
                                                 pem_is_certificate, add_ca};
static const struct file_kind intermediates_kind = {
    "intermediate certificates", "ssl_client_intermediates", pem_is_certificate, add_intermediate};
static const struct file_kind crl_kind = {"revocation lists", "ssl_crl", is_crl_label, add_crl};

/* Whoever waits for the first refusal learns it too late. */
static void warn_of_old_crl(const struct tls_report *r, const struct trust_set *t,
                            const struct verify_rules *rules)
{
    time_t expiry = trust_crl_expiry(t->trust), now = time(NULL);
    struct tm tm;
    char date[32];
    if (expiry == 0 || expiry >= now)
        return;
    gmtime_r(&expiry, &tm);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S GMT", &tm);
    tls_report_problem(r, LOG_WARN, "a revocation list in \"%.*s\" expired %s: %s (ssl_crl)",
                       STR_ARG(t->crl_path), date,
                       expiry + rules->crl_grace >= now
                           ? "it counts until ssl_crl_grace is over"
                           : "clients of its CA are refused until it is replaced");
}

static void look_over(const struct tls_report *r, struct trust_set *t,
                      const struct verify_rules *rules)
{
    warn_of_old_crl(r, t, rules);
    if (trust_has_lone_delta(t->trust))
        tls_report_problem(
            r, LOG_WARN,
            "a delta revocation list in \"%.*s\" says only whom it revokes, nobody is good by it: "
            "the complete list that it belongs to is not there (ssl_crl)",
            STR_ARG(t->crl_path));
    struct str path = t->client_path.len > 0 ? t->client_path : t->trusted_path;
    if (t->trust->cert_count > 0 && trust_anchor_count(t->trust) == 0 && !rules->partial_chain)
        tls_report_problem(
            r, LOG_WARN,
            "no certificate in \"%.*s\" is self-signed: without a root no client certificate "
            "can be verified (ssl_client_partial_chain on takes others as anchors)",
            STR_ARG(path));
    if (t->names_size <= CA_NAMES_MAX)
        return;
    tls_report_problem(
        r, LOG_WARN,
        "the names of the CAs in \"%.*s\" take more than %d octets: none is sent to clients",
        STR_ARG(path), CA_NAMES_MAX);
    t->names = NULL;
}

static bool load_trust(const struct tls_report *r, struct trust_set *t,
                       const struct verify_rules *rules)
{
    if ((t->client_path.len > 0 && !load_file(r, &client_ca_kind, t->client_path, t)) ||
        (t->trusted_path.len > 0 && !load_file(r, &trusted_ca_kind, t->trusted_path, t)) ||
        (t->intermediates_path.len > 0 &&
         !load_file(r, &intermediates_kind, t->intermediates_path, t)) ||
        (t->crl_path.len > 0 && !load_file(r, &crl_kind, t->crl_path, t)))
        return false;
    trust_finish(t->trust);
    look_over(r, t, rules);
    return mbedtls_sha256_finish(&t->seen, t->digest) == 0;
}

const struct trust_set *pool_trust(struct tls_pool *p, const struct tls_settings *s,
                                   const struct verify_rules *rules, const struct tls_report *r)
{
    for (struct trust_set *t = p->trusts; t != NULL; t = t->next)
        if (str_eq(t->client_path, s->client_certificate) &&
            str_eq(t->trusted_path, s->trusted_certificate) &&
            str_eq(t->intermediates_path, s->intermediates) && str_eq(t->crl_path, s->crl))
            return t;
    struct trust_set *t = ARENA_NEW(&p->arena, struct trust_set);
    t->client_path = arena_str(&p->arena, s->client_certificate);
    t->trusted_path = arena_str(&p->arena, s->trusted_certificate);
    t->intermediates_path = arena_str(&p->arena, s->intermediates);
    t->crl_path = arena_str(&p->arena, s->crl);
    t->arena = &p->arena;
    t->trust = trust_new();
    mbedtls_sha256_init(&t->seen);
    must(mbedtls_sha256_starts(&t->seen, 0));
    bool good = load_trust(r, t, rules);
    mbedtls_sha256_free(&t->seen);
    if (!good) {
        trust_free(t->trust);
        return NULL;
    }
    t->next = p->trusts;
    p->trusts = t;
    return t;
}

/* ---- certificates and keys ------------------------------------------------------------------- */

/* Extensions in our own certificates are for the clients to judge. */
static int accept_extension(void *unused, mbedtls_x509_crt const *crt, mbedtls_x509_buf const *oid,
                            int critical, const unsigned char *p, const unsigned char *end)
{
    (void)unused, (void)crt, (void)oid, (void)critical, (void)p, (void)end;
    return 0;
}

static bool add_own(void *owner, struct str der, const char **problem)
{
    mbedtls_x509_crt *chain = owner;
    *problem = "it is damaged, or its key is of a kind that is not supported (use " TLS_KEY_KINDS
               ")";
    return mbedtls_x509_crt_parse_der_with_ext_cb(chain, (const unsigned char *)der.ptr, der.len, 1,
                                                  accept_extension, NULL) == 0;
}

static const struct file_kind own_kind = {"certificate", "ssl_certificate", pem_is_certificate,
                                          add_own};

/* False: the passwords could not be read, and that was reported. */
static bool load_key_here(const struct tls_report *r, struct key_pair *pair,
                          struct str password_file, const char **problem)
{
    struct buf passwords = {0};
    if (password_file.len > 0 && !file_read(password_file, &passwords)) {
        buf_deinit(&passwords);
        return tls_report_problem(r, LOG_EMERG, "cannot open \"%.*s\" (%d: %s) (ssl_password_file)",
                                  STR_ARG(password_file), errno, strerror(errno));
    }
    pair->key = key_load(pair->key_path, buf_str(&passwords), problem);
    if (passwords.data != NULL)
        mem_wipe(passwords.data, passwords.capacity);
    buf_deinit(&passwords);
    return true;
}

static bool load_key(struct tls_pool *p, const struct tls_report *r, struct key_pair *pair,
                     struct str password_file)
{
    const char *problem;
    if (p->keys_are_apart)
        pair->key = key_load_remote(&p->key_line, pair->key_path, password_file, &p->arena,
                                    &problem);
    else if (!load_key_here(r, pair, password_file, &problem))
        return false;
    if (pair->key == NULL)
        return tls_report_problem(r, LOG_EMERG,
                                  "cannot load certificate key \"%.*s\": %s (ssl_certificate_key)",
                                  STR_ARG(pair->key_path), problem);
    if (key_matches(pair->key, &pair->chain.pk))
        return true;
    return tls_report_problem(
        r, LOG_EMERG,
        "key \"%.*s\" does not belong to certificate \"%.*s\" (key values mismatch); the "
        "server's own certificate must stand first in its file (ssl_certificate_key)",
        STR_ARG(pair->key_path), STR_ARG(pair->certificate_path));
}

struct key_pair *pool_pair(struct tls_pool *p, struct str certificate, struct str key,
                           struct str password_file, const struct tls_report *r)
{
    for (struct key_pair *k = p->pairs; k != NULL; k = k->next)
        if (str_eq(k->certificate_path, certificate) && str_eq(k->key_path, key))
            return k;
    struct key_pair *pair = ARENA_NEW(&p->arena, struct key_pair);
    pair->certificate_path = arena_str(&p->arena, certificate);
    pair->key_path = arena_str(&p->arena, key);
    mbedtls_x509_crt_init(&pair->chain);
    if (!load_file(r, &own_kind, certificate, &pair->chain) ||
        !load_key(p, r, pair, password_file)) {
        free_pair(pair);
        return NULL;
    }
    pair->next = p->pairs;
    p->pairs = pair;
    return pair;
}

/* ---- ticket keys ----------------------------------------------------------------------------- */

static bool add_ticket_key(struct ticket_keys *keys, struct str path, const struct tls_report *r)
{
    struct buf text = {0};
    bool good = file_read(path, &text);
    if (!good)
        tls_report_problem(r, LOG_EMERG, "cannot open \"%.*s\" (%d: %s) (ssl_session_ticket_key)",
                           STR_ARG(path), errno, strerror(errno));
    else if (!(good = ticket_keys_add(keys, buf_str(&text))))
        tls_report_problem(
            r, LOG_EMERG,
            "\"%.*s\" has %zu octets, must have 48 or 80: write it by openssl rand 80 "
            "(ssl_session_ticket_key)",
            STR_ARG(path), buf_len(&text));
    if (text.data != NULL)
        mem_wipe(text.data, text.capacity);
    buf_deinit(&text);
    return good;
}

static bool same_ticket_keys(const struct ticket_set *t, const struct tls_settings *s)
{
    if (t->paths.count != s->ticket_keys.count || t->zone != s->ticket_zone)
        return false;
    for (size_t i = 0; i < t->paths.count; i++)
        if (!str_eq(t->paths.items[i], s->ticket_keys.items[i]))
            return false;
    return true;
}

/* Own keys last as long as what they seal, and a minute at least. */
static int64_t ticket_period_ms(const struct tls_settings *s)
{
    return s->session_timeout_ms > 60000 ? s->session_timeout_ms : 60000;
}

struct ticket_set *pool_tickets(struct tls_pool *p, const struct tls_settings *s,
                                const struct tls_report *r)
{
    bool good = true;
    for (struct ticket_set *t = p->tickets; t != NULL; t = t->next)
        if (same_ticket_keys(t, s))
            return t;
    struct ticket_set *t = ARENA_NEW(&p->arena, struct ticket_set);
    t->zone = s->ticket_zone;
    t->keys = s->ticket_keys.count > 0 ? ticket_keys_fixed()
                                       : ticket_keys_in_zone(s->ticket_zone, ticket_period_ms(s));
    t->next = p->tickets;
    p->tickets = t;
    for (size_t i = 0; i < s->ticket_keys.count; i++) {
        *VEC_PUSH(&p->arena, &t->paths) = arena_str(&p->arena, s->ticket_keys.items[i]);
        good = add_ticket_key(t->keys, s->ticket_keys.items[i], r) && good;
    }
    return good ? t : NULL;
}
