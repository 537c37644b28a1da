#include "portcullis/tls/renewal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "name.h"
#include "pool.h"
#include "portcullis/base/memory.h"
#include "portcullis/tls/key_process.h"

static struct tls_context *context_at(struct list *link)
{
    return CONTAINER_OF(link, struct tls_context, link);
}

/* ---- files ----------------------------------------------------------------------------------- */

struct paths {
    VEC(struct str) list;
};

static void add_path(struct paths *p, struct arena *a, struct str path)
{
    if (path.len > 0)
        *VEC_PUSH(a, &p->list) = path;
}

static void add_paths_of(struct paths *p, struct arena *a, const struct tls_settings *s)
{
    for (size_t i = 0; i < s->certificates.count; i++) {
        add_path(p, a, s->certificates.items[i]);
        add_path(p, a, s->certificate_keys.items[i]);
    }
    add_path(p, a, s->password_file);
    add_path(p, a, s->client_certificate);
    add_path(p, a, s->trusted_certificate);
    add_path(p, a, s->intermediates);
    add_path(p, a, s->crl);
    VEC_FOR(const struct str, it, &s->ticket_keys)
        add_path(p, a, *it);
}

size_t tls_pool_files(const struct tls_pool *p, struct arena *a, const struct str **paths)
{
    struct paths found = {0};
    for (struct list *it = p->contexts.next; it != &p->contexts; it = it->next)
        add_paths_of(&found, a, &context_at(it)->settings);
    *paths = found.list.items;
    return found.list.count;
}

/* ---- reading again --------------------------------------------------------------------------- */

static void free_fresh(struct tls_pool *fresh)
{
    LIST_FOR_EACH(it, &fresh->contexts)
    tls_context_free(context_at(it));
    tls_pool_free(fresh);
}

/* The same contexts in the same order, from the files as they are now. NULL: it was reported. */
static struct tls_pool *read_again(const struct tls_pool *p, int key_line, struct tls_report r)
{
    struct tls_pool *fresh = tls_pool_new();
    if (p->keys_are_apart)
        tls_pool_ask_for_keys(fresh, key_line);
    bool good = true;
    memcpy(fresh->id, p->id, sizeof fresh->id); /* the image is that configuration's */
    for (struct list *it = p->contexts.next; it != &p->contexts; it = it->next)
        good = tls_context_new(fresh, &context_at(it)->settings, r) != NULL && good;
    if (good)
        return fresh;
    free_fresh(fresh);
    return NULL;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Of the same issuer and key, about the same certificates. */
static bool is_sequel(const struct crl *l, const struct crl *of)
{
    return name_equal(l->issuer, of->issuer) && str_eq(l->key_id, of->key_id) &&
           str_eq(l->points, of->points) && l->only_users == of->only_users &&
           l->only_cas == of->only_cas;
}

/* The newest one of its kind; NULL: there is none. */
static const struct crl *find_list(const struct trust *t, const struct crl *like)
{
    const struct crl *found = NULL;
    for (size_t i = 0; i < t->crl_count; i++)
        if (is_sequel(&t->crls[i], like) &&
            (found == NULL || t->crls[i].this_update > found->this_update))
            found = &t->crls[i];
    return found;
}

static bool same_list(const struct crl *a, const struct crl *b)
{
    return a->count == b->count && str_eq(a->signature, b->signature) &&
           memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

static bool has_certificate(const struct trust *t, const struct trust_cert *c)
{
    size_t count;
    const struct trust_cert *found = trust_find(t, c->cert.subject, &count);
    for (; count > 0; count--, found++)
        if (found->kind == c->kind && str_eq(found->cert.der, c->cert.der))
            return true;
    return false;
}

/* ---- looking over ---------------------------------------------------------------------------- */

static bool refuse(const struct tls_report *r, struct str path, struct str name, const char *words)
{
    struct buf text = {0};
    name_append_rfc2253(&text, name);
    tls_report_problem(r, LOG_ERROR, "\"%.*s\": %.*s %s", STR_ARG(path), STR_ARG(buf_str(&text)),
                       words);
    buf_deinit(&text);
    return false;
}

/* What was put among the CAs by mistake; a certificate that is its own issuer may be meant so. */
static bool is_no_ca(const struct trust_cert *c, const struct verify_rules *rules)
{
    return c->kind != TRUST_ROOT && c->cert.version == 3 && !c->cert.is_ca && !rules->partial_chain;
}

static bool certificates_are_sound(const struct tls_context *c, const struct trust *before,
                                   const struct tls_report *r)
{
    const struct trust *t = c->trust;
    struct str path = c->settings.client_certificate.len > 0 ? c->settings.client_certificate
                                                             : c->settings.trusted_certificate;
    bool good = true;
    for (size_t i = 0; i < t->cert_count; i++)
        if (is_no_ca(&t->certs[i], &c->rules) && !has_certificate(before, &t->certs[i]))
            good = refuse(r, path, t->certs[i].cert.subject, "is no CA");
    return good;
}

static bool list_is_sound(const struct tls_context *c, const struct crl *l,
                          const struct trust *before, const struct tls_report *r)
{
    size_t issuers;
    const struct crl *in_use = find_list(before, l), *newest = find_list(c->trust, l);
    (void)trust_find(c->trust, l->issuer, &issuers);
    if (issuers > 0 && l->checked_key.ptr == NULL)
        return refuse(r, c->settings.crl, l->issuer, "did not sign the list of its name");
    if (in_use != NULL && newest->this_update < in_use->this_update)
        return refuse(r, c->settings.crl, l->issuer,
                      "has a list there that is older than the one in use");
    return true;
}

static bool is_sound(const struct tls_context *c, const struct trust *before,
                     const struct tls_report *r)
{
    bool good = certificates_are_sound(c, before, r);
    for (size_t i = 0; i < c->trust->crl_count; i++)
        good = list_is_sound(c, &c->trust->crls[i], before, r) && good;
    return good;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void tell(struct buf *what, const char *sign_and_kind, struct str name)
{
    if (!buf_is_empty(what))
        buf_append_str(what, STR(", "));
    buf_printf(what, "%s '", sign_and_kind);
    name_append_rfc2253(what, name);
    buf_append_char(what, '\'');
}

static void tell_certificates(struct buf *what, const struct trust *t, const struct trust *other,
                              const char *ca, const char *intermediate)
{
    for (size_t i = 0; i < t->cert_count; i++)
        if (!has_certificate(other, &t->certs[i]))
            tell(what, t->certs[i].kind == TRUST_INTERMEDIATE ? intermediate : ca,
                 t->certs[i].cert.subject);
}

static void tell_list(struct buf *what, const struct crl *l, const struct crl *before)
{
    struct tm tm;
    char date[32] = "none";
    size_t added, removed;
    if (before != NULL && same_list(l, before))
        return;
    crl_compare(before, l, &added, &removed);
    if (l->has_next_update) {
        gmtime_r(&l->next_update, &tm);
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S GMT", &tm);
    }
    tell(what, before == NULL ? "+CRL" : "CRL", l->issuer);
    buf_printf(what, ": +%zu -%zu entries, next update %s", added, removed, date);
}

static void tell_lists(struct buf *what, const struct trust *now, const struct trust *before)
{
    for (size_t i = 0; i < now->crl_count; i++)
        tell_list(what, &now->crls[i], find_list(before, &now->crls[i]));
    for (size_t i = 0; i < before->crl_count; i++)
        if (find_list(now, &before->crls[i]) == NULL)
            tell(what, "-CRL", before->crls[i].issuer);
}

static void tell_trust(struct buf *what, const struct trust *now, const struct trust *before)
{
    tell_certificates(what, now, before, "+CA", "+intermediate");
    tell_certificates(what, before, now, "-CA", "-intermediate");
    tell_lists(what, now, before);
}

static bool same_chain(const mbedtls_x509_crt *a, const mbedtls_x509_crt *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next)
        if (!str_eq(str_make((char *)a->raw.p, a->raw.len), str_make((char *)b->raw.p, b->raw.len)))
            return false;
    return a == b;
}

static void tell_file(struct buf *what, const char *kind, struct str path)
{
    buf_printf(what, "%s%s \"%.*s\"", buf_is_empty(what) ? "" : ", ", kind, STR_ARG(path));
}

/* A key belongs to its certificate, so that another key is another certificate. */
static void tell_pairs(struct buf *what, const struct key_pair *now, const struct key_pair *before)
{
    for (; now != NULL; now = now->next, before = before->next)
        if (!same_chain(&now->chain, &before->chain))
            tell_file(what, "certificate", now->certificate_path);
}

static void tell_ticket_keys(struct buf *what, const struct ticket_set *now,
                             const struct ticket_set *before)
{
    for (; now != NULL; now = now->next, before = before->next)
        for (size_t i = 0; i < now->paths.count; i++)
            if (!ticket_keys_agree(now->keys, before->keys, i))
                tell_file(what, "ticket key", now->paths.items[i]);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Blocks that name the same files share what is in them. */
static bool is_first_of_its_set(const struct tls_pool *p, const struct tls_context *c)
{
    struct list *it = p->contexts.next;
    while (context_at(it)->set != c->set)
        it = it->next;
    return context_at(it) == c;
}

struct comparison {
    struct buf trust, contexts; /* what of them has changed, in words */
    bool is_sound;
};

/* Both pools were made in the same order, so that what stands in one place is the same thing. */
static void compare(struct comparison *cmp, const struct tls_pool *fresh, const struct tls_pool *p,
                    const struct tls_report *r)
{
    tell_pairs(&cmp->contexts, fresh->pairs, p->pairs);
    tell_ticket_keys(&cmp->contexts, fresh->tickets, p->tickets);
    struct list *old = p->contexts.next;
    for (struct list *it = fresh->contexts.next; it != &fresh->contexts;
         it = it->next, old = old->next) {
        const struct tls_context *now = context_at(it), *before = context_at(old);
        if (!is_first_of_its_set(fresh, now))
            continue;
        cmp->is_sound = is_sound(now, before->trust, r) && cmp->is_sound;
        tell_trust(&cmp->trust, now->trust, before->trust);
    }
}

static bool make_image(const struct tls_pool *fresh, const struct tls_report *r, int *image)
{
    *image = trust_image_make(fresh);
    if (*image == -1)
        tls_report_problem(r, LOG_ERROR, "the trust image could not be made (%d: %s)", errno,
                           strerror(errno));
    return *image != -1;
}

static enum tls_renewal decide(const struct comparison *cmp, const struct tls_pool *fresh,
                               const struct tls_report *r, struct buf *what, int *image)
{
    if (!cmp->is_sound)
        return TLS_RENEWAL_NOTHING;
    bool trust = !buf_is_empty(&cmp->trust), contexts = !buf_is_empty(&cmp->contexts);
    if (trust && !make_image(fresh, r, image))
        return TLS_RENEWAL_NOTHING;
    buf_append_str(what, buf_str(&cmp->trust));
    buf_append_str(what, trust && contexts ? STR(", ") : STR(""));
    buf_append_str(what, buf_str(&cmp->contexts));
    return contexts ? TLS_RENEWAL_CONTEXTS : trust ? TLS_RENEWAL_TRUST : TLS_RENEWAL_NOTHING;
}

enum tls_renewal tls_pool_renew(const struct tls_pool *p, int key_line, struct tls_report r,
                                struct buf *what, int *image)
{
    struct comparison cmp = {.is_sound = true};
    struct tls_pool *fresh = read_again(p, key_line, r);
    if (fresh == NULL)
        return TLS_RENEWAL_NOTHING;
    compare(&cmp, fresh, p, &r);
    enum tls_renewal renewal = decide(&cmp, fresh, &r, what, image);
    buf_deinit(&cmp.trust);
    buf_deinit(&cmp.contexts);
    free_fresh(fresh);
    return renewal;
}
