/* Whole connections: a client of mbedTLS's, with the right keys, against our server, in memory. The
 * input is a program: two octets say who meets whom, the rest is operations (the table at the end)
 * that let either side go on, and that cut, merge, drop, double, exchange and alter the records
 * between them, or have the client send what no client sends, properly encrypted. What comes out of
 * the session is read as HTTP/1.
 *
 * Whatever happens: nobody is verified but who holds the key of a good certificate; what comes out
 * is what the other side sent, and nothing comes out before the handshake's end; what is kept is
 * bounded; every octet that came is soon used; and the HTTP/1 parser says the same of the pieces as
 * of the whole. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "../../src/tls/session_internal.h"
#include "portcullis/base/clock.h"
#include "records.h"
#include "session_world.h"

#pragma push_macro("LLVMFuzzerTestOneInput")
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_session_http
#include "fuzz_h1_parser.c"
#pragma pop_macro("LLVMFuzzerTestOneInput")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Inside mbedTLS. */
int mbedtls_ssl_write_record(mbedtls_ssl_context *ssl, int force_flush);

enum {
    OPERATIONS_MAX = 64,
    SESSIONS_MAX = 3,               /* one after the other, each resumes the one before */
    KEPT_MAX = 65536 + 16384 + 512, /* octets that came and were not used */
};
/* ---- a connection ---------------------------------------------------------------------------- */

/* What one side sends and the other one gets. */
struct way {
    struct buf wire;       /* under way */
    struct buf there;      /* arrived, and not taken yet */
    struct buf sent, came; /* plaintext, all of it */
    size_t compared;       /* so much of both is the same */
};

struct run {
    struct str program;
    size_t server_number, version, sessions;
    enum card card;
    bool is_shed, takes_tickets;
    int64_t now_ms;
    struct tls_session *server, *client;
    struct way to_server, to_client;
    bool has_kept;
    mbedtls_ssl_session kept; /* the client's, to resume */
};

static unsigned next_octet(struct run *r)
{
    unsigned octet = r->program.len > 0 ? (unsigned char)r->program.ptr[0] : 0;
    r->program = str_from(r->program, 1);
    return octet;
}

static struct str next_octets(struct run *r, size_t max)
{
    struct str octets = str_upto(r->program, next_octet(r) % max);
    octets = str_upto(r->program, octets.len);
    r->program = str_from(r->program, octets.len);
    return octets;
}

static const struct tls_context *choose_server(void *owner, const struct client_hello *hello)
{
    struct run *r = owner;
    return hello->server_name.len == 1 ? world.servers[r->server_number] : NULL;
}

static bool may_sign(void *owner)
{
    return !((struct run *)owner)->is_shed;
}

/* Tickets may be kept, and shown again. */
static void let_client_resume(struct run *r)
{
    mbedtls_ssl_config *config = r->client->client_config;
    mbedtls_ssl_conf_session_tickets(config, r->takes_tickets
                                                 ? MBEDTLS_SSL_SESSION_TICKETS_ENABLED
                                                 : MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    mbedtls_ssl_conf_tls13_key_exchange_modes(config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_ALL);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    if (r->has_kept)
        (void)mbedtls_ssl_set_session(&r->client->ssl, &r->kept);
}

static void start_session(struct run *r)
{
    r->server = tls_session_new((struct tls_session_hooks){choose_server, may_sign, r});
    r->client = tls_session_new_client(world.clients[r->card][r->version], STR("a"));
    if (r->card == CARD_IMPOSTOR)
        (void)mbedtls_ssl_conf_own_cert(r->client->client_config, &world.good, &world.wrong_key);
    let_client_resume(r);
    r->sessions++;
}

static void end_way(struct way *w)
{
    buf_deinit(&w->wire);
    buf_deinit(&w->there);
    buf_deinit(&w->sent);
    buf_deinit(&w->came);
}

static void end_session(struct run *r)
{
    tls_session_free(r->server);
    tls_session_free(r->client);
    end_way(&r->to_server);
    end_way(&r->to_client);
    r->to_server = r->to_client = (struct way){0};
}

/* ---- what must hold -------------------------------------------------------------------------- */

static bool has_begun(const struct str whole, const struct str part)
{
    return part.len <= whole.len && (part.len == 0 || memcmp(whole.ptr, part.ptr, part.len) == 0);
}

static bool client_is_through(const struct run *r)
{
    return tls_session_status(r->client) != TLS_HANDSHAKING &&
           mbedtls_ssl_is_handshake_over(&r->client->ssl);
}

static void check_identity(const struct run *r)
{
    struct identity *i = tls_session_identity(r->server);
    if (i == NULL)
        return;
    assert(client_is_through(r) ||
           r->client->ssl.MBEDTLS_PRIVATE(state) > MBEDTLS_SSL_CLIENT_FINISHED);
    assert(!identity_is_verified(i) ||
           (r->card == CARD_GOOD &&
            tls_settings_ask(tls_context_settings(world.servers[r->server_number]))));
    assert(r->card != CARD_IMPOSTOR || !identity_has_certificate(i));
    assert(tls_session_status(r->server) != TLS_OPEN || identity_is_verified(i) ||
           !tls_context_settings(r->server->context)->refuses_by_alert);
}

/* Of what came, what is new: all of it each time would take seconds. */
static void check_way(struct way *w)
{
    struct str came = str_from(buf_str(&w->came), w->compared);
    assert(has_begun(str_from(buf_str(&w->sent), w->compared), came));
    w->compared += came.len;
}

static void check(struct run *r)
{
    assert((tls_session_identity(r->server) != NULL) || buf_is_empty(&r->to_server.came));
    check_way(&r->to_server);
    check_way(&r->to_client);
    check_identity(r);
}

/* In pieces of plain_max, as a reader that pauses does. */
static void server_reads(struct run *r, struct buf *in, size_t plain_max)
{
    struct buf plain = {0};
    size_t before;
    do {
        before = buf_len(in);
        buf_clear(&plain);
        tls_session_receive(r->server, in, &plain, plain_max, &r->to_client.wire);
        buf_append_str(&r->to_server.came, buf_str(&plain));
        check(r);
    } while (tls_session_status(r->server) == TLS_OPEN &&
             (buf_len(in) < before || !buf_is_empty(&plain)));
    bool is_open = tls_session_status(r->server) == TLS_OPEN;
    assert(tls_session_status(r->server) != TLS_HANDSHAKING || buf_len(in) < KEPT_MAX);
    assert(!is_open || !record_is_whole(buf_str(in)));
    buf_deinit(&plain);
}

static void give_server(struct run *r, size_t octets, size_t plain_max)
{
    buf_move_some(&r->to_server.there, &r->to_server.wire, octets);
    server_reads(r, &r->to_server.there, plain_max);
}

static void give_client(struct run *r, size_t octets)
{
    struct way *w = &r->to_client;
    buf_move_some(&w->there, &w->wire, octets);
    tls_session_receive(r->client, &w->there, &w->came, SIZE_MAX / 2, &r->to_server.wire);
    check(r);
}

/* Until nothing moves any more: in a few turns, whatever was said. */
static void go_on(struct run *r, size_t step)
{
    size_t turns = 0, moved;
    do {
        size_t before = buf_len(&r->to_server.wire);
        give_client(r, SIZE_MAX);
        moved = buf_len(&r->to_server.wire) - before;
        before = buf_len(&r->to_client.wire);
        do
            give_server(r, step, 1 << 16);
        while (!buf_is_empty(&r->to_server.wire));
        moved += buf_len(&r->to_client.wire) - before;
        assert(++turns < 64);
    } while (moved > 0);
}

/* ---- operations ------------------------------------------------------------------------------ */

static struct way *next_way(struct run *r)
{
    return next_octet(r) & 1 ? &r->to_client : &r->to_server;
}

/* Others than the first two stay as they are. */
static void put_first(struct way *w, struct buf *first, size_t in_place_of)
{
    buf_append_str(first, str_from(buf_str(&w->wire), in_place_of));
    buf_clear(&w->wire);
    buf_move(&w->wire, first);
    buf_deinit(first);
}

static void op_go_on(struct run *r)
{
    go_on(r, SIZE_MAX);
}

static void op_octet_by_octet(struct run *r)
{
    go_on(r, 1);
}

static void op_client(struct run *r)
{
    give_client(r, record_at(buf_str(&r->to_client.wire), 0).len);
}

static void op_server(struct run *r)
{
    give_server(r, record_at(buf_str(&r->to_server.wire), 0).len, 1 + next_octet(r));
}

static void op_some_octets(struct run *r)
{
    give_server(r, next_octet(r), 1 << 16);
}

/* One step of the client's handshake, which else goes as far as it can. After one that failed
 * mbedTLS is not to be asked again. */
static void op_client_step(struct run *r)
{
    struct tls_session *c = r->client;
    if (tls_session_status(c) != TLS_HANDSHAKING || mbedtls_ssl_is_handshake_over(&c->ssl))
        return;
    c->wire_in = &r->to_client.wire;
    c->wire_out = &r->to_server.wire;
    size_t before = buf_len(&r->to_server.wire);
    int rc = mbedtls_ssl_handshake_step(&c->ssl);
    if (rc != 0 && rc != MBEDTLS_ERR_SSL_WANT_READ)
        (void)session_fail(c, rc, before);
    c->wire_in = c->wire_out = NULL;
}

static void op_drop(struct run *r)
{
    struct way *w = next_way(r);
    buf_consume(&w->wire, record_at(buf_str(&w->wire), 0).len);
}

static void op_double(struct run *r)
{
    struct way *w = next_way(r);
    struct buf first = {0};
    buf_append_str(&first, record_at(buf_str(&w->wire), 0));
    put_first(w, &first, 0);
}

static void op_exchange(struct run *r)
{
    struct way *w = next_way(r);
    struct buf first = {0};
    struct str one = record_at(buf_str(&w->wire), 0), two = record_at(buf_str(&w->wire), 1);
    if (one.len + two.len > buf_len(&w->wire))
        return;
    buf_append_str(&first, two);
    buf_append_str(&first, one);
    put_first(w, &first, one.len + two.len);
}

static void op_alter(struct run *r)
{
    struct way *w = next_way(r);
    size_t at = next_octet(r) << 8;
    at |= next_octet(r);
    if (buf_len(&w->wire) > 0)
        ((char *)(uintptr_t)buf_str(&w->wire).ptr)[at % buf_len(&w->wire)] ^= (char)next_octet(r);
}

/* One record's content in two. */
static void op_cut(struct run *r)
{
    struct way *w = next_way(r);
    struct buf first = {0};
    struct str record = record_at(buf_str(&w->wire), 0), content = str_from(record, RECORD_HEAD);
    size_t at = content.len > 0 ? next_octet(r) % content.len : 0;
    if (record.len < RECORD_HEAD)
        return;
    append_record(&first, (unsigned char)record.ptr[0], str_upto(content, at));
    append_record(&first, (unsigned char)record.ptr[0], str_from(content, at));
    put_first(w, &first, record.len);
}

/* Two records' content in one. */
static void op_merge(struct run *r)
{
    struct way *w = next_way(r);
    struct buf first = {0}, content = {0};
    struct str one = record_at(buf_str(&w->wire), 0), two = record_at(buf_str(&w->wire), 1);
    if (one.len < RECORD_HEAD || two.len < RECORD_HEAD || one.len + two.len > buf_len(&w->wire))
        return;
    buf_append_str(&content, str_from(one, RECORD_HEAD));
    buf_append_str(&content, str_from(two, RECORD_HEAD));
    append_record(&first, (unsigned char)one.ptr[0], buf_str(&content));
    buf_deinit(&content);
    put_first(w, &first, one.len + two.len);
}

/* In the clear: an alert, a handshake message, anything. */
static void op_insert(struct run *r)
{
    struct way *w = next_way(r);
    struct buf first = {0};
    unsigned type = next_octet(r);
    append_record(&first, type < 32 ? type : 20 + type % 5, next_octets(r, 64));
    put_first(w, &first, 0);
}

static void op_insert_octets(struct run *r)
{
    struct way *w = next_way(r);
    struct buf first = {0};
    buf_append_str(&first, next_octets(r, 64));
    put_first(w, &first, 0);
}

/* Octets of the program, or very many. */
static struct str next_data(struct run *r)
{
    static char many[40000] = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 39000\r\n\r\n";
    unsigned kind = next_octet(r);
    return kind < 128 ? next_octets(r, 128) : str_make(many, sizeof many / 128 * (kind - 127));
}

static void op_client_sends(struct run *r)
{
    struct str data = next_data(r);
    if (tls_session_status(r->client) != TLS_OPEN)
        return;
    buf_append_str(&r->to_server.sent, data);
    tls_session_send(r->client, data, &r->to_server.wire);
}

static void op_server_sends(struct run *r)
{
    struct str data = next_data(r);
    if (tls_session_status(r->server) != TLS_OPEN)
        return;
    buf_append_str(&r->to_client.sent, data);
    tls_session_send(r->server, data, &r->to_client.wire);
}

/* TLS 1.3 pads with zeros behind the type, so a type of 0 is padding (RFC 8446, 5.4). */
static bool means_data(unsigned type, struct str *content)
{
    while (type == 0 && content->len > 0)
        type = (unsigned char)content->ptr[--content->len];
    return type == MBEDTLS_SSL_MSG_APPLICATION_DATA;
}

/* Any content of any type, under the keys that the client has now. */
static void client_writes(struct run *r, unsigned type, struct str content)
{
    struct tls_session *c = r->client;
    if (!c->has_ssl || tls_session_status(c) == TLS_FAILED)
        return;
    c->wire_out = &r->to_server.wire;
    session_wake(c);
    struct str data = content;
    bool is_data = means_data(type, &data) && client_is_through(r);
    if (c->ssl.MBEDTLS_PRIVATE(out_left) == 0 && c->ssl.MBEDTLS_PRIVATE(out_msg) != NULL) {
        c->ssl.MBEDTLS_PRIVATE(out_msgtype) = (int)type;
        c->ssl.MBEDTLS_PRIVATE(out_msglen) = content.len;
        if (content.len > 0)
            memcpy(c->ssl.MBEDTLS_PRIVATE(out_msg), content.ptr, content.len);
        (void)mbedtls_ssl_write_record(&c->ssl, 1);
        if (is_data)
            buf_append_str(&r->to_server.sent, data);
    }
    session_rest(c);
    c->wire_out = NULL;
}

static void op_client_writes(struct run *r)
{
    unsigned type = next_octet(r);
    client_writes(r, type < 32 ? type : 20 + type % 5, next_octets(r, 128));
}

/* A Certificate of TLS 1.3 with the good certificate in it, but for an octet (RFC 8446, 4.4.2). */
static void op_client_shows(struct run *r)
{
    struct str der = str_make((const char *)world.good.raw.p, world.good.raw.len);
    struct buf m = {0};
    size_t list = der.len + 5;
    const unsigned char head[] = {11,
                                  0,
                                  (unsigned char)((list + 4) >> 8),
                                  (unsigned char)(list + 4),
                                  0,
                                  0,
                                  (unsigned char)(list >> 8),
                                  (unsigned char)list,
                                  0,
                                  (unsigned char)(der.len >> 8),
                                  (unsigned char)der.len};
    buf_append(&m, head, sizeof head);
    buf_append_str(&m, der);
    buf_append(&m, "\0\0", 2);
    size_t at = next_octet(r) << 8;
    at = (at | next_octet(r)) % buf_len(&m);
    m.data[m.start + at] ^= (char)next_octet(r);
    client_writes(r, MBEDTLS_SSL_MSG_HANDSHAKE, buf_str(&m));
    buf_deinit(&m);
}

static void op_empty_records(struct run *r)
{
    for (unsigned n = next_octet(r); n > 0; n--)
        client_writes(r, MBEDTLS_SSL_MSG_APPLICATION_DATA, STR(""));
}

static void key_update(struct tls_session *s, bool asks, struct buf *wire)
{
    if (tls_session_status(s) != TLS_OPEN || !str_eq(tls_session_protocol(s), STR("TLSv1.3")))
        return;
    s->wire_out = wire;
    session_wake(s);
    (void)mbedtls_ssl_tls13_send_key_update(&s->ssl, asks);
    session_rest(s);
    s->wire_out = NULL;
}

static void op_key_updates(struct run *r)
{
    unsigned n = next_octet(r);
    for (unsigned i = 0; i < n % 64; i++)
        key_update(r->client, n & 64, &r->to_server.wire);
    if (n & 128)
        key_update(r->server, n & 64, &r->to_client.wire);
}

static void op_client_closes(struct run *r)
{
    tls_session_send_close(r->client, &r->to_server.wire);
}

static void op_server_closes(struct run *r)
{
    tls_session_send_close(r->server, &r->to_client.wire);
}

static void op_time_goes_by(struct run *r)
{
    r->now_ms += next_octet(r) * WORLD_TICK_MS;
    clock_fix(r->now_ms, r->now_ms);
    check(r);
    if (tls_session_identity(r->server) != NULL)
        (void)tls_session_judged_identity(r->server, clock_wall(), 60);
    check(r);
}

/* What a worker asks of any session at any time. */
static void op_look(struct run *r)
{
    struct tls_session *s = r->server;
    size_t length = tls_session_protocol(s).len + tls_session_cipher(s).len +
                    tls_session_curve(s).len + tls_session_server_name(s).len +
                    tls_session_alpn(s).len + tls_session_id(s).len + tls_session_ciphers(s).len +
                    tls_session_curves(s).len + strlen(tls_session_problem(s));
    assert(length < 1 << 20);
    assert(tls_session_identity(s) != NULL || !tls_session_is_reused(s));
}

static void op_shed(struct run *r)
{
    r->is_shed = !r->is_shed;
}

/* Another connection, which shows what this one got, to the same server or another. */
static void op_again(struct run *r)
{
    unsigned n = next_octet(r);
    if (r->sessions == SESSIONS_MAX)
        return;
    if (r->has_kept)
        mbedtls_ssl_session_free(&r->kept);
    mbedtls_ssl_session_init(&r->kept);
    r->has_kept = client_is_through(r) && mbedtls_ssl_get_session(&r->client->ssl, &r->kept) == 0;
    end_session(r);
    r->server_number = n & 128 ? n % SERVERS : r->server_number;
    start_session(r);
}

static void (*const operations[])(struct run *r) = {
    op_go_on,         op_client,        op_server,       op_some_octets,   op_octet_by_octet,
    op_client_step,   op_drop,          op_double,       op_exchange,      op_alter,
    op_cut,           op_merge,         op_insert,       op_insert_octets, op_client_sends,
    op_server_sends,  op_client_writes, op_client_shows, op_empty_records, op_key_updates,
    op_client_closes, op_server_closes, op_time_goes_by, op_look,          op_shed,
    op_again,
};

/* ---- a run ----------------------------------------------------------------------------------- */

/* All that came was for an HTTP server: read as it came, and whole. */
static void read_http(struct run *r)
{
    struct str came = buf_str(&r->to_server.came);
    uint64_t whole = run(H1_REQUEST, (const uint8_t *)came.ptr, came.len, came.len);
    assert(whole == run(H1_REQUEST, (const uint8_t *)came.ptr, came.len, 7));
    (void)whole;
}

/* Where nothing came between: so that "not verified" is not true of everything. */
static void check_undisturbed(const struct run *r)
{
    bool asks = tls_settings_ask(tls_context_settings(world.servers[r->server_number]));
    bool is_shown = asks && r->card != CARD_NONE;
    bool opens = !(r->server_number == SERVER_TLS12 && r->version == VERSION_TLS13) &&
                 !(r->server_number == SERVER_TLS13 && r->version == VERSION_TLS12) &&
                 !(is_shown && r->card == CARD_IMPOSTOR) &&
                 (r->server_number != SERVER_BY_ALERT || r->card == CARD_GOOD);
    struct identity *i = tls_session_identity(r->server);
    assert(!opens || i != NULL);
    assert(!opens || identity_has_certificate(i) == is_shown);
    assert(!opens || identity_is_verified(i) == (is_shown && r->card == CARD_GOOD));
    assert(tls_session_status(r->server) == (opens ? TLS_CLOSED : TLS_FAILED));
    assert(buf_len(&r->to_server.came) == buf_len(&r->to_server.sent));
}

static void finish(struct run *r)
{
    go_on(r, SIZE_MAX);
    tls_session_send_close(r->client, &r->to_server.wire);
    go_on(r, SIZE_MAX);
    op_look(r);
    if (buf_len(&r->to_server.came) > 0)
        read_http(r);
    tls_session_send_close(r->server, &r->to_client.wire);
    check(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = {.program = str_make((const char *)data, size), .now_ms = world_start_ms};
    fix_random();
    clock_fix(world_start_ms, world_start_ms);
    make_world();
    unsigned who = next_octet(&r);
    r.server_number = who % SERVERS;
    r.card = next_octet(&r) % CARDS;
    r.version = who / SERVERS % VERSIONS;
    r.takes_tickets = who / SERVERS / VERSIONS % 2 == 0;
    start_session(&r);
    for (size_t n = 0; r.program.len > 0 && n < OPERATIONS_MAX; n++)
        operations[next_octet(&r) % (sizeof operations / sizeof *operations)](&r);
    finish(&r);
    if (size <= 2)
        check_undisturbed(&r);
    end_session(&r);
    if (r.has_kept)
        mbedtls_ssl_session_free(&r.kept);
    clock_unfix();
    return 0;
}
