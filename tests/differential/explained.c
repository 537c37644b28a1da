#include "explained.h"

#include <string.h>

/* A CA may write more strictly than a path is read: RFC 5280, 4 is for the former, 6 for the
 * latter. */
#define PROFILE "a rule for who writes it; validation (section 6) does not ask for it"

static bool says(const char *text, const char *word)
{
    return text != NULL && strstr(text, word) != NULL;
}

static bool ends_now(const struct world *w, struct place at)
{
    (void)w;
    return at.cert != NULL && at.cert->not_after == 0;
}

static bool list_ends_now(const struct world *w, struct place at)
{
    (void)w;
    return at.list != NULL && at.list->next_update == 0;
}

static bool purpose_is_any(const struct world *w, struct place at)
{
    (void)w;
    return at.cert != NULL && says(at.cert->purposes, "anyExtendedKeyUsage") &&
           (at.cert->netscape_type == NULL || says(at.cert->netscape_type, "client") ||
            says(at.cert->netscape_type, "sslCA"));
}

static bool is_self_signed(const struct world *w, const struct cert_spec *c)
{
    return &w->certs[c->issuer] == c;
}

static bool is_v1_anchor(const struct world *w, struct place at)
{
    return at.cert != NULL && at.cert->version == 1 && at.cert->is_trusted &&
           (w->partial_chain || w->certs[at.cert->issuer].subject == at.cert->subject);
}

static bool is_client_that_may_sign(const struct world *w, struct place at)
{
    return at.cert == &w->certs[w->leaf] && at.cert->constraints == NULL &&
           says(at.cert->usage, "keyCertSign");
}

static bool client_is_ca(const struct world *w, struct place at)
{
    (void)at;
    return says(w->certs[w->leaf].constraints, "CA:TRUE");
}

static bool client_lacks_digital_signature(const struct world *w, struct place at)
{
    const char *usage = w->certs[w->leaf].usage;
    (void)at;
    return usage != NULL && !says(usage, "digitalSignature");
}

/* Keys and digests that are good enough for OpenSSL's level 2 and not on our list. */
static bool has_unlisted_algorithm(const struct world *w, struct place at)
{
    (void)at;
    for (int i = 0; i < w->count; i++)
        if (w->certs[i].key == KEY_ED25519 || w->certs[i].key == KEY_SECP256K1 ||
            strcmp(w->certs[i].digest, "SHA224") == 0 ||
            strcmp(w->certs[i].digest, "SHA3-256") == 0)
            return true;
    return false;
}

static bool has_two_lists_of_one_issuer(const struct world *w, struct place at)
{
    (void)at;
    for (int i = 0; i < w->list_count; i++)
        for (int k = 0; k < i; k++)
            if (w->certs[w->lists[i].issuer].subject == w->certs[w->lists[k].issuer].subject)
                return true;
    return false;
}

/* OpenSSL's current certificate is then the one that is looked up, or its issuer. */
static bool is_partial_anchor(const struct world *w, struct place at)
{
    return w->partial_chain && at.cert != NULL && at.cert->is_trusted &&
           !is_self_signed(w, at.cert);
}

static bool has_delta(const struct world *w, struct place at)
{
    (void)at;
    for (int i = 0; i < w->list_count; i++)
        if (w->lists[i].base > 0)
            return true;
    return false;
}

static bool has_refused_list(const struct world *w, struct place at)
{
    (void)at;
    for (int i = 0; i < w->list_count; i++)
        if (w->lists[i].unknown_critical || says(w->lists[i].point, "indirectCRL") ||
            says(w->lists[i].point, "onlyAA") || says(w->lists[i].point, "onlysomereasons"))
            return true;
    return false;
}

static bool has_name(const struct world *w, const char *text)
{
    for (int i = 0; i < w->count; i++)
        if (says(w->certs[i].names, text))
            return true;
    return false;
}

static bool has_uri_without_host(const struct world *w, struct place at)
{
    (void)at;
    return has_name(w, "URI:urn:") || has_name(w, "URI:https://192.") ||
           has_name(w, "URI:https://[");
}

static bool has_uri_with_user(const struct world *w, struct place at)
{
    (void)at;
    return has_name(w, "URI:https://user@");
}

static bool has_mailbox_without_user(const struct world *w, struct place at)
{
    (void)at;
    return has_name(w, "email:@");
}

static bool has_dns_name_with_last_dot(const struct world *w, struct place at)
{
    (void)at;
    return has_name(w, "DNS:example.org.");
}

static bool has_explicit_policy(const struct world *w, struct place at)
{
    (void)at;
    for (int i = 0; i < w->count; i++)
        if (says(w->certs[i].policy_constraints, "critical,requireExplicitPolicy"))
            return true;
    return false;
}

/* Do name and key identifiers leave more than one certificate to be its issuer? */
static bool is_ambiguous(const struct world *w, const struct cert_spec *c)
{
    const struct cert_spec *issuer = &w->certs[c->issuer];
    if (c->version == 3 && c->issuer_id == ISSUER_ID_KEY && issuer->version == 3 &&
        issuer->has_key_id)
        return false;
    for (int i = 0; i < w->count; i++)
        if (&w->certs[i] != issuer && w->certs[i].subject == issuer->subject)
            return true;
    return false;
}

static bool has_ambiguous_issuer(const struct world *w, struct place at)
{
    (void)at;
    for (int i = 0; i < w->count; i++)
        if (is_ambiguous(w, &w->certs[i]))
            return true;
    return false;
}

static bool is_forged(const struct world *w, const struct list_spec *l)
{
    return l->is_tampered || l->key != w->certs[l->issuer].key;
}

/* Another list bears the same issuer's name, so that theirs is not the only one to ask. */
static bool is_beside_another(const struct world *w, struct place at)
{
    for (int i = 0; i < w->list_count && at.list != NULL; i++)
        if (&w->lists[i] != at.list &&
            w->certs[w->lists[i].issuer].subject == w->certs[at.list->issuer].subject)
            return true;
    return false;
}

/* And this one does not verify by the key that issued the certificate. */
static bool is_forged_beside_another(const struct world *w, struct place at)
{
    return is_beside_another(w, at) && at.cert != NULL &&
           (is_forged(w, at.list) || at.list->key != w->certs[at.cert->issuer].key);
}

/* Which key of its issuer's signed it? */
static bool is_list_of_ambiguous_key(const struct world *w, struct place at)
{
    for (int i = 0; i < w->count && at.list != NULL && !at.list->has_key_id; i++)
        if (w->certs[i].subject == w->certs[at.list->issuer].subject &&
            w->certs[i].key != at.list->key)
            return true;
    return false;
}

static bool has_list_of_unlisted_algorithm(const struct world *w, struct place at)
{
    (void)at;
    for (int i = 0; i < w->list_count; i++)
        if (w->lists[i].key == KEY_ED25519)
            return true;
    return false;
}

#define ALGORITHMS "our rule: ECDSA on the NIST curves and RSA, with SHA-256, 384 and 512"
#define AMBIGUOUS                                                                                \
    "several CAs of one name, old and new keys: only the signature tells which of them it was; " \
    "OpenSSL takes the first that names and key identifiers allow"
#define FORGED \
    "a list that does not verify says nothing, another one does; OpenSSL asks the youngest alone"
#define DOT     "a dot at the end of a host's name names the same host"
#define V1      "an anchor is trusted by the operator's word; version 1 has no basicConstraints"
#define DELTA   "a delta says nothing but beside its base; OpenSSL may take it for a complete list"
#define PARTIAL "the anchor of a partial chain is not part of the path that is validated"

/* What they accept and we do not, the other way round, and where they only search otherwise. */
#define THEY_ACCEPT(reason, holds, section, why) \
    {(enum refusal)(reason), X509_V_OK, (holds), (section), (why), false}
#define WE_ACCEPT(error, holds, section, why) \
    {REFUSAL_NONE, (error), (holds), (section), (why), false}
#define WE_FIND(error, holds, section, why) {REFUSAL_NONE, (error), (holds), (section), (why), true}

const struct explained explained[] = {
    WE_ACCEPT(X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER, NULL, "RFC 5280, 4.2.1.1", PROFILE),
    WE_ACCEPT(X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER, NULL, "RFC 5280, 4.2.1.2", PROFILE),
    WE_ACCEPT(X509_V_ERR_CA_CERT_MISSING_KEY_USAGE, NULL, "RFC 5280, 4.2.1.3", PROFILE),
    WE_ACCEPT(X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA, NULL, "RFC 5280, 4.2.1.3", PROFILE),
    WE_ACCEPT(X509_V_ERR_INVALID_CA, is_client_that_may_sign, "RFC 5280, 4.2.1.9", PROFILE),
    WE_ACCEPT(X509_V_ERR_CA_BCONS_NOT_CRITICAL, NULL, "RFC 5280, 4.2.1.9", PROFILE),
    WE_ACCEPT(X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN, NULL, "RFC 5280, 4.2.1.9", PROFILE),
    WE_ACCEPT(X509_V_ERR_SUBJECT_NAME_EMPTY, NULL, "RFC 5280, 4.1.2.6", PROFILE),
    WE_ACCEPT(X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL, NULL, "RFC 5280, 4.1.2.6", PROFILE),
    WE_ACCEPT(X509_V_ERR_CERT_HAS_EXPIRED, ends_now, "RFC 5280, 4.1.2.5",
              "the last second of a validity belongs to it"),
    WE_ACCEPT(X509_V_ERR_CRL_HAS_EXPIRED, list_ends_now, "RFC 5280, 5.1.2.5",
              "a list counts up to and with the second of its nextUpdate"),
    WE_ACCEPT(X509_V_ERR_INVALID_PURPOSE, purpose_is_any, "RFC 5280, 4.2.1.12",
              "anyExtendedKeyUsage stands for every purpose"),
    WE_ACCEPT(X509_V_ERR_INVALID_CA, is_v1_anchor, "RFC 5280, 6.1.4 (k)", V1),
    WE_ACCEPT(X509_V_ERR_INVALID_PURPOSE, is_v1_anchor, "RFC 5280, 6.1.4 (k)", V1),
    WE_ACCEPT(X509_V_ERR_UNABLE_TO_GET_CRL, is_partial_anchor, "RFC 5280, 6.1", PARTIAL),
    WE_ACCEPT(X509_V_ERR_CERT_REVOKED, is_partial_anchor, "RFC 5280, 6.1", PARTIAL),
    WE_ACCEPT(X509_V_ERR_CRL_SIGNATURE_FAILURE, is_partial_anchor, "RFC 5280, 6.1", PARTIAL),
    WE_ACCEPT(X509_V_ERR_CRL_HAS_EXPIRED, is_partial_anchor, "RFC 5280, 6.1", PARTIAL),
    WE_ACCEPT(X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, is_partial_anchor, "RFC 5280, 6.1", PARTIAL),
    WE_ACCEPT(X509_V_ERR_DIFFERENT_CRL_SCOPE, is_partial_anchor, "RFC 5280, 6.1", PARTIAL),
    WE_ACCEPT(X509_V_ERR_CRL_NOT_YET_VALID, is_partial_anchor, "RFC 5280, 6.1", PARTIAL),
    WE_FIND(X509_V_ERR_PERMITTED_VIOLATION, has_dns_name_with_last_dot, "RFC 1034, 3.1", DOT),
    THEY_ACCEPT(REFUSAL_NAME_NOT_PERMITTED, has_dns_name_with_last_dot, "RFC 1034, 3.1", DOT),
    WE_FIND(X509_V_ERR_CERT_SIGNATURE_FAILURE, has_ambiguous_issuer, "RFC 5280, 4.2.1.1",
            AMBIGUOUS),
    WE_FIND(X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, has_ambiguous_issuer, "RFC 5280, 3.2", AMBIGUOUS),
    WE_FIND(X509_V_ERR_CRL_SIGNATURE_FAILURE, is_beside_another, "RFC 5280, 6.3.3", FORGED),
    WE_FIND(X509_V_ERR_CRL_SIGNATURE_FAILURE, is_list_of_ambiguous_key, "RFC 5280, 5.2.1",
            AMBIGUOUS),
    WE_FIND(X509_V_ERR_CERT_REVOKED, is_forged_beside_another, "RFC 5280, 6.3.3", FORGED),
    THEY_ACCEPT(REFUSAL_NAME_NOT_PERMITTED, has_uri_with_user, "RFC 3986, 3.2",
                "the host of a URI is what follows a user's name and '@'"),
    THEY_ACCEPT(REFUSAL_NAME_NOT_PERMITTED, has_mailbox_without_user, "RFC 5321, 4.1.2",
                "a mailbox has a local part; what has none cannot be decided"),
    THEY_ACCEPT(REFUSAL_AT_LOAD, has_list_of_unlisted_algorithm, "RFC 8446, 4.2.3", ALGORITHMS),
    THEY_ACCEPT(REFUSAL_NAME_NOT_PERMITTED, has_uri_without_host, "RFC 5280, 4.2.1.10",
                "a constraint on URIs: one whose host is no domain name must be refused"),
    THEY_ACCEPT(REFUSAL_CRITICAL_UNKNOWN, has_explicit_policy, "RFC 5280, 4.2",
                "policies are not followed, so a critical demand for one cannot be met"),
    THEY_ACCEPT(REFUSAL_ALG_UNSUPPORTED, has_unlisted_algorithm, "RFC 8446, 4.2.3", ALGORITHMS),
    THEY_ACCEPT(
        REFUSAL_CERT_REVOKED, has_two_lists_of_one_issuer, "RFC 5280, 6.3.3",
        "each list that is in force is asked until one revokes; OpenSSL asks the youngest alone"),
    THEY_ACCEPT(
        REFUSAL_AT_LOAD, has_refused_list, "RFC 5280, 5.2",
        "a list that cannot be honoured in full is refused when it is loaded; OpenSSL leaves it "
        "unused"),
    THEY_ACCEPT(REFUSAL_CRL_MISSING, has_delta, "RFC 5280, 5.2.4", DELTA),
    THEY_ACCEPT(REFUSAL_CRL_INVALID, has_delta, "RFC 5280, 5.2.4", DELTA),
    THEY_ACCEPT(REFUSAL_CRL_EXPIRED, has_delta, "RFC 5280, 5.2.4", DELTA),
    THEY_ACCEPT(REFUSAL_ANY, client_is_ca, "RFC 5280, 4.2.1.9",
                "our rule: the certificate of a CA is for issuing, not for a client"),
    THEY_ACCEPT(
        REFUSAL_ANY, client_lacks_digital_signature, "RFC 8446, 4.4.2.4",
        "a client signs in CertificateVerify: digitalSignature must be there, keyAgreement is not "
        "enough"),
};
const size_t explained_count = sizeof explained / sizeof *explained;

static bool fits(const struct explained *e, enum refusal ours, int theirs)
{
    bool is_any = e->ours == (enum refusal)REFUSAL_ANY && ours != REFUSAL_NONE;
    return (e->ours == ours || is_any) && e->theirs == theirs;
}

size_t explained_find(const struct world *w, enum refusal ours, int theirs, struct place at)
{
    size_t i = 0;
    while (i < explained_count && (!fits(&explained[i], ours, theirs) ||
                                   (explained[i].holds != NULL && !explained[i].holds(w, at))))
        i++;
    return i;
}
