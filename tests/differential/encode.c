/* Specs to DER, by OpenSSL's own writer: nothing here is shared with the reader under test. */
#include <openssl/conf.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "differential: OpenSSL could not make %s\n", what);
    abort();
}

/* ---- keys ------------------------------------------------------------------------------------ */

static EVP_PKEY *keys[KEYS];
static CONF *sections; /* that texts of extensions refer to */

void encode_init(void)
{
    static const char text[] = "[directory_ours]\nO=Ours\n[directory_other]\nO=Other\n";
    long line;
    BIO *in = BIO_new_mem_buf(text, -1);
    sections = NCONF_new(NULL);
    must(NCONF_load_bio(sections, in, &line) > 0, "sections");
    BIO_free(in);
    for (int i = 0; i < EC_KEYS; i++)
        keys[i] = EVP_EC_gen("P-256");
    keys[KEY_P384] = EVP_EC_gen("P-384");
    keys[KEY_RSA] = EVP_RSA_gen(2048);
    keys[KEY_RSA_SHORT] = EVP_RSA_gen(1024);
    keys[KEY_ED25519] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    keys[KEY_SECP256K1] = EVP_EC_gen("secp256k1");
    for (int i = 0; i < KEYS; i++)
        must(keys[i] != NULL, "a key");
}

void encode_deinit(void)
{
    NCONF_free(sections);
    for (int i = 0; i < KEYS; i++)
        EVP_PKEY_free(keys[i]);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static X509_EXTENSION *extension(int nid, const char *text)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, NULL, NULL, NULL, NULL, 0);
    X509V3_set_nconf(&context, sections);
    X509_EXTENSION *e = X509V3_EXT_nconf_nid(sections, &context, nid, text);
    must(e != NULL, text);
    return e;
}

static void add_extension(X509 *x, int nid, const char *text)
{
    if (text == NULL)
        return;
    X509_EXTENSION *e = extension(nid, text);
    must(X509_add_ext(x, e, -1) == 1, text);
    X509_EXTENSION_free(e);
}

/* An extension that nobody knows. */
static X509_EXTENSION *unknown_extension(bool is_critical)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05", 2);
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, is_critical, value);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return e;
}

static ASN1_OCTET_STRING *key_id(int key)
{
    unsigned char octets[20];
    memset(octets, key + 1, sizeof octets);
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(id, octets, sizeof octets);
    return id;
}

/* Equal in the eyes of RFC 5280, 7.1, whatever the spelling. */
static X509_NAME *name_of(int subject, bool spelled_otherwise)
{
    char text[64];
    X509_NAME *n = X509_NAME_new();
    int type = spelled_otherwise ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
    snprintf(text, sizeof text,
             spelled_otherwise ? "  SOMEBODY   NUMBER %d " : "Somebody number %d", subject);
    X509_NAME_add_entry_by_txt(n, "O", V_ASN1_UTF8STRING,
                               (const unsigned char *)(spelled_otherwise ? "OURS" : "Ours"), -1, -1,
                               0);
    must(X509_NAME_add_entry_by_txt(n, "CN", type, (const unsigned char *)text, -1, -1, 0) == 1,
         "a name");
    return n;
}

static void set_time(ASN1_TIME *t, long offset)
{
    must(ASN1_TIME_set(t, WORLD_NOW + offset) != NULL, "a time");
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void add_key_id(X509 *x, const struct cert_spec *c)
{
    if (!c->has_key_id)
        return;
    ASN1_OCTET_STRING *id = key_id(c->key);
    X509_add1_ext_i2d(x, NID_subject_key_identifier, id, 0, X509V3_ADD_APPEND);
    ASN1_OCTET_STRING_free(id);
}

static void set_issuer_and_serial(AUTHORITY_KEYID *a, const struct world *w,
                                  const struct cert_spec *issuer, bool is_wrong)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, name_of(w->certs[issuer->issuer].subject, false));
    a->issuer = GENERAL_NAMES_new();
    sk_GENERAL_NAME_push(a->issuer, name);
    a->serial = ASN1_INTEGER_new();
    ASN1_INTEGER_set(a->serial, issuer->serial + is_wrong);
}

static void add_issuer_id(X509 *x, const struct world *w, const struct cert_spec *c)
{
    const struct cert_spec *issuer = &w->certs[c->issuer];
    if (c->issuer_id == ISSUER_ID_NONE)
        return;
    AUTHORITY_KEYID *a = AUTHORITY_KEYID_new();
    if (c->issuer_id == ISSUER_ID_KEY)
        a->keyid = key_id(issuer->key);
    else if (c->issuer_id == ISSUER_ID_WRONG_KEY)
        a->keyid = key_id(KEYS);
    else
        set_issuer_and_serial(a, w, issuer, c->issuer_id == ISSUER_ID_WRONG_SERIAL);
    X509_add1_ext_i2d(x, NID_authority_key_identifier, a, 0, X509V3_ADD_APPEND);
    AUTHORITY_KEYID_free(a);
}

static void add_extensions(X509 *x, const struct world *w, const struct cert_spec *c)
{
    const struct {
        int nid;
        const char *text;
    } texts[] = {
        {NID_basic_constraints, c->constraints},
        {NID_key_usage, c->usage},
        {NID_ext_key_usage, c->purposes},
        {NID_subject_alt_name, c->names},
        {NID_name_constraints, c->name_constraints},
        {NID_certificate_policies, c->policies},
        {NID_policy_constraints, c->policy_constraints},
        {NID_crl_distribution_points, c->crl_point},
        {NID_netscape_cert_type, c->netscape_type},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add_extension(x, texts[i].nid, texts[i].text);
    add_key_id(x, c);
    add_issuer_id(x, w, c);
    if (c->unknown_extension) {
        X509_EXTENSION *e = unknown_extension(c->unknown_critical);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
}

static const EVP_MD *digest_for(int key, const char *digest)
{
    return key == KEY_ED25519 ? NULL : EVP_get_digestbyname(digest);
}

static void tamper(const ASN1_BIT_STRING *signature)
{
    ((ASN1_BIT_STRING *)(uintptr_t)signature)->data[signature->length - 1] ^= 1;
}

static X509 *encode_cert(const struct world *w, const struct cert_spec *c)
{
    const struct cert_spec *issuer = &w->certs[c->issuer];
    X509 *x = X509_new();
    X509_NAME *subject = c->no_subject ? X509_NAME_new() : name_of(c->subject, false);
    X509_NAME *by = issuer->no_subject ? X509_NAME_new()
                                       : name_of(issuer->subject, c->spelled_otherwise);
    X509_set_version(x, c->version - 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x), c->serial);
    X509_set_subject_name(x, subject);
    X509_set_issuer_name(x, by);
    X509_NAME_free(subject);
    X509_NAME_free(by);
    set_time(X509_getm_notBefore(x), c->not_before);
    set_time(X509_getm_notAfter(x), c->not_after);
    X509_set_pubkey(x, keys[c->key]);
    if (c->version == 3)
        add_extensions(x, w, c);
    must(X509_sign(x, keys[issuer->key], digest_for(issuer->key, c->digest)) > 0, "a certificate");
    if (c->is_tampered) {
        const ASN1_BIT_STRING *signature;
        X509_get0_signature(&signature, NULL, x);
        tamper(signature);
    }
    return x;
}

/* ---- revocation lists ------------------------------------------------------------------------ */

static void add_crl_integer(X509_CRL *x, int nid, int value, bool is_critical)
{
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    ASN1_INTEGER_set(n, value);
    X509_CRL_add1_ext_i2d(x, nid, n, is_critical, X509V3_ADD_APPEND);
    ASN1_INTEGER_free(n);
}

static void add_crl_text(X509_CRL *x, int nid, const char *text)
{
    if (text == NULL)
        return;
    X509_EXTENSION *e = extension(nid, text);
    X509_CRL_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static void add_crl_extensions(X509_CRL *x, const struct world *w, const struct list_spec *l)
{
    if (l->has_key_id || l->wrong_key_id) {
        AUTHORITY_KEYID *a = AUTHORITY_KEYID_new();
        a->keyid = key_id(l->wrong_key_id ? KEYS : w->certs[l->issuer].key);
        X509_CRL_add1_ext_i2d(x, NID_authority_key_identifier, a, 0, X509V3_ADD_APPEND);
        AUTHORITY_KEYID_free(a);
    }
    add_crl_integer(x, NID_crl_number, l->number, false);
    if (l->base > 0)
        add_crl_integer(x, NID_delta_crl, l->base, true);
    add_crl_text(x, NID_issuing_distribution_point, l->point);
    add_crl_text(x, NID_freshest_crl, l->has_delta ? "URI:http://crl.example.org/delta" : NULL);
    if (l->unknown_critical) {
        X509_EXTENSION *e = unknown_extension(true);
        X509_CRL_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
}

static void add_entry(X509_CRL *x, int serial, int reason)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    ASN1_TIME *when = ASN1_TIME_new();
    ASN1_INTEGER_set(n, serial);
    set_time(when, -86400);
    X509_REVOKED_set_serialNumber(entry, n);
    X509_REVOKED_set_revocationDate(entry, when);
    if (reason >= 0) {
        ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();
        ASN1_ENUMERATED_set(code, reason);
        X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, X509V3_ADD_APPEND);
        ASN1_ENUMERATED_free(code);
    }
    X509_CRL_add0_revoked(x, entry);
    ASN1_INTEGER_free(n);
    ASN1_TIME_free(when);
}

static X509_CRL *encode_list(const struct world *w, const struct list_spec *l)
{
    X509_CRL *x = X509_CRL_new();
    X509_NAME *issuer = name_of(w->certs[l->issuer].subject, false);
    ASN1_TIME *t = ASN1_TIME_new();
    X509_CRL_set_version(x, 1);
    X509_CRL_set_issuer_name(x, issuer);
    X509_NAME_free(issuer);
    set_time(t, l->this_update);
    X509_CRL_set1_lastUpdate(x, t);
    set_time(t, l->next_update);
    if (l->has_next_update)
        X509_CRL_set1_nextUpdate(x, t);
    ASN1_TIME_free(t);
    for (int i = 0; i < l->revoked_count; i++)
        add_entry(x, l->revoked[i], l->reasons[i]);
    add_crl_extensions(x, w, l);
    X509_CRL_sort(x);
    must(X509_CRL_sign(x, keys[l->key], digest_for(l->key, "SHA256")) > 0, "a list");
    if (l->is_tampered) {
        const ASN1_BIT_STRING *signature;
        X509_CRL_get0_signature(x, &signature, NULL);
        tamper(signature);
    }
    return x;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* OpenSSL judges what it reads from the DER, as we do, not what it has in memory. */
void world_encode(struct world *w)
{
    for (int i = 0; i < w->count; i++) {
        unsigned char *der = NULL;
        X509 *made = encode_cert(w, &w->certs[i]);
        int len = i2d_X509(made, &der);
        const unsigned char *p = der;
        must(len > 0 && (w->x509[i] = d2i_X509(NULL, &p, len)) != NULL, "DER");
        w->der[i] = str_make((const char *)der, (size_t)len);
        X509_free(made);
    }
    for (int i = 0; i < w->list_count; i++) {
        unsigned char *der = NULL;
        X509_CRL *made = encode_list(w, &w->lists[i]);
        int len = i2d_X509_CRL(made, &der);
        const unsigned char *p = der;
        must(len > 0 && (w->crls[i] = d2i_X509_CRL(NULL, &p, len)) != NULL, "DER");
        w->crl_der[i] = str_make((const char *)der, (size_t)len);
        X509_CRL_free(made);
    }
}

void world_free(struct world *w)
{
    for (int i = 0; i < w->count; i++) {
        X509_free(w->x509[i]);
        OPENSSL_free((void *)(uintptr_t)w->der[i].ptr);
    }
    for (int i = 0; i < w->list_count; i++) {
        X509_CRL_free(w->crls[i]);
        OPENSSL_free((void *)(uintptr_t)w->crl_der[i].ptr);
    }
}
