#include <stdlib.h>

#include "support.h"

static void put16(struct buf *b, size_t n)
{
    buf_append_char(b, (char)(n >> 8));
    buf_append_char(b, (char)n);
}

static struct buf hello_message(struct str extensions)
{
    struct buf body = {0}, message = {0};
    put16(&body, 0x0303);
    for (int i = 0; i < 32; i++)
        buf_append_char(&body, (char)i);
    buf_append_str(&body, STR("\x20"
                              "0123456789abcdef0123456789abcdef"));
    buf_append_str(&body, STR("\x00\x04\x13\x01\xc0\x2f\x01\x00"));
    if (extensions.ptr != NULL) {
        put16(&body, extensions.len);
        buf_append_str(&body, extensions);
    }
    buf_append_str(&message, STR("\x01\x00"));
    put16(&message, buf_len(&body));
    buf_append_str(&message, buf_str(&body));
    buf_deinit(&body);
    return message;
}

/* In records of so many octets each. */
static struct buf records(struct str message, size_t size)
{
    struct buf out = {0};
    while (message.len > 0) {
        struct str fragment = str_upto(message, size);
        buf_append_str(&out, STR("\x16\x03\x01"));
        put16(&out, fragment.len);
        buf_append_str(&out, fragment);
        message = str_from(message, fragment.len);
    }
    return out;
}

#define SNI                                \
    "\x00\x00\x00\x10\x00\x0e\x00\x00\x0b" \
    "Example.ORG"
#define ALPN     "\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1"
#define VERSIONS "\x00\x2b\x00\x05\x04\x03\x04\x03\x03"
#define GROUPS   "\x00\x0a\x00\x06\x00\x04\x00\x1d\x00\x17"
#define SCHEMES  "\x00\x0d\x00\x06\x00\x04\x04\x03\x08\x04"
#define PSK      "\x00\x29\x00\x00"
#define UNKNOWN  "\x7a\x7a\x00\x03xyz"
#define ALL      UNKNOWN SNI ALPN VERSIONS GROUPS SCHEMES PSK

static void expect_all(const struct client_hello *h)
{
    cr_expect(str_eq(h->server_name, STR("example.org")));
    cr_expect(client_hello_offers_alpn(h, STR("h2")));
    cr_expect(client_hello_offers_alpn(h, STR("http/1.1")));
    cr_expect_not(client_hello_offers_alpn(h, STR("http/1")));
    cr_expect_eq(h->legacy_version, 0x0303);
    cr_expect(str_eq(h->versions, STR("\x03\x04\x03\x03")));
    cr_expect(str_eq(h->cipher_suites, STR("\x13\x01\xc0\x2f")));
    cr_expect(str_eq(h->groups, STR("\x00\x1d\x00\x17")));
    cr_expect(str_eq(h->signature_algorithms, STR("\x04\x03\x08\x04")));
    cr_expect(h->has_session_id);
    cr_expect(h->has_psk);
}

static enum client_hello_result read_at_once(struct str wire, unsigned *alert)
{
    struct client_hello h = {0};
    struct arena a;
    const char *problem = NULL;
    arena_init(&a, 1024);
    enum client_hello_result r = client_hello_read(&h, &a, wire, &problem, alert);
    cr_expect_eq(r == CLIENT_HELLO_MALFORMED, problem != NULL);
    arena_deinit(&a);
    return r;
}

Test(client_hello, reads_what_decides_whole_and_in_records_of_every_size)
{
    struct buf message = hello_message(STR(ALL));
    for (size_t size = 1; size <= buf_len(&message); size++) {
        struct buf wire = records(buf_str(&message), size);
        struct client_hello h = {0};
        struct arena a;
        const char *problem;
        unsigned alert;
        arena_init(&a, 1024);
        buf_append_str(&wire, STR("what comes next"));
        cr_assert_eq(client_hello_read(&h, &a, buf_str(&wire), &problem, &alert),
                     CLIENT_HELLO_READY, "%zu", size);
        expect_all(&h);
        cr_expect_eq(h.scanned, buf_len(&wire) - 15);
        cr_expect(str_eq(h.message, buf_str(&message)));
        arena_deinit(&a);
        buf_deinit(&wire);
    }
    buf_deinit(&message);
}

Test(client_hello, reads_the_same_when_octets_come_one_by_one)
{
    struct buf message = hello_message(STR(ALL));
    for (size_t size = 1; size <= buf_len(&message); size += 7) {
        struct buf wire = records(buf_str(&message), size);
        struct client_hello h = {0};
        struct arena a;
        const char *problem;
        unsigned alert;
        arena_init(&a, 1024);
        for (size_t n = 0; n < buf_len(&wire); n++)
            cr_assert_eq(client_hello_read(&h, &a, str_upto(buf_str(&wire), n), &problem, &alert),
                         CLIENT_HELLO_MORE, "records of %zu, %zu octets", size, n);
        cr_assert_eq(client_hello_read(&h, &a, buf_str(&wire), &problem, &alert),
                     CLIENT_HELLO_READY);
        expect_all(&h);
        arena_deinit(&a);
        buf_deinit(&wire);
    }
    buf_deinit(&message);
}

/* Cut anywhere: in two records, and what is there of them. */
Test(client_hello, waits_for_the_rest_wherever_it_is_cut)
{
    struct buf message = hello_message(STR(ALL)), wire = records(buf_str(&message), 4000);
    unsigned alert;
    for (size_t n = 0; n < buf_len(&wire); n++)
        cr_expect_eq(read_at_once(str_upto(buf_str(&wire), n), &alert), CLIENT_HELLO_MORE);
    buf_deinit(&message);
    buf_deinit(&wire);
}

Test(client_hello, takes_64_kilobytes_and_no_more)
{
    static char extensions[65000] = "\x7a\x7a\xfd\xe4";
    struct buf body = {0}, message = {0};
    put16(&body, 0x0303);
    for (int i = 0; i < 32; i++)
        buf_append_char(&body, 0);
    buf_append_str(&body, STR("\x00\x00\x02\x13\x01\x01\x00"));
    put16(&body, sizeof extensions);
    buf_append(&body, extensions, sizeof extensions);
    buf_append_str(&message, STR("\x01\x00"));
    put16(&message, buf_len(&body));
    buf_append_str(&message, buf_str(&body));
    struct buf wire = records(buf_str(&message), 16384);
    unsigned alert = 0;
    cr_expect_eq(read_at_once(buf_str(&wire), &alert), CLIENT_HELLO_READY);
    wire.data[wire.start + 6] = 1; /* the message's length */
    cr_expect_eq(read_at_once(buf_str(&wire), &alert), CLIENT_HELLO_MALFORMED);
    buf_deinit(&wire);
    wire = records(buf_str(&message), 2); /* 3.5 times as much in headers */
    cr_expect_eq(read_at_once(buf_str(&wire), &alert), CLIENT_HELLO_MALFORMED);
    buf_deinit(&body);
    buf_deinit(&message);
    buf_deinit(&wire);
}

Test(client_hello, tells_what_is_no_tls)
{
    unsigned alert = 0;
    cr_expect_eq(read_at_once(STR("GET / HTTP/1.1\r\n"), &alert), CLIENT_HELLO_NOT_TLS);
    cr_expect_eq(read_at_once(STR("\x80"), &alert), CLIENT_HELLO_NOT_TLS); /* SSL 2 */
    cr_expect_eq(read_at_once(STR(""), &alert), CLIENT_HELLO_MORE);
}

Test(client_hello, refuses_bad_records)
{
    static const struct {
        struct str wire;
        unsigned alert;
    } cases[] = {
        {STR_INIT("\x16\x03\x01\x00\x00"), 10},                          /* empty */
        {STR_INIT("\x16\x03\x01\x40\x01"), 22},                          /* 16385 octets */
        {STR_INIT("\x16\x02\x00\x00\x05"), 70},                          /* SSL 2's version */
        {STR_INIT("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), 10},          /* ServerHello */
        {STR_INIT("\x16\x03\x01\x00\x04\x01\x01\x00\x01"), 47},          /* 65537 octets */
        {STR_INIT("\x16\x03\x01\x00\x01\x01\x17\x03\x01\x00\x01x"), 10}, /* data in between */
        {STR_INIT("\x16\x03\x01\x00\x06\x01\x00\x00\x01xy"), 10},        /* something follows */
        {STR_INIT("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), 50},          /* empty message */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned alert = 0;
        cr_expect_eq(read_at_once(cases[i].wire, &alert), CLIENT_HELLO_MALFORMED, "%zu", i);
        cr_expect_eq(alert, cases[i].alert, "%zu: %u", i, alert);
    }
}

Test(client_hello, refuses_bad_extensions)
{
    static const struct {
        struct str extensions;
        unsigned alert; /* 0: good */
    } cases[] = {
        {STR_INIT(""), 0},
        {STR_INIT(SNI), 0},
        {STR_INIT(SNI SNI), 47},
        {STR_INIT("\x00\x00\x00\x00"), 50},                      /* empty server_name */
        {STR_INIT("\x00\x00\x00\x05\x00\x03\x00\x00\x00"), 112}, /* empty name */
        {STR_INIT("\x00\x00\x00\x06\x00\x04\x01\x00\x01x"), 50}, /* another type */
        {STR_INIT("\x00\x00\x00\x0a\x00\x08\x00\x00\x01x\x00\x00\x01y"), 47}, /* two names */
        {STR_INIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
                  "a\0b"),
         112}, /* NUL in it */
        {STR_INIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
                  "a b"),
         112},
        {STR_INIT("\x00\x00\x00\x08\x00\x06\x00\x00\x04"
                  "abc"),
         50},                                           /* longer than it is */
        {STR_INIT("\x00\x10\x00\x02\x00\x00"), 50},     /* empty ALPN */
        {STR_INIT("\x00\x10\x00\x03\x00\x01\x00"), 50}, /* empty name in it */
        {STR_INIT("\x00\x2b\x00\x02\x01\x03"), 50},     /* half a version */
        {STR_INIT("\x00\x0a\x00\x02\x00\x00"), 50},     /* no group */
        {STR_INIT("\x00\x0d\x00\x03\x00\x01\x04"), 50}, /* half a scheme */
        {STR_INIT("\x7a\x7a\x00\x04xyz"), 50},
        {STR_INIT("\x7a\x7a\x00"), 50},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned alert = 0;
        struct buf message = hello_message(cases[i].extensions);
        struct buf wire = records(buf_str(&message), 4000);
        cr_expect_eq(read_at_once(buf_str(&wire), &alert),
                     cases[i].alert == 0 ? CLIENT_HELLO_READY : CLIENT_HELLO_MALFORMED, "%zu", i);
        cr_expect_eq(alert, cases[i].alert, "%zu: %u", i, alert);
        buf_deinit(&message);
        buf_deinit(&wire);
    }
}

/* A name that would lead to another server block when read in another way. */
Test(client_hello, folds_case_and_cuts_one_dot)
{
    static const struct {
        struct str sni;
        const char *name;
    } cases[] = {
        {STR_INIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
                  "A.b"),
         "a.b"},
        {STR_INIT("\x00\x00\x00\x09\x00\x07\x00\x00\x04"
                  "A.b."),
         "a.b"},
        {STR_INIT("\x00\x00\x00\x0a\x00\x08\x00\x00\x05"
                  "A.b.."),
         "a.b."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf message = hello_message(cases[i].sni), wire = records(buf_str(&message), 9);
        struct client_hello h = {0};
        struct arena a;
        const char *problem;
        unsigned alert;
        arena_init(&a, 1024);
        cr_assert_eq(client_hello_read(&h, &a, buf_str(&wire), &problem, &alert),
                     CLIENT_HELLO_READY);
        cr_expect(str_eq_z(h.server_name, cases[i].name));
        arena_deinit(&a);
        buf_deinit(&message);
        buf_deinit(&wire);
    }
}

Test(client_hello, does_without_extensions)
{
    struct buf message = hello_message(STR_NONE), wire = records(buf_str(&message), 4000);
    unsigned alert = 0;
    cr_expect_eq(read_at_once(buf_str(&wire), &alert), CLIENT_HELLO_READY);
    buf_deinit(&message);
    buf_deinit(&wire);
}
