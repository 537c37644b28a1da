#include <stdio.h>

#include "portcullis/tls/inventory.h"
#include "support.h"

static struct str path(const char *name)
{
    return str_of(cert_path(name));
}

static bool makes(const struct tls_settings *s)
{
    struct tls_pool *pool = tls_pool_new();
    last_report[0] = '\0';
    struct tls_context *c = tls_context_new(pool, s, reports);
    tls_context_free(c);
    tls_pool_free(pool);
    return c != NULL;
}

static void expect_refused(const struct tls_settings *s, const char *words)
{
    cr_expect_not(makes(s), "%s", words);
    cr_expect(strstr(last_report, words) != NULL, "%s\nlacks: %s", last_report, words);
}

static const char *write_text(const char *name, const char *text)
{
    return write_file(name, text, strlen(text));
}

static const char *half_of(const char *name, const char *new_name)
{
    struct buf whole = read_file(cert_path(name));
    const char *written = write_file(new_name, buf_str(&whole).ptr, buf_len(&whole) / 2);
    buf_deinit(&whole);
    return written;
}

/* Caddy's CVE-2026-27586: a CA file that cannot be read must never mean no verification. */
Test(context, refuses_each_bad_ca_file)
{
    struct buf good = read_file(cert_path("ca.crt")), two = {0};
    buf_append_str(&two, buf_str(&good));
    buf_append(&two, buf_str(&good).ptr, buf_len(&good) / 2);
    const struct {
        const char *file, *words;
    } cases[] = {
        {"missing.crt", "No such file"},
        {write_text("empty.crt", ""), "it is empty"},
        {write_text("text.crt", "hello\n"), "there is none in PEM"},
        {write_file("der.crt", "\x30\x03\x02\x01\x00", 5),
         "it is not PEM but DER or PKCS #12; convert it by openssl x509 -inform DER"},
        {write_file("utf16.crt", "\xff\xfe-\x00-\x00", 6), "it is UTF-16; save it as UTF-8"},
        {half_of("ca.crt", "half.crt"), "cut off or damaged after 0 good"},
        {write_file("two.crt", two.data, two.end), "cut off or damaged after 1 good"},
        {cert_path("client.key"), "there is none in PEM in it, but a \"PRIVATE KEY\" (ssl_"},
        {cert_path("."), "directory"},
        {write_text("junk.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
         "number 1 in it cannot be used"},
        {write_text("b64.crt", "-----BEGIN CERTIFICATE-----\nA*AA\n-----END CERTIFICATE-----\n"),
         "damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_settings s = article();
        s.client_certificate = cases[i].file[0] == '/' ? str_of(cases[i].file)
                                                       : path(cases[i].file);
        expect_refused(&s, cases[i].words);
        s.trusted_certificate = s.client_certificate;
        s.client_certificate = path("ca.crt");
        expect_refused(&s, cases[i].words);
    }
    buf_deinit(&good);
    buf_deinit(&two);
}

/* As some editors and PowerShell write it, and as it stands inside when such files are joined. */
Test(context, byte_order_marks_hide_no_certificate)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct buf ca = read_file(cert_path("ca.crt")), other = read_file(cert_path("client.crt"));
    struct buf both = {0};
    buf_printf(&both, "%s%.*s%s%.*s", mark, STR_ARG(buf_str(&other)), mark, STR_ARG(buf_str(&ca)));
    struct tls_settings s = article();
    s.client_certificate = str_of(write_file("marked.crt", buf_str(&both).ptr, buf_len(&both)));
    struct tls_pool *pool = tls_pool_new();
    struct tls_context *c = tls_context_new(pool, &s, reports);
    struct tls_inventory have;
    struct arena a;
    cr_assert(c != NULL, "%s", last_report);
    arena_init(&a, 1024);
    tls_context_inventory(c, &a, &have);
    cr_expect_eq(have.cas.count, 2);
    arena_deinit(&a);
    tls_context_free(c);
    tls_pool_free(pool);
    buf_deinit(&ca);
    buf_deinit(&other);
    buf_deinit(&both);
}

Test(context, refuses_verification_without_a_ca)
{
    struct tls_settings s = article();
    s.client_certificate = STR_NONE;
    expect_refused(&s,
                   "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client");
    s.verify = TLS_VERIFY_OPTIONAL;
    expect_refused(&s, "for ssl_verify_client");
    s.verify = TLS_VERIFY_OPTIONAL_NO_CA;
    cr_expect(makes(&s));
    s.verify = TLS_VERIFY_ON;
    s.trusted_certificate = path("ca.crt");
    cr_expect(makes(&s));
}

Test(context, refuses_bad_crl_files)
{
    struct tls_settings s = article();
    const struct {
        const char *file, *words;
    } cases[] = {
        {cert_path("missing.pem"), "No such file"},
        {cert_path("ca.crt"), "there is none in PEM"},
        {half_of("rogues/crl.pem", "half.pem"), "cut off or damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s.crl = str_of(cases[i].file);
        expect_refused(&s, cases[i].words);
    }
    s.crl = path("rogues/crl-chain.pem");
    cr_expect(makes(&s), "%s", last_report);
}

Test(context, refuses_bad_certificates_and_keys)
{
    const struct {
        const char *certificate, *key, *words;
    } cases[] = {
        {"missing.crt", "server.key", "cannot load certificate \""},
        {"server.key", "server.key", "there is none in PEM in it, but a \"PRIVATE KEY\" (ssl_"},
        {"server.crt", "missing.key", "cannot load certificate key \""},
        {"server.crt", "server.crt", "no private key in PEM"},
        {"server.crt", "client.key", "key values mismatch"},
        {"rogues/ed25519.crt", "rogues/ed25519.key", "kind that is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_settings s = {.protocols = 3, .ecdh_curve = STR("auto")};
        add_certificate(&s, cases[i].certificate, cases[i].key);
        expect_refused(&s, cases[i].words);
    }
    struct tls_settings s = {.protocols = 3, .ecdh_curve = STR("auto")};
    add_certificate(&s, "server.crt", "server.key");
    s.certificate_keys.items[0] = STR("engine:pkcs11:key");
    expect_refused(&s, "engines and stores");
    s.certificate_keys.count = 0;
    expect_refused(&s, "no \"ssl_certificate_key\" is defined");
    half_of("server.key", "half.key");
    s.certificate_keys.count = 1;
    s.certificate_keys.items[0] = path("half.key");
    expect_refused(&s, "cannot load certificate key \"");
}

Test(context, refuses_bad_lists)
{
    struct tls_settings s = article();
    s.ciphers = STR("kRSA");
    expect_refused(&s, "leaves no cipher");
    s.protocols = TLS_PROTOCOL_1_3;
    cr_expect(makes(&s));
    s.ciphersuites = STR("TLS_NO");
    expect_refused(&s, "\"TLS_NO\" is not supported");
    s.ciphersuites = STR_NONE;
    s.ecdh_curve = STR("P-257");
    expect_refused(&s, "\"P-257\" is not supported");
    s.ecdh_curve = STR("auto");
    s.protocols = 0;
    expect_refused(&s, "ssl_protocols");
}

Test(context, opens_keys_of_every_usual_form)
{
    struct buf none = command_output(
        "openssl genrsa -traditional -out pkcs1.key 2048 2>/dev/null && "
        "openssl rsa -in pkcs1.key -out pkcs8.key 2>/dev/null && "
        "openssl rsa -in pkcs1.key -traditional -aes256 -passout pass:two -out enc1.key "
        "2>/dev/null && "
        "openssl rsa -in pkcs1.key -traditional -des3 -passout pass:two -out enc2.key 2>/dev/null "
        "&& "
        "openssl pkcs8 -topk8 -in pkcs1.key -passout pass:two -out enc3.key && "
        "openssl pkcs8 -topk8 -in pkcs1.key -v2 aes-128-cbc -passout pass:two -out enc4.key && "
        "openssl req -new -x509 -key pkcs1.key -subj /CN=forms -days 2 -out forms.crt && "
        "cat forms.crt pkcs8.key >both.pem && "
        "openssl ecparam -genkey -name secp384r1 -out sec1.key && "
        "openssl req -new -x509 -key sec1.key -subj /CN=forms -days 2 -out sec1.crt && "
        "printf 'one\\r\\n\\ntwo\\n' >passwords");
    buf_deinit(&none);
    static const struct {
        const char *certificate, *key;
    } cases[] = {
        {"forms.crt", "pkcs1.key"}, {"forms.crt", "pkcs8.key"}, {"forms.crt", "enc1.key"},
        {"forms.crt", "enc2.key"},  {"forms.crt", "enc3.key"},  {"forms.crt", "enc4.key"},
        {"both.pem", "both.pem"},   {"sec1.crt", "sec1.key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_settings s = {.protocols = 3, .ecdh_curve = STR("auto")};
        add_certificate(&s, cases[i].certificate, cases[i].key);
        s.password_file = path("passwords");
        cr_expect(makes(&s), "%s: %s", cases[i].key, last_report);
    }
    struct tls_settings s = {.protocols = 3, .ecdh_curve = STR("auto")};
    add_certificate(&s, "forms.crt", "enc1.key");
    expect_refused(&s, "it is encrypted");
    s.password_file = str_of(write_text("wrong", "wrong\n"));
    expect_refused(&s, "no line of ssl_password_file");
}

Test(context, several_key_types_serve_each_client_with_its_own)
{
    struct buf none = command_output(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout r.key -subj /CN=localhost -days 2 -out "
        "r.crt 2>/dev/null");
    buf_deinit(&none);
    static const struct {
        const char *ciphers, *suite;
    } cases[] = {
        {"aRSA+AESGCM", "ECDHE-RSA-AES256-GCM-SHA384"},
        {"aECDSA+AESGCM", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    };
    struct tls_settings s = article();
    add_certificate(&s, "r.crt", "r.key");
    struct tls_context *server = context_of(&s);
    for (size_t i = 0; i < 2; i++) {
        struct tls_settings c = {.protocols = TLS_PROTOCOL_1_2,
                                 .ecdh_curve = STR("P-384"),
                                 .ciphers = str_of(cases[i].ciphers)};
        struct pair p;
        c.ecdh_curve = STR("P-384:P-256");
        pair_start(&p, server, context_of(&c), "localhost");
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.server), TLS_OPEN, "%s", tls_session_problem(p.server));
        cr_expect(str_eq_z(tls_session_cipher(p.server), cases[i].suite));
        pair_free(&p);
    }
}

Test(context, shares_what_names_the_same_files)
{
    struct tls_settings s = article();
    struct tls_pool *pool = tls_pool_new();
    struct tls_context *a = tls_context_new(pool, &s, reports);
    struct tls_context *b = tls_context_new(pool, &s, reports);
    s.verify_depth = 2;
    struct tls_context *deeper = tls_context_new(pool, &s, reports);
    s.verify_depth = 1;
    s.crl = path("rogues/crl.pem");
    struct tls_context *with_crl = tls_context_new(pool, &s, reports);
    s.crl = STR_NONE;
    s.verify = TLS_VERIFY_OFF;
    struct tls_context *off = tls_context_new(pool, &s, reports);
    cr_expect(tls_context_same_trust(a, b));
    cr_expect_not(tls_context_same_trust(a, deeper));
    cr_expect_not(tls_context_same_trust(a, with_crl));
    cr_expect_not(tls_context_same_trust(a, off));
    cr_expect_not(tls_context_same_trust(off, off));
    tls_context_free(a);
    tls_context_free(b);
    tls_context_free(deeper);
    tls_context_free(with_crl);
    tls_context_free(off);
    tls_pool_free(pool);
}

Test(context, names_the_library)
{
    cr_expect(str_starts(str_of(tls_library_version()), STR("mbedTLS 3.6.")));
}
