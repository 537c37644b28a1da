#include "ticket.h"

#include <string.h>

#include "portcullis/base/buf.h"
#include "portcullis/base/memory.h"
#include "portcullis/tls/context.h"

enum {
    NONCE = 12,
    TAG = 16,
    HEAD = TICKET_KEY_NAME + NONCE,
    FORMAT = 2,                                /* of the state: one more when it changes */
    FIXED = 1 + 2 + 2 + 1 + 4 + 4 + 8 + 8 + 1, /* of the state, before the secret */
    LENGTH = 3,                                /* before each certificate */
};

/* ---- the state as octets --------------------------------------------------------------------- */

static void put(struct buf *out, uint64_t value, unsigned octets)
{
    while (octets-- > 0)
        buf_append_char(out, (char)(value >> 8 * octets));
}

static void put_vector(struct buf *out, struct str s, unsigned octets)
{
    put(out, s.len, octets);
    buf_append_str(out, s);
}

static void put_state(struct buf *out, const struct ticket *t)
{
    put(out, FORMAT, 1);
    put(out, t->version, 2);
    put(out, t->suite, 2);
    put(out, t->flags, 1);
    put(out, t->age_add, 4);
    put(out, t->choice, 4);
    put(out, (uint64_t)t->created_ms, 8);
    put(out, (uint64_t)t->proved_at, 8);
    put_vector(out, t->secret, 1);
    for (size_t i = 0; i < t->chain_count; i++)
        put_vector(out, t->chain[i], LENGTH);
}

/* Past its end everything is zero, and *good false. */
static uint64_t take(struct str *in, unsigned octets, bool *good)
{
    uint64_t value = 0;
    if (in->len < octets) {
        *good = false;
        *in = STR_NONE;
        return 0;
    }
    for (unsigned i = 0; i < octets; i++)
        value = value << 8 | (unsigned char)in->ptr[i];
    *in = str_from(*in, octets);
    return value;
}

static struct str take_vector(struct str *in, unsigned octets, bool *good)
{
    size_t len = (size_t)take(in, octets, good);
    if (len > in->len)
        *good = false;
    struct str s = str_upto(*in, len);
    *in = str_from(*in, s.len);
    return s;
}

static bool take_state(struct ticket *t, struct str in)
{
    bool good = true;
    good = take(&in, 1, &good) == FORMAT && good;
    t->version = (uint16_t)take(&in, 2, &good);
    t->suite = (uint16_t)take(&in, 2, &good);
    t->flags = (uint8_t)take(&in, 1, &good);
    t->age_add = (uint32_t)take(&in, 4, &good);
    t->choice = (uint32_t)take(&in, 4, &good);
    t->created_ms = (int64_t)take(&in, 8, &good);
    t->proved_at = (int64_t)take(&in, 8, &good);
    t->secret = take_vector(&in, 1, &good);
    for (t->chain_count = 0; in.len > 0 && t->chain_count < TICKET_CHAIN_MAX; t->chain_count++)
        t->chain[t->chain_count] = take_vector(&in, LENGTH, &good);
    return good && in.len == 0 && t->secret.len <= TICKET_SECRET_MAX;
}

/* ---- sealing --------------------------------------------------------------------------------- */

static bool seal(struct ticket_key *key, struct str bound_to, struct str plain, unsigned char *out)
{
    unsigned char *nonce = out + TICKET_KEY_NAME, *body = out + HEAD;
    memcpy(out, key->name, TICKET_KEY_NAME);
    tls_random(nonce, NONCE);
    return mbedtls_gcm_crypt_and_tag(&key->gcm, MBEDTLS_GCM_ENCRYPT, plain.len, nonce, NONCE,
                                     (const unsigned char *)bound_to.ptr, bound_to.len,
                                     (const unsigned char *)plain.ptr, body, TAG,
                                     body + plain.len) == 0;
}

bool ticket_holds(const struct str *chain, size_t count)
{
    size_t size = HEAD + FIXED + TICKET_SECRET_MAX + TAG;
    for (size_t i = 0; i < count; i++)
        size += LENGTH + chain[i].len;
    return count <= TICKET_CHAIN_MAX && size <= TICKET_SIZE_MAX;
}

size_t ticket_seal(const struct ticket *t, struct ticket_key *key, struct str bound_to,
                   unsigned char *out, size_t size)
{
    struct buf plain = {0};
    (void)buf_reserve(&plain, TICKET_SIZE_MAX); /* growing would leave copies behind */
    put_state(&plain, t);
    size_t sealed = HEAD + buf_len(&plain) + TAG;
    bool good = t->chain_count <= TICKET_CHAIN_MAX && sealed <= size && sealed <= TICKET_SIZE_MAX &&
                seal(key, bound_to, buf_str(&plain), out);
    mem_wipe(plain.data, plain.capacity);
    buf_deinit(&plain);
    return good ? sealed : 0;
}

bool ticket_open(struct ticket *t, struct ticket_keys *keys, struct str bound_to, struct str sealed,
                 struct arena *a)
{
    if (sealed.len < HEAD + TAG || sealed.len > TICKET_SIZE_MAX)
        return false;
    const unsigned char *in = (const unsigned char *)sealed.ptr;
    struct ticket_key *key = ticket_keys_find(keys, in);
    if (key == NULL)
        return false;
    size_t len = sealed.len - HEAD - TAG;
    unsigned char *plain = arena_alloc(a, len + 1);
    bool good = mbedtls_gcm_auth_decrypt(&key->gcm, len, in + TICKET_KEY_NAME, NONCE,
                                         (const unsigned char *)bound_to.ptr, bound_to.len,
                                         in + HEAD + len, TAG, in + HEAD, plain) == 0 &&
                take_state(t, str_make((char *)plain, len));
    if (!good)
        mem_wipe(plain, len);
    return good;
}
