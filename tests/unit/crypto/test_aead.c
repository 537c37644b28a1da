/* AEAD, on each implementation of AES-GCM that this CPU runs. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support.h"

/* ---- known answers: McGrew and Viega's GCM test cases 4, 10, 16 (and 5, of a nonce of 8 octets),
 * RFC 8439, 2.8.2. */

static const struct {
    enum crypto_cipher cipher;
    const char *key, *iv, *ad, *plain, *sealed, *tag;
} messages[] = {
    {CRYPTO_AES_128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "5"
     "25b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84a"
     "a"
     "051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {CRYPTO_AES_128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbad",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "5"
     "25b16aedf5aa0de657ba637b39",
     "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896"
     "b"
     "424989b5e1ebac0f07c23f4598",
     "3612d2e79e3b0785561be14aaca2fccb"},
    {CRYPTO_AES_192_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "5"
     "25b16aedf5aa0de657ba637b39",
     "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3"
     "f"
     "4718e2448b2fe324d9ccda2710",
     "2519498e80f1478f37ba55bd6d27618c"},
    {CRYPTO_AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "5"
     "25b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "838"
     "c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {CRYPTO_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620492"
     "0"
     "636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c20737"
     "5"
     "6e73637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da927"
     "2"
     "8b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b483"
     "1"
     "d7bc3ff4def08e4b7a9de576d26586cec64b6116",
     "1ae10b594f09e26a7e902ecbd0600691"},
};

static void check_pieces(struct crypto_aead *a, bool seal, struct octets iv, struct octets ad,
                         struct octets in, const unsigned char *expected, struct octets tag)
{
    for (size_t piece = 1; piece <= in.size; piece += 1 + piece / 3) {
        unsigned char out[256], given[16];
        cr_assert(crypto_aead_begin(a, seal, iv.at, iv.size));
        cr_assert(crypto_aead_ad(a, ad.at, ad.size / 2));
        cr_assert(crypto_aead_ad(a, ad.at + ad.size / 2, ad.size - ad.size / 2));
        for (size_t at = 0; at < in.size; at += piece) {
            size_t size = in.size - at < piece ? in.size - at : piece;
            cr_assert(crypto_aead_update(a, in.at + at, size, out + at));
        }
        cr_assert(crypto_aead_finish(a, given, sizeof given));
        cr_expect_arr_eq(out, expected, in.size);
        cr_expect_arr_eq(given, tag.at, 16, "in pieces of %zu", piece);
    }
}

static void check_standards(void)
{
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct octets key = from_hex(messages[i].key), iv = from_hex(messages[i].iv),
                      ad = from_hex(messages[i].ad), plain = from_hex(messages[i].plain),
                      sealed = from_hex(messages[i].sealed), tag = from_hex(messages[i].tag);
        struct crypto_aead *a = crypto_aead_new(messages[i].cipher, key.at);
        cr_assert_not_null(a);
        unsigned char out[256], given[16];
        cr_assert(crypto_aead_seal(a, iv.at, iv.size, ad.at, ad.size, plain.at, plain.size, out,
                                   given, 16));
        cr_expect_arr_eq(out, sealed.at, plain.size);
        cr_expect_arr_eq(given, tag.at, 16);
        /* In place, and the key is good for the other direction too. */
        cr_assert(
            crypto_aead_open(a, iv.at, iv.size, ad.at, ad.size, given, 16, out, plain.size, out));
        cr_expect_arr_eq(out, plain.at, plain.size);
        check_pieces(a, true, iv, ad, plain, sealed.at, tag);
        check_pieces(a, false, iv, ad, sealed, plain.at, tag);
        crypto_aead_free(a);
    }
}

Test(aead, is_the_standards)
{
    on_each_gcm(check_standards);
}

static void check_refusals(void)
{
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct octets key = from_hex(messages[i].key), iv = from_hex(messages[i].iv),
                      ad = from_hex(messages[i].ad), sealed = from_hex(messages[i].sealed),
                      tag = from_hex(messages[i].tag);
        struct crypto_aead *a = crypto_aead_new(messages[i].cipher, key.at);
        unsigned char *parts[] = {(unsigned char *)iv.at, (unsigned char *)ad.at,
                                  (unsigned char *)sealed.at, (unsigned char *)tag.at};
        const size_t sizes[] = {iv.size, ad.size, sealed.size, 16};
        for (size_t part = 0; part < 4; part++) {
            for (size_t bit = 0; bit < sizes[part] * 8; bit++) {
                unsigned char out[256];
                memset(out, 0xaa, sizeof out);
                parts[part][bit / 8] ^= (unsigned char)(1 << bit % 8);
                cr_expect_not(crypto_aead_open(a, iv.at, iv.size, ad.at, ad.size, tag.at, 16,
                                               sealed.at, sealed.size, out));
                parts[part][bit / 8] ^= (unsigned char)(1 << bit % 8);
                for (size_t k = 0; k < sealed.size; k++)
                    cr_assert_eq(out[k], 0, "plaintext is given out");
            }
        }
        crypto_aead_free(a);
    }
}

Test(aead, refuses_what_was_changed)
{
    on_each_gcm(check_refusals);
}

/* The message of key number i: nonces of 16 octets now and then, where the cipher takes them. */
static bool pass(struct crypto_aead *a, bool seal, size_t i, unsigned char sealed[static 32],
                 size_t iv_most)
{
    unsigned char iv[16] = {(unsigned char)i, (unsigned char)(i >> 8)}, out[16];
    size_t iv_size = i % 3 == 0 ? iv_most : 12;
    if (seal)
        return crypto_aead_seal(a, iv, iv_size, iv, 4, iv, 16, sealed, sealed + 16, 16);
    return crypto_aead_open(a, iv, iv_size, iv, 4, sealed + 16, 16, sealed, 16, out) &&
           memcmp(out, iv, sizeof out) == 0;
}

/* More keys than the engine has contexts for. */
static void check_many_keys(void)
{
    enum { KEYS = 1000 };
    static struct crypto_aead *keys[KEYS];
    static unsigned char sealed[KEYS][32];
    for (enum crypto_cipher c = CRYPTO_AES_128_GCM; c <= CRYPTO_CHACHA20_POLY1305; c++) {
        size_t iv_most = c == CRYPTO_CHACHA20_POLY1305 ? 12 : 16;
        for (size_t i = 0; i < KEYS; i++) {
            unsigned char key[32] = {(unsigned char)i, (unsigned char)(i >> 8), 1};
            keys[i] = crypto_aead_new(c, key);
            cr_assert(pass(keys[i], true, i, sealed[i], iv_most));
        }
        for (size_t round = 0; round < 3; round++)
            for (size_t n = 0; n < KEYS; n++) {
                size_t i = n * 7 % KEYS; /* not in the order in which they were made */
                cr_assert(pass(keys[i], false, i, sealed[i], iv_most));
                cr_assert_not(pass(keys[(i + 1) % KEYS], false, i, sealed[i], iv_most));
            }
        for (size_t i = 0; i < KEYS; i += 2)
            crypto_aead_free(keys[i]);
        for (size_t i = 1; i < KEYS; i += 2) {
            cr_assert(pass(keys[i], false, i, sealed[i], iv_most));
            crypto_aead_free(keys[i]);
        }
    }
}

Test(aead, each_of_many_keys_stays_itself)
{
    on_each_gcm(check_many_keys);
}

/* ---- the implementations among themselves ---------------------------------------------------- */

enum { LONG = 16384 + 40, ROOM = 20480, AD_MAX = 40 };

/* Its end is the page's, behind which there is nothing: who reads or writes on is killed. */
static unsigned char *room_before_nothing(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size + page - 1) / page * page;
    unsigned char *at = mmap(NULL, pages + page, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(at != MAP_FAILED);
    cr_assert_eq(mprotect(at + pages, page, PROT_NONE), 0);
    return at + pages;
}

/* What libcrypto makes of a message. */
struct example {
    enum crypto_cipher cipher;
    unsigned char key[32], iv[12], *ad_end, *plain_end, *out_end, *sealed, tag[16];
    size_t ad_size, size;
};

static void make_example(struct example *e, size_t size)
{
    e->cipher = random_below(2) == 0 ? CRYPTO_AES_128_GCM : CRYPTO_AES_256_GCM;
    e->size = size;
    e->ad_size = random_below(AD_MAX + 1);
    fill_random(e->key, sizeof e->key);
    fill_random(e->iv, sizeof e->iv);
    fill_random(e->ad_end - e->ad_size, e->ad_size);
    fill_random(e->plain_end - size, size);
    struct crypto_aead *a = crypto_aead_new(e->cipher, e->key);
    cr_assert(crypto_aead_seal(a, e->iv, 12, e->ad_end - e->ad_size, e->ad_size,
                               e->plain_end - size, size, e->sealed, e->tag, 16));
    crypto_aead_free(a);
}

static void check_example(const struct example *e, bool in_place)
{
    const unsigned char *ad = e->ad_end - e->ad_size;
    unsigned char *out = e->out_end - e->size, tag[16];
    struct crypto_aead *a = crypto_aead_new(e->cipher, e->key);
    const unsigned char *plain = e->plain_end - e->size;
    memcpy(out, plain, in_place ? e->size : 0);
    cr_assert(crypto_aead_seal(a, e->iv, 12, ad, e->ad_size, in_place ? out : plain, e->size, out,
                               tag, 16));
    cr_assert_arr_eq(out, e->sealed, e->size, "%zu octets", e->size);
    cr_assert_arr_eq(tag, e->tag, 16, "%zu octets, %zu more", e->size, e->ad_size);
    cr_assert(crypto_aead_open(a, e->iv, 12, ad, e->ad_size, tag, 16, in_place ? out : e->sealed,
                               e->size, out));
    cr_assert_arr_eq(out, plain, e->size, "%zu octets", e->size);
    tag[random_below(16)] ^= (unsigned char)(1 << random_below(8));
    cr_assert_not(crypto_aead_open(a, e->iv, 12, ad, e->ad_size, tag, 16, e->sealed, e->size, out));
    for (size_t i = 0; i < e->size; i++)
        cr_assert_eq(out[i], 0, "plaintext is given out");
    crypto_aead_free(a);
}

static unsigned last_gcm(void)
{
    unsigned i = 0;
    while (crypto_gcm_name(i + 1) != NULL)
        i++;
    return i;
}

static void compare_with_libcrypto(size_t size)
{
    static struct example e;
    unsigned last = last_gcm();
    if (e.sealed == NULL) {
        e.ad_end = room_before_nothing(AD_MAX);
        e.plain_end = room_before_nothing(LONG);
        e.out_end = room_before_nothing(LONG);
        e.sealed = room_before_nothing(ROOM) - ROOM;
    }
    crypto_gcm_use(last);
    make_example(&e, size);
    for (unsigned i = 0; i < last; i++) {
        crypto_gcm_use(i);
        check_example(&e, false);
        check_example(&e, true);
    }
}

Test(aead, is_the_same_by_each_gcm)
{
    cr_assert_str_eq(crypto_gcm_name(last_gcm()), "libcrypto");
    for (size_t size = 0; size <= 300; size++)
        for (int i = 0; i < 4; i++)
            compare_with_libcrypto(size);
    for (size_t size = LONG - 80; size <= LONG; size++)
        compare_with_libcrypto(size);
    for (int i = 0; i < 300; i++)
        compare_with_libcrypto(random_below(LONG));
}

#ifdef PC_HAVE_IPSEC_MB
/* As the kernel says what the CPU has, and what of it may be used. */
static bool cpu_has(const char *const flags[], size_t count)
{
    static char line[8192];
    FILE *f = fopen("/proc/cpuinfo", "r");
    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f) != NULL && strncmp(line, "flags", 5) != 0)
        ;
    fclose(f);
    line[strcspn(line, "\n")] = ' ';
    for (size_t i = 0; i < count; i++) {
        char word[32];
        snprintf(word, sizeof word, " %s ", flags[i]);
        if (strstr(line, word) == NULL)
            return false;
    }
    return true;
}

Test(aead, uses_what_the_cpu_has)
{
    static const char *const wide[] = {"aes",      "pclmulqdq", "avx2", "avx512f",   "avx512dq",
                                       "avx512bw", "avx512vl",  "vaes", "vpclmulqdq"};
    static const char *const narrow[] = {"aes", "pclmulqdq", "avx"};
    unsigned i = 0;
    if (cpu_has(wide, sizeof wide / sizeof *wide))
        cr_expect_not_null(strstr(crypto_gcm_name(i++), "AVX-512"));
    if (cpu_has(narrow, sizeof narrow / sizeof *narrow))
        cr_expect_not_null(strstr(crypto_gcm_name(i++), "AES-NI"));
    cr_expect_str_eq(crypto_gcm_name(i), "libcrypto");
    cr_expect_null(crypto_gcm_name(i + 1));
    if (i > 0)
        cr_expect_not_null(strstr(crypto_version(), crypto_gcm_name(0)));
}
#endif

/* ---- keys that are gone ---------------------------------------------------------------------- */

enum { MASK = 0x5a, KEY = 16, WINDOW = 65536 };

static void hide(unsigned char *to, const unsigned char *from)
{
    for (size_t i = 0; i < KEY; i++)
        to[i] = from[i] ^ MASK;
}

static bool is_hidden_at(const unsigned char *at, const unsigned char *hidden)
{
    for (size_t i = 0; i < KEY; i++)
        if ((at[i] ^ MASK) != hidden[i])
            return false;
    return true;
}

static size_t copies_in(int memory, uint64_t from, uint64_t to, const unsigned char *hidden)
{
    static unsigned char window[WINDOW];
    size_t found = 0;
    for (uint64_t at = from; at + KEY <= to; at += WINDOW - KEY + 1) {
        uint64_t size = to - at < WINDOW ? to - at : WINDOW;
        ssize_t n = pread(memory, window, size, (off_t)at);
        for (ssize_t i = 0; i + KEY <= n; i++)
            found += is_hidden_at(window + i, hidden);
        memset(window, 0, sizeof window);
    }
    return found;
}

/* In all memory that can be written to, but for what sanitizers map. */
static size_t copies_in_memory(const unsigned char *hidden)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    uint64_t from, to;
    char line[512], flags[8];
    size_t found = 0;
    cr_assert(maps != NULL && memory != -1);
    while (fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, flags) == 3 &&
            flags[1] == 'w' && to - from < (uint64_t)1 << 28)
            found += copies_in(memory, from, to, hidden);
    close(memory);
    fclose(maps);
    return found;
}

/* The first round key of AES-128 is the key. */
static void check_wiped(void)
{
    unsigned char hidden[KEY], key[KEY], text[64] = {0}, tag[16];
    fill_random(hidden, sizeof hidden);
    hide(key, hidden);
    struct crypto_aead *a = crypto_aead_new(CRYPTO_AES_128_GCM, key);
    crypto_wipe(key, sizeof key);
    cr_assert(crypto_aead_seal(a, text, 12, text, 5, text, sizeof text, text, tag, 16));
    cr_expect_geq(copies_in_memory(hidden), 2); /* as it is, and ready for use */
    crypto_aead_free(a);
    cr_expect_eq(copies_in_memory(hidden), 0);
}

Test(aead, wipes_keys)
{
    on_each_gcm(check_wiped);
}
