/* RSA by an RSA object that lives as long as mbedTLS's context: its Montgomery forms and blinding
 * are computed once (deprecated in OpenSSL 3 for EVP_PKEY, which would have the padding done by
 * libcrypto as well; it stays mbedTLS's). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <limits.h>
#include <openssl/bn.h>
#include <openssl/rsa.h>

#include "openssl.h"

/* A struct crypto_rsa is libcrypto's RSA by another name. */
static RSA *rsa_of(struct crypto_rsa *r)
{
    return (RSA *)r;
}

static BIGNUM *number(const struct crypto_number *n)
{
    return n->size > 0 && n->size < INT_MAX ? BN_bin2bn(n->octets, (int)n->size, NULL) : NULL;
}

static BIGNUM *secret(const struct crypto_number *n)
{
    BIGNUM *b = number(n);
    if (b != NULL)
        BN_set_flags(b, BN_FLG_CONSTTIME);
    return b;
}

static bool fill(RSA *rsa, const struct crypto_rsa_numbers *k)
{
    BIGNUM *n = number(&k->n), *e = number(&k->e), *d = secret(&k->d);
    if (!RSA_set0_key(rsa, n, e, d)) {
        BN_free(n);
        BN_free(e);
        BN_clear_free(d);
        return false;
    }
    if (k->d.size == 0)
        return true;
    BIGNUM *p = secret(&k->p), *q = secret(&k->q);
    if (!RSA_set0_factors(rsa, p, q)) {
        BN_clear_free(p);
        BN_clear_free(q);
        return false;
    }
    BIGNUM *dp = secret(&k->dp), *dq = secret(&k->dq), *qp = secret(&k->qp);
    if (RSA_set0_crt_params(rsa, dp, dq, qp))
        return true;
    BN_clear_free(dp);
    BN_clear_free(dq);
    BN_clear_free(qp);
    return false;
}

struct crypto_rsa *crypto_rsa_new(const struct crypto_rsa_numbers *numbers)
{
    engine_need();
    RSA *rsa = RSA_new();
    if (rsa != NULL && fill(rsa, numbers))
        return (struct crypto_rsa *)rsa;
    RSA_free(rsa);
    return NULL;
}

void crypto_rsa_free(struct crypto_rsa *r)
{
    RSA_free(rsa_of(r)); /* wipes */
}

bool crypto_rsa_public(struct crypto_rsa *r, const unsigned char *in, unsigned char *out,
                       size_t size)
{
    return size == (size_t)RSA_size(rsa_of(r)) &&
           RSA_public_encrypt((int)size, in, out, rsa_of(r), RSA_NO_PADDING) == (int)size;
}

bool crypto_rsa_private(struct crypto_rsa *r, const unsigned char *in, unsigned char *out,
                        size_t size)
{
    return size == (size_t)RSA_size(rsa_of(r)) &&
           RSA_private_encrypt((int)size, in, out, rsa_of(r), RSA_NO_PADDING) == (int)size;
}
