#include "world.h"

#include <stdio.h>
#include <string.h>

/* ---- what is drawn --------------------------------------------------------------------------- */

uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int below(uint64_t *r, int n)
{
    return (int)(random_next(r) % (uint64_t)n);
}

static bool percent(uint64_t *r, int chance)
{
    return below(r, 100) < chance;
}

#define ANY_OF(r, list) ((list)[below((r), (int)(sizeof(list) / sizeof *(list)))])

static const long days = 86400;

static struct cert_spec *any_cert(struct world *w, uint64_t *r)
{
    return &w->certs[below(r, w->count)];
}

static struct cert_spec *any_ca(struct world *w, uint64_t *r)
{
    return &w->certs[below(r, w->leaf)];
}

static struct cert_spec *leaf_of(struct world *w)
{
    return &w->certs[w->leaf];
}

static int free_key(const struct world *w)
{
    return w->count % EC_KEYS;
}

static struct cert_spec *add_cert(struct world *w, const struct cert_spec *like)
{
    struct cert_spec *c = &w->certs[w->count];
    *c = *like;
    c->serial = 100 + w->count++;
    return c;
}

static bool is_full(const struct world *w)
{
    return w->count + 2 > CERTS_MAX;
}

/* ---- twists: one thing each ------------------------------------------------------------------ */

static void twist_dates(struct world *w, uint64_t *r)
{
    static const long ends[] = {-1, 0, 1, -400 * 86400L};
    static const long starts[] = {1, 0, -1, 400 * 86400L};
    struct cert_spec *c = any_cert(w, r);
    if (percent(r, 50))
        c->not_after = ANY_OF(r, ends);
    else
        c->not_before = ANY_OF(r, starts);
}

static void twist_basic_constraints(struct world *w, uint64_t *r)
{
    static const char *const values[] = {NULL,
                                         "critical,CA:FALSE",
                                         "CA:FALSE",
                                         "CA:TRUE",
                                         "critical,CA:TRUE",
                                         "critical,CA:TRUE,pathlen:0",
                                         "critical,CA:TRUE,pathlen:0",
                                         "critical,CA:TRUE,pathlen:1",
                                         "critical,CA:TRUE,pathlen:2"};
    struct cert_spec *c = percent(r, 85) ? any_ca(w, r) : leaf_of(w);
    c->constraints = ANY_OF(r, values);
}

static void twist_usage(struct world *w, uint64_t *r)
{
    static const char *const values[] = {NULL,
                                         "critical,digitalSignature",
                                         "digitalSignature",
                                         "critical,keyCertSign",
                                         "critical,cRLSign",
                                         "keyCertSign,cRLSign",
                                         "critical,digitalSignature,keyCertSign,cRLSign",
                                         "critical,keyEncipherment",
                                         "critical,keyAgreement",
                                         "critical,nonRepudiation,keyAgreement,decipherOnly"};
    any_cert(w, r)->usage = ANY_OF(r, values);
}

static void twist_purposes(struct world *w, uint64_t *r)
{
    static const char *const values[] = {NULL,
                                         "clientAuth",
                                         "critical,clientAuth",
                                         "serverAuth",
                                         "serverAuth,clientAuth",
                                         "anyExtendedKeyUsage",
                                         "critical,emailProtection,1.3.6.1.4.1.99999.7",
                                         "codeSigning,anyExtendedKeyUsage",
                                         "critical,OCSPSigning"};
    any_cert(w, r)->purposes = ANY_OF(r, values);
}

static void twist_netscape_type(struct world *w, uint64_t *r)
{
    static const char *const values[] = {"client", "server", "client,server",
                                         "email",  "sslCA",  "emailCA"};
    any_cert(w, r)->netscape_type = ANY_OF(r, values);
}

static const char *const alternative_names[] = {
    "DNS:client.example.org",
    "DNS:example.org",
    "DNS:CLIENT.Example.ORG",
    "DNS:badexample.org",
    "DNS:*.example.org",
    "DNS:a.b.example.org,DNS:example.net",
    "DNS:example.org.",
    "critical,DNS:client.example.org",
    "email:someone@example.org",
    "email:someone@mail.example.org",
    "email:Someone@EXAMPLE.org",
    "email:@example.org",
    "email:example.org",
    "URI:https://api.example.org/path?x=1",
    "URI:spiffe://example.org/workload",
    "URI:https://user@api.example.org:8443/",
    "URI:urn:uuid:f81d4fae",
    "URI:https://192.0.2.1/",
    "URI:https://[2001:db8::1]/",
    "IP:192.0.2.7",
    "IP:198.51.100.7",
    "IP:2001:db8::7",
    "dirName:directory_ours",
    "dirName:directory_other",
    "RID:1.2.3.4",
    "otherName:1.2.3.4;UTF8:someone",
    "DNS:client.example.org,email:someone@example.org,IP:192.0.2.7,URI:https://example.org/",
};

static void twist_names(struct world *w, uint64_t *r)
{
    struct cert_spec *c = percent(r, 80) ? leaf_of(w) : any_cert(w, r);
    c->names = ANY_OF(r, alternative_names);
}

static const char *const name_constraints[] = {
    "critical,permitted;DNS:example.org",
    "permitted;DNS:example.org",
    "critical,permitted;DNS:.example.org",
    "critical,excluded;DNS:example.org",
    "critical,excluded;DNS:.example.org",
    "critical,permitted;DNS:example.net,permitted;DNS:example.org",
    "critical,permitted;DNS:EXAMPLE.org,excluded;DNS:client.example.org",
    "critical,permitted;email:example.org",
    "critical,permitted;email:.example.org",
    "critical,permitted;email:someone@example.org",
    "excluded;email:someone@example.org",
    "critical,excluded;email:example.org",
    "critical,permitted;URI:example.org",
    "critical,permitted;URI:.example.org",
    "critical,excluded;URI:api.example.org",
    "critical,excluded;URI:.example.org",
    "critical,permitted;IP:192.0.2.0/255.255.255.0",
    "critical,excluded;IP:192.0.2.0/255.255.255.0",
    "critical,permitted;IP:2001:db8::/ffff:ffff::",
    "critical,excluded;IP:0.0.0.0/0.0.0.0",
    "critical,permitted;dirName:directory_ours",
    "critical,permitted;dirName:directory_other",
    "critical,excluded;dirName:directory_ours",
    "critical,excluded;dirName:directory_other",
    "critical,permitted;RID:1.2.3.4",
    "critical,excluded;otherName:1.2.3.4;UTF8:someone",
    "critical,permitted;DNS:example.org,permitted;email:example.org,permitted;IP:192.0.2.0/"
    "255.255.255.0,excluded;URI:.example.org",
};

/* Mostly with names to be constrained. */
static void twist_name_constraints(struct world *w, uint64_t *r)
{
    any_ca(w, r)->name_constraints = ANY_OF(r, name_constraints);
    if (percent(r, 80))
        twist_names(w, r);
    if (percent(r, 20))
        any_ca(w, r)->name_constraints = ANY_OF(r, name_constraints);
}

static void twist_no_subject(struct world *w, uint64_t *r)
{
    static const char *const names[] = {NULL, "DNS:client.example.org",
                                        "critical,URI:spiffe://example.org/workload"};
    struct cert_spec *c = leaf_of(w);
    c->no_subject = true;
    c->names = ANY_OF(r, names);
}

static void twist_key_ids(struct world *w, uint64_t *r)
{
    struct cert_spec *c = any_cert(w, r);
    if (percent(r, 30))
        c->has_key_id = false;
    else
        c->issuer_id = (enum issuer_id)(1 + below(r, 4));
}

static void twist_version(struct world *w, uint64_t *r)
{
    any_cert(w, r)->version = 1;
}

static void twist_keys(struct world *w, uint64_t *r)
{
    static const int keys[] = {KEY_P384, KEY_RSA, KEY_RSA_SHORT, KEY_ED25519, KEY_SECP256K1};
    any_cert(w, r)->key = ANY_OF(r, keys);
}

static void twist_digest(struct world *w, uint64_t *r)
{
    static const char *const digests[] = {"SHA1", "SHA384", "SHA512", "SHA224"};
    any_cert(w, r)->digest = ANY_OF(r, digests);
}

static void twist_signature(struct world *w, uint64_t *r)
{
    any_cert(w, r)->is_tampered = true;
}

static void twist_unknown_extension(struct world *w, uint64_t *r)
{
    struct cert_spec *c = any_cert(w, r);
    c->unknown_extension = true;
    c->unknown_critical = percent(r, 70);
}

static void twist_policies(struct world *w, uint64_t *r)
{
    static const char *const policies[] = {"1.2.3.4", "critical,1.2.3.5",
                                           "critical,2.5.29.32.0,1.2.3.4"};
    static const char *const limits[] = {"requireExplicitPolicy:0",
                                         "critical,requireExplicitPolicy:0",
                                         "critical,inhibitPolicyMapping:0"};
    struct cert_spec *c = any_cert(w, r);
    if (percent(r, 60))
        c->policies = ANY_OF(r, policies);
    else
        c->policy_constraints = ANY_OF(r, limits);
}

static void twist_spelling(struct world *w, uint64_t *r)
{
    any_cert(w, r)->spelled_otherwise = true;
}

static void twist_depth(struct world *w, uint64_t *r)
{
    w->depth = below(r, 4);
}

static void twist_missing(struct world *w, uint64_t *r)
{
    struct cert_spec *c = any_ca(w, r);
    c->is_sent = c->is_trusted = false;
}

static void twist_trusted_intermediate(struct world *w, uint64_t *r)
{
    struct cert_spec *c = any_cert(w, r);
    c->is_trusted = true;
    if (percent(r, 50))
        c->is_sent = c == leaf_of(w);
    if (percent(r, 50))
        w->partial_chain = true;
    if (percent(r, 40))
        w->certs[0].is_trusted = false;
}

/* The same name and key, certified by another CA, good or bad in its own way. */
static void twist_cross_signed(struct world *w, uint64_t *r)
{
    if (is_full(w))
        return;
    struct cert_spec root = w->certs[0];
    root.subject = 50 + w->count;
    root.key = free_key(w);
    root.issuer = w->count;
    root.is_trusted = percent(r, 50);
    root.is_sent = percent(r, 30);
    add_cert(w, &root);
    struct cert_spec *of = any_ca(w, r);
    struct cert_spec *crossed = add_cert(w, of);
    crossed->issuer = w->count - 2;
    crossed->is_trusted = percent(r, 20);
    crossed->is_sent = !crossed->is_trusted || percent(r, 50);
    if (percent(r, 30))
        crossed->not_after = -1;
    if (percent(r, 30))
        of->not_after = -1;
    if (percent(r, 20))
        of->is_sent = of->is_trusted = false;
}

/* The same name with another key: nobody's issuer, or in its place. */
static void twist_rolled_key(struct world *w, uint64_t *r)
{
    if (is_full(w))
        return;
    struct cert_spec *of = any_ca(w, r);
    struct cert_spec *rolled = add_cert(w, of);
    rolled->key = free_key(w);
    if (of->issuer == of - w->certs)
        rolled->issuer = w->count - 1;
    rolled->has_key_id = percent(r, 50);
    if (percent(r, 30))
        of->has_key_id = false;
    if (percent(r, 25))
        of->is_sent = of->is_trusted = false;
}

/* A CA certifies its own new key (RFC 5280, 3.2): the certificates below come from that one. */
static void twist_self_issued(struct world *w, uint64_t *r)
{
    if (is_full(w))
        return;
    int of = below(r, w->leaf);
    struct cert_spec *c = add_cert(w, &w->certs[of]);
    int at = w->count - 1;
    c->key = free_key(w);
    c->issuer = of;
    c->is_sent = true;
    c->is_trusted = false;
    for (int i = 1; i < at; i++)
        if (w->certs[i].issuer == of && i != of)
            w->certs[i].issuer = at;
    if (percent(r, 50))
        w->certs[of].constraints = "critical,CA:TRUE,pathlen:0";
}

static void twist_self_signed_leaf(struct world *w, uint64_t *r)
{
    struct cert_spec *c = leaf_of(w);
    c->issuer = w->leaf;
    c->is_trusted = percent(r, 60);
}

static void twist_ca_as_client(struct world *w, uint64_t *r)
{
    struct cert_spec *c = leaf_of(w);
    c->constraints = "critical,CA:TRUE";
    c->usage = "critical,digitalSignature,keyCertSign";
    c->is_trusted = percent(r, 30);
}

/* ---- twists of revocation lists -------------------------------------------------------------- */

static void add_lists(struct world *w)
{
    for (int i = 0; i < w->count && w->list_count < LISTS_MAX - 4; i++)
        if (i != w->leaf)
            w->lists[w->list_count++] = (struct list_spec){.issuer = i,
                                                           .key = w->certs[i].key,
                                                           .this_update = -days,
                                                           .next_update = days,
                                                           .has_next_update = true,
                                                           .number = 5,
                                                           .has_key_id = true};
}

static struct list_spec *any_list(struct world *w, uint64_t *r)
{
    if (w->list_count == 0)
        add_lists(w);
    return &w->lists[below(r, w->list_count)];
}

static void revoke(struct list_spec *l, int serial, int reason)
{
    if (l->revoked_count == REVOKED_MAX)
        return;
    l->revoked[l->revoked_count] = serial;
    l->reasons[l->revoked_count++] = reason;
}

/* A certificate that this list's issuer issued, or any. */
static int serial_for(struct world *w, uint64_t *r, const struct list_spec *l)
{
    for (int i = w->count - 1; i > 0; i--)
        if (w->certs[i].issuer == l->issuer && percent(r, 80))
            return w->certs[i].serial;
    return any_cert(w, r)->serial;
}

static void twist_revoked(struct world *w, uint64_t *r)
{
    static const int reasons[] = {-1, 1, 3, 4, 5, 6, 9};
    struct list_spec *l = any_list(w, r);
    revoke(l, serial_for(w, r, l), ANY_OF(r, reasons));
}

static void twist_list_dates(struct world *w, uint64_t *r)
{
    static const long ends[] = {-1, 0, 1, -100 * 86400L};
    static const long starts[] = {1, 0, -1, 100 * 86400L};
    struct list_spec *l = any_list(w, r);
    if (percent(r, 20))
        l->has_next_update = false;
    else if (percent(r, 60))
        l->next_update = ANY_OF(r, ends);
    else
        l->this_update = ANY_OF(r, starts);
}

static void twist_list_missing(struct world *w, uint64_t *r)
{
    struct list_spec *l = any_list(w, r);
    *l = w->lists[--w->list_count];
}

static void twist_list_signature(struct world *w, uint64_t *r)
{
    struct list_spec *l = any_list(w, r);
    if (percent(r, 50))
        l->is_tampered = true;
    else
        l->key = below(r, EC_KEYS);
}

static void twist_list_key_id(struct world *w, uint64_t *r)
{
    struct list_spec *l = any_list(w, r);
    l->has_key_id = percent(r, 40);
    l->wrong_key_id = !l->has_key_id && percent(r, 50);
}

static void twist_list_extension(struct world *w, uint64_t *r)
{
    any_list(w, r)->unknown_critical = true;
}

static void twist_list_partition(struct world *w, uint64_t *r)
{
    static const char *const points[] = {
        "critical,onlyuser:TRUE",
        "critical,onlyCA:TRUE",
        "critical,fullname:URI:http://crl.example.org/1",
        "critical,fullname:URI:http://crl.example.org/2",
        "critical,onlyuser:TRUE,fullname:URI:http://crl.example.org/1",
        "critical,indirectCRL:TRUE",
        "critical,onlyAA:TRUE",
        "critical,onlysomereasons:keyCompromise",
    };
    struct list_spec *l = any_list(w, r);
    l->point = ANY_OF(r, points);
    for (int i = 0; i < w->count; i++)
        if (w->certs[i].issuer == l->issuer && percent(r, 70))
            w->certs[i].crl_point = "URI:http://crl.example.org/1";
}

/* Two lists of one issuer, the second younger. */
static void twist_list_twice(struct world *w, uint64_t *r)
{
    struct list_spec *l = any_list(w, r);
    if (w->list_count == LISTS_MAX)
        return;
    struct list_spec *second = &w->lists[w->list_count++];
    *second = *l;
    second->number++;
    second->this_update += 3600;
    if (percent(r, 40))
        l->next_update = -1;
    if (percent(r, 50))
        revoke(percent(r, 50) ? l : second, serial_for(w, r, l), -1);
}

/* What changed since the list that is there: more revoked, or somebody's hold at its end. */
static void twist_list_delta(struct world *w, uint64_t *r)
{
    enum { REMOVE_FROM_CRL = 8 };
    struct list_spec *l = any_list(w, r);
    if (w->list_count == LISTS_MAX)
        return;
    struct list_spec *delta = &w->lists[w->list_count++];
    int serial = serial_for(w, r, l);
    *delta = *l;
    delta->number = l->number + below(r, 3);
    delta->base = l->number - 1 + below(r, 3);
    l->has_delta = true;
    if (percent(r, 60))
        revoke(l, serial, 6);
    if (percent(r, 80))
        revoke(delta, serial, percent(r, 60) ? REMOVE_FROM_CRL : 1);
    if (percent(r, 15))
        delta->next_update = -1;
}

static void twist_list_leaf_only(struct world *w, uint64_t *r)
{
    any_list(w, r);
    w->crl_leaf_only = true;
}

static const struct {
    const char *name;
    int weight;
    void (*apply)(struct world *w, uint64_t *r);
} twists[] = {
    {"dates", 6, twist_dates},
    {"basic-constraints", 8, twist_basic_constraints},
    {"usage", 6, twist_usage},
    {"purposes", 5, twist_purposes},
    {"netscape-type", 1, twist_netscape_type},
    {"names", 3, twist_names},
    {"name-constraints", 16, twist_name_constraints},
    {"no-subject", 2, twist_no_subject},
    {"key-ids", 5, twist_key_ids},
    {"version", 2, twist_version},
    {"keys", 3, twist_keys},
    {"digest", 2, twist_digest},
    {"signature", 2, twist_signature},
    {"unknown-extension", 3, twist_unknown_extension},
    {"policies", 2, twist_policies},
    {"spelling", 3, twist_spelling},
    {"depth", 4, twist_depth},
    {"missing", 3, twist_missing},
    {"trusted-intermediate", 6, twist_trusted_intermediate},
    {"cross-signed", 8, twist_cross_signed},
    {"rolled-key", 6, twist_rolled_key},
    {"self-issued", 6, twist_self_issued},
    {"self-signed-leaf", 1, twist_self_signed_leaf},
    {"ca-as-client", 1, twist_ca_as_client},
    {"revoked", 6, twist_revoked},
    {"list-dates", 4, twist_list_dates},
    {"list-missing", 3, twist_list_missing},
    {"list-signature", 2, twist_list_signature},
    {"list-key-id", 2, twist_list_key_id},
    {"list-extension", 1, twist_list_extension},
    {"list-partition", 5, twist_list_partition},
    {"list-twice", 4, twist_list_twice},
    {"list-delta", 4, twist_list_delta},
    {"list-leaf-only", 2, twist_list_leaf_only},
};

/* ---- a world --------------------------------------------------------------------------------- */

static void straight_chain(struct world *w, int intermediates)
{
    w->leaf = intermediates + 1;
    w->count = w->leaf + 1;
    for (int i = 0; i < w->count; i++) {
        bool is_leaf = i == w->leaf;
        w->certs[i] = (struct cert_spec){
            .subject = i,
            .key = i,
            .issuer = i == 0 ? 0 : i - 1,
            .serial = 100 + i,
            .version = 3,
            .not_before = -400 * days,
            .not_after = 400 * days,
            .constraints = is_leaf ? "critical,CA:FALSE" : "critical,CA:TRUE",
            .usage = is_leaf ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign",
            .purposes = is_leaf ? "clientAuth" : NULL,
            .has_key_id = true,
            .issuer_id = ISSUER_ID_KEY,
            .digest = "SHA256",
            .is_sent = i > 0,
            .is_trusted = i == 0,
        };
    }
}

static void twist(struct world *w, uint64_t *r)
{
    static int total;
    size_t count = sizeof twists / sizeof *twists, i = 0;
    if (total == 0)
        for (size_t k = 0; k < count; k++)
            total += twists[k].weight;
    int at = below(r, total);
    while (at >= twists[i].weight)
        at -= twists[i++].weight;
    twists[i].apply(w, r);
    size_t used = strlen(w->twists);
    snprintf(w->twists + used, sizeof w->twists - used, " %s", twists[i].name);
}

/* The leaf first, what is above it after that. */
static void send_certs(struct world *w)
{
    w->sent[w->sent_count++] = w->leaf;
    for (int i = w->count - 1; i >= 0; i--)
        if (i != w->leaf && w->certs[i].is_sent)
            w->sent[w->sent_count++] = i;
}

/* The order of what comes after the leaf may not matter. */
static void shuffle(struct world *w, uint64_t *r)
{
    for (int i = w->sent_count - 1; i > 1; i--) {
        int j = 1 + below(r, i);
        int kept = w->sent[i];
        w->sent[i] = w->sent[j];
        w->sent[j] = kept;
    }
}

void world_make(struct world *w, uint64_t seed)
{
    static const int intermediates[] = {0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4};
    static const int bends[] = {0, 1, 1, 1, 1, 2, 2, 2, 3, 4};
    uint64_t state = seed, *r = &state;
    memset(w, 0, sizeof *w);
    w->depth = 9;
    straight_chain(w, ANY_OF(r, intermediates));
    for (int left = ANY_OF(r, bends); left > 0; left--)
        twist(w, r);
    if (w->list_count == 0 && percent(r, 10))
        add_lists(w);
    send_certs(w);
    if (percent(r, 20))
        shuffle(w, r);
    world_encode(w);
}

void world_print(const struct world *w)
{
    printf("  twists:%s\n  depth %d%s%s\n", w->twists, w->depth,
           w->partial_chain ? ", partial chains" : "",
           w->crl_leaf_only ? ", lists for the leaf alone" : "");
    for (int i = 0; i < w->count; i++) {
        const struct cert_spec *c = &w->certs[i];
        const char *const texts[] = {
            c->constraints,       c->usage,    c->purposes,  c->names,
            c->name_constraints,  c->policies, c->crl_point, c->netscape_type,
            c->policy_constraints};
        printf("  %d%s%s%s: issuer %d, subject %d, key %d, v%d, %ld..%ld", i,
               i == w->leaf ? " leaf" : "", c->is_sent ? " sent" : "",
               c->is_trusted ? " trusted" : "", c->issuer, c->subject, c->key, c->version,
               c->not_before, c->not_after);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            if (texts[k] != NULL)
                printf(" | %s", texts[k]);
        printf(" | %s, key id %d, issuer id %d%s%s%s%s\n", c->digest, c->has_key_id,
               (int)c->issuer_id, c->is_tampered ? ", tampered" : "",
               c->no_subject ? ", no subject" : "", c->unknown_critical ? ", unknown critical" : "",
               c->spelled_otherwise ? ", spelled otherwise" : "");
    }
    for (int i = 0; i < w->list_count; i++) {
        const struct list_spec *l = &w->lists[i];
        printf("  list of %d: key %d, %ld..%ld%s, number %d, base %d, %s%s%s", l->issuer, l->key,
               l->this_update, l->next_update, l->has_next_update ? "" : " (none)", l->number,
               l->base, l->point != NULL ? l->point : "complete",
               l->is_tampered ? ", tampered" : "", l->wrong_key_id ? ", wrong key id" : "");
        for (int k = 0; k < l->revoked_count; k++)
            printf(", revokes %d (%d)", l->revoked[k], l->reasons[k]);
        printf("\n");
    }
}
