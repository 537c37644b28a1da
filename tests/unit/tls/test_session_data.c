#include "../../../src/tls/session_internal.h"
#include "support.h"

static const struct suite {
    const char *name; /* OpenSSL's */
    bool is_1_2, is_direct;
} suites[] = {
    {"TLS_AES_128_GCM_SHA256", false, true},       {"TLS_AES_256_GCM_SHA384", false, true},
    {"TLS_CHACHA20_POLY1305_SHA256", false, true}, {"ECDHE-ECDSA-AES128-GCM-SHA256", true, true},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", true, true}, {"ECDHE-ECDSA-CHACHA20-POLY1305", true, true},
    {"ECDHE-ECDSA-AES128-SHA256", true, false},
};
enum { SUITES = sizeof suites / sizeof *suites };

static void set_suite(struct tls_settings *s, const struct suite *suite)
{
    s->protocols = suite->is_1_2 ? TLS_PROTOCOL_1_2 : TLS_PROTOCOL_1_3;
    if (suite->is_1_2)
        s->ciphers = str_of(suite->name);
    else
        s->ciphersuites = str_of(suite->name);
}

/* Of one pair after the other. */
static struct pair open_pair(const struct suite *suite)
{
    static struct tls_context *servers[SUITES], *clients[SUITES];
    size_t i = (size_t)(suite - suites);
    if (servers[i] == NULL) {
        struct tls_settings ours = article(), theirs = {.ecdh_curve = STR("auto")};
        add_certificate(&theirs, "client.crt", "client.key");
        set_suite(&ours, suite);
        set_suite(&theirs, suite);
        servers[i] = context_of(&ours);
        clients[i] = context_of(&theirs);
    }
    struct pair p;
    pair_start(&p, servers[i], clients[i], "localhost");
    pair_run(&p);
    cr_assert_eq(tls_session_status(p.server), TLS_OPEN, "%s: %s", suite->name,
                 tls_session_problem(p.server));
    cr_assert(str_eq_z(tls_session_cipher(p.server), suite->name), "%s", suite->name);
    return p;
}

/* Without them mbedTLS neither reads nor writes. */
static void take_mbedtls_away(struct tls_session *s)
{
    mbedtls_ssl_set_bio(&s->ssl, s, NULL, NULL, NULL);
}

static void expect_passage(struct pair *p, struct str data, const char *name)
{
    tls_session_send(p->client, data, &p->to_server);
    pair_run(p);
    cr_expect(str_eq(buf_str(&p->at_server), data), "%s, %zu octets in: %s", name, data.len,
              tls_session_problem(p->server));
    tls_session_send(p->server, data, &p->to_client);
    pair_run(p);
    cr_expect(str_eq(buf_str(&p->at_client), data), "%s, %zu octets out: %s", name, data.len,
              tls_session_problem(p->client));
    buf_clear(&p->at_server);
    buf_clear(&p->at_client);
}

/* The client is mbedTLS alone. */
Test(session_data, pass_by_mbedtls)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 300, 16383, 16384, 16385, 40000};
    static char data[40000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < SUITES; i++) {
        struct pair p = open_pair(&suites[i]);
        if (suites[i].is_direct)
            take_mbedtls_away(p.server);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            expect_passage(&p, str_make(data, sizes[k]), suites[i].name);
        p.step = 1000;
        expect_passage(&p, str_make(data, sizeof data), suites[i].name);
        p.step = 1;
        expect_passage(&p, str_make(data, 300), suites[i].name);
        pair_free(&p);
    }
}

/* One that is not whole waits for its rest elsewhere than in mbedTLS, whatever came before it. */
Test(session_data, pass_by_mbedtls_behind_what_is_its_own)
{
    static char data[40000];
    for (size_t i = 0; i < SUITES; i++) {
        struct pair p = open_pair(&suites[i]);
        struct buf wire = {0}, none = {0};
        send_empty_records(p.client, 1, &wire);
        tls_session_send(p.client, str_make(data, sizeof data), &wire);
        buf_move_some(&p.to_server, &wire, 1000);
        tls_session_receive(p.server, &p.to_server, &p.at_server, 1 << 20, &none);
        cr_expect_null(p.server->ssl.MBEDTLS_PRIVATE(in_buf), "%s", suites[i].name);
        if (suites[i].is_direct)
            take_mbedtls_away(p.server);
        buf_move(&p.to_server, &wire);
        pair_run(&p);
        cr_expect(str_eq(buf_str(&p.at_server), str_make(data, sizeof data)), "%s: %s",
                  suites[i].name, tls_session_problem(p.server));
        buf_deinit(&wire);
        pair_free(&p);
    }
}

/* What is not a good record of data takes mbedTLS, and data go on without it. */
Test(session_data, take_turns_with_mbedtls)
{
    for (size_t i = 0; i < SUITES; i++) {
        struct pair p = open_pair(&suites[i]);
        for (int round = 0; round < 3; round++) {
            p.server->ssl.MBEDTLS_PRIVATE(key_update_owed) = !suites[i].is_1_2;
            expect_passage(&p, STR("once"), suites[i].name);
            expect_passage(&p, STR("and again"), suites[i].name);
        }
        tls_session_send(p.client, STR("the last words"), &p.to_server);
        tls_session_send_close(p.client, &p.to_server);
        pair_run(&p);
        cr_expect(str_eq_z(buf_str(&p.at_server), "the last words"));
        cr_expect_eq(tls_session_status(p.server), TLS_CLOSED);
        pair_free(&p);
    }
}

/* Nothing of a changed record is given out, whatever was changed, nor anything behind it. */
Test(session_data, changed_ones_give_nothing)
{
    for (size_t i = 0; i < SUITES; i++) {
        for (size_t at = 0;; at += at < 40 ? 1 : 37) {
            struct pair p = open_pair(&suites[i]);
            tls_session_send(p.client, STR("this came"), &p.to_server);
            size_t first = buf_len(&p.to_server);
            tls_session_send(p.client, STR("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                             &p.to_server);
            bool is_inside = first + at < buf_len(&p.to_server);
            tls_session_send(p.client, STR("behind it"), &p.to_server);
            p.to_server.data[p.to_server.start + first + at] ^= 1;
            pair_run(&p);
            if (is_inside)
                cr_expect(str_eq_z(buf_str(&p.at_server), "this came"), "%s, octet %zu",
                          suites[i].name, at);
            pair_free(&p);
            if (!is_inside)
                break;
        }
    }
}

/* As the client asked for (RFC 8449). */
Test(session_data, records_are_as_small_as_the_client_wants)
{
    static char data[4000];
    struct pair p = open_pair(&suites[0]);
    struct buf out = {0};
    p.server->ssl.MBEDTLS_PRIVATE(session)->MBEDTLS_PRIVATE(record_size_limit) = 513;
    tls_session_send(p.server, str_make(data, sizeof data), &out);
    cr_expect_geq(buf_len(&out), sizeof data);
    for (struct str rest = buf_str(&out); rest.len > 5;) {
        size_t size = (size_t)(unsigned char)rest.ptr[3] << 8 | (unsigned char)rest.ptr[4];
        cr_expect_leq(size, 513 + 16);
        rest = str_from(rest, 5 + size);
    }
    buf_deinit(&out);
    pair_free(&p);
}

/* So many octets of warnings, 100 at a time, or fewer if that ends the connection. */
static void warn_for(struct pair *p, size_t octets)
{
    for (size_t sent = 0; sent < octets && tls_session_status(p->server) == TLS_OPEN;) {
        p->client->wire_out = &p->to_server;
        session_wake(p->client);
        for (int i = 0; i < 100; i++)
            (void)mbedtls_ssl_send_alert_message(&p->client->ssl, MBEDTLS_SSL_ALERT_LEVEL_WARNING,
                                                 MBEDTLS_SSL_ALERT_MSG_USER_CANCELED);
        p->client->wire_out = NULL;
        sent += buf_len(&p->to_server);
        pair_run(p);
    }
}

Test(session_data, too_many_records_without_data_end_the_connection)
{
    static const struct suite *const both[] = {&suites[0], &suites[3]};
    for (size_t i = 0; i < 2; i++) {
        struct pair p = open_pair(both[i]);
        for (int round = 0; round < 3; round++) {
            warn_for(&p, 60000);
            expect_passage(&p, STR("data between them"), both[i]->name);
        }
        warn_for(&p, 80000);
        cr_expect_eq(tls_session_status(p.server), TLS_FAILED, "%s", both[i]->name);
        cr_expect_str_eq(tls_session_problem(p.server),
                         "the peer sent too many records without data", "%s", both[i]->name);
        pair_free(&p);
    }
}
