#include "portcullis/tls/certificate_request.h"

#include <string.h>

#include "portcullis/base/memory.h"
#include "support.h"

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 4096);
}

static void teardown(void)
{
    arena_deinit(&arena);
}

TestSuite(certificate_request, .init = setup, .fini = teardown);

/* What a server with these settings asked in a real handshake; copied into the arena. */
static struct str asked(const struct tls_settings *server, unsigned version)
{
    struct tls_settings c = {.protocols = version, .ecdh_curve = STR("auto")};
    struct pair p;
    pair_start(&p, context_of(server), context_of(&c), "localhost");
    pair_run(&p);
    cr_expect_eq(tls_session_status(p.client), TLS_OPEN);
    bool is_tls13;
    struct str body = tls_session_certificate_request(p.client, &is_tls13);
    cr_expect_eq(is_tls13, version == TLS_PROTOCOL_1_3);
    struct str copy = body.ptr != NULL ? arena_str(&arena, body) : STR_NONE;
    pair_free(&p);
    return copy;
}

static const unsigned versions[] = {TLS_PROTOCOL_1_2, TLS_PROTOCOL_1_3};

Test(certificate_request, is_seen_by_a_client_of_either_version)
{
    struct tls_settings s = article();
    for (size_t v = 0; v < 2; v++) {
        struct certificate_request r;
        struct str body = asked(&s, versions[v]);
        cr_assert(certificate_request_read(&r, &arena, body, v == 1), "version %zu", v);
        cr_assert_eq(r.authorities.count, 1);
        cr_expect(str_eq_z(r.authorities.items[0], "CN=my-ca"));
        cr_assert_gt(r.schemes.count, 3);
        cr_expect(str_eq_z(certificate_request_scheme(r.schemes.items[0], &arena),
                           "ecdsa_secp256r1_sha256"));
    }
}

Test(certificate_request, is_none_where_nobody_asks)
{
    struct tls_settings s = article();
    s.verify = TLS_VERIFY_OFF;
    for (size_t v = 0; v < 2; v++)
        cr_expect_null(asked(&s, versions[v]).ptr, "version %zu", v);
}

Test(certificate_request, cut_or_longer_is_malformed)
{
    struct tls_settings s = article();
    for (size_t v = 0; v < 2; v++) {
        struct certificate_request r;
        struct str body = asked(&s, versions[v]);
        for (size_t length = 0; length < body.len; length++) {
            char *exact = mem_alloc(length + 1);
            memcpy(exact, body.ptr, length);
            cr_expect_not(certificate_request_read(&r, &arena, str_make(exact, length), v == 1),
                          "version %zu at %zu", v, length);
            mem_free(exact);
        }
        struct str longer = arena_concat(&arena, (struct str[]){body, STR("x")}, 2);
        cr_expect_not(certificate_request_read(&r, &arena, longer, v == 1));
    }
}

Test(certificate_request, says_whether_a_client_would_show_its_certificate)
{
    static const struct {
        const char *file;
        enum certificate_request_fit fit;
    } rows[] = {
        {"client.crt", REQUEST_FITS},
        {"rogues/p384.crt", REQUEST_FITS},
        {"rogues/other-ca.crt", REQUEST_OTHER_CAS},
        {"rogues/intermediate.chain.crt", REQUEST_FITS},
        {"rogues/intermediate-missing.crt", REQUEST_OTHER_CAS},
        {"rogues/ed25519.crt", REQUEST_OTHER_KEY},
    };
    struct tls_settings s = article();
    struct certificate_request r;
    cr_assert(certificate_request_read(&r, &arena, asked(&s, TLS_PROTOCOL_1_3), true));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chain c = {.count = 0};
        chain_add(&c, rows[i].file);
        cr_expect_eq(certificate_request_fits(&r, c.list, c.count), rows[i].fit, "%s",
                     rows[i].file);
        chain_free(&c);
    }
    r.authorities.count = 0;
    struct chain other = {.count = 0};
    chain_add(&other, "rogues/other-ca.crt");
    cr_expect_eq(certificate_request_fits(&r, other.list, other.count), REQUEST_FITS);
    chain_free(&other);
}

Test(certificate_request, unknown_schemes_have_their_number)
{
    cr_expect(str_eq_z(certificate_request_scheme(0xfe0d, &arena), "0xfe0d"));
}
