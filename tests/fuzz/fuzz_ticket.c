/* Tickets: the first octet says how the rest is taken. Odd: as a client shows it, which no one
 * without the key can make, so it must not open. Even: as the state that was sealed by a key of
 * ours; what opens is sealed again and must come back the same. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "../../src/tls/ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_HEAD = TICKET_KEY_NAME + 12, FUZZ_TAG = 16 };

static struct ticket_keys *fuzz_keys(void)
{
    static struct ticket_keys *keys;
    static const char octets[80] = "a key that stands in this file, to seal nothing real with";
    if (keys == NULL) {
        keys = ticket_keys_fixed();
        bool added = ticket_keys_add(keys, str_make(octets, sizeof octets));
        assert(added);
        (void)added;
    }
    return keys;
}

/* As ticket_seal does, for any state. */
static struct str seal_state(struct arena *a, struct str state)
{
    static const unsigned char nonce[12];
    struct ticket_key *key = ticket_keys_current(fuzz_keys());
    unsigned char *out = arena_alloc(a, FUZZ_HEAD + state.len + FUZZ_TAG);
    memcpy(out, key->name, TICKET_KEY_NAME);
    memcpy(out + TICKET_KEY_NAME, nonce, sizeof nonce);
    int rc = mbedtls_gcm_crypt_and_tag(&key->gcm, MBEDTLS_GCM_ENCRYPT, state.len, nonce,
                                       sizeof nonce, (const unsigned char *)"x", 1,
                                       (const unsigned char *)state.ptr, out + FUZZ_HEAD, FUZZ_TAG,
                                       out + FUZZ_HEAD + state.len);
    assert(rc == 0);
    (void)rc;
    return str_make((char *)out, FUZZ_HEAD + state.len + FUZZ_TAG);
}

static void expect_same(const struct ticket *a, const struct ticket *b)
{
    assert(a->version == b->version && a->suite == b->suite && a->flags == b->flags &&
           a->age_add == b->age_add && a->choice == b->choice && a->created_ms == b->created_ms &&
           a->proved_at == b->proved_at && a->chain_count == b->chain_count);
    assert(str_eq(a->secret, b->secret) && a->secret.len <= TICKET_SECRET_MAX);
    for (size_t i = 0; i < a->chain_count; i++)
        assert(str_eq(a->chain[i], b->chain[i]));
    (void)a, (void)b;
}

static void open_state(struct arena *a, struct str state)
{
    static unsigned char again[TICKET_SIZE_MAX];
    struct ticket t, second;
    if (!ticket_open(&t, fuzz_keys(), STR("x"), seal_state(a, state), a))
        return;
    size_t sealed = ticket_seal(&t, ticket_keys_current(fuzz_keys()), STR("x"), again,
                                sizeof again);
    assert(sealed > 0);
    bool opens = ticket_open(&second, fuzz_keys(), STR("x"), str_make((char *)again, sealed), a);
    assert(opens);
    (void)opens;
    expect_same(&t, &second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct ticket t;
    if (size == 0)
        return 0;
    struct str rest = str_make((const char *)data + 1, size - 1);
    arena_init(&a, 4096);
    if (data[0] & 1) {
        bool opens = ticket_open(&t, fuzz_keys(), STR("x"), rest, &a);
        assert(!opens);
        (void)opens;
    } else {
        open_state(&a, rest);
    }
    arena_deinit(&a);
    return 0;
}
