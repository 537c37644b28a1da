#include "../../../src/tls/der.h"
#include "../../../src/tls/name.h"
#include "support.h"

/* A Name from "CN=value" parts; tag is that of all its values. '+' before a part: same RDN. */
struct attribute {
    const char *oid, *value;
    unsigned tag;
    bool joins;
};

static void put(struct buf *out, unsigned tag, struct str content)
{
    cr_assert_lt(content.len, 128);
    buf_append_char(out, (char)tag);
    buf_append_char(out, (char)content.len);
    buf_append_str(out, content);
}

static struct buf name_of(const struct attribute *parts, size_t count)
{
    struct buf rdns = {0}, rdn = {0}, attribute = {0}, name = {0};
    for (size_t i = 0; i < count; i++) {
        struct buf inside = {0};
        put(&inside, DER_OID, str_of(parts[i].oid));
        put(&inside, parts[i].tag, str_of(parts[i].value));
        put(&rdn, DER_SEQUENCE, buf_str(&inside));
        buf_deinit(&inside);
        if (i + 1 < count && parts[i + 1].joins)
            continue;
        put(&rdns, DER_SET, buf_str(&rdn));
        buf_clear(&rdn);
    }
    put(&name, DER_SEQUENCE, buf_str(&rdns));
    buf_deinit(&rdns);
    buf_deinit(&rdn);
    buf_deinit(&attribute);
    return name;
}

#define CN "\x55\x04\x03"
#define O  "\x55\x04\x0a"

Test(name, compares_as_rfc_5280_says)
{
    static const struct {
        struct attribute a[2], b[2];
        size_t na, nb;
        bool equal;
    } cases[] = {
        {{{CN, "x", 0x0c, 0}}, {{CN, "x", 0x0c, 0}}, 1, 1, true},
        {{{CN, "x", 0x0c, 0}}, {{CN, "x", 0x13, 0}}, 1, 1, true},
        {{{CN, "My CA", 0x0c, 0}}, {{CN, "mY ca", 0x13, 0}}, 1, 1, true},
        {{{CN, " My   CA  ", 0x0c, 0}}, {{CN, "my ca", 0x16, 0}}, 1, 1, true},
        {{{CN, "my ca", 0x0c, 0}}, {{CN, "myca", 0x0c, 0}}, 1, 1, false},
        {{{CN, "\xc3\xa4", 0x0c, 0}}, {{CN, "\xe4", 0x14, 0}}, 1, 1, true},
        {{{CN, "\xc3\xa4", 0x0c, 0}}, {{CN, "\xc3\xa4", 0x14, 0}}, 1, 1, false},
        {{{CN, "x", 0x0c, 0}}, {{O, "x", 0x0c, 0}}, 1, 1, false},
        {{{CN, "x", 0x0c, 0}}, {{CN, "xx", 0x0c, 0}}, 1, 1, false},
        {{{CN, "x", 0x0c, 0}, {O, "y", 0x0c, 0}}, {{CN, "x", 0x0c, 0}}, 2, 1, false},
        {{{CN, "x", 0x0c, 0}, {O, "y", 0x0c, 0}},
         {{O, "y", 0x0c, 0}, {CN, "x", 0x0c, 0}},
         2,
         2,
         false},
        {{{CN, "x", 0x0c, 0}, {O, "y", 0x0c, 1}},
         {{CN, "x", 0x0c, 0}, {O, "y", 0x0c, 0}},
         2,
         2,
         false},
        {{{CN, "x", 0x04, 0}}, {{CN, "X", 0x04, 0}}, 1, 1, false}, /* no string */
        {{{CN, "", 0x0c, 0}}, {{CN, "  ", 0x0c, 0}}, 1, 1, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf a = name_of(cases[i].a, cases[i].na), b = name_of(cases[i].b, cases[i].nb);
        cr_expect_eq(name_equal(buf_str(&a), buf_str(&b)), cases[i].equal, "%zu", i);
        cr_expect_eq(name_equal(buf_str(&b), buf_str(&a)), cases[i].equal, "%zu", i);
        if (cases[i].equal)
            cr_expect_eq(name_hash(buf_str(&a)), name_hash(buf_str(&b)), "%zu", i);
        cr_expect(name_is_valid(buf_str(&a)));
        buf_deinit(&a);
        buf_deinit(&b);
    }
}

Test(name, within_means_the_first_rdns)
{
    static const struct attribute whole[] = {{O, "Org", 0x0c, 0}, {CN, "x", 0x0c, 0}};
    static const struct attribute joined[] = {{O, "Org", 0x0c, 0}, {CN, "x", 0x0c, 1}};
    static const struct attribute base[] = {{O, "org", 0x13, 0}}, other[] = {{O, "or", 0x13, 0}};
    struct buf w = name_of(whole, 2), j = name_of(joined, 2), b = name_of(base, 1),
               o = name_of(other, 1), none = name_of(NULL, 0);
    cr_expect(name_is_within(buf_str(&w), buf_str(&b)));
    cr_expect(name_is_within(buf_str(&w), buf_str(&w)));
    cr_expect(name_is_within(buf_str(&w), buf_str(&none)));
    cr_expect_not(name_is_within(buf_str(&b), buf_str(&w)));
    cr_expect_not(name_is_within(buf_str(&w), buf_str(&o)));
    cr_expect_not(name_is_within(buf_str(&j), buf_str(&b))); /* half of an RDN */
    buf_deinit(&w);
    buf_deinit(&j);
    buf_deinit(&b);
    buf_deinit(&o);
    buf_deinit(&none);
}

Test(name, refuses_what_is_no_name)
{
    static const struct {
        struct str der;
        bool valid;
    } cases[] = {
        {STR_INIT("\x30\x00"), true},
        {STR_INIT("\x30\x02\x31\x00"), false}, /* empty RDN */
        {STR_INIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x"), true},
        {STR_INIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\x00"), false}, /* NUL */
        {STR_INIT("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x1e\x02\x00\x00"), false},
        {STR_INIT("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x1e\x02\x00x"),
         true}, /* BMPString */
        {STR_INIT("\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x1e\x03\x00x\x00"), false},
        {STR_INIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01xx"), false},
        {STR_INIT("\x31\x00"), false},
        {STR_INIT(""), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(name_is_valid(cases[i].der), cases[i].valid, "%zu", i);
}

Test(der, takes_nothing_but_der)
{
    static const struct {
        struct str octets;
        bool good;
    } cases[] = {
        {STR_INIT("\x04\x01x"), true},
        {STR_INIT("\x04\x02x"), false},
        {STR_INIT("\x04"), false},
        {STR_INIT("\x04\x80xx\x00\x00"), false}, /* indefinite */
        {STR_INIT("\x04\x81\x01x"), false},      /* one octet too many */
        {STR_INIT("\x04\x82\x00\x80"), false},
        {STR_INIT("\x04\x85\x00\x00\x00\x00\x01x"), false},
        {STR_INIT("\x1f\x81\x01\x01x"), false}, /* tag of several octets */
        {STR_INIT("\x04\x84\xff\xff\xff\xffx"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str rest = cases[i].octets;
        struct der_item item;
        cr_expect_eq(der_next(&rest, &item), cases[i].good, "%zu", i);
    }
}

Test(der, reads_times)
{
    static const struct {
        struct str der;
        time_t value; /* -1: refused */
    } cases[] = {
        {STR_INIT("\x17\x0d"
                  "700101000000Z"),
         0},
        {STR_INIT("\x17\x0d"
                  "491231235959Z"),
         2524607999},
        {STR_INIT("\x17\x0d"
                  "500101000000Z"),
         -631152000},
        {STR_INIT("\x18\x0f"
                  "20500101000000Z"),
         2524608000},
        {STR_INIT("\x18\x0f"
                  "99991231235959Z"),
         253402300799},
        {STR_INIT("\x17\x0d"
                  "000229000000Z"),
         951782400},
        {STR_INIT("\x17\x0d"
                  "010229000000Z"),
         -1},
        {STR_INIT("\x17\x0d"
                  "700101240000Z"),
         -1},
        {STR_INIT("\x17\x0b"
                  "7001010000Z"),
         -1},
        {STR_INIT("\x17\x11"
                  "700101000000+0000"),
         -1},
        {STR_INIT("\x18\x11"
                  "20500101000000.5Z"),
         -1},
        {STR_INIT("\x17\x0d"
                  "7001010000 0Z"),
         -1},
        {STR_INIT("\x17\x0d"
                  "701301000000Z"),
         -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str rest = cases[i].der;
        time_t value = -1;
        bool good = der_take_time(&rest, &value);
        cr_expect_eq(good, cases[i].value != -1, "%zu", i);
        if (good)
            cr_expect_eq(value, cases[i].value, "%zu: %lld", i, (long long)value);
    }
}

Test(der, trims_integers)
{
    static const struct {
        struct str in, out;
    } cases[] = {
        {STR_INIT("\x00"), STR_INIT("\x00")},         {STR_INIT("\x00\x00\x01"), STR_INIT("\x01")},
        {STR_INIT("\x00\x80"), STR_INIT("\x00\x80")}, {STR_INIT("\xff\xff"), STR_INIT("\xff")},
        {STR_INIT("\xff\x7f"), STR_INIT("\xff\x7f")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect(str_eq(der_integer_trim(cases[i].in), cases[i].out), "%zu", i);
}
