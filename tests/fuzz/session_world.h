/* Who meets whom in fuzz_session.c: contexts of servers and of clients, made once, from files in
 * memory. */
#ifndef TESTS_FUZZ_SESSION_WORLD_H
#define TESTS_FUZZ_SESSION_WORLD_H

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "portcullis/tls/context.h"
#include "session_files.h"

/* ---- randomness ------------------------------------------------------------------------------ */

/* Where the whole program is a fuzzer, the same input meets the same keys. */
#if defined(PORTCULLIS_FUZZER)
#include <openssl/rand.h>
#include <sys/random.h>

static uint64_t random_state;

static int fill_from_state(unsigned char *out, int size)
{
    for (int i = 0; i < size; i++) {
        random_state = random_state * 6364136223846793005U + 1442695040888963407U;
        out[i] = (unsigned char)(random_state >> 56);
    }
    return 1;
}

ssize_t getrandom(void *out, size_t size, unsigned flags)
{
    (void)flags;
    fill_from_state(out, (int)size);
    return (ssize_t)size;
}

static int random_is_there(void)
{
    return 1;
}

static void fix_random(void)
{
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
    static const RAND_METHOD method = {
        .bytes = fill_from_state, .pseudorand = fill_from_state, .status = random_is_there};
    RAND_set_rand_method(&method);
#pragma clang diagnostic pop
    random_state = 1;
}
#else
static void fix_random(void)
{
}
#endif

/* ---- who meets whom -------------------------------------------------------------------------- */

/* An impostor shows the good certificate and has another key. */
enum server {
    SERVER_USUAL,
    SERVER_BY_ALERT,
    SERVER_OPEN,
    SERVER_CACHED,
    SERVER_TLS12,
    SERVER_TLS13,
    SERVERS
};
enum version { VERSION_BOTH, VERSION_TLS12, VERSION_TLS13, VERSIONS };
enum card { CARD_NONE, CARD_GOOD, CARD_STRANGER, CARD_IMPOSTOR, CARDS };
enum { WORLD_TICK_MS = 7500 };
static const int64_t world_start_ms = 1800000000000;

static struct {
    struct tls_context *servers[SERVERS], *clients[CARDS][VERSIONS];
    mbedtls_x509_crt good;
    mbedtls_pk_context wrong_key;
} world;

static void report_to_stderr(void *owner, enum log_level level, const char *message)
{
    (void)owner;
    if (level == LOG_EMERG)
        fprintf(stderr, "%s\n", message);
}

/* A file's path, for as long as the process lives. */
static struct str path_of(struct arena *a, const void *content, size_t size)
{
    int fd = memfd_create("fuzz", 0);
    ssize_t written = write(fd, content, size);
    assert(fd != -1 && written == (ssize_t)size);
    (void)written;
    return arena_printf(a, "/proc/self/fd/%d", fd);
}
#define PATH_OF(a, text) path_of(a, text, sizeof(text) - 1)

static struct tls_context *context_with(struct tls_pool *pool, struct arena *a,
                                        struct tls_settings s, struct str crt, struct str key)
{
    if (crt.len > 0) {
        *VEC_PUSH(a, &s.certificates) = crt;
        *VEC_PUSH(a, &s.certificate_keys) = key;
    }
    struct tls_context *c = tls_context_new(pool, &s, (struct tls_report){report_to_stderr, NULL});
    assert(c != NULL);
    return c;
}

static void make_servers(struct tls_pool *pool, struct arena *a)
{
    static const char ticket_key[80] = "a key that stands in this file, to seal nothing real with";
    static struct zone cache = {.name = STR_INIT("fuzz"), .size = 65536};
    int fd = zone_create(cache.size);
    bool mapped = zone_map(&cache, fd);
    assert(mapped);
    (void)mapped;
    struct str crt = PATH_OF(a, file_server_crt), key = PATH_OF(a, file_server_key);
    struct tls_settings s = {.verify = TLS_VERIFY_ON,
                             .verify_depth = 1,
                             .protocols = TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3,
                             .ecdh_curve = STR("auto"),
                             .client_certificate = PATH_OF(a, file_ca_crt),
                             .session_timeout_ms = 32 * (int64_t)WORLD_TICK_MS,
                             .session_tickets = true,
                             .buffer_size = 16384};
    *VEC_PUSH(a, &s.ticket_keys) = path_of(a, ticket_key, sizeof ticket_key);
    struct tls_settings by_alert = s, open = s, cached = s, tls12 = s, tls13 = s;
    by_alert.refuses_by_alert = true;
    open.verify = TLS_VERIFY_OFF;
    cached.session_tickets = false;
    cached.session_cache = &cache;
    tls12.session_tickets = false;
    tls12.protocols = TLS_PROTOCOL_1_2;
    tls13.protocols = TLS_PROTOCOL_1_3;
    tls13.buffer_size = 512;
    const struct tls_settings *all[SERVERS] = {
        [SERVER_USUAL] = &s,       [SERVER_BY_ALERT] = &by_alert, [SERVER_OPEN] = &open,
        [SERVER_CACHED] = &cached, [SERVER_TLS12] = &tls12,       [SERVER_TLS13] = &tls13};
    for (size_t i = 0; i < SERVERS; i++)
        world.servers[i] = context_with(pool, a, *all[i], crt, key);
}

static void make_clients(struct tls_pool *pool, struct arena *a)
{
    static const unsigned versions[VERSIONS] = {[VERSION_BOTH] = TLS_PROTOCOL_1_2 |
                                                                 TLS_PROTOCOL_1_3,
                                                [VERSION_TLS12] = TLS_PROTOCOL_1_2,
                                                [VERSION_TLS13] = TLS_PROTOCOL_1_3};
    struct str crt[CARDS] = {
        [CARD_GOOD] = PATH_OF(a, file_client_crt), [CARD_STRANGER] = PATH_OF(a, file_stranger_crt)};
    struct str key[CARDS] = {
        [CARD_GOOD] = PATH_OF(a, file_client_key), [CARD_STRANGER] = PATH_OF(a, file_stranger_key)};
    for (size_t v = 0; v < VERSIONS; v++)
        for (size_t card = 0; card < CARDS; card++) {
            struct tls_settings s = {.protocols = versions[v], .ecdh_curve = STR("auto")};
            world.clients[card][v] = context_with(pool, a, s, crt[card], key[card]);
        }
}

static void make_impostor(void)
{
    mbedtls_x509_crt_init(&world.good);
    mbedtls_pk_init(&world.wrong_key);
    int rc = mbedtls_x509_crt_parse(&world.good, (const unsigned char *)file_client_crt,
                                    sizeof file_client_crt);
    rc |= mbedtls_pk_parse_key(&world.wrong_key, (const unsigned char *)file_stranger_key,
                               sizeof file_stranger_key, NULL, 0, NULL, NULL);
    assert(rc == 0);
    (void)rc;
}

/* Once; it stays. */
static void make_world(void)
{
    static struct arena a;
    if (world.servers[0] != NULL)
        return;
    arena_init(&a, 4096);
    bool started = tls_process_start();
    assert(started);
    (void)started;
    struct tls_pool *pool = tls_pool_new();
    make_servers(pool, &a);
    make_clients(pool, &a);
    make_impostor();
}

#endif
