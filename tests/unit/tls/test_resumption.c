/* Sessions that are gone on with: who the client is, judged anew. */
#include <string.h>
#include <unistd.h>

#include "../../../src/tls/context_internal.h"
#include "../../../src/tls/session_internal.h"
#include "../../../src/tls/ticket.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "support.h"

TestSuite(resumption, .init = tickets_start, .fini = tickets_end);

enum { TIMEOUT = 300 };
static const unsigned versions[] = {TLS_PROTOCOL_1_2, TLS_PROTOCOL_1_3};

static struct tls_settings resuming(void)
{
    struct tls_settings s = article();
    s.session_tickets = true;
    s.session_timeout_ms = TIMEOUT * 1000;
    s.ticket_zone = &ticket_zone;
    clock_fix((int64_t)time(NULL) * 1000, TICKETS_START_MS);
    return s;
}

static struct tls_context *client_of(unsigned protocols, const char *name)
{
    struct tls_settings s = {.protocols = protocols, .ecdh_curve = STR("auto")};
    if (name != NULL) {
        char crt[64], key[64];
        snprintf(crt, sizeof crt, "%s.crt", name);
        snprintf(key, sizeof key, "%s.key", name);
        add_certificate(&s, crt, key);
    }
    return context_of(&s);
}

static const struct tls_context *counted_server;

static const struct tls_context *choose_counted(void *owner, const struct client_hello *hello)
{
    (void)owner;
    (void)hello;
    return counted_server;
}

/* The client takes tickets; kept: what it has from before. */
static void show_session(struct pair *p, mbedtls_ssl_session *kept)
{
    mbedtls_ssl_config *config = p->client->client_config;
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_tls13_key_exchange_modes(config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_ALL);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    if (kept != NULL)
        cr_assert_eq(mbedtls_ssl_set_session(&p->client->ssl, kept), 0);
}

static void connect_with(struct pair *p, const struct tls_context *server,
                         const struct tls_context *client, mbedtls_ssl_session *kept)
{
    pair_start(p, server, client, "localhost");
    show_session(p, kept);
    pair_run(p);
    pair_run(p); /* mbedTLS looks at a ticket when it is next asked for data */
    cr_expect_eq(tls_session_status(p->server), TLS_OPEN, "%s", tls_session_problem(p->server));
}

static bool first(struct tls_context *server, struct tls_context *client, mbedtls_ssl_session *kept)
{
    struct pair p;
    mbedtls_ssl_session_init(kept);
    connect_with(&p, server, client, NULL);
    cr_expect_not(tls_session_is_reused(p.server));
    bool has = mbedtls_ssl_get_session(&p.client->ssl, kept) == 0 &&
               kept->MBEDTLS_PRIVATE(ticket_len) > 0;
    pair_free(&p);
    return has;
}

static bool resumes(struct tls_context *server, struct tls_context *client,
                    mbedtls_ssl_session *kept, enum refusal *refusal)
{
    struct pair p;
    connect_with(&p, server, client, kept);
    bool is_reused = tls_session_is_reused(p.server);
    *refusal = identity_refusal(tls_session_identity(p.server));
    pair_free(&p);
    return is_reused;
}

Test(resumption, knows_the_client_without_its_certificate)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        mbedtls_ssl_session kept;
        struct pair p;
        cr_assert(first(server, client_of(versions[v], "client"), &kept));
        connect_with(&p, server, client_of(versions[v], NULL), &kept);
        struct identity *i = tls_session_identity(p.server);
        cr_expect(tls_session_is_reused(p.server));
        cr_expect(identity_is_verified(i));
        cr_expect(str_eq_z(identity_fact(i, IDENTITY_SUBJECT), "CN=client"));
        cr_expect_eq(identity_proved_at(i), clock_wall());
        cr_expect_eq(tls_session_id(p.server).len, 64);
        pair_free(&p);
        mbedtls_ssl_session_free(&kept);
    }
}

static bool count_and_refuse(void *owner)
{
    ++*(size_t *)owner;
    return false;
}

static size_t shed_or_served(const struct tls_context *server, const struct tls_context *client,
                             mbedtls_ssl_session *kept, enum tls_status *status)
{
    struct pair p;
    size_t asked = 0;
    pair_start(&p, server, client, "localhost");
    p.server->hooks = (struct tls_session_hooks){
        .choose = choose_counted, .may_sign = count_and_refuse, .owner = &asked};
    counted_server = server;
    show_session(&p, kept);
    pair_run(&p);
    *status = tls_session_status(p.server);
    cr_expect(*status == TLS_OPEN || tls_session_status(p.client) == TLS_FAILED);
    pair_free(&p);
    return asked;
}

Test(resumption, goes_on_where_full_handshakes_are_shed)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct tls_context *client = client_of(versions[v], "client");
        enum tls_status status;
        mbedtls_ssl_session kept;
        cr_expect_eq(shed_or_served(server, client, NULL, &status), 1);
        cr_expect_eq(status, TLS_FAILED);
        cr_assert(first(server, client, &kept));
        cr_expect_eq(shed_or_served(server, client, &kept, &status), 0);
        cr_expect_eq(status, TLS_OPEN);
        /* A ticket that is not taken buys nothing. */
        clock_fix(clock_wall_ms() + (TIMEOUT + 1) * 1000, TICKETS_START_MS + (TIMEOUT + 1) * 1000);
        cr_expect_eq(shed_or_served(server, client, &kept, &status), 1);
        cr_expect_eq(status, TLS_FAILED);
        mbedtls_ssl_session_free(&kept);
    }
}

Test(resumption, ends_when_the_proof_is_too_old_or_the_certificate)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s), *client = client_of(TLS_PROTOCOL_1_2, "client");
    mbedtls_ssl_session kept;
    enum refusal refusal;
    int64_t now = clock_wall_ms();
    cr_assert(first(server, client, &kept));
    clock_fix(now + TIMEOUT * 1000 - 1000, TICKETS_START_MS + TIMEOUT * 1000 - 1000);
    cr_expect(resumes(server, client, &kept, &refusal));
    clock_fix(now + TIMEOUT * 1000, TICKETS_START_MS + TIMEOUT * 1000);
    cr_expect_not(resumes(server, client, &kept, &refusal));
    cr_expect_eq(refusal, REFUSAL_NONE);
    /* A clock that was set back does not lengthen it. */
    clock_fix(now - 60000, TICKETS_START_MS);
    cr_expect_not(resumes(server, client, &kept, &refusal));
    mbedtls_ssl_session_free(&kept);
    s.session_timeout_ms = INT64_MAX / 2;
    server = context_of(&s);
    clock_fix(now, TICKETS_START_MS);
    cr_assert(first(server, client, &kept));
    clock_fix(now + INT64_C(50) * 365 * 86400000, TICKETS_START_MS);
    cr_expect_not(resumes(server, client, &kept, &refusal));
    cr_expect_eq(refusal, REFUSAL_CERT_EXPIRED);
    mbedtls_ssl_session_free(&kept);
}

Test(resumption, does_not_renew_the_proof)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s), *client = client_of(TLS_PROTOCOL_1_3, "client");
    mbedtls_ssl_session kept, renewed;
    struct pair p;
    struct ticket t;
    struct arena a;
    arena_init(&a, 1024);
    cr_assert(first(server, client, &kept));
    int64_t proved_at = clock_wall();
    clock_fix(clock_wall_ms() + 3000, TICKETS_START_MS + 3000);
    connect_with(&p, server, client, &kept);
    cr_assert(tls_session_is_reused(p.server));
    mbedtls_ssl_session_init(&renewed);
    cr_assert_eq(mbedtls_ssl_get_session(&p.client->ssl, &renewed), 0);
    struct buf bound_to = {0};
    buf_append(&bound_to, server->binding, sizeof server->binding);
    buf_append_str(&bound_to, STR("localhost"));
    cr_assert(ticket_open(
        &t, server->tickets, buf_str(&bound_to),
        str_make((char *)renewed.MBEDTLS_PRIVATE(ticket), renewed.MBEDTLS_PRIVATE(ticket_len)),
        &a));
    cr_expect_eq(t.proved_at, proved_at);
    cr_expect_eq(t.created_ms, clock_wall_ms());
    cr_expect_eq(renewed.MBEDTLS_PRIVATE(ticket_lifetime), TIMEOUT - 3);
    buf_deinit(&bound_to);
    pair_free(&p);
    arena_deinit(&a);
    mbedtls_ssl_session_free(&kept);
    mbedtls_ssl_session_free(&renewed);
}

Test(resumption, judges_by_what_holds_now)
{
    struct tls_settings s = resuming();
    struct tls_context *before = context_of(&s);
    s.crl = str_of(cert_path("rogues/crl.pem"));
    struct tls_context *after = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct tls_context *revoked = client_of(versions[v], "rogues/revoked"),
                           *good = client_of(versions[v], "rogues/good");
        mbedtls_ssl_session kept;
        enum refusal refusal;
        cr_assert(first(before, revoked, &kept));
        cr_expect(resumes(before, revoked, &kept, &refusal));
        cr_expect_not(resumes(after, revoked, &kept, &refusal));
        cr_expect_eq(refusal, REFUSAL_CERT_REVOKED);
        mbedtls_ssl_session_free(&kept);
        cr_assert(first(before, good, &kept));
        cr_expect(resumes(after, good, &kept, &refusal));
        mbedtls_ssl_session_free(&kept);
    }
}

Test(resumption, takes_no_ticket_that_was_changed_anywhere)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct tls_context *client = client_of(versions[v], "client");
        mbedtls_ssl_session kept;
        enum refusal refusal;
        cr_assert(first(server, client, &kept));
        size_t len = kept.MBEDTLS_PRIVATE(ticket_len);
        for (size_t i = 0; i < len; i += 17) {
            kept.MBEDTLS_PRIVATE(ticket)[i] ^= 1;
            cr_expect_not(resumes(server, client, &kept, &refusal), "octet %zu", i);
            cr_expect_eq(refusal, REFUSAL_NONE);
            kept.MBEDTLS_PRIVATE(ticket)[i] ^= 1;
        }
        cr_expect(resumes(server, client, &kept, &refusal));
        mbedtls_ssl_session_free(&kept);
    }
}

Test(resumption, names_each_session_even_those_that_get_no_ticket)
{
    struct tls_settings s = resuming();
    s.session_tickets = false;
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        struct pair pairs[2];
        struct str ids[2];
        for (size_t i = 0; i < 2; i++) {
            connect_with(&pairs[i], server, client_of(versions[v], NULL), NULL);
            ids[i] = tls_session_id(pairs[i].server);
            cr_expect_eq(ids[i].len, 64);
        }
        cr_expect_not(str_eq(ids[0], ids[1]));
        for (size_t i = 0; i < 2; i++)
            pair_free(&pairs[i]);
    }
}

/* RFC 7627, 5.3 */
Test(resumption, needs_the_extended_master_secret_in_tls_1_2)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s), *client = client_of(TLS_PROTOCOL_1_2, "client");
    mbedtls_ssl_session kept;
    struct pair p;
    cr_assert(first(server, client, &kept));
    for (int with_session = 0; with_session < 2; with_session++) {
        pair_start(&p, server, client, "localhost");
        mbedtls_ssl_conf_session_tickets(p.client->client_config,
                                         MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
        mbedtls_ssl_conf_extended_master_secret(p.client->client_config,
                                                MBEDTLS_SSL_EXTENDED_MS_DISABLED);
        if (with_session)
            mbedtls_ssl_set_session(&p.client->ssl, &kept);
        pair_run(&p);
        cr_expect_eq(tls_session_status(p.server), TLS_OPEN);
        cr_expect_not(tls_session_is_reused(p.server));
        pair_free(&p);
    }
    mbedtls_ssl_session_free(&kept);
}

Test(resumption, gives_no_ticket_to_who_was_not_accepted)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        mbedtls_ssl_session kept;
        cr_expect_not(first(server, client_of(versions[v], NULL), &kept));
        mbedtls_ssl_session_free(&kept);
        cr_expect_not(first(server, client_of(versions[v], "rogues/expired"), &kept));
        mbedtls_ssl_session_free(&kept);
    }
    s.verify = TLS_VERIFY_OFF;
    server = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        mbedtls_ssl_session kept;
        cr_expect(first(server, client_of(versions[v], NULL), &kept));
        mbedtls_ssl_session_free(&kept);
    }
}

Test(resumption, a_chain_too_long_for_a_ticket_still_gets_in)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s);
    struct buf leaf = read_file(cert_path("client.crt")), ca = read_file(cert_path("ca.crt"));
    struct buf chain = {0};
    buf_append_str(&chain, buf_str(&leaf));
    while (buf_len(&chain) < 14000)
        buf_append_str(&chain, buf_str(&ca));
    struct str text = buf_str(&chain);
    write_file("long.crt", text.ptr, text.len);
    for (size_t v = 0; v < 2; v++) {
        struct tls_settings cs = {.protocols = versions[v], .ecdh_curve = STR("auto")};
        add_certificate(&cs, "long.crt", "client.key");
        mbedtls_ssl_session kept;
        cr_expect_not(first(server, context_of(&cs), &kept));
        mbedtls_ssl_session_free(&kept);
    }
    buf_deinit(&leaf), buf_deinit(&ca), buf_deinit(&chain);
}

static void add_ticket(struct buf *out, const mbedtls_ssl_session *kept)
{
    size_t len = kept->MBEDTLS_PRIVATE(ticket_len);
    const unsigned char head[] = {0, 35, (unsigned char)(len >> 8), (unsigned char)len};
    buf_append(out, head, sizeof head);
    buf_append(out, kept->MBEDTLS_PRIVATE(ticket), len);
}

static void add_to(unsigned char *length, size_t octets, size_t more)
{
    for (size_t i = octets; i-- > 0; more >>= 8) {
        more += length[i];
        length[i] = (unsigned char)more;
    }
}

/* A TLS 1.2 client's hello with the tickets of others around its own, and what the server answers
 * by: true when it resumes. */
static bool offer_tickets(struct pair *p, const struct tls_context *server,
                          mbedtls_ssl_session *kept, struct str before, struct str after)
{
    enum { RECORD = 5, HEADER = 4, SESSION_LENGTH = RECORD + HEADER + 2 + 32 };
    struct buf hello = {0};
    pair_start(p, server, client_of(TLS_PROTOCOL_1_2, NULL), "localhost");
    mbedtls_ssl_conf_session_tickets(p->client->client_config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    cr_assert_eq(mbedtls_ssl_set_session(&p->client->ssl, kept), 0);
    tls_session_receive(p->client, &p->to_client, &p->at_client, 1 << 20, &hello);
    unsigned char *octets = (unsigned char *)hello.data + hello.start;
    size_t at = SESSION_LENGTH + 1 + octets[SESSION_LENGTH], more = before.len + after.len;
    at += 2 + ((size_t)octets[at] << 8 | octets[at + 1]);
    at += 1 + octets[at];
    add_to(octets + 3, 2, more);
    add_to(octets + RECORD + 1, 3, more);
    add_to(octets + at, 2, more);
    struct str whole = buf_str(&hello);
    buf_append_str(&p->to_server, str_upto(whole, at + 2));
    buf_append_str(&p->to_server, before);
    buf_append_str(&p->to_server, str_from(whole, at + 2));
    buf_append_str(&p->to_server, after);
    buf_deinit(&hello);
    tls_session_receive(p->server, &p->to_server, &p->at_server, 1 << 20, &p->to_client);
    cr_expect_eq(tls_session_status(p->server), TLS_HANDSHAKING, "%s",
                 tls_session_problem(p->server));
    return !p->server->is_full;
}

Test(resumption, looks_at_few_tickets_of_one_hello)
{
    struct tls_settings s = resuming();
    struct tls_context *server = context_of(&s);
    mbedtls_ssl_session kept, bad;
    struct buf several = {0};
    cr_assert(first(server, client_of(TLS_PROTOCOL_1_2, "client"), &kept));
    cr_assert(first(server, client_of(TLS_PROTOCOL_1_2, "client"), &bad));
    bad.MBEDTLS_PRIVATE(ticket)[40] ^= 1;
    for (unsigned count = 0; count < 8; count++) {
        struct pair p;
        cr_expect_eq(offer_tickets(&p, server, &kept, buf_str(&several), STR_NONE), count < 4, "%u",
                     count);
        pair_free(&p);
        add_ticket(&several, &bad);
    }
    buf_deinit(&several);
    mbedtls_ssl_session_free(&kept);
    mbedtls_ssl_session_free(&bad);
}

Test(resumption, is_of_the_ticket_that_was_taken)
{
    struct tls_settings s = resuming();
    struct tls_context *before = context_of(&s);
    s.crl = str_of(cert_path("rogues/crl.pem"));
    struct tls_context *after = context_of(&s);
    mbedtls_ssl_session good, revoked;
    struct buf other = {0};
    struct pair p;
    cr_assert(first(before, client_of(TLS_PROTOCOL_1_2, "rogues/good"), &good));
    cr_assert(first(before, client_of(TLS_PROTOCOL_1_2, "rogues/revoked"), &revoked));
    add_ticket(&other, &revoked);
    cr_assert(offer_tickets(&p, after, &good, STR_NONE, buf_str(&other)));
    cr_expect(str_eq_z(identity_fact(p.server->candidate, IDENTITY_SUBJECT), "CN=client good"),
              "%.*s", STR_ARG(identity_fact(p.server->candidate, IDENTITY_SUBJECT)));
    pair_free(&p);
    buf_deinit(&other);
    mbedtls_ssl_session_free(&good);
    mbedtls_ssl_session_free(&revoked);
}

Test(resumption, shows_nobody_where_nobody_was_asked)
{
    struct tls_settings s = resuming();
    struct tls_context *asks = context_of(&s);
    s.verify = TLS_VERIFY_OFF;
    struct tls_context *silent = context_of(&s);
    for (size_t v = 0; v < 2; v++) {
        mbedtls_ssl_session kept;
        enum refusal refusal;
        cr_assert(first(asks, client_of(versions[v], "client"), &kept));
        cr_expect_not(resumes(silent, client_of(versions[v], "client"), &kept, &refusal));
        cr_expect_eq(refusal, REFUSAL_CERT_MISSING);
        mbedtls_ssl_session_free(&kept);
    }
}

/* RFC 5246, 7.4.1.3: a session goes on with the suite that it began with. */
Test(resumption, in_tls_1_2_is_not_for_who_would_now_get_another_suite)
{
    static const char *const ciphers[] = {
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"};
    struct tls_settings s = resuming();
    struct tls_context *client = client_of(TLS_PROTOCOL_1_2, "client"), *servers[2];
    mbedtls_ssl_session kept;
    enum refusal refusal;
    s.prefer_server_ciphers = true;
    for (size_t i = 0; i < 2; i++) {
        s.ciphers = str_of(ciphers[i]);
        servers[i] = context_of(&s);
    }
    cr_assert(first(servers[0], client, &kept));
    cr_expect(resumes(servers[0], client, &kept, &refusal));
    cr_expect_not(resumes(servers[1], client, &kept, &refusal));
    cr_expect_eq(refusal, REFUSAL_NONE);
    mbedtls_ssl_session_free(&kept);
}
