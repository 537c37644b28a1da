#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/tls/context_internal.h"
#include "../../../src/tls/session_internal.h"
#include "support.h"

static const unsigned versions[] = {TLS_PROTOCOL_1_2, TLS_PROTOCOL_1_3};

static struct tls_context *client_context(unsigned protocols, const char *certificate,
                                          const char *key)
{
    struct tls_settings s = {.protocols = protocols, .ecdh_curve = STR("auto")};
    if (certificate != NULL)
        add_certificate(&s, certificate, key);
    return context_of(&s);
}

static void expect_open(struct pair *p, const char *what)
{
    cr_expect_eq(tls_session_status(p->server), TLS_OPEN, "%s: server: %s", what,
                 tls_session_problem(p->server));
    cr_expect_eq(tls_session_status(p->client), TLS_OPEN, "%s: client: %s", what,
                 tls_session_problem(p->client));
}

Test(session, tells_who_the_client_is_in_both_versions)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        struct tls_context *client = client_context(versions[v], "client.crt", "client.key");
        pair_start(&p, server, client, "LocalHost.");
        pair_run(&p);
        expect_open(&p, "good");
        struct identity *i = tls_session_identity(p.server);
        cr_assert_not_null(i);
        cr_expect(identity_is_verified(i), "%.*s", STR_ARG(identity_detail(i)));
        cr_expect(str_eq_z(identity_verify_text(i), "SUCCESS"));
        cr_expect(str_eq_z(identity_fact(i, IDENTITY_SUBJECT), "CN=client"));
        cr_expect(str_eq_z(identity_fact(i, IDENTITY_ISSUER_LEGACY), "/CN=my-ca"));
        cr_expect(str_eq_z(tls_session_protocol(p.server), v == 0 ? "TLSv1.2" : "TLSv1.3"));
        cr_expect(str_eq_z(tls_session_cipher(p.server),
                           v == 0 ? "ECDHE-ECDSA-AES256-GCM-SHA384" : "TLS_AES_256_GCM_SHA384"),
                  "%.*s", STR_ARG(tls_session_cipher(p.server)));
        cr_expect(str_eq_z(tls_session_curve(p.server), "X25519"), "%.*s",
                  STR_ARG(tls_session_curve(p.server)));
        cr_expect(str_eq_z(tls_session_curves(p.server), "X25519:prime256v1:secp384r1:secp521r1"));
        cr_expect(str_eq_z(tls_session_server_name(p.server), "localhost"));
        cr_expect_eq(tls_session_context(p.server), server);
        cr_expect_not(tls_session_is_reused(p.server));
        pair_free(&p);
    }
}

Test(session, does_without_a_certificate_and_says_so)
{
    struct tls_settings s = article();
    for (enum tls_verify_mode mode = TLS_VERIFY_OFF; mode <= TLS_VERIFY_OPTIONAL_NO_CA; mode++) {
        s.verify = mode;
        struct tls_context *server = context_of(&s);
        for (size_t v = 0; v < 2; v++) {
            struct pair p;
            pair_start(&p, server, client_context(versions[v], NULL, NULL), "localhost");
            pair_run(&p);
            expect_open(&p, "no certificate");
            struct identity *i = tls_session_identity(p.server);
            cr_expect_not(identity_is_verified(i));
            cr_expect_not(identity_has_certificate(i));
            cr_expect_eq(identity_refusal(i), REFUSAL_CERT_MISSING);
            cr_expect(str_eq_z(identity_verify_text(i), "NONE"));
            pair_free(&p);
        }
    }
}

/* A certificate that nobody asked for is not shown. */
Test(session, asks_for_no_certificate_when_verification_is_off)
{
    struct tls_settings s = article();
    s.verify = TLS_VERIFY_OFF;
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        pair_start(&p, server, client_context(versions[v], "client.crt", "client.key"),
                   "localhost");
        pair_run(&p);
        expect_open(&p, "off");
        cr_expect_not(identity_is_verified(tls_session_identity(p.server)));
        pair_free(&p);
    }
}

static bool mbedtls_client_can_show(const char *name)
{
    static const char *const cannot[] = {"ed25519", "ed25519-issuer", "secp256k1"};
    for (size_t i = 0; i < sizeof cannot / sizeof *cannot; i++)
        if (strcmp(cannot[i], name) == 0)
            return false;
    return true;
}

/* Whatever is wrong with a certificate, the handshake completes and the reason is known. */
Test(session, completes_with_each_of_the_gallery)
{
    struct rogue rogues[128];
    size_t count = read_rogues(rogues, 128);
    for (size_t n = 0; n < count; n++) {
        struct rogue *r = &rogues[n];
        char certificate[128], key[128];
        if (r->is_of_proxy || !mbedtls_client_can_show(r->name))
            continue;
        snprintf(key, sizeof key, "rogues/%s.key", r->name);
        snprintf(certificate, sizeof certificate, "rogues/%s.chain.crt", r->name);
        if (!cert_exists(certificate))
            snprintf(certificate, sizeof certificate, "rogues/%s.crt", r->name);
        struct tls_settings s = article();
        s.verify_depth = r->depth;
        s.crl = str_of(r->crl[0] != '\0' ? cert_path(r->crl) : NULL);
        struct tls_context *server = context_of(&s);
        for (size_t v = 0; v < 2; v++) {
            struct pair p;
            pair_start(&p, server, client_context(versions[v], certificate, key), "localhost");
            pair_run(&p);
            expect_open(&p, r->name);
            struct identity *i = tls_session_identity(p.server);
            if (i != NULL) {
                const char *got = identity_is_verified(i) ? "ok"
                                                          : refusal_code(identity_refusal(i));
                cr_expect_str_eq(got, r->expected, "%s, version %zu: %s, not %s", r->name, v, got,
                                 r->expected);
            }
            pair_free(&p);
        }
    }
}

Test(session, works_when_octets_come_one_by_one)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        pair_start(&p, server, client_context(versions[v], "client.crt", "client.key"),
                   "localhost");
        p.step = 1;
        pair_run(&p);
        expect_open(&p, "one by one");
        cr_expect(identity_is_verified(tls_session_identity(p.server)));
        pair_free(&p);
    }
}

/* CVE-2026-32305's shape: each octet of the ClientHello in a record of its own. */
Test(session, takes_a_client_hello_in_many_records)
{
    struct tls_settings s = article();
    for (unsigned protocols = 1; protocols <= 3; protocols++) {
        s.protocols = protocols;
        struct tls_context *server = context_of(&s);
        struct pair p;
        struct buf hello = {0}, many = {0};
        pair_start(&p, server, client_context(protocols, "client.crt", "client.key"), "localhost");
        tls_session_receive(p.client, &p.to_client, &p.at_client, 1, &hello);
        for (size_t i = 5; i < buf_len(&hello); i++) {
            const char record[] = {22, 3, 1, 0, 1, buf_str(&hello).ptr[i]};
            buf_append(&many, record, sizeof record);
        }
        buf_move(&p.to_server, &many);
        pair_run(&p);
        expect_open(&p, "many records");
        cr_expect(identity_is_verified(tls_session_identity(p.server)));
        pair_free(&p);
        buf_deinit(&hello);
        buf_deinit(&many);
    }
}

Test(session, carries_data_both_ways_and_stops_at_the_limit)
{
    enum { SIZE = 300000 };
    static char data[SIZE];
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 ^ i >> 8);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        struct buf out = {0}, none = {0};
        pair_start(&p, server, client_context(versions[v], "client.crt", "client.key"),
                   "localhost");
        pair_run(&p);
        expect_open(&p, "data");
        tls_session_send(p.client, str_make(data, SIZE), &out);
        size_t most = 0, got = 0, rounds = 0;
        while (got < SIZE && rounds++ < 1000) {
            cr_assert_eq(tls_session_receive(p.server, &out, &p.at_server, 20000, &none), TLS_OPEN);
            most = buf_len(&p.at_server) > most ? buf_len(&p.at_server) : most;
            cr_assert_eq(memcmp(buf_str(&p.at_server).ptr, data + got, buf_len(&p.at_server)), 0);
            got += buf_len(&p.at_server);
            buf_clear(&p.at_server);
        }
        cr_expect_eq(got, SIZE);
        cr_expect_lt(most, 20000 + 16384);
        cr_expect(buf_is_empty(&none));
        tls_session_send(p.server, str_make(data, SIZE), &p.to_client);
        pair_run(&p);
        cr_expect_eq(buf_len(&p.at_client), SIZE);
        cr_expect_eq(memcmp(buf_str(&p.at_client).ptr, data, SIZE), 0);
        tls_session_send_close(p.server, &p.to_client);
        size_t once = buf_len(&p.to_client);
        tls_session_send_close(p.server, &p.to_client);
        cr_expect_eq(buf_len(&p.to_client), once);
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.client), TLS_CLOSED);
        pair_free(&p);
        buf_deinit(&out);
        buf_deinit(&none);
    }
}

Test(session, keeps_records_as_small_as_ssl_buffer_size_says)
{
    static char data[10000];
    struct tls_settings s = article();
    s.buffer_size = 1000;
    struct pair p;
    struct buf out = {0};
    pair_start(&p, context_of(&s), client_context(TLS_PROTOCOL_1_3, "client.crt", "client.key"),
               "localhost");
    pair_run(&p);
    tls_session_send(p.server, str_make(data, sizeof data), &out);
    struct str rest = buf_str(&out);
    size_t count = 0;
    for (; rest.len > 5; count++) {
        size_t size = (size_t)(unsigned char)rest.ptr[3] << 8 | (unsigned char)rest.ptr[4];
        cr_expect_leq(size, 1008 + 16); /* padded to a multiple of 16 in TLS 1.3, and the tag */
        rest = str_from(rest, 5 + size);
    }
    cr_expect_eq(count, 10);
    pair_free(&p);
    buf_deinit(&out);
}

Test(session, leaves_plain_http_alone)
{
    struct tls_settings s = article();
    struct pair p;
    pair_start(&p, context_of(&s), NULL, "localhost");
    struct buf none = {0};
    buf_append_str(&p.to_server, STR("GET / HTTP/1.1\r\n"));
    cr_expect_eq(tls_session_receive(p.server, &p.to_server, &p.at_server, 100, &none),
                 TLS_NOT_TLS);
    cr_expect_eq(buf_len(&p.to_server), 16);
    cr_expect(buf_is_empty(&none));
    pair_free(&p);
}

/* An end behind the client's last flight is another matter: there is nothing more to come. */
Test(session, answers_no_client_that_has_ended_before_its_answer)
{
    struct tls_settings s = article();
    for (int had_answer = 0; had_answer < 2; had_answer++) {
        struct pair p;
        pair_start(&p, context_of(&s), NULL, "localhost");
        tls_session_receive(p.client, &p.to_client, &p.at_client, 1, &p.to_server);
        if (had_answer)
            tls_session_receive(p.server, &p.to_server, &p.at_server, 1, &p.to_client);
        tls_session_peer_ended(p.server);
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.server), had_answer ? TLS_OPEN : TLS_HANDSHAKING);
        cr_expect(had_answer || buf_is_empty(&p.log));
        pair_free(&p);
    }
}

static void expect_alert(struct tls_session *s, struct buf *in, unsigned alert)
{
    struct buf plain = {0}, out = {0};
    cr_expect_eq(tls_session_receive(s, in, &plain, 100, &out), TLS_FAILED);
    cr_expect_eq(buf_len(&out), 7);
    cr_expect_eq((unsigned char)buf_str(&out).ptr[0], 21);
    cr_expect_eq((unsigned char)buf_str(&out).ptr[6], alert, "%u, not %u",
                 (unsigned char)buf_str(&out).ptr[6], alert);
    cr_expect_neq(tls_session_problem(s)[0], '\0');
    cr_expect(tls_session_problem_is_client(s));
    buf_deinit(&plain);
    buf_deinit(&out);
}

static const struct tls_context *choose_none(void *owner, const struct client_hello *hello)
{
    *(bool *)owner = str_eq_z(hello->server_name, "localhost");
    return NULL;
}

Test(session, refuses_names_and_handshakes)
{
    struct tls_settings s = {.protocols = 3, .ecdh_curve = STR("auto"), .reject_handshake = true};
    struct pair p;
    pair_start(&p, context_of(&s), NULL, "localhost");
    tls_session_receive(p.client, &p.to_client, &p.at_client, 1, &p.to_server);
    expect_alert(p.server, &p.to_server, 112);
    bool asked = false;
    struct tls_session *nobody = tls_session_new(
        (struct tls_session_hooks){.choose = choose_none, .owner = &asked});
    pair_free(&p);
    pair_start(&p, context_of(&s), NULL, "localhost");
    tls_session_receive(p.client, &p.to_client, &p.at_client, 1, &p.to_server);
    expect_alert(nobody, &p.to_server, 112);
    cr_expect(asked);
    tls_session_free(nobody);
    pair_free(&p);
}

Test(session, refuses_malformed_hellos_with_an_alert)
{
    struct tls_settings s = article();
    struct pair p;
    pair_start(&p, context_of(&s), NULL, "localhost");
    buf_append_str(&p.to_server, STR("\x16\x03\x01\x00\x04\x01\x00\x00\x00"));
    expect_alert(p.server, &p.to_server, 50);
    pair_free(&p);
}

Test(session, has_a_version_or_an_alert)
{
    struct tls_settings s = article();
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        s.protocols = versions[v];
        pair_start(&p, context_of(&s), client_context(versions[1 - v], NULL, NULL), "localhost");
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.server), TLS_FAILED);
        cr_expect_eq(tls_session_status(p.client), TLS_FAILED);
        cr_expect(strstr(tls_session_problem(p.client), "alert") != NULL, "%s",
                  tls_session_problem(p.client));
        pair_free(&p);
    }
}

/* The client's end says what it saw; a wrong alert or none would show here. */
Test(session, a_changed_record_ends_it_with_an_alert)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        pair_start(&p, server, client_context(versions[v], "client.crt", "client.key"),
                   "localhost");
        pair_run(&p);
        tls_session_send(p.client, STR("GET / HTTP/1.1\r\n"), &p.to_server);
        p.to_server.data[p.to_server.end - 1] ^= 1;
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.server), TLS_FAILED);
        cr_expect(buf_is_empty(&p.at_server));
        cr_expect_str_eq(tls_session_problem(p.client), "peer sent alert: bad record MAC (20)");
        pair_free(&p);
    }
}

/* Flips each octet of the client's second flight: no such handshake ends verified. */
Test(session, a_changed_client_flight_never_verifies)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct tls_context *client = client_context(versions[v], "client.crt", "client.key");
        size_t length = 1;
        for (size_t at = 0; at < length; at += 13) {
            struct pair p;
            struct buf hello = {0}, answer = {0}, flight = {0}, plain = {0};
            pair_start(&p, server, client, "localhost");
            tls_session_receive(p.client, &answer, &plain, 1, &hello);
            tls_session_receive(p.server, &hello, &plain, 1, &answer);
            tls_session_receive(p.client, &answer, &plain, 1, &flight);
            length = buf_len(&flight);
            cr_assert_gt(length, 100);
            flight.data[flight.start + at] ^= 1;
            tls_session_receive(p.server, &flight, &plain, 1, &answer);
            /* Record versions are not authenticated in TLS 1.2's clear part. */
            if (tls_session_status(p.server) == TLS_OPEN)
                cr_expect_eq(buf_len(&flight), 0);
            else
                cr_expect_null(tls_session_identity(p.server), "version %zu, octet %zu", v, at);
            pair_free(&p);
            buf_deinit(&hello);
            buf_deinit(&answer);
            buf_deinit(&flight);
            buf_deinit(&plain);
        }
    }
}

Test(session, ends_with_too_many_records_without_data)
{
    struct tls_settings s = article();
    struct pair p;
    struct buf out = {0};
    pair_start(&p, context_of(&s), client_context(TLS_PROTOCOL_1_2, "client.crt", "client.key"),
               "localhost");
    pair_run(&p);
    expect_open(&p, "before");
    /* ChangeCipherSpec and warnings are out of place; what mbedTLS skips in silence is empty data.
     */
    send_empty_records(p.client, 4000, &p.to_server);
    enum tls_status status = TLS_OPEN;
    for (int i = 0; i < 4000 && status == TLS_OPEN; i++)
        status = tls_session_receive(p.server, &p.to_server, &p.at_server, 100, &out);
    cr_expect_eq(status, TLS_FAILED);
    pair_free(&p);
    buf_deinit(&out);
}

/* ---- proof of possession --------------------------------------------------------------------- */

Test(session, fails_without_possession_of_the_key)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        struct tls_context *client = client_context(versions[v], "client.crt", "client.key");
        struct tls_context *thief = client_context(versions[v], "rogues/good.crt",
                                                   "rogues/good.key");
        struct key *own = client->pairs[0]->key;
        client->pairs[0]->key = thief->pairs[0]->key;
        pair_start(&p, server, client, "localhost");
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.server), TLS_FAILED);
        cr_expect_null(tls_session_identity(p.server));
        cr_expect(tls_session_problem_is_client(p.server));
        cr_expect(strstr(tls_session_problem(p.client), "peer sent alert: ") != NULL);
        client->pairs[0]->key = own;
        pair_free(&p);
    }
}

/* What a client sends instead of its certificate. */
static void handshake_with_changed_certificate(struct pair *p, const struct tls_context *server,
                                               unsigned protocols,
                                               void (*change)(mbedtls_x509_crt *crt))
{
    struct tls_context *client = client_context(protocols, "client.crt", "client.key");
    change(&client->pairs[0]->chain);
    pair_start(p, server, client, "localhost");
    pair_run(p);
}

static void unknown_curve(mbedtls_x509_crt *crt)
{
    crt->pk_raw.p[22] ^= 1; /* the last octet of prime256v1's OID */
}

static void no_der(mbedtls_x509_crt *crt)
{
    crt->raw.p[0] = 0x31;
}

static void key_off_the_curve(mbedtls_x509_crt *crt)
{
    crt->pk_raw.p[crt->pk_raw.len - 1] ^= 1;
}

static void bad_dates(mbedtls_x509_crt *crt)
{
    /* Between issuer and subject; the key behind it stays readable. */
    unsigned char *dates = crt->issuer_raw.p + crt->issuer_raw.len;
    dates[4] = 'x';
}

Test(session, says_what_is_wrong_with_certificates_that_do_not_parse)
{
    static const struct {
        void (*change)(mbedtls_x509_crt *crt);
        const char *problem, *seen_by_client;
    } cases[] = {
        {unknown_curve, "alg_unsupported: ", "peer sent alert: unsupported certificate (43)"},
        {no_der, "cert_malformed: ", "peer sent alert: bad certificate (42)"},
        {key_off_the_curve, "cert_malformed: ", "peer sent alert: bad certificate (42)"},
    };
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t v = 0; v < 2; v++) {
            struct pair p;
            handshake_with_changed_certificate(&p, server, versions[v], cases[i].change);
            cr_expect_eq(tls_session_status(p.server), TLS_FAILED);
            cr_expect(str_starts(str_of(tls_session_problem(p.server)), str_of(cases[i].problem)),
                      "%zu: %s", i, tls_session_problem(p.server));
            cr_expect_str_eq(tls_session_problem(p.client), cases[i].seen_by_client);
            pair_free(&p);
        }
}

Test(session, completes_when_only_the_key_can_be_read)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        handshake_with_changed_certificate(&p, server, versions[v], bad_dates);
        expect_open(&p, "dates");
        cr_expect_eq(identity_refusal(tls_session_identity(p.server)), REFUSAL_CERT_MALFORMED);
        cr_expect(identity_has_certificate(tls_session_identity(p.server)));
        pair_free(&p);
    }
}

/* ---- resumption: there is none
 * ------------------------------------------------------------------- */

Test(session, resumes_nothing)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        mbedtls_ssl_session kept;
        mbedtls_ssl_session_init(&kept);
        pair_start(&p, server, client_context(versions[v], "client.crt", "client.key"),
                   "localhost");
        pair_run(&p);
        expect_open(&p, "first");
        /* TLS 1.3: mbedTLS gives a session only once it has a ticket. */
        int rc = mbedtls_ssl_get_session(&p.client->ssl, &kept);
        pair_free(&p);
        /* Again, without a certificate: the old session must not stand in for it. */
        pair_start(&p, server, client_context(versions[v], NULL, NULL), "localhost");
        if (rc == 0)
            mbedtls_ssl_set_session(&p.client->ssl, &kept);
        pair_run(&p);
        expect_open(&p, "second");
        cr_expect_not(identity_has_certificate(tls_session_identity(p.server)));
        cr_expect_not(tls_session_is_reused(p.server));
        cr_expect(!p.server->hello.has_psk);
        pair_free(&p);
        mbedtls_ssl_session_free(&kept);
    }
}

/* After the handshake a TLS 1.3 server has nothing to say: a ticket would be a record more. */
Test(session, sends_no_ticket)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    struct pair p;
    struct buf hello = {0}, answer = {0}, flight = {0}, plain = {0}, more = {0};
    pair_start(&p, server, client_context(TLS_PROTOCOL_1_3, "client.crt", "client.key"),
               "localhost");
    tls_session_receive(p.client, &answer, &plain, 1, &hello);
    tls_session_receive(p.server, &hello, &plain, 1, &answer);
    tls_session_receive(p.client, &answer, &plain, 1, &flight);
    cr_expect_eq(tls_session_receive(p.server, &flight, &plain, 1, &more), TLS_OPEN);
    cr_expect(buf_is_empty(&more));
    pair_free(&p);
    buf_deinit(&hello);
    buf_deinit(&answer);
    buf_deinit(&flight);
    buf_deinit(&plain);
}

/* A process that forked after tls_process_start shares no randomness with its parent. */
Test(session, children_have_their_own_randomness)
{
    unsigned char mine[16], theirs[16];
    int ends[2];
    cr_assert(tls_process_start());
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        tls_random(theirs, sizeof theirs);
        _exit(write(ends[1], theirs, sizeof theirs) == sizeof theirs ? 0 : 1);
    }
    tls_random(mine, sizeof mine);
    cr_assert_eq(read(ends[0], theirs, sizeof theirs), sizeof theirs);
    waitpid(child, NULL, 0);
    cr_expect_neq(memcmp(mine, theirs, sizeof mine), 0);
}

/* ---- memory of an open session --------------------------------------------------------------- */

static void expect_echo(struct pair *p, const char *what)
{
    tls_session_send(p->client, str_of(what), &p->to_server);
    pair_run(p);
    cr_expect(str_eq_z(buf_str(&p->at_server), what), "%s: %s", what,
              tls_session_problem(p->server));
    tls_session_send(p->server, buf_str(&p->at_server), &p->to_client);
    pair_run(p);
    cr_expect(str_eq_z(buf_str(&p->at_client), what), "%s: %s", what,
              tls_session_problem(p->client));
    buf_clear(&p->at_server);
    buf_clear(&p->at_client);
}

Test(session, has_no_buffers_while_it_is_idle)
{
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        pair_start(&p, server, client_context(versions[v], "client.crt", "client.key"),
                   "localhost");
        pair_run(&p);
        expect_open(&p, "idle");
        for (int round = 0; round < 3; round++) {
            cr_expect_null(p.server->ssl.MBEDTLS_PRIVATE(in_buf), "version %zu", v);
            cr_expect_null(p.server->ssl.MBEDTLS_PRIVATE(out_buf), "version %zu", v);
            expect_echo(&p, "woken");
        }
        cr_expect_null(p.server->ssl.MBEDTLS_PRIVATE(handshake));
        cr_expect_null(mbedtls_ssl_get_peer_cert(&p.server->ssl));
        cr_expect(str_eq_z(tls_session_server_name(p.server), "localhost"));
        cr_expect(str_eq_z(tls_session_curves(p.server), "X25519:prime256v1:secp384r1:secp521r1"));
        cr_expect(str_eq_z(tls_session_alpn(p.server), ""));
        pair_free(&p);
    }
}

/* A record of data that came in part stays with the caller. */
Test(session, keeps_the_part_of_a_record_that_came)
{
    enum { COUNT = 40 };
    static struct pair pairs[COUNT];
    struct tls_settings s = article();
    struct tls_context *server = context_of(&s);
    struct buf none = {0}, records[COUNT] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        pair_start(&pairs[i], server, client_context(versions[i % 2], "client.crt", "client.key"),
                   "localhost");
        pair_run(&pairs[i]);
        expect_open(&pairs[i], "part");
        tls_session_send(pairs[i].client, STR("in two parts"), &records[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        buf_move_some(&pairs[i].to_server, &records[i], 4 + i % 20);
        tls_session_receive(pairs[i].server, &pairs[i].to_server, &pairs[i].at_server, 100, &none);
        cr_expect_null(pairs[i].server->ssl.MBEDTLS_PRIVATE(in_buf));
        cr_expect_eq(buf_len(&pairs[i].to_server), 4 + i % 20);
    }
    for (size_t i = COUNT; i-- > 0;) {
        buf_move(&pairs[i].to_server, &records[i]);
        pair_run(&pairs[i]);
        cr_expect(str_eq_z(buf_str(&pairs[i].at_server), "in two parts"), "%zu", i);
        cr_expect_null(pairs[i].server->ssl.MBEDTLS_PRIVATE(in_buf));
        buf_clear(&pairs[i].at_server);
        expect_echo(&pairs[i], "and on");
        pair_free(&pairs[i]);
        buf_deinit(&records[i]);
    }
}

Test(session, says_goodbye_from_its_sleep)
{
    struct tls_settings s = article();
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        pair_start(&p, context_of(&s), client_context(versions[v], "client.crt", "client.key"),
                   "localhost");
        pair_run(&p);
        tls_session_send_close(p.server, &p.to_client);
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.client), TLS_CLOSED);
        cr_expect_eq(tls_session_status(p.server), TLS_OPEN);
        pair_free(&p);
    }
}
