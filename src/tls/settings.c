#include "portcullis/tls/settings.h"

#include <string.h>

#include "suites.h"

/* ---- tables ---------------------------------------------------------------------------------- */

enum {
    AUTH_RSA = 1 << 0,
    AUTH_ECDSA = 1 << 1,
    AES128 = 1 << 2,
    AES256 = 1 << 3,
    CHACHA20 = 1 << 4,
    GCM = 1 << 5,
    CCM = 1 << 6,
    CBC = 1 << 7,
    MAC_SHA1 = 1 << 8,
    MAC_SHA256 = 1 << 9,
    MAC_SHA384 = 1 << 10,
    SINCE_TLS12 = 1 << 11,
    EVERY_SUITE = 1 << 12,

    AEAD12 = SINCE_TLS12 | EVERY_SUITE,
};

/* In our order of preference: AEAD before CBC, AES-GCM before the others. All have forward
 * secrecy. */
static const struct suite {
    int id;
    struct str name;
    unsigned traits;
} suites12[] = {
    {0xc02c, STR_INIT("ECDHE-ECDSA-AES256-GCM-SHA384"), AUTH_ECDSA | AES256 | GCM | AEAD12},
    {0xc030, STR_INIT("ECDHE-RSA-AES256-GCM-SHA384"), AUTH_RSA | AES256 | GCM | AEAD12},
    {0xc02b, STR_INIT("ECDHE-ECDSA-AES128-GCM-SHA256"), AUTH_ECDSA | AES128 | GCM | AEAD12},
    {0xc02f, STR_INIT("ECDHE-RSA-AES128-GCM-SHA256"), AUTH_RSA | AES128 | GCM | AEAD12},
    {0xcca9, STR_INIT("ECDHE-ECDSA-CHACHA20-POLY1305"), AUTH_ECDSA | CHACHA20 | AEAD12},
    {0xcca8, STR_INIT("ECDHE-RSA-CHACHA20-POLY1305"), AUTH_RSA | CHACHA20 | AEAD12},
    {0xc0ad, STR_INIT("ECDHE-ECDSA-AES256-CCM"), AUTH_ECDSA | AES256 | CCM | AEAD12},
    {0xc0ac, STR_INIT("ECDHE-ECDSA-AES128-CCM"), AUTH_ECDSA | AES128 | CCM | AEAD12},
    {0xc024, STR_INIT("ECDHE-ECDSA-AES256-SHA384"),
     AUTH_ECDSA | AES256 | CBC | MAC_SHA384 | AEAD12},
    {0xc028, STR_INIT("ECDHE-RSA-AES256-SHA384"), AUTH_RSA | AES256 | CBC | MAC_SHA384 | AEAD12},
    {0xc023, STR_INIT("ECDHE-ECDSA-AES128-SHA256"),
     AUTH_ECDSA | AES128 | CBC | MAC_SHA256 | AEAD12},
    {0xc027, STR_INIT("ECDHE-RSA-AES128-SHA256"), AUTH_RSA | AES128 | CBC | MAC_SHA256 | AEAD12},
    {0xc00a, STR_INIT("ECDHE-ECDSA-AES256-SHA"),
     AUTH_ECDSA | AES256 | CBC | MAC_SHA1 | EVERY_SUITE},
    {0xc014, STR_INIT("ECDHE-RSA-AES256-SHA"), AUTH_RSA | AES256 | CBC | MAC_SHA1 | EVERY_SUITE},
    {0xc009, STR_INIT("ECDHE-ECDSA-AES128-SHA"),
     AUTH_ECDSA | AES128 | CBC | MAC_SHA1 | EVERY_SUITE},
    {0xc013, STR_INIT("ECDHE-RSA-AES128-SHA"), AUTH_RSA | AES128 | CBC | MAC_SHA1 | EVERY_SUITE},
};
enum { SUITES12 = sizeof suites12 / sizeof *suites12 };

static const struct suite suites13[] = {
    {0x1302, STR_INIT("TLS_AES_256_GCM_SHA384"), 0},
    {0x1301, STR_INIT("TLS_AES_128_GCM_SHA256"), 0},
    {0x1303, STR_INIT("TLS_CHACHA20_POLY1305_SHA256"), 0},
    {0x1304, STR_INIT("TLS_AES_128_CCM_SHA256"), 0},
};
enum { SUITES13 = sizeof suites13 / sizeof *suites13 };

_Static_assert(SUITES12 + SUITES13 <= SUITES_MAX, "a list takes all suites");

/* OpenSSL's words for kinds of suites (openssl-ciphers(1)): a suite is meant that has any of the
 * traits. Words for what we have nothing of are not here: unknown to OpenSSL or empty with us,
 * they select nothing. */
static const struct {
    struct str word;
    unsigned traits;
} words[] = {
    {STR_INIT("ALL"), EVERY_SUITE},      {STR_INIT("DEFAULT"), EVERY_SUITE},
    {STR_INIT("HIGH"), EVERY_SUITE},     {STR_INIT("ECDHE"), EVERY_SUITE},
    {STR_INIT("EECDH"), EVERY_SUITE},    {STR_INIT("kECDHE"), EVERY_SUITE},
    {STR_INIT("kEECDH"), EVERY_SUITE},   {STR_INIT("ECDH"), EVERY_SUITE},
    {STR_INIT("FIPS"), AES128 | AES256}, {STR_INIT("aRSA"), AUTH_RSA},
    {STR_INIT("aECDSA"), AUTH_ECDSA},    {STR_INIT("ECDSA"), AUTH_ECDSA},
    {STR_INIT("AES"), AES128 | AES256},  {STR_INIT("AES128"), AES128},
    {STR_INIT("AES256"), AES256},        {STR_INIT("AESGCM"), GCM},
    {STR_INIT("AESCCM"), CCM},           {STR_INIT("CHACHA20"), CHACHA20},
    {STR_INIT("SHA"), MAC_SHA1},         {STR_INIT("SHA1"), MAC_SHA1},
    {STR_INIT("SHA256"), MAC_SHA256},    {STR_INIT("SHA384"), MAC_SHA384},
    {STR_INIT("TLSv1.2"), SINCE_TLS12},  {STR_INIT("TLSv1.0"), MAC_SHA1},
    {STR_INIT("TLSv1"), MAC_SHA1},
};

/* id 0: OpenSSL knows it and we do not; such a name in a list is passed over. */
static const struct group {
    uint16_t id;
    struct str name;
} groups[] = {
    {0x001d, STR_INIT("X25519")},
    {0x0017, STR_INIT("prime256v1")}, /* the first name of a number is the one we print */
    {0x0017, STR_INIT("P-256")},
    {0x0017, STR_INIT("secp256r1")},
    {0x0018, STR_INIT("secp384r1")},
    {0x0018, STR_INIT("P-384")},
    {0x0019, STR_INIT("secp521r1")},
    {0x0019, STR_INIT("P-521")},
    {0, STR_INIT("X448")},
    {0, STR_INIT("ffdhe2048")},
    {0, STR_INIT("ffdhe3072")},
    {0, STR_INIT("ffdhe4096")},
    {0, STR_INIT("ffdhe6144")},
    {0, STR_INIT("ffdhe8192")},
    {0, STR_INIT("secp224r1")},
    {0, STR_INIT("P-224")},
    {0, STR_INIT("secp256k1")},
    {0, STR_INIT("brainpoolP256r1")},
    {0, STR_INIT("brainpoolP384r1")},
    {0, STR_INIT("brainpoolP512r1")},
    {0, STR_INIT("X25519MLKEM768")},
    {0, STR_INIT("SecP256r1MLKEM768")},
    {0, STR_INIT("SecP384r1MLKEM1024")},
    {0, STR_INIT("MLKEM512")},
    {0, STR_INIT("MLKEM768")},
    {0, STR_INIT("MLKEM1024")},
};
enum { GROUPS = sizeof groups / sizeof *groups };

/* ---- OpenSSL's cipher list language ---------------------------------------------------------- */

/* Suites in the list so far, and those that "!" has banned for good. */
struct selection {
    int at[SUITES12]; /* indices into suites12 */
    size_t count;
    bool banned[SUITES12];
};

static bool matches_word(const struct suite *s, struct str word)
{
    if (str_eq(s->name, word))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_eq(words[i].word, word))
            return s->traits & words[i].traits;
    return false;
}

/* "ECDHE+AESGCM": all of the words. */
static bool matches(const struct suite *s, struct str term)
{
    do {
        if (!matches_word(s, str_cut(&term, '+')))
            return false;
    } while (term.ptr != NULL);
    return true;
}

static size_t position(const struct selection *l, int suite)
{
    size_t i = 0;
    while (i < l->count && l->at[i] != suite)
        i++;
    return i;
}

static void take_out(struct selection *l, int suite)
{
    size_t i = position(l, suite);
    if (i == l->count)
        return;
    memmove(&l->at[i], &l->at[i + 1], (l->count - i - 1) * sizeof l->at[0]);
    l->count--;
}

static void append(struct selection *l, int suite)
{
    if (!l->banned[suite] && position(l, suite) == l->count)
        l->at[l->count++] = suite;
}

/* One term with its action: "!" bans, "-" takes out, "+" moves to the end, nothing adds. */
static void apply(struct selection *l, char action, struct str term)
{
    for (int i = 0; i < SUITES12; i++) {
        if (!matches(&suites12[i], term))
            continue;
        bool was_there = position(l, i) < l->count;
        if (action == '!')
            l->banned[i] = true;
        if (action != 0)
            take_out(l, i);
        if (action == 0 || (action == '+' && was_there))
            append(l, i);
    }
}

static bool is_separator(char c)
{
    return c == ':' || c == ',' || c == ';' || c == ' ';
}

static struct str next_term(struct str *list)
{
    while (list->len > 0 && is_separator(list->ptr[0]))
        *list = str_from(*list, 1);
    size_t end = 0;
    while (end < list->len && !is_separator(list->ptr[end]))
        end++;
    struct str term = str_upto(*list, end);
    *list = str_from(*list, end);
    return term;
}

size_t suites_from_cipher_list(int out[static SUITES_MAX], struct str openssl_list, struct str *bad)
{
    struct selection l = {.count = 0};
    struct str term;
    *bad = openssl_list;
    for (struct str rest = openssl_list; (term = next_term(&rest)).len > 0;) {
        char action = strchr("!-+", term.ptr[0]) != NULL ? term.ptr[0] : 0;
        /* @STRENGTH: our order is by strength. @SECLEVEL: we have one level. */
        if (term.ptr[0] == '@')
            continue;
        apply(&l, action, action != 0 ? str_from(term, 1) : term);
    }
    for (size_t i = 0; i < l.count; i++)
        out[i] = suites12[l.at[i]].id;
    return l.count;
}

/* ---- plain lists ----------------------------------------------------------------------------- */

size_t suites_from_ciphersuites(int out[static SUITES_MAX], struct str list, struct str *bad)
{
    static const struct str too_short_a_tag = STR_INIT("TLS_AES_128_CCM_8_SHA256");
    size_t count = 0;
    if (list.len == 0) {
        for (; count < SUITES13; count++)
            out[count] = suites13[count].id;
        return count;
    }
    *bad = list;
    while (list.ptr != NULL) {
        struct str name = str_cut(&list, ':');
        size_t i = 0;
        while (i < SUITES13 && !str_eq(suites13[i].name, name))
            i++;
        if (i < SUITES13 && count < SUITES_MAX) {
            out[count++] = suites13[i].id;
        } else if (!str_eq(name, too_short_a_tag)) {
            *bad = name;
            return 0;
        }
    }
    return count;
}

static const struct group *find_group(struct str name)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (str_eq_nocase(groups[i].name, name))
            return &groups[i];
    return NULL;
}

size_t groups_from_curves(uint16_t out[static GROUPS_MAX], struct str list, struct str *bad)
{
    if (list.len == 0 || str_eq(list, STR("auto")))
        list = STR("X25519:prime256v1:secp384r1:secp521r1");
    size_t count = 0;
    *bad = list;
    while (list.ptr != NULL) {
        struct str name = str_cut(&list, ':');
        const struct group *g = find_group(name);
        if (g == NULL) {
            *bad = name;
            return 0;
        }
        size_t i = 0;
        while (i < count && out[i] != g->id)
            i++;
        if (g->id != 0 && i == count && count < GROUPS_MAX)
            out[count++] = g->id;
    }
    return count;
}

bool tls_ciphers_check(struct str openssl_list, struct str *bad)
{
    int out[SUITES_MAX];
    return suites_from_cipher_list(out, openssl_list, bad) > 0;
}

bool tls_ciphersuites_check(struct str list, struct str *bad)
{
    int out[SUITES_MAX];
    return suites_from_ciphersuites(out, list, bad) > 0;
}

bool tls_curves_check(struct str list, struct str *bad)
{
    uint16_t out[GROUPS_MAX];
    return groups_from_curves(out, list, bad) > 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

struct str suite_name(unsigned id)
{
    for (size_t i = 0; i < SUITES12; i++)
        if (suites12[i].id == (int)id)
            return suites12[i].name;
    for (size_t i = 0; i < SUITES13; i++)
        if (suites13[i].id == (int)id)
            return suites13[i].name;
    return STR_NONE;
}

struct str group_name(unsigned id)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (id != 0 && groups[i].id == id)
            return groups[i].name;
    return STR_NONE;
}

static void append_name(struct buf *out, struct str name, unsigned id)
{
    if (name.ptr != NULL)
        buf_append_str(out, name);
    else
        buf_printf(out, "0x%04x", id);
}

void suite_append_name(struct buf *out, unsigned id)
{
    append_name(out, suite_name(id), id);
}

bool suite_is_grease(unsigned id)
{
    return (id & 0x0f0f) == 0x0a0a && id >> 8 == (id & 0xff);
}

void group_append_name(struct buf *out, unsigned id)
{
    append_name(out, group_name(id), id);
}
