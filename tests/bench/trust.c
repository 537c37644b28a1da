/* bench_trust — what a revocation list of a million entries and ten thousand CAs cost: seconds to
 * load, octets an entry, time of a verdict with and without them. */
#include <malloc.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "portcullis/tls/verify.h"

enum { ENTRIES = 1000000, CAS = 10000, VERDICTS = 2000 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double resident_mb(void)
{
    unsigned long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu %lu", &size, &pages) != 2)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static X509 *certificate(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *x = X509_new();
    X509_NAME *n = X509_get_subject_name(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, issuer != NULL ? X509_get_subject_name(issuer) : n);
    X509_set_pubkey(x, key);
    X509V3_CTX context;
    X509V3_set_ctx(&context, NULL, NULL, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints,
                                            issuer != NULL ? "CA:FALSE" : "critical,CA:TRUE");
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    X509_sign(x, issuer_key, EVP_sha256());
    return x;
}

/* Serial numbers of 20 octets, as CAs make them. */
static X509_CRL *list(X509 *issuer, EVP_PKEY *key)
{
    X509_CRL *x = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *later = X509_gmtime_adj(NULL, 86400);
    X509_CRL_set_version(x, 1);
    X509_CRL_set_issuer_name(x, X509_get_subject_name(issuer));
    X509_CRL_set1_lastUpdate(x, now);
    X509_CRL_set1_nextUpdate(x, later);
    for (int i = 0; i < ENTRIES; i++) {
        unsigned char serial[20];
        X509_REVOKED *entry = X509_REVOKED_new();
        RAND_bytes(serial, sizeof serial);
        serial[0] = (serial[0] & 0x7f) | 0x40;
        BIGNUM *n = BN_bin2bn(serial, sizeof serial, NULL);
        ASN1_INTEGER *integer = BN_to_ASN1_INTEGER(n, NULL);
        X509_REVOKED_set_serialNumber(entry, integer);
        X509_REVOKED_set_revocationDate(entry, now);
        X509_CRL_add0_revoked(x, entry);
        ASN1_INTEGER_free(integer);
        BN_free(n);
    }
    X509_CRL_sign(x, key, EVP_sha256());
    ASN1_TIME_free(now);
    ASN1_TIME_free(later);
    return x;
}

static struct str cert_der(X509 *x)
{
    unsigned char *der = NULL;
    int len = i2d_X509(x, &der);
    return str_make((const char *)der, (size_t)len);
}

static struct str list_der(X509_CRL *x)
{
    unsigned char *der = NULL;
    int len = i2d_X509_CRL(x, &der);
    X509_CRL_free(x);
    return str_make((const char *)der, (size_t)len);
}

static double verdict_us(const struct trust *t, struct str leaf)
{
    static const struct verify_rules rules = {.depth = 1, .rsa_bits = 2048};
    struct buf detail = {0};
    double start = seconds();
    for (int i = 0; i < VERDICTS; i++)
        if (verify_chain(t, &leaf, 1, time(NULL), &rules, &detail) != REFUSAL_NONE)
            printf("refused: %.*s\n", STR_ARG(buf_str(&detail)));
    buf_deinit(&detail);
    return (seconds() - start) * 1e6 / VERDICTS;
}

static void finish(const char *what, struct trust *t, struct str leaf, double start, double mb)
{
    trust_finish(t);
    double loaded = seconds() - start;
    malloc_trim(0);
    printf("%-28s load %7.3f s, %8.1f MB, verdict %7.2f us\n", what, loaded, resident_mb() - mb,
           verdict_us(t, leaf));
    trust_free(t);
}

int main(void)
{
    const char *problem = "";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = certificate("bench CA", key, NULL, key),
         *client = certificate("client", key, ca, key);
    struct str crl = list_der(list(ca, key)), root = cert_der(ca), leaf = cert_der(client);
    static struct str cas[CAS];
    for (int i = 0; i < CAS; i++) {
        char name[32];
        snprintf(name, sizeof name, "CA number %d", i);
        X509 *x = certificate(name, key, NULL, key);
        cas[i] = cert_der(x);
        X509_free(x);
    }

    malloc_trim(0); /* what making them took */
    double mb = resident_mb(), start = seconds();
    struct trust *t = trust_new();
    trust_add_ca(t, root, &problem);
    finish("one CA, no list", t, leaf, start, mb);

    malloc_trim(0);
    mb = resident_mb(), start = seconds();
    t = trust_new();
    trust_add_ca(t, root, &problem);
    if (!trust_add_crl(t, crl, &problem))
        printf("the list cannot be used: %s\n", problem);
    finish("a list of 1,000,000 entries", t, leaf, start, mb);

    malloc_trim(0);
    mb = resident_mb(), start = seconds();
    t = trust_new();
    trust_add_ca(t, root, &problem);
    for (int i = 0; i < CAS; i++)
        trust_add_ca(t, cas[i], &problem);
    finish("10,000 CAs more", t, leaf, start, mb);
    return 0;
}
