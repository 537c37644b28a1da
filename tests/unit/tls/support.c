#include "support.h"

#include <criterion/hooks.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/tls/pem.h"
#include "../../../src/tls/session_internal.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/file.h"
#include "portcullis/base/memory.h"

/* Criterion runs tests in processes below the one that runs these hooks. */
static char folder[128];

static void run(const char *command)
{
    int rc = system(command);
    if (rc != 0)
        fprintf(stderr, "failed: %s\n", command);
}

ReportHook(PRE_ALL)(struct criterion_test_set *set)
{
    char command[512];
    (void)set;
    snprintf(folder, sizeof folder, "%s/portcullis-tls-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(folder) == NULL)
        return;
    setenv("PORTCULLIS_TEST_CERTS", folder, 1);
    snprintf(command, sizeof command, "sh '%s/certs/make' --ecdsa --rogues '%s'", PC_SOURCE_DIR,
             folder);
    run(command);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    char command[256];
    (void)stats;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (folder[0] != '\0')
        run(command);
}

/* What lives until the test's process ends, freed then for the leak checker. */
static struct arena test_arena;
static struct tls_pool *pools[512];
static struct tls_context *contexts[512];
static unsigned made;

static void free_all(void)
{
    for (unsigned i = 0; i < made; i++) {
        tls_context_free(contexts[i]);
        tls_pool_free(pools[i]);
    }
    arena_deinit(&test_arena);
}

static struct arena *arena(void)
{
    if (test_arena.block_size == 0) {
        arena_init(&test_arena, 4096);
        atexit(free_all);
    }
    return &test_arena;
}

const char *cert_path(const char *name)
{
    cr_assert_not_null(getenv("PORTCULLIS_TEST_CERTS"));
    return arena_printf(arena(), "%s/%s", getenv("PORTCULLIS_TEST_CERTS"), name).ptr;
}

bool cert_exists(const char *name)
{
    return access(cert_path(name), R_OK) == 0;
}

const char *write_file(const char *name, const char *content, size_t size)
{
    const char *path = cert_path(name);
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fwrite(content, 1, size, f), size);
    fclose(f);
    return path;
}

struct buf read_file(const char *path)
{
    struct buf out = {0};
    cr_assert(file_read(str_of(path), &out), "%s", path);
    return out;
}

struct buf command_output(const char *command)
{
    struct buf out = {0};
    char line[4096];
    snprintf(line, sizeof line, "cd '%s' && %s", cert_path("."), command);
    FILE *p = popen(line, "r");
    cr_assert_not_null(p);
    size_t n;
    while ((n = fread(buf_reserve(&out, 4096), 1, 4096, p)) > 0)
        buf_added(&out, n);
    cr_assert_eq(pclose(p), 0, "%s", command);
    return out;
}

void chain_add(struct chain *c, const char *name)
{
    struct buf text = read_file(cert_path(name));
    struct str rest = buf_str(&text), label;
    while (c->count < 32 && pem_next(&rest, &label, &c->der[c->count]) == PEM_BLOCK) {
        if (!str_eq(label, STR("CERTIFICATE")))
            continue;
        c->list[c->count] = buf_str(&c->der[c->count]);
        c->count++;
    }
    buf_deinit(&text);
}

void chain_free(struct chain *c)
{
    for (size_t i = 0; i < 32; i++)
        buf_deinit(&c->der[i]);
}

void chain_add_rogue(struct chain *c, const char *name)
{
    char file[128];
    snprintf(file, sizeof file, "rogues/%s.chain.crt", name);
    if (!cert_exists(file))
        snprintf(file, sizeof file, "rogues/%s.crt", name);
    chain_add(c, file);
}

struct trust *trust_of(const char *ca, const char *crl)
{
    struct trust *t = trust_new();
    const char *problem = "";
    struct buf der = {0};
    struct str label;
    if (ca != NULL) {
        struct chain c = {.count = 0};
        chain_add(&c, ca);
        for (size_t i = 0; i < c.count; i++)
            cr_assert(trust_add_ca(t, c.list[i], &problem), "%s: %s", ca, problem);
        chain_free(&c);
    }
    if (crl != NULL) {
        struct buf text = read_file(cert_path(crl));
        for (struct str rest = buf_str(&text); pem_next(&rest, &label, &der) == PEM_BLOCK;)
            cr_assert(trust_add_crl(t, buf_str(&der), &problem), "%s: %s", crl, problem);
        buf_deinit(&text);
    }
    buf_deinit(&der);
    trust_finish(t);
    return t;
}

static void read_needs(struct rogue *r, char *needs)
{
    r->depth = 1;
    r->crl[0] = '\0';
    r->is_of_proxy = strncmp(needs, "deny=", 5) == 0 || strncmp(needs, "host=", 5) == 0;
    for (char *rest = needs, *word; (word = strsep(&rest, " ,")) != NULL;) {
        if (strncmp(word, "crl=", 4) == 0)
            snprintf(r->crl, sizeof r->crl, "rogues/%.60s", word + 4);
        if (strncmp(word, "depth=", 6) == 0)
            r->depth = (unsigned)atoi(word + 6);
    }
}

size_t read_rogues(struct rogue *out, size_t max)
{
    char line[512];
    size_t count = 0;
    FILE *f = fopen(PC_SOURCE_DIR "/certs/rogues.tsv", "r");
    cr_assert_not_null(f);
    while (count < max && fgets(line, sizeof line, f) != NULL) {
        char *rest = line;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        struct rogue *r = &out[count++];
        snprintf(r->name, sizeof r->name, "%.63s", strsep(&rest, "\t\n"));
        snprintf(r->expected, sizeof r->expected, "%.63s", strsep(&rest, "\t\n"));
        read_needs(r, strsep(&rest, "\t\n"));
    }
    fclose(f);
    return count;
}

/* ---- contexts -------------------------------------------------------------------------------- */

char last_report[512];

static void keep_report(void *owner, enum log_level level, const char *message)
{
    (void)owner, (void)level;
    snprintf(last_report, sizeof last_report, "%s", message);
}

struct tls_report reports = {keep_report, NULL};

void add_certificate(struct tls_settings *s, const char *certificate, const char *key)
{
    *VEC_PUSH(arena(), &s->certificates) = str_of(cert_path(certificate));
    *VEC_PUSH(arena(), &s->certificate_keys) = str_of(cert_path(key));
}

struct tls_settings article(void)
{
    struct tls_settings s = {
        .verify = TLS_VERIFY_ON,
        .verify_depth = 1,
        .protocols = TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3,
        .ciphers = STR("HIGH:!aNULL:!MD5"),
        .ecdh_curve = STR("auto"),
        .buffer_size = 16384,
    };
    add_certificate(&s, "server.crt", "server.key");
    s.client_certificate = str_of(cert_path("ca.crt"));
    return s;
}

struct tls_context *context_of(const struct tls_settings *s)
{
    arena();
    cr_assert_lt(made, 512);
    pools[made] = tls_pool_new();
    contexts[made] = tls_context_new(pools[made], s, reports);
    cr_assert_not_null(contexts[made], "%s", last_report);
    return contexts[made++];
}

/* ---- two ends -------------------------------------------------------------------------------- */

static const struct tls_context *choose_owner(void *owner, const struct client_hello *hello)
{
    (void)hello;
    return owner;
}

void pair_start(struct pair *p, const struct tls_context *server, const struct tls_context *client,
                const char *server_name)
{
    memset(p, 0, sizeof *p);
    clock_update();
    cr_assert(tls_process_start());
    p->server = tls_session_new(
        (struct tls_session_hooks){.choose = choose_owner, .owner = (void *)(uintptr_t)server});
    p->client = tls_session_new_client(client, str_of(server_name));
}

struct zone ticket_zone;

void tickets_start(void)
{
    clock_fix(1800000000000, TICKETS_START_MS);
    ticket_zone = (struct zone){.name = STR("tickets"), .size = TLS_TICKET_ZONE_SIZE};
    int fd = zone_create(ticket_zone.size);
    cr_assert(fd != -1 && zone_map(&ticket_zone, fd));
    close(fd);
    cr_assert(tls_process_start());
}

void tickets_end(void)
{
    zone_unmap(&ticket_zone);
    clock_unfix();
}

static size_t carry(struct pair *p, struct buf *from, struct buf *to)
{
    return buf_move_some(to, from, p->step == 0 ? buf_len(from) : p->step);
}

void pair_run(struct pair *p)
{
    struct buf client_out = {0}, server_out = {0};
    for (bool moved = true; moved;) {
        tls_session_receive(p->client, &p->to_client, &p->at_client, 1 << 20, &client_out);
        moved = carry(p, &client_out, &p->to_server) > 0;
        size_t before = buf_len(&server_out);
        tls_session_receive(p->server, &p->to_server, &p->at_server, 1 << 20, &server_out);
        buf_append_str(&p->log, str_from(buf_str(&server_out), before));
        moved |= carry(p, &server_out, &p->to_client) > 0;
        moved |= !buf_is_empty(&client_out) || !buf_is_empty(&server_out);
    }
    buf_deinit(&client_out);
    buf_deinit(&server_out);
}

void pair_free(struct pair *p)
{
    tls_session_free(p->client);
    tls_session_free(p->server);
    buf_deinit(&p->to_server);
    buf_deinit(&p->to_client);
    buf_deinit(&p->at_server);
    buf_deinit(&p->at_client);
    buf_deinit(&p->log);
}

void send_empty_records(struct tls_session *client, size_t count, struct buf *out)
{
    client->wire_out = out;
    for (size_t i = 0; i < count; i++)
        mbedtls_ssl_write(&client->ssl, (const unsigned char *)"", 0);
    client->wire_out = NULL;
}
