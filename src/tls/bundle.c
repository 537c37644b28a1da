#include "portcullis/tls/bundle.h"

#include <errno.h>
#include <string.h>

#include "der.h"
#include "pem.h"
#include "pkcs12.h"
#include "portcullis/base/file.h"
#include "portcullis/base/memory.h"

static bool fail(const char **problem, const char *words)
{
    *problem = words;
    return false;
}

static bool add_pem(struct bundle *b, struct arena *a, struct str text, const char **problem)
{
    size_t before = b->certificates.count;
    struct buf der = {0};
    struct str label;
    enum pem_result found;
    while ((found = pem_next(&text, &label, &der)) == PEM_BLOCK)
        if (pem_is_certificate(label))
            *VEC_PUSH(a, &b->certificates) = arena_str(a, buf_str(&der));
    buf_deinit(&der);
    if (found == PEM_BROKEN)
        return fail(problem, "the PEM in it is cut off or damaged");
    return b->certificates.count > before || fail(problem, "there is no certificate in it");
}

/* As many as stand one after the other. */
static bool add_der(struct bundle *b, struct arena *a, struct str octets, const char **problem)
{
    struct der_item item;
    while (octets.len > 0) {
        if (!der_take_whole(&octets, DER_SEQUENCE, &item))
            return fail(problem, "the DER in it is cut off or damaged");
        *VEC_PUSH(a, &b->certificates) = arena_str(a, item.whole);
    }
    return true;
}

static bool add_pkcs12(struct bundle *b, struct arena *a, struct str octets, const char **problem)
{
    static const char *const words[] = {
        [PKCS12_LOCKED] = "its password is another one",
        [PKCS12_UNSUPPORTED] =
            "it is encrypted in an old way: write it anew by openssl pkcs12 -legacy -in OLD -nodes "
            "| openssl pkcs12 -export -out NEW",
        [PKCS12_MALFORMED] = "the PKCS #12 in it is damaged",
    };
    size_t before = b->certificates.count;
    enum pkcs12_result result = pkcs12_read(b, a, octets, STR(""));
    if (result == PKCS12_LOCKED && b->password == NULL)
        return fail(problem, "it is PKCS #12 with a password");
    if (result == PKCS12_LOCKED) {
        struct str password = b->password(b->owner);
        if (password.ptr == NULL)
            return fail(problem, "it is PKCS #12 with a password, and there is none to be had");
        result = pkcs12_read(b, a, octets, password);
    }
    if (result != PKCS12_READ)
        return fail(problem, words[result]);
    return b->certificates.count > before || fail(problem, "there is no certificate in it");
}

bool bundle_add(struct bundle *b, struct arena *a, struct str octets, const char **problem)
{
    bool is_der = octets.len > 0 && (unsigned char)octets.ptr[0] == DER_SEQUENCE;
    if (is_der && pkcs12_is_one(octets))
        return add_pkcs12(b, a, octets, problem);
    return (is_der ? add_der : add_pem)(b, a, octets, problem);
}

bool bundle_read(struct bundle *b, struct arena *a, struct str path, const char **problem)
{
    struct buf octets = {0};
    bool good = file_read(str_eq(path, STR("-")) ? STR("/dev/stdin") : path, &octets);
    if (!good)
        *problem = strerror(errno);
    good = good && bundle_add(b, a, buf_str(&octets), problem);
    if (octets.data != NULL)
        mem_wipe(octets.data, octets.capacity); /* keys may have been among them */
    buf_deinit(&octets);
    return good;
}
