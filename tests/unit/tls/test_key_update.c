/* RFC 8446, 4.6.3 */
#include "../../../src/tls/session_internal.h"
#include "support.h"

/* Inside mbedTLS. */
int mbedtls_ssl_write_record(mbedtls_ssl_context *ssl, int force_flush);

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                     "TLS_CHACHA20_POLY1305_SHA256"};

static struct tls_context *client_of(const char *suite)
{
    struct tls_settings s = {.protocols = TLS_PROTOCOL_1_3, .ecdh_curve = STR("auto")};
    s.ciphersuites = str_of(suite);
    add_certificate(&s, "client.crt", "client.key");
    return context_of(&s);
}

static struct pair pair_of(const char *suite)
{
    struct tls_settings s = article();
    s.ciphersuites = str_of(suite);
    struct pair p;
    pair_start(&p, context_of(&s), client_of(suite), "localhost");
    return p;
}

static struct pair open_pair(const char *suite)
{
    struct pair p = pair_of(suite);
    pair_run(&p);
    cr_assert_eq(tls_session_status(p.server), TLS_OPEN, "%s", tls_session_problem(p.server));
    cr_assert_eq(tls_session_status(p.client), TLS_OPEN);
    cr_assert(str_eq_z(tls_session_cipher(p.server), suite), "%s", suite);
    return p;
}

static void update(struct tls_session *s, bool request, struct buf *out)
{
    s->wire_out = out;
    session_wake(s);
    cr_assert_eq(mbedtls_ssl_tls13_send_key_update(&s->ssl, request), 0);
    s->wire_out = NULL;
}

/* One record with this, encrypted under the present keys. */
static void send_raw(struct tls_session *s, int type, struct str octets, struct buf *out)
{
    s->wire_out = out;
    s->ssl.MBEDTLS_PRIVATE(out_msgtype) = type;
    s->ssl.MBEDTLS_PRIVATE(out_msglen) = octets.len;
    memcpy(s->ssl.MBEDTLS_PRIVATE(out_msg), octets.ptr, octets.len);
    cr_assert_eq(mbedtls_ssl_write_record(&s->ssl, 1), 0);
    s->wire_out = NULL;
}

static void expect_passage(struct pair *p, const char *to_server, const char *to_client)
{
    tls_session_send(p->client, str_of(to_server), &p->to_server);
    pair_run(p);
    cr_expect(str_eq_z(buf_str(&p->at_server), to_server), "%s", tls_session_problem(p->server));
    tls_session_send(p->server, str_of(to_client), &p->to_client);
    pair_run(p);
    cr_expect(str_eq_z(buf_str(&p->at_client), to_client), "%s", tls_session_problem(p->client));
    buf_clear(&p->at_server);
    buf_clear(&p->at_client);
}

static uint64_t records_sent(const struct tls_session *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i < 8; i++)
        count = count << 8 | s->ssl.MBEDTLS_PRIVATE(cur_out_ctr)[i];
    return count;
}

Test(key_update, data_flows_on_after_updates_of_either_kind)
{
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct pair p = open_pair(suites[i]);
        expect_passage(&p, "before", "and back");
        uint64_t sent = records_sent(p.server);
        update(p.client, false, &p.to_server);
        expect_passage(&p, "new keys one way", "old ones back");
        cr_expect_gt(records_sent(p.server), sent, "the server's keys stay");
        update(p.client, true, &p.to_server);
        expect_passage(&p, "new keys both ways", "and back");
        cr_expect_eq(records_sent(p.server), 1, "the server's keys are new");
        update(p.server, true, &p.to_client);
        expect_passage(&p, "the server asks", "the client answers");
        pair_free(&p);
    }
}

Test(key_update, works_when_octets_come_one_by_one)
{
    struct pair p = open_pair(suites[0]);
    p.step = 1;
    update(p.client, true, &p.to_server);
    expect_passage(&p, "slowly", "and back");
    update(p.client, true, &p.to_server);
    expect_passage(&p, "again", "and back");
    pair_free(&p);
}

/* RFC 8446, 4.6.3: "a single update". */
Test(key_update, many_requests_to_a_silent_server_are_answered_once)
{
    struct pair p = open_pair(suites[0]);
    tls_session_send(p.server, STR("x"), &p.to_client);
    size_t record = buf_len(&p.to_client); /* mbedTLS pads: a KeyUpdate is of the same size */
    pair_run(&p);
    for (int i = 0; i < 20; i++)
        update(p.client, true, &p.to_server);
    size_t sent = buf_len(&p.log);
    pair_run(&p);
    cr_expect_eq(buf_len(&p.log), sent, "nothing is sent before there is data to send");
    tls_session_send(p.server, STR("y"), &p.to_client);
    cr_expect_eq(buf_len(&p.to_client), 2 * record);
    tls_session_send(p.server, STR("z"), &p.to_client);
    cr_expect_eq(buf_len(&p.to_client), 3 * record);
    pair_run(&p);
    cr_expect(str_eq_z(buf_str(&p.at_client), "xyz"));
    pair_free(&p);
}

Test(key_update, too_many_without_data_end_the_connection)
{
    struct pair p = open_pair(suites[0]);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 32; i++)
            update(p.client, i % 2 == 0, &p.to_server);
        expect_passage(&p, "data between", "them");
    }
    for (int i = 0; i < 33; i++)
        update(p.client, false, &p.to_server);
    pair_run(&p);
    cr_expect_eq(tls_session_status(p.server), TLS_FAILED);
    cr_expect_str_eq(tls_session_problem(p.server),
                     "the peer sent too many KeyUpdates without data");
    cr_expect(tls_session_problem_is_client(p.server));
    cr_expect_str_eq(tls_session_problem(p.client), "peer sent alert: unexpected message (10)");
    pair_free(&p);
}

Test(key_update, malformed_ones_end_the_connection)
{
    static const struct {
        const char *what;
        struct str octets;
        const char *alert;
    } rows[] = {
        {"empty", STR_INIT("\x18\0\0\0"), "peer sent alert: decode error (50)"},
        {"too long", STR_INIT("\x18\0\0\2\0\0"), "peer sent alert: decode error (50)"},
        {"neither 0 nor 1", STR_INIT("\x18\0\0\1\2"), "peer sent alert: illegal parameter (47)"},
        {"two in a record", STR_INIT("\x18\0\0\1\0\x18\0\0\1\0"),
         "peer sent alert: unexpected message (10)"},
        {"another message behind it", STR_INIT("\x18\0\0\1\0\4\0\0\0"),
         "peer sent alert: unexpected message (10)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair p = open_pair(suites[0]);
        send_raw(p.client, MBEDTLS_SSL_MSG_HANDSHAKE, rows[i].octets, &p.to_server);
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.server), TLS_FAILED, "%s", rows[i].what);
        cr_expect_str_eq(tls_session_problem(p.client), rows[i].alert, "%s: %s", rows[i].what,
                         tls_session_problem(p.client));
        pair_free(&p);
    }
}

/* RFC 8446, 5.1: fragments are fine, other records between them are not. */
Test(key_update, a_split_one_is_put_together_and_nothing_may_come_between)
{
    for (int between = 0; between < 2; between++) {
        struct pair p = open_pair(suites[0]);
        send_raw(p.client, MBEDTLS_SSL_MSG_HANDSHAKE, STR("\x18\0\0\1"), &p.to_server);
        if (between)
            send_raw(p.client, MBEDTLS_SSL_MSG_APPLICATION_DATA, STR("data"), &p.to_server);
        send_raw(p.client, MBEDTLS_SSL_MSG_HANDSHAKE, STR("\0"), &p.to_server);
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.server), between ? TLS_FAILED : TLS_OPEN, "%s",
                     tls_session_problem(p.server));
        cr_expect(buf_is_empty(&p.at_server));
        cr_expect_eq(p.server->ssl.MBEDTLS_PRIVATE(key_updates), between ? 0 : 1);
        pair_free(&p);
    }
}

/* The client's flight up to its certificate, the first message under the handshake's keys. */
static void run_to_certificate(struct pair *p)
{
    struct tls_session *c = p->client;
    c->wire_out = &p->to_server;
    c->wire_in = &p->to_client;
    while (c->ssl.MBEDTLS_PRIVATE(state) != MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY) {
        int rc = mbedtls_ssl_handshake_step(&c->ssl);
        cr_assert(rc == 0 || rc == MBEDTLS_ERR_SSL_WANT_READ, "%d", rc);
        if (rc == MBEDTLS_ERR_SSL_WANT_READ)
            tls_session_receive(p->server, &p->to_server, &p->at_server, 1 << 20, &p->to_client);
    }
    c->wire_out = c->wire_in = NULL;
}

Test(key_update, before_the_clients_finished_it_is_out_of_place)
{
    struct pair p = pair_of(suites[0]);
    run_to_certificate(&p);
    send_raw(p.client, MBEDTLS_SSL_MSG_HANDSHAKE, STR("\x18\0\0\1\0"), &p.to_server);
    tls_session_receive(p.server, &p.to_server, &p.at_server, 1 << 20, &p.to_client);
    cr_expect_eq(tls_session_status(p.server), TLS_FAILED);
    cr_expect_null(tls_session_identity(p.server));
    cr_expect_str_eq(tls_session_problem(p.server),
                     "the peer sent a message out of place (renegotiation is not supported)");
    pair_free(&p);
}

Test(key_update, tls_1_2_has_none)
{
    struct tls_settings s = article();
    struct tls_settings c = {.protocols = TLS_PROTOCOL_1_2, .ecdh_curve = STR("auto")};
    struct pair p;
    pair_start(&p, context_of(&s), context_of(&c), "localhost");
    pair_run(&p);
    cr_assert_eq(tls_session_status(p.server), TLS_OPEN);
    send_raw(p.client, MBEDTLS_SSL_MSG_HANDSHAKE, STR("\x18\0\0\1\0"), &p.to_server);
    pair_run(&p);
    cr_expect_eq(tls_session_status(p.server), TLS_FAILED);
    pair_free(&p);
}

/* RFC 8446, 5.5 */
Test(key_update, the_server_changes_its_keys_before_they_are_used_too_much)
{
    struct pair p = open_pair(suites[0]);
    struct tls_session *ends[] = {p.server, p.client};
    unsigned char *counters[] = {ends[0]->ssl.MBEDTLS_PRIVATE(cur_out_ctr),
                                 ends[1]->ssl.MBEDTLS_PRIVATE(in_ctr)};
    static const unsigned char last[8] = {0, 0, 0, 0, 0, 0xff, 0xff, 0xff};
    for (size_t i = 0; i < 2; i++)
        memcpy(counters[i], last, sizeof last);
    expect_passage(&p, "data", "the last of the old keys");
    cr_expect_eq(records_sent(p.server), 1 << 24);
    expect_passage(&p, "data", "the first of the new ones");
    cr_expect_eq(records_sent(p.server), 1);
    pair_free(&p);
}
