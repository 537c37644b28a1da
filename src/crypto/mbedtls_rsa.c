/* mbedTLS's two RSA operations by the engine (cmake/patches/0005): padding, parsing and checks stay
 * mbedTLS's. The engine's key is made when the context is first used, and lives in it. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/build_info.h>

#if defined(PORTCULLIS_CRYPTO_ENGINE)
#include <mbedtls/error.h>
#include <mbedtls/rsa.h>
#include <string.h>

#include "portcullis/crypto/engine.h"

enum { NUMBER_MAX = MBEDTLS_MPI_MAX_SIZE };

/* The n, e and, of a private key, d, p, q, dp, dq, qp of a context, as octets. */
struct numbers {
    unsigned char octets[8 * NUMBER_MAX];
    size_t used;
};

static bool add(struct numbers *n, struct crypto_number *to, const mbedtls_mpi *from)
{
    size_t size = mbedtls_mpi_size(from);
    unsigned char *octets = n->octets + n->used;
    if (size == 0 || size > NUMBER_MAX || mbedtls_mpi_write_binary(from, octets, size) != 0)
        return false;
    *to = (struct crypto_number){octets, size};
    n->used += size;
    return true;
}

static bool is_private(const mbedtls_rsa_context *c)
{
    return mbedtls_mpi_size(&c->D) > 0 && mbedtls_mpi_size(&c->P) > 0 &&
           mbedtls_mpi_size(&c->Q) > 0;
}

static struct crypto_rsa *make_engine(const mbedtls_rsa_context *c)
{
    struct numbers n;
    struct crypto_rsa_numbers k = {0};
    n.used = 0;
    bool read = add(&n, &k.n, &c->N) && add(&n, &k.e, &c->E);
    if (read && is_private(c))
        read = add(&n, &k.d, &c->D) && add(&n, &k.p, &c->P) && add(&n, &k.q, &c->Q) &&
               add(&n, &k.dp, &c->DP) && add(&n, &k.dq, &c->DQ) && add(&n, &k.qp, &c->QP);
    struct crypto_rsa *r = read ? crypto_rsa_new(&k) : NULL;
    crypto_wipe(n.octets, n.used);
    return r;
}

static bool have_engine(mbedtls_rsa_context *c)
{
    if (c->engine == NULL)
        c->engine = make_engine(c);
    return c->engine != NULL;
}

/* Called by the patch after its checks of the context. */
int portcullis_rsa_public(mbedtls_rsa_context *c, const unsigned char *in, unsigned char *out)
{
    if (have_engine(c) && crypto_rsa_public(c->engine, in, out, c->len))
        return 0;
    return MBEDTLS_ERR_RSA_PUBLIC_FAILED + MBEDTLS_ERR_MPI_BAD_INPUT_DATA;
}

int portcullis_rsa_private(mbedtls_rsa_context *c, const unsigned char *in, unsigned char *out)
{
    if (have_engine(c) && crypto_rsa_private(c->engine, in, out, c->len))
        return 0;
    return MBEDTLS_ERR_RSA_PRIVATE_FAILED + MBEDTLS_ERR_MPI_BAD_INPUT_DATA;
}

void portcullis_rsa_drop(mbedtls_rsa_context *c)
{
    crypto_rsa_free(c->engine);
    c->engine = NULL;
}
#endif
