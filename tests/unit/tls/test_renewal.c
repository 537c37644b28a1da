#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portcullis/tls/renewal.h"
#include "portcullis/tls/trust_image.h"
#include "support.h"

/* Tests run in processes of their own, at once, in one folder. */
static const char *own(const char *name)
{
    static char text[64];
    snprintf(text, sizeof text, "%d-%s", (int)getpid(), name);
    return text;
}

static void copy(const char *from, const char *to)
{
    struct buf text = read_file(cert_path(from));
    (void)write_file(own(to), buf_str(&text).ptr, buf_len(&text));
    buf_deinit(&text);
}

/* What serves: a server block that judges by an image. */
struct serving {
    struct tls_pool *pool;
    struct tls_context *context;
};

/* Of 48 octets. */
static const char first_key[] = "The first key's name, and its secrets: 48 octets.";
static const char second_key[] = "The next key's name, and other secrets: 48 octets";

static void write_key(const char *text)
{
    (void)write_file(own("watched-tickets.key"), text, 48);
}

static struct serving serve(void)
{
    static struct str ticket_key;
    struct serving s = {.pool = tls_pool_new()};
    write_key(first_key);
    copy("ca.crt", "watched-ca.crt");
    copy("server.crt", "watched.crt");
    copy("server.key", "watched.key");
    copy("rogues/crl-empty.pem", "watched.crl");
    struct tls_settings settings = article();
    settings.certificates.items[0] = str_of(cert_path(own("watched.crt")));
    settings.certificate_keys.items[0] = str_of(cert_path(own("watched.key")));
    settings.client_certificate = str_of(cert_path(own("watched-ca.crt")));
    settings.crl = str_of(cert_path(own("watched.crl")));
    ticket_key = str_of(cert_path(own("watched-tickets.key")));
    settings.ticket_keys.items = &ticket_key;
    settings.ticket_keys.count = 1;
    settings.session_tickets = true;
    s.context = tls_context_new(s.pool, &settings, reports);
    cr_assert_not_null(s.context, "%s", last_report);
    close(trust_image_share(s.pool));
    return s;
}

static void stop(struct serving *s)
{
    tls_context_free(s->context);
    tls_pool_free(s->pool);
}

static void expect(struct serving *s, enum tls_renewal wanted, const char *words)
{
    struct buf what = {0};
    int image = -1;
    last_report[0] = '\0';
    enum tls_renewal got = tls_pool_renew(s->pool, -1, reports, &what, &image);
    buf_append_char(&what, '\0');
    const char *told = got == TLS_RENEWAL_NOTHING ? last_report : buf_str(&what).ptr;
    cr_expect_eq(got, wanted, "%s: %d, not %d: %s", words, got, wanted, told);
    cr_expect_not_null(strstr(told, words), "%s\nlacks: %s", told, words);
    cr_expect_eq(image != -1, strstr(words, "CA '") != NULL || strstr(words, "CRL '") != NULL);
    if (image != -1)
        cr_expect(trust_image_adopt(s->pool, image));
    cr_expect_not(tls_context_is_orphan(s->context));
    close(image);
    buf_deinit(&what);
}

Test(renewal, tells_what_has_changed_and_takes_over_trust)
{
    struct serving s = serve();
    expect(&s, TLS_RENEWAL_NOTHING, "");
    copy("rogues/crl.pem", "watched.crl");
    expect(&s, TLS_RENEWAL_TRUST, "CRL 'CN=my-ca': +1 -0 entries, next update 20");
    expect(&s, TLS_RENEWAL_NOTHING, "");
    copy("rogues/self-signed.crt", "watched-ca.crt");
    copy("rogues/crl-other-ca.pem", "watched.crl");
    expect(&s, TLS_RENEWAL_TRUST,
           "+CA 'CN=client self-signed', -CA 'CN=my-ca', +CRL 'CN=other-ca': +0 -0 entries");
    copy("client.crt", "watched.crt");
    copy("client.key", "watched.key");
    copy("ca.crt", "watched-ca.crt");
    expect(&s, TLS_RENEWAL_CONTEXTS, "+CA 'CN=my-ca', -CA 'CN=client self-signed', certificate \"");
    expect(&s, TLS_RENEWAL_CONTEXTS, "certificate \"");
    stop(&s);
}

Test(renewal, tells_of_what_blocks_share_once)
{
    struct serving s = serve();
    struct tls_context *other = tls_context_new(s.pool, tls_context_settings(s.context), reports);
    expect(&s, TLS_RENEWAL_NOTHING, "");
    copy("client.crt", "watched.crt");
    copy("client.key", "watched.key");
    write_key(second_key);
    expect(&s, TLS_RENEWAL_CONTEXTS, "watched.crt\", ticket key \"");
    tls_context_free(other);
    stop(&s);
}

Test(renewal, takes_over_nothing_when_something_is_wrong)
{
    static const struct {
        const char *from, *to, *words;
    } cases[] = {
        {"client.crt", "watched.crt", "key values mismatch"},
        {"client.crt", "watched-ca.crt", "CN=client is no CA"},
        {"server.key", "watched-ca.crt", "there is none in PEM"},
        {"rogues/crl-expired.pem", "watched.crl", "CN=my-ca has a list there that is older than"},
        {"client.crt", "watched.crl", "there is none in PEM"},
        {"client.crt", "watched-tickets.key", "must have 48 or 80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct serving s = serve();
        copy(cases[i].from, cases[i].to);
        expect(&s, TLS_RENEWAL_NOTHING, cases[i].words);
        stop(&s);
    }
}

Test(renewal, names_every_file_of_a_context)
{
    struct serving s = serve();
    struct arena a;
    const struct str *paths;
    arena_init(&a, 512);
    static const char *const names[] = {"watched.crt", "watched.key", "watched-ca.crt",
                                        "watched.crl", "watched-tickets.key"};
    enum { FILES = sizeof names / sizeof *names };
    cr_assert_eq(tls_pool_files(s.pool, &a, &paths), FILES);
    for (size_t i = 0; i < FILES; i++)
        cr_expect(str_eq_z(paths[i], cert_path(own(names[i]))), "%s", names[i]);
    arena_deinit(&a);
    stop(&s);
}
