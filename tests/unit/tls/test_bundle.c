#include "portcullis/tls/bundle.h"
#include <stdio.h>
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

/* ---- PKCS #12 ---- */

static struct str wrong_then_right(void *owner)
{
    return str_of(owner);
}

/* What openssl makes of the client's certificate, its key and the CA, with these options. */
static struct buf pkcs12(const char *options)
{
    char command[512];
    snprintf(command, sizeof command,
             "openssl pkcs12 -export -in client.crt -inkey client.key -certfile ca.crt %s",
             options);
    struct buf file = command_output(command);
    cr_assert_gt(buf_len(&file), 500, "%s", options);
    return file;
}

static bool opens(struct buf *file, const char *password, struct bundle *b, const char **problem)
{
    b->password = password != NULL ? wrong_then_right : NULL;
    b->owner = (void *)(uintptr_t)password;
    return bundle_add(b, &arena, buf_str(file), problem);
}

Test(bundle, opens_pkcs12_with_its_password_the_owner_of_the_key_first)
{
    static const struct {
        const char *options, *password;
    } rows[] = {
        {"-passout pass:secret", "secret"},
        {"-passout pass:", NULL},
        {"-passout pass:secret -certpbe PBE-SHA1-3DES", "secret"},
        {"-passout pass:secret -certpbe AES-128-CBC -macalg sha1", "secret"},
        {"-passout pass:secret -certpbe NONE", NULL},
        {"-passout pass:secret -nomac", "secret"},
    };
    struct chain client = {.count = 0};
    chain_add(&client, "client.crt");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf file = pkcs12(rows[i].options);
        struct bundle b = {0};
        const char *problem = "";
        cr_expect(opens(&file, rows[i].password, &b, &problem), "%s: %s", rows[i].options, problem);
        cr_assert_eq(b.certificates.count, 2, "%s", rows[i].options);
        cr_expect(str_eq(b.certificates.items[0], client.list[0]), "%s", rows[i].options);
        buf_deinit(&file);
    }
    chain_free(&client);
}

Test(bundle, says_why_pkcs12_does_not_open)
{
    static const struct {
        const char *options, *password, *problem;
    } rows[] = {
        {"-passout pass:secret", "other", "its password is another one"},
        {"-passout pass:secret", NULL, "it is PKCS #12 with a password"},
        {"-passout pass:secret -certpbe AES-256-CBC -nokeys", "Secret",
         "its password is another one"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf file = pkcs12(rows[i].options);
        struct bundle b = {0};
        const char *problem = "";
        cr_expect_not(opens(&file, rows[i].password, &b, &problem), "row %zu", i);
        cr_expect_str_eq(problem, rows[i].problem, "row %zu", i);
        buf_deinit(&file);
    }
}

Test(bundle, reads_no_further_than_a_cut_pkcs12_goes)
{
    struct buf file = pkcs12("-passout pass:");
    for (size_t length = 0; length < buf_len(&file); length += 7) {
        struct bundle b = {0};
        const char *problem = "";
        char *exact = mem_alloc(length + 1);
        memcpy(exact, buf_str(&file).ptr, length);
        cr_expect_not(bundle_add(&b, &arena, str_make(exact, length), &problem), "at %zu", length);
        cr_expect_str_not_empty(problem);
        mem_free(exact);
    }
    buf_deinit(&file);
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
