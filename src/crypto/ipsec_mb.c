#include "ipsec_mb.h"

#ifdef PC_HAVE_IPSEC_MB
#include <cpuid.h>
#include <intel-ipsec-mb.h>
#include <string.h>

/* ---- implementations ------------------------------------------------------------------------- */

_Static_assert(sizeof(struct gcm_key_data) <= sizeof(struct mb_key), "a key fits");

/* The functions of one are called by name: its manager would bring along all of them, 18 MB. Some
 * are in the archive and not in its header. */
#define DECLARE(bits, kind)                                                                  \
    void aes_gcm_precomp_##bits##_##kind(struct gcm_key_data *);                             \
    void aes_gcm_enc_##bits##_##kind(const struct gcm_key_data *, struct gcm_context_data *, \
                                     uint8_t *, const uint8_t *, uint64_t, const uint8_t *,  \
                                     const uint8_t *, uint64_t, uint8_t *, uint64_t);        \
    void aes_gcm_dec_##bits##_##kind(const struct gcm_key_data *, struct gcm_context_data *, \
                                     uint8_t *, const uint8_t *, uint64_t, const uint8_t *,  \
                                     const uint8_t *, uint64_t, uint8_t *, uint64_t)
DECLARE(128, vaes_avx512);
DECLARE(256, vaes_avx512);

#define FUNCTIONS(bits, kind)                                                                   \
    {aes_keyexp_##bits##_enc_avx, aes_gcm_precomp_##bits##_##kind, aes_gcm_enc_##bits##_##kind, \
     aes_gcm_dec_##bits##_##kind}

/* What a CPU has: CPUID's words, and the registers that the system saves (XCR0). */
struct features {
    unsigned leaf1_ecx, leaf7_ebx, leaf7_ecx, saved;
};

/* avx_gen2 is no slower than avx_gen4 (16 KB in 2.8 and 3.1 µs on a Zen 4) and needs no AVX2.
 * AES-192 is not TLS's. */
static const struct implementation {
    const char *name;
    struct features needs;
    struct {
        void (*expand)(const void *key, void *round_keys);
        void (*precompute)(struct gcm_key_data *k);
        aes_gcm_enc_dec_t seal, open;
    } of[CRYPTO_CHACHA20_POLY1305 + 1];
} implementations[] = {
    {
        .name = "ipsec-mb " IMB_VERSION_STR " (VAES and AVX-512)",
        .needs = {bit_AES | bit_PCLMUL | bit_AVX | bit_OSXSAVE,
                  bit_AVX2 | bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL,
                  bit_VAES | bit_VPCLMULQDQ, 0xe6},
        .of = {[CRYPTO_AES_128_GCM] = FUNCTIONS(128, vaes_avx512),
               [CRYPTO_AES_256_GCM] = FUNCTIONS(256, vaes_avx512)},
    },
    {
        .name = "ipsec-mb " IMB_VERSION_STR " (AES-NI and AVX)",
        .needs = {bit_AES | bit_PCLMUL | bit_AVX | bit_OSXSAVE, 0, 0, 0x06},
        .of = {[CRYPTO_AES_128_GCM] = FUNCTIONS(128, avx_gen2),
               [CRYPTO_AES_256_GCM] = FUNCTIONS(256, avx_gen2)},
    },
};
enum { IMPLEMENTATIONS = sizeof implementations / sizeof *implementations };

static const struct implementation *used;

/* ---- what this CPU runs ---------------------------------------------------------------------- */

static unsigned saved_registers(void)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static struct features features_here(void)
{
    struct features f = {0};
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d))
        f.leaf1_ecx = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        f.leaf7_ebx = b;
        f.leaf7_ecx = c;
    }
    if ((f.leaf1_ecx & bit_OSXSAVE) != 0)
        f.saved = saved_registers();
    return f;
}

static bool has_all(unsigned have, unsigned needed)
{
    return (have & needed) == needed;
}

static bool has_features(const struct implementation *m)
{
    struct features have = features_here();
    return has_all(have.leaf1_ecx, m->needs.leaf1_ecx) &&
           has_all(have.leaf7_ebx, m->needs.leaf7_ebx) &&
           has_all(have.leaf7_ecx, m->needs.leaf7_ecx) && has_all(have.saved, m->needs.saved);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void set_key(const struct implementation *m, struct mb_key *k, enum crypto_cipher cipher,
                    const unsigned char *key)
{
    struct gcm_key_data *data = (struct gcm_key_data *)k->octets;
    m->of[cipher].expand(key, data->expanded_keys);
    m->of[cipher].precompute(data);
}

/* It takes no NULL for what is empty, and leaves in its state the last block's key stream. */
static void pass(aes_gcm_enc_dec_t function, const struct mb_key *k, const unsigned char *iv,
                 const unsigned char *ad, size_t ad_size, const unsigned char *in, size_t size,
                 unsigned char *out, unsigned char *tag)
{
    struct gcm_context_data state;
    function((const struct gcm_key_data *)k->octets, &state, size > 0 ? out : tag,
             size > 0 ? in : iv, size, iv, ad_size > 0 ? ad : iv, ad_size, tag, MB_TAG);
    crypto_wipe(&state, sizeof state);
}

void mb_set_key(struct mb_key *k, enum crypto_cipher cipher, const unsigned char *key)
{
    set_key(used, k, cipher, key);
}

void mb_pass(const struct mb_key *k, enum crypto_cipher cipher, bool seal,
             const unsigned char iv[MB_IV], const unsigned char *ad, size_t ad_size,
             const unsigned char *in, size_t size, unsigned char *out, unsigned char tag[MB_TAG])
{
    pass(seal ? used->of[cipher].seal : used->of[cipher].open, k, iv, ad, ad_size, in, size, out,
         tag);
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* McGrew and Viega's test cases 2 and 14. The archive's functions may be a later version's. */
static bool gives_the_standards_answer(const struct implementation *m)
{
    static const struct {
        enum crypto_cipher cipher;
        unsigned char sealed[16], tag[MB_TAG];
    } cases[] = {
        {CRYPTO_AES_128_GCM,
         {0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe,
          0x78},
         {0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd,
          0xdf}},
        {CRYPTO_AES_256_GCM,
         {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d,
          0x18},
         {0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9,
          0x19}},
    };
    static const unsigned char zeros[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mb_key k;
        unsigned char out[16], tag[MB_TAG] = {0};
        set_key(m, &k, cases[i].cipher, zeros);
        pass(m->of[cases[i].cipher].seal, &k, zeros, NULL, 0, zeros, sizeof out, out, tag);
        if (memcmp(out, cases[i].sealed, sizeof out) != 0 ||
            memcmp(tag, cases[i].tag, sizeof tag) != 0)
            return false;
    }
    return true;
}

static const struct implementation *find(unsigned i)
{
    for (size_t at = 0; at < IMPLEMENTATIONS; at++) {
        const struct implementation *m = &implementations[at];
        if (has_features(m) && gives_the_standards_answer(m) && i-- == 0)
            return m;
    }
    return NULL;
}

const char *mb_name(unsigned i)
{
    const struct implementation *m = find(i);
    return m != NULL ? m->name : NULL;
}

void mb_use(unsigned i)
{
    used = find(i);
}

bool mb_has(enum crypto_cipher cipher)
{
    return used != NULL && used->of[cipher].seal != NULL;
}

#else
const char *mb_name(unsigned i)
{
    (void)i;
    return NULL;
}

void mb_use(unsigned i)
{
    (void)i;
}

bool mb_has(enum crypto_cipher cipher)
{
    (void)cipher;
    return false;
}

/* Never called. */
void mb_set_key(struct mb_key *k, enum crypto_cipher cipher, const unsigned char *key)
{
    (void)k, (void)cipher, (void)key;
}

void mb_pass(const struct mb_key *k, enum crypto_cipher cipher, bool seal,
             const unsigned char iv[MB_IV], const unsigned char *ad, size_t ad_size,
             const unsigned char *in, size_t size, unsigned char *out, unsigned char tag[MB_TAG])
{
    (void)k, (void)cipher, (void)seal, (void)iv, (void)ad, (void)ad_size;
    (void)in, (void)size, (void)out, (void)tag;
}
#endif
