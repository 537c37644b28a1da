#include "portcullis/tls/bundle.h"
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

TestSuite(bundle, .init = setup, .fini = teardown);

static size_t count_of(const char *file)
{
    struct bundle b = {0};
    const char *problem = "";
    cr_expect(bundle_read(&b, &arena, str_of(cert_path(file)), &problem), "%s: %s", file, problem);
    return b.certificates.count;
}

Test(bundle, takes_the_certificates_of_a_file_and_leaves_its_keys)
{
    cr_expect_eq(count_of("client.crt"), 1);
    cr_expect_eq(count_of("combined.pem"), 1);
    cr_expect_eq(count_of("rogues/intermediate.chain.crt"), 2);
}

Test(bundle, takes_a_damaged_key_beside_a_certificate)
{
    struct buf pem = read_file(cert_path("client.crt"));
    struct bundle b = {0};
    const char *problem = "";
    buf_append_str(&pem, STR("-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n"));
    cr_expect(bundle_add(&b, &arena, buf_str(&pem), &problem), "%s", problem);
    cr_expect_eq(b.certificates.count, 1);
    buf_deinit(&pem);
}

Test(bundle, takes_der_one_or_several)
{
    struct chain c = {.count = 0};
    struct bundle b = {0};
    struct buf both = {0};
    const char *problem;
    chain_add(&c, "rogues/intermediate.chain.crt");
    buf_append_str(&both, c.list[0]);
    buf_append_str(&both, c.list[1]);
    cr_assert(bundle_add(&b, &arena, buf_str(&both), &problem));
    cr_assert_eq(b.certificates.count, 2);
    cr_expect(str_eq(b.certificates.items[0], c.list[0]));
    cr_expect(str_eq(b.certificates.items[1], c.list[1]));
    buf_deinit(&both);
    chain_free(&c);
}

Test(bundle, says_what_is_wrong_with_a_file)
{
    static const struct {
        struct str text;
        const char *problem;
    } rows[] = {
        {STR_INIT(""), "there is no certificate in it"},
        {STR_INIT("hello\n"), "there is no certificate in it"},
        {STR_INIT("-----BEGIN CERTIFICATE-----\nMIIB"), "the PEM in it is cut off or damaged"},
        {STR_INIT("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"),
         "there is no certificate in it"},
        {STR_INIT("\x30\x82\x01"), "the DER in it is cut off or damaged"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bundle b = {0};
        const char *problem = "";
        cr_expect_not(bundle_add(&b, &arena, rows[i].text, &problem), "row %zu", i);
        cr_expect_str_eq(problem, rows[i].problem, "row %zu", i);
    }
}
