/* Lists made by hand and signed with the CA's key. */
#include <stdio.h>
#include <time.h>

#include <mbedtls/md.h>
#include <mbedtls/pk.h>

#include "../../../src/tls/crl.h"
#include "../../../src/tls/der.h"
#include "../../../src/tls/random.h"
#include "support.h"

static void put(struct buf *out, unsigned tag, struct str content)
{
    buf_append_char(out, (char)tag);
    if (content.len >= 0x100) {
        buf_append_char(out, (char)0x82);
        buf_append_char(out, (char)(content.len >> 8));
    } else if (content.len >= 0x80) {
        buf_append_char(out, (char)0x81);
    }
    buf_append_char(out, (char)content.len);
    buf_append_str(out, content);
}

/* buf_str(&inside) wrapped in tag, and inside emptied. */
static void wrap(struct buf *out, unsigned tag, struct buf *inside)
{
    put(out, tag, buf_str(inside));
    buf_deinit(inside);
}

struct list {
    const char *issuer_file, *key_file;
    const char *this_update, *next_update; /* UTCTime */
    struct str serials[8];                 /* ends with an empty one */
    struct str entry_extensions, extensions;
    struct str last_extensions; /* the last entry's own */
};

static const struct str ecdsa_sha256 = STR_INIT("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");

static struct buf tbs_of(const struct list *l, struct str issuer)
{
    struct buf inside = {0}, entries = {0}, tbs = {0}, extensions = {0};
    put(&inside, DER_INTEGER, STR("\x01"));
    buf_append_str(&inside, ecdsa_sha256);
    buf_append_str(&inside, issuer);
    put(&inside, DER_UTC_TIME, str_of(l->this_update));
    if (l->next_update != NULL)
        put(&inside, DER_UTC_TIME, str_of(l->next_update));
    for (const struct str *s = l->serials; s->len > 0; s++) {
        struct buf entry = {0};
        put(&entry, DER_INTEGER, *s);
        put(&entry, DER_UTC_TIME, STR("240229120000Z"));
        bool is_last = s[1].len == 0 && l->last_extensions.len > 0;
        struct str own = is_last ? l->last_extensions : l->entry_extensions;
        if (own.len > 0)
            put(&entry, DER_SEQUENCE, own);
        wrap(&entries, DER_SEQUENCE, &entry);
    }
    if (!buf_is_empty(&entries))
        put(&inside, DER_SEQUENCE, buf_str(&entries));
    if (l->extensions.len > 0) {
        put(&extensions, DER_SEQUENCE, l->extensions);
        wrap(&inside, DER_CONTEXT_COMPOUND(0), &extensions);
    }
    buf_deinit(&entries);
    wrap(&tbs, DER_SEQUENCE, &inside);
    return tbs;
}

static struct buf crl_of(const struct list *l)
{
    struct chain issuer = {.count = 0};
    struct cert cert;
    const char *problem;
    chain_add(&issuer, l->issuer_file);
    cr_assert(cert_read(&cert, issuer.list[0], &problem), "%s", problem);
    struct buf tbs = tbs_of(l, cert.subject), inside = {0}, whole = {0}, bits = {0};
    cert_deinit(&cert);
    chain_free(&issuer);

    unsigned char digest[32], signature[512];
    size_t length = 0;
    mbedtls_pk_context key;
    mbedtls_pk_init(&key);
    cr_assert_eq(
        mbedtls_pk_parse_keyfile(&key, cert_path(l->key_file), NULL, random_for_mbedtls, NULL), 0);
    mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
               (const unsigned char *)buf_str(&tbs).ptr, buf_len(&tbs), digest);
    cr_assert_eq(mbedtls_pk_sign(&key, MBEDTLS_MD_SHA256, digest, sizeof digest, signature,
                                 sizeof signature, &length, random_for_mbedtls, NULL),
                 0);
    mbedtls_pk_free(&key);
    buf_append_char(&bits, 0);
    buf_append(&bits, signature, length);
    buf_append_str(&inside, buf_str(&tbs));
    buf_append_str(&inside, ecdsa_sha256);
    wrap(&inside, DER_BIT_STRING, &bits);
    wrap(&whole, DER_SEQUENCE, &inside);
    buf_deinit(&tbs);
    return whole;
}

#define OURS  .issuer_file = "ca.crt", .key_file = "ca.key"
#define FRESH .this_update = "260101000000Z", .next_update = "360101000000Z"
static const time_t now = 1800000000; /* 2027-01-15 */
static time_t grace;                  /* a test that wants some sets it */

/* What the lists say of a certificate of ca.crt with this serial number. */
static enum crl_status lookup(const struct list *lists, size_t count, struct str serial,
                              const char *certificate, struct buf *detail)
{
    struct crl crls[4];
    struct buf ders[4] = {{0}};
    struct arena a;
    struct chain c = {.count = 0}, ca = {.count = 0};
    struct cert cert, issuer;
    const struct cert *const above[] = {&issuer};
    const char *problem = "";
    arena_init(&a, 1024);
    chain_add(&c, certificate);
    chain_add(&ca, "ca.crt");
    cr_assert(cert_read(&cert, c.list[0], &problem));
    cr_assert(cert_read(&issuer, ca.list[0], &problem));
    for (size_t i = 0; i < count; i++) {
        ders[i] = crl_of(&lists[i]);
        cr_assert(crl_read(&crls[i], &a, buf_str(&ders[i]), &problem), "%s", problem);
    }
    if (serial.len > 0)
        cert.serial = der_integer_trim(serial);
    enum crl_status s = crl_lookup(crls, count, &cert, above, 1, now, grace, detail);
    /* The same with the signature remembered. */
    for (size_t i = 0; i < count; i++)
        crl_check_signature(&crls[i], &issuer);
    struct buf again = {0};
    cr_expect_eq(crl_lookup(crls, count, &cert, above, 1, now, grace, &again), s);
    buf_deinit(&again);
    for (size_t i = 0; i < count; i++)
        buf_deinit(&ders[i]);
    cert_deinit(&cert);
    cert_deinit(&issuer);
    chain_free(&c);
    chain_free(&ca);
    arena_deinit(&a);
    return s;
}

Test(crl, compares_serials_as_integers)
{
    static const struct list l = {OURS, FRESH,
                                  .serials = {STR_INIT("\x05"), STR_INIT("\x00\x80"),
                                              STR_INIT("\x00\x00\x07"), STR_INIT("\x01\x00"),
                                              STR_INIT("\xfe")}};
    static const struct {
        struct str serial;
        enum crl_status status;
    } cases[] = {
        {STR_INIT("\x05"), CRL_REVOKED},     {STR_INIT("\x00\x05"), CRL_REVOKED},
        {STR_INIT("\x00\x80"), CRL_REVOKED}, {STR_INIT("\x80"), CRL_GOOD},
        {STR_INIT("\x07"), CRL_REVOKED},     {STR_INIT("\x01\x00"), CRL_REVOKED},
        {STR_INIT("\x01"), CRL_GOOD},        {STR_INIT("\x00"), CRL_GOOD},
        {STR_INIT("\xfe"), CRL_REVOKED},     {STR_INIT("\xff\xfe"), CRL_REVOKED},
        {STR_INIT("\x00\xfe"), CRL_GOOD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf detail = {0};
        cr_expect_eq(lookup(&l, 1, cases[i].serial, "client.crt", &detail), cases[i].status, "%zu",
                     i);
        if (cases[i].status == CRL_REVOKED)
            cr_expect(str_eq_z(buf_str(&detail), "revoked 2024-02-29"));
        buf_deinit(&detail);
    }
}

/* A CA that changed its key stands in the path twice; its lists may be signed with either key. */
Test(crl, takes_a_list_by_any_key_of_its_issuer_in_the_path)
{
    static const struct list l = {OURS, FRESH};
    struct crl crl;
    struct buf der = crl_of(&l), detail = {0};
    struct arena a;
    struct chain c = {.count = 0}, ca = {.count = 0};
    struct cert cert, issuer;
    const char *problem = "";
    arena_init(&a, 1024);
    chain_add(&c, "client.crt");
    chain_add(&ca, "ca.crt");
    cr_assert(cert_read(&cert, c.list[0], &problem));
    cr_assert(cert_read(&issuer, ca.list[0], &problem));
    cr_assert(crl_read(&crl, &a, buf_str(&der), &problem));
    struct cert rolled = issuer;
    rolled.key = cert.key;
    rolled.spki = cert.spki;
    rolled.key_id = STR_NONE;
    const struct cert *const above[] = {&rolled, &issuer};
    cr_expect_eq(crl_lookup(&crl, 1, &cert, above, 2, now, 0, &detail), CRL_GOOD);
    cr_expect_eq(crl_lookup(&crl, 1, &cert, above, 1, now, 0, &detail), CRL_UNUSABLE);
    cert_deinit(&cert);
    cert_deinit(&issuer);
    chain_free(&c);
    chain_free(&ca);
    arena_deinit(&a);
    buf_deinit(&der);
    buf_deinit(&detail);
}

#define SERIAL STR_INIT("\x05")
#define LISTED .serials = {SERIAL}
/* issuingDistributionPoint, critical, with this content */
#define IDP(length, content) STR_INIT("\x30" length "\x06\x03\x55\x1d\x1c\x01\x01\xff" content)

Test(crl, knows_which_lists_speak_of_a_certificate)
{
    static const struct {
        struct list lists[2];
        size_t count;
        const char *certificate;
        enum crl_status status;
    } cases[] = {
        {{{OURS, FRESH}}, 1, "client.crt", CRL_GOOD},
        {{{OURS, FRESH, LISTED}}, 1, "client.crt", CRL_REVOKED},
        {{{OURS, .this_update = "260101000000Z"}}, 1, "client.crt", CRL_GOOD}, /* no nextUpdate */
        {{{OURS, .this_update = "250101000000Z", .next_update = "260101000000Z"}},
         1,
         "client.crt",
         CRL_STALE},
        {{{OURS, .this_update = "250101000000Z", .next_update = "260101000000Z", LISTED}},
         1,
         "client.crt",
         CRL_REVOKED},
        {{{OURS, .this_update = "350101000000Z", .next_update = "360101000000Z"}},
         1,
         "client.crt",
         CRL_UNUSABLE},
        /* An old list that still names it, and a new one that no longer does. */
        {{{OURS, .this_update = "250101000000Z", .next_update = "260101000000Z", LISTED},
          {OURS, FRESH}},
         2,
         "client.crt",
         CRL_GOOD},
        {{{OURS, FRESH}, {OURS, FRESH, LISTED}}, 2, "client.crt", CRL_REVOKED},
        /* Signed by another. */
        {{{.issuer_file = "ca.crt", .key_file = "client.key", FRESH}},
         1,
         "client.crt",
         CRL_UNUSABLE},
        {{{.issuer_file = "ca.crt", .key_file = "client.key", FRESH, LISTED}},
         1,
         "client.crt",
         CRL_UNUSABLE},
        {{{.issuer_file = "client.crt", .key_file = "client.key", FRESH, LISTED}},
         1,
         "client.crt",
         CRL_NONE},
        {{{.issuer_file = "ca.crt", .key_file = "client.key", FRESH, LISTED}, {OURS, FRESH}},
         2,
         "client.crt",
         CRL_GOOD},
        /* Only users, only CAs. */
        {{{OURS, FRESH, LISTED, .extensions = IDP("\x0f", "\x04\x05\x30\x03\x81\x01\xff")}},
         1,
         "client.crt",
         CRL_REVOKED},
        {{{OURS, FRESH, LISTED, .extensions = IDP("\x0f", "\x04\x05\x30\x03\x82\x01\xff")}},
         1,
         "client.crt",
         CRL_NONE},
        {{{OURS, FRESH, LISTED, .extensions = IDP("\x0f", "\x04\x05\x30\x03\x81\x01\xff")}},
         1,
         "ca.crt",
         CRL_NONE},
        {{{OURS, FRESH, LISTED, .extensions = IDP("\x0f", "\x04\x05\x30\x03\x82\x01\xff")}},
         1,
         "ca.crt",
         CRL_REVOKED},
        /* A partition that the certificate does not belong to. */
        {{{OURS, FRESH, LISTED,
           .extensions = IDP("\x13", "\x04\x09\x30\x07\xa0\x05\xa0\x03\x86\x01x")}},
         1,
         "client.crt",
         CRL_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf detail = {0};
        enum crl_status got = lookup(cases[i].lists, cases[i].count, STR("\x05"),
                                     cases[i].certificate, &detail);
        cr_expect_eq(got, cases[i].status, "%zu: %d, not %d: %.*s", i, got, cases[i].status,
                     STR_ARG(buf_str(&detail)));
        buf_deinit(&detail);
    }
}

Test(crl, of_a_partition_speaks_of_its_members)
{
    static const struct list mine = {
        OURS, FRESH, LISTED,
        .extensions = IDP("\x1f", "\x04\x15\x30\x13\xa0\x11\xa0\x0f\x86\x0dhttp://a.b/c1")};
    static const struct list other = {
        OURS, FRESH, LISTED,
        .extensions = IDP("\x1f", "\x04\x15\x30\x13\xa0\x11\xa0\x0f\x86\x0dhttp://a.b/c2")};
    struct buf detail = {0};
    struct buf none = command_output(
        "printf 'crlDistributionPoints=URI:http://x,URI:http://a.b/c1\\n' >dp.ext && openssl req "
        "-new -key "
        "client.key -subj /CN=dp | openssl x509 -req -CA ca.crt -CAkey ca.key -set_serial 5 "
        "-extfile dp.ext "
        "-days 2 -out dp.crt 2>/dev/null");
    cr_expect_eq(lookup(&mine, 1, STR_NONE, "dp.crt", &detail), CRL_REVOKED);
    cr_expect_eq(lookup(&other, 1, STR_NONE, "dp.crt", &detail), CRL_NONE);
    buf_deinit(&none);
    buf_deinit(&detail);
}

Test(crl, says_the_cause)
{
    static const struct list l = {
        OURS, FRESH, LISTED,
        .entry_extensions = STR_INIT("\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01\x01")};
    struct buf detail = {0};
    cr_expect_eq(lookup(&l, 1, STR("\x05"), "client.crt", &detail), CRL_REVOKED);
    cr_expect(str_eq_z(buf_str(&detail), "revoked 2024-02-29 (key compromise)"), "%.*s",
              STR_ARG(buf_str(&detail)));
    buf_deinit(&detail);
}

#define NUMBER(n) "\x30\x0a\x06\x03\x55\x1d\x14\x04\x03\x02\x01" n
#define BASE(n)   "\x30\x0d\x06\x03\x55\x1d\x1b\x01\x01\xff\x04\x03\x02\x01" n
#define COMPLETE  .extensions = STR_INIT(NUMBER("\x05"))
#define DELTA     .extensions = STR_INIT(NUMBER("\x07") BASE("\x05"))
#define YOUNGER   .extensions = STR_INIT(NUMBER("\x09") BASE("\x05"))
#define REMOVED \
    LISTED, .entry_extensions = STR_INIT("\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01\x08")
#define COMING .this_update = "490101000000Z", .next_update = "491231000000Z"
#define OLD    .this_update = "250101000000Z", .next_update = "260101000000Z"

Test(crl, reads_delta_lists_with_their_base)
{
    static const struct {
        struct list lists[3];
        size_t count;
        enum crl_status status;
    } cases[] = {
        /* Alone it clears nobody and says nothing of others, but whom it names is revoked. */
        {{{OURS, FRESH, DELTA}}, 1, CRL_NONE},
        {{{OURS, FRESH, DELTA, REMOVED}}, 1, CRL_NONE},
        {{{OURS, FRESH, DELTA, LISTED}}, 1, CRL_REVOKED},
        {{{OURS, OLD, DELTA, LISTED}}, 1, CRL_REVOKED},
        {{{OURS, FRESH, .extensions = STR_INIT(NUMBER("\x09"))}, {OURS, FRESH, DELTA, LISTED}},
         2,
         CRL_GOOD}, /* the complete list is younger, and knows better */
        {{{OURS, FRESH, COMPLETE}, {OURS, FRESH, DELTA}}, 2, CRL_GOOD},
        {{{OURS, FRESH, COMPLETE}, {OURS, FRESH, DELTA, LISTED}}, 2, CRL_REVOKED},
        {{{OURS, FRESH, DELTA, LISTED}, {OURS, FRESH, COMPLETE}}, 2, CRL_REVOKED},
        {{{OURS, FRESH, COMPLETE, LISTED}, {OURS, FRESH, DELTA}}, 2, CRL_REVOKED},
        {{{OURS, FRESH, COMPLETE, LISTED}, {OURS, FRESH, DELTA, REMOVED}}, 2, CRL_GOOD},
        {{{OURS, FRESH, COMPLETE, REMOVED}}, 1, CRL_REVOKED}, /* a complete list removes nothing */
        /* Out of date it still revokes, and clears nobody. */
        {{{OURS, FRESH, COMPLETE}, {OURS, OLD, DELTA, LISTED}}, 2, CRL_REVOKED},
        {{{OURS, FRESH, COMPLETE, LISTED}, {OURS, OLD, DELTA, REMOVED}}, 2, CRL_REVOKED},
        {{{OURS, FRESH, COMPLETE, LISTED}, {OURS, COMING, DELTA, REMOVED}}, 2, CRL_REVOKED},
        {{{OURS, OLD, COMPLETE}, {OURS, FRESH, DELTA}}, 2, CRL_STALE},
        /* The youngest has the last word. */
        {{{OURS, FRESH, COMPLETE}, {OURS, FRESH, DELTA, LISTED}, {OURS, FRESH, YOUNGER, REMOVED}},
         3,
         CRL_GOOD},
        {{{OURS, FRESH, COMPLETE}, {OURS, FRESH, YOUNGER, REMOVED}, {OURS, FRESH, DELTA, LISTED}},
         3,
         CRL_GOOD},
        {{{OURS, FRESH, COMPLETE, LISTED},
          {OURS, FRESH, YOUNGER, LISTED},
          {OURS, FRESH, DELTA, REMOVED}},
         3,
         CRL_REVOKED},
        {{{OURS, FRESH, COMPLETE, LISTED},
          {OURS, FRESH, DELTA, .serials = {SERIAL, SERIAL},
           .last_extensions = STR_INIT("\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01\x08")}},
         2,
         CRL_REVOKED}, /* revoked and removed at once */
        /* Two of one number that disagree, in either order. */
        {{{OURS, FRESH, COMPLETE}, {OURS, FRESH, DELTA, LISTED}, {OURS, FRESH, DELTA, REMOVED}},
         3,
         CRL_REVOKED},
        {{{OURS, FRESH, COMPLETE}, {OURS, FRESH, DELTA, REMOVED}, {OURS, FRESH, DELTA, LISTED}},
         3,
         CRL_REVOKED},
        /* Of a base that is too old, or younger than the delta; of another scope; of another's key.
         */
        {{{OURS, FRESH, .extensions = STR_INIT(NUMBER("\x04"))}, {OURS, FRESH, DELTA, LISTED}},
         2,
         CRL_REVOKED},
        {{{OURS, FRESH, .extensions = STR_INIT(NUMBER("\x04")), LISTED},
          {OURS, FRESH, DELTA, REMOVED}},
         2,
         CRL_REVOKED},
        {{{OURS, FRESH, .extensions = STR_INIT(NUMBER("\x07")), LISTED},
          {OURS, FRESH, DELTA, REMOVED}},
         2,
         CRL_REVOKED},
        {{{OURS, FRESH, COMPLETE, LISTED},
          {OURS, FRESH, REMOVED,
           .extensions = STR_INIT(NUMBER("\x07")
                                      BASE("\x05") "\x30\x0f\x06\x03\x55\x1d\x1c\x01\x01\xff"
                                                   "\x04\x05\x30\x03\x81\x01\xff")}},
         2,
         CRL_REVOKED},
        {{{OURS, FRESH, COMPLETE, LISTED},
          {.issuer_file = "ca.crt", .key_file = "client.key", FRESH, DELTA, REMOVED}},
         2,
         CRL_REVOKED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf detail = {0};
        enum crl_status got = lookup(cases[i].lists, cases[i].count, STR("\x05"), "client.crt",
                                     &detail);
        cr_expect_eq(got, cases[i].status, "%zu: %d, not %d", i, (int)got, (int)cases[i].status);
        buf_deinit(&detail);
    }
}

/* What is not understood is not taken for understood. */
Test(crl, refuses_lists_that_say_more_than_it_knows)
{
    static const struct {
        struct list list;
        const char *problem;
    } cases[] = {
        {{OURS, FRESH,
          .extensions = STR_INIT("\x30\x0d\x06\x03\x55\x1d\x1b\x01\x01\xff\x04\x03\x02\x01\xff")},
         "malformed"},
        {{OURS, FRESH, .extensions = IDP("\x0f", "\x04\x05\x30\x03\x84\x01\xff")}, "indirect"},
        {{OURS, FRESH, .extensions = IDP("\x10", "\x04\x06\x30\x04\x83\x02\x06\x40")},
         "some reasons"},
        {{OURS, FRESH, .extensions = IDP("\x0f", "\x04\x05\x30\x03\x85\x01\xff")}, "attribute"},
        {{OURS, FRESH,
          .extensions = STR_INIT("\x30\x0c\x06\x03\x2a\x03\x04\x01\x01\xff\x04\x02\x05\x00")},
         "critical extension"},
        {{OURS, FRESH, LISTED,
          .entry_extensions = STR_INIT("\x30\x0c\x06\x03\x55\x1d\x1d\x01\x01\xff\x04\x02\x30\x00")},
         "entry has a critical"},
        {{OURS, FRESH, LISTED,
          .entry_extensions = STR_INIT("\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01\x0b")},
         "entry is malformed"}, /* a reason that there is not */
        {{OURS, FRESH,
          .serials = {STR_INIT("\x01"
                               "0123456789012345678901")}},
         "longer than 20"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct crl l;
        struct arena a;
        const char *problem = "";
        struct buf der = crl_of(&cases[i].list);
        arena_init(&a, 1024);
        cr_expect_not(crl_read(&l, &a, buf_str(&der), &problem), "%zu", i);
        cr_expect(strstr(problem, cases[i].problem) != NULL, "%zu: %s", i, problem);
        arena_deinit(&a);
        buf_deinit(&der);
    }
}

Test(crl, cut_or_changed_anywhere_says_nothing_good)
{
    static const struct list l = {OURS, FRESH, LISTED};
    struct buf der = crl_of(&l);
    struct chain ca = {.count = 0};
    struct cert issuer;
    const struct cert *const above = &issuer;
    const char *problem;
    chain_add(&ca, "ca.crt");
    cr_assert(cert_read(&issuer, ca.list[0], &problem));
    for (size_t at = 0; at < buf_len(&der); at++) {
        struct crl crl;
        struct arena a;
        struct buf detail = {0};
        arena_init(&a, 1024);
        cr_expect_not(crl_read(&crl, &a, str_upto(buf_str(&der), at), &problem));
        der.data[der.start + at] ^= 1;
        if (crl_read(&crl, &a, buf_str(&der), &problem))
            cr_expect_neq(crl_lookup(&crl, 1, &issuer, &above, 1, now, 0, &detail), CRL_GOOD, "%zu",
                          at);
        der.data[der.start + at] ^= 1;
        arena_deinit(&a);
        buf_deinit(&detail);
    }
    cert_deinit(&issuer);
    chain_free(&ca);
    buf_deinit(&der);
}

Test(crl, needs_crl_sign_in_the_key_usage)
{
    static const struct list l = {.issuer_file = "nosign.crt", .key_file = "ca.key", FRESH, LISTED};
    struct buf none = command_output(
        "printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=keyCertSign\\n' >ns.ext && openssl "
        "req -new -key "
        "ca.key -subj /CN=nosign | openssl x509 -req -signkey ca.key -extfile ns.ext -days 2 -out "
        "nosign.crt "
        "2>/dev/null");
    struct chain ca = {.count = 0};
    struct cert issuer;
    const struct cert *const above = &issuer;
    struct crl crl;
    struct arena a;
    struct buf detail = {0}, der = crl_of(&l);
    const char *problem;
    arena_init(&a, 1024);
    chain_add(&ca, "nosign.crt");
    cr_assert(cert_read(&issuer, ca.list[0], &problem));
    cr_assert(crl_read(&crl, &a, buf_str(&der), &problem));
    cr_expect_eq(crl_lookup(&crl, 1, &issuer, &above, 1, now, 0, &detail), CRL_UNUSABLE);
    cert_deinit(&issuer);
    chain_free(&ca);
    arena_deinit(&a);
    buf_deinit(&none);
    buf_deinit(&der);
    buf_deinit(&detail);
}

Test(crl, out_of_date_counts_in_its_grace_but_never_against_a_newer_one)
{
    static const struct list old = {OURS, .this_update = "250101000000Z",
                                    .next_update = "260101000000Z"};
    static const struct list old_listed = {OURS, .this_update = "250101000000Z",
                                           .next_update = "260101000000Z", LISTED};
    static const struct list fresh = {OURS, FRESH}, fresh_listed = {OURS, FRESH, LISTED};
    const struct {
        struct list lists[2];
        size_t count;
        enum crl_status status;
    } cases[] = {
        {{old}, 1, CRL_GOOD},
        {{old_listed}, 1, CRL_REVOKED},
        {{old, old_listed}, 2, CRL_REVOKED},
        {{old_listed, fresh}, 2, CRL_GOOD}, /* a hold that was lifted */
        {{old, fresh_listed}, 2, CRL_REVOKED},
    };
    const time_t end = 1767225600; /* 2026-01-01 */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf detail = {0};
        grace = now - end;
        cr_expect_eq(lookup(cases[i].lists, cases[i].count, STR("\x05"), "client.crt", &detail),
                     cases[i].status, "%zu", i);
        buf_deinit(&detail);
    }
    struct buf detail = {0};
    grace = now - end - 1; /* seconds */
    cr_expect_eq(lookup(&old, 1, STR("\x05"), "client.crt", &detail), CRL_STALE);
    buf_deinit(&detail);
}
