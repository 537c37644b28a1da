/* trust_files DIR — a long revocation list and many CAs, for the CA that certs/make left in DIR:
 *
 *   DIR/list.crl  1,000,000 serial numbers of 20 octets, none of them the client's
 *   DIR/cas.crt   10,000 other CAs, and then DIR/ca.crt */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 1000000, CAS = 10000 };

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "trust_files: %s\n", what);
    exit(1);
}

static FILE *open_file(const char *dir, const char *name, const char *mode)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, mode);
    must(f != NULL, path);
    return f;
}

static void add_entry(X509_CRL *list, ASN1_TIME *when)
{
    unsigned char serial[20];
    X509_REVOKED *entry = X509_REVOKED_new();

    RAND_bytes(serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40;
    BIGNUM *n = BN_bin2bn(serial, sizeof serial, NULL);
    ASN1_INTEGER *integer = BN_to_ASN1_INTEGER(n, NULL);
    X509_REVOKED_set_serialNumber(entry, integer);
    X509_REVOKED_set_revocationDate(entry, when);
    X509_CRL_add0_revoked(list, entry);
    ASN1_INTEGER_free(integer);
    BN_free(n);
}

static void write_list(const char *dir, X509 *ca, EVP_PKEY *key)
{
    FILE *f = open_file(dir, "list.crl", "w");
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *later = X509_gmtime_adj(NULL, 86400);

    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(ca));
    X509_CRL_set1_lastUpdate(list, now);
    X509_CRL_set1_nextUpdate(list, later);
    for (int i = 0; i < ENTRIES; i++)
        add_entry(list, now);
    must(X509_CRL_sign(list, key, EVP_sha256()) > 0 && PEM_write_X509_CRL(f, list) == 1,
         "list.crl");
    X509_CRL_free(list);
    ASN1_TIME_free(now);
    ASN1_TIME_free(later);
    fclose(f);
}

static void write_ca(FILE *f, int number, EVP_PKEY *key)
{
    char name[32];
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    X509V3_CTX context;

    snprintf(name, sizeof name, "CA number %d", number);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), number + 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x), 90L * 86400);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, subject);
    X509_set_pubkey(x, key);
    X509V3_set_ctx(&context, NULL, NULL, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints,
                                            "critical,CA:TRUE");
    X509_add_ext(x, e, -1);
    must(X509_sign(x, key, EVP_sha256()) > 0 && PEM_write_X509(f, x) == 1, name);
    X509_EXTENSION_free(e);
    X509_free(x);
}

static void write_cas(const char *dir, X509 *ca)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = open_file(dir, "cas.crt", "w");

    for (int i = 0; i < CAS; i++)
        write_ca(f, i, key);
    must(PEM_write_X509(f, ca) == 1, "cas.crt");
    EVP_PKEY_free(key);
    fclose(f);
}

int main(int argc, char **argv)
{
    must(argc == 2, "usage: trust_files DIR");
    FILE *crt = open_file(argv[1], "ca.crt", "r"), *pem = open_file(argv[1], "ca.key", "r");
    X509 *ca = PEM_read_X509(crt, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_PrivateKey(pem, NULL, NULL, NULL);

    must(ca != NULL && key != NULL, "ca.crt and ca.key cannot be read");
    write_list(argv[1], ca, key);
    write_cas(argv[1], ca);
    fclose(crt);
    fclose(pem);
    X509_free(ca);
    EVP_PKEY_free(key);
    return 0;
}
