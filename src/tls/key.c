#include "key_internal.h"

#include <errno.h>
#include <string.h>

#include "pem.h"
#include "portcullis/base/file.h"
#include "portcullis/base/memory.h"
#include "random.h"

enum { KEY_FILE_MAX = 1 << 20, PUBLIC_KEY_MAX = 4096 };

static int parse(struct key *k, struct str pem, struct str password)
{
    mbedtls_pk_free(&k->pk);
    mbedtls_pk_init(&k->pk);
    /* The NUL is counted: mbedTLS tells PEM by it. */
    return mbedtls_pk_parse_key(&k->pk, (const unsigned char *)pem.ptr, pem.len + 1,
                                (const unsigned char *)password.ptr, password.len,
                                random_for_mbedtls, NULL);
}

static bool needs_password(int rc)
{
    return rc == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || rc == MBEDTLS_ERR_PK_PASSWORD_MISMATCH;
}

/* A wrong password may well give octets that look padded right and are no key: each is tried. */
static int parse_with_passwords(struct key *k, struct str pem, struct str passwords)
{
    int rc = parse(k, pem, STR_NONE);
    if (!needs_password(rc))
        return rc;
    while (passwords.len > 0) {
        struct str line = str_cut(&passwords, '\n');
        if (str_ends(line, STR("\r")))
            line = str_upto(line, line.len - 1);
        if (line.len > 0 && parse(k, pem, line) == 0)
            return 0;
    }
    return MBEDTLS_ERR_PK_PASSWORD_MISMATCH;
}

static const char *describe(int rc, bool had_passwords)
{
    if (needs_password(rc))
        return had_passwords ? "no line of ssl_password_file opens it"
                             : "it is encrypted; name a file with its password in "
                               "ssl_password_file";
    if (rc == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG || rc == MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE ||
        rc == MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE)
        return "its kind is not supported; use RSA, or ECDSA on P-256, P-384 or P-521";
    if (rc == MBEDTLS_ERR_PK_KEY_INVALID_FORMAT)
        return "there is no private key in PEM in it, or it is damaged";
    return "the private key in it is damaged or of a kind that is not supported";
}

struct key *key_load(struct str path, struct str passwords, const char **problem)
{
    struct buf pem = {0};
    if (str_starts(path, STR("engine:")) || str_starts(path, STR("store:"))) {
        *problem = "keys in engines and stores are not supported; name a PEM file";
        return NULL;
    }
    buf_reserve(&pem, KEY_FILE_MAX); /* At once: a growing buffer would leave copies behind. */
    if (!file_read(path, &pem)) {
        *problem = strerror(errno);
        buf_deinit(&pem);
        return NULL;
    }
    buf_append_char(&pem, '\0');
    struct key *k = MEM_NEW(struct key);
    mbedtls_pk_init(&k->pk);
    struct str text = str_upto(buf_str(&pem), buf_len(&pem) - 1);
    int rc = memchr(text.ptr, 0, text.len) == NULL ? parse_with_passwords(k, text, passwords)
                                                   : MBEDTLS_ERR_PK_KEY_INVALID_FORMAT;
    mem_wipe(pem.data, pem.capacity);
    buf_deinit(&pem);
    if (rc == 0)
        return k;
    *problem = describe(rc, passwords.len > 0);
    key_free(k);
    return NULL;
}

void key_free(struct key *k)
{
    if (k == NULL)
        return;
    mbedtls_pk_free(&k->pk);
    mem_free(k);
}

/* Of one that is elsewhere only this is known; its process has made it from the private one. */
static bool same_public_key(const struct key *k, const mbedtls_pk_context *public_key)
{
    unsigned char ours[PUBLIC_KEY_MAX], theirs[PUBLIC_KEY_MAX];
    int our_size = mbedtls_pk_write_pubkey_der(&k->pk, ours, sizeof ours);
    int their_size = mbedtls_pk_write_pubkey_der(public_key, theirs, sizeof theirs);
    return our_size > 0 && our_size == their_size &&
           memcmp(ours + sizeof ours - our_size, theirs + sizeof theirs - their_size,
                  (size_t)our_size) == 0;
}

bool key_matches(const struct key *k, const mbedtls_pk_context *public_key)
{
    if (k->line != NULL)
        return same_public_key(k, public_key);
    return mbedtls_pk_check_pair(public_key, &k->pk, random_for_mbedtls, NULL) == 0;
}

mbedtls_pk_context *key_mbedtls(struct key *k)
{
    return &k->pk;
}
