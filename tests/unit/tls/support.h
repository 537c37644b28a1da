/* Certificates for the tests of tls/: certs/make's gallery, made once a run and removed after it.
 */
#ifndef TESTS_UNIT_TLS_SUPPORT_H
#define TESTS_UNIT_TLS_SUPPORT_H

#include <criterion/criterion.h>

#include "portcullis/tls/context.h"
#include "portcullis/tls/session.h"

/* Below the folder of certs/make; the result lives until the test ends. */
const char *cert_path(const char *name);
bool cert_exists(const char *name);
/* A new file in that folder with this content. */
const char *write_file(const char *name, const char *content, size_t size);
struct buf read_file(const char *path);
/* Standard output of a shell command that runs in that folder. */
struct buf command_output(const char *command);

/* The certificates of a PEM file below the folder. */
struct chain {
    struct buf der[32];
    struct str list[32];
    size_t count;
};
void chain_add(struct chain *c, const char *name);
void chain_free(struct chain *c);
/* NAME.chain.crt where there is one, else NAME.crt. */
void chain_add_rogue(struct chain *c, const char *name);

struct trust *trust_of(const char *ca, const char *crl); /* NULL: none */

/* The rows of certs/rogues.tsv. */
struct rogue {
    char name[64], expected[64], crl[96];
    unsigned depth;
    bool is_of_proxy; /* decided by a rule or by the connection, not by the chain */
};
size_t read_rogues(struct rogue *out, size_t max);

/* Settings as in the article, to be changed before context_of. */
struct tls_settings article(void);
void add_certificate(struct tls_settings *s, const char *certificate, const char *key);
/* Must succeed; its pool lives as long as the test. */
struct tls_context *context_of(const struct tls_settings *s);
/* What tls_context_new reports, the last message. */
extern char last_report[512];
extern struct tls_report reports;

/* A test suite's .init and .fini where sessions are resumed: an empty zone for ticket keys, and a
 * clock that stands still. */
extern struct zone ticket_zone;
enum { TICKETS_START_MS = 1000000 };
void tickets_start(void);
void tickets_end(void);

/* Two ends, connected. */
struct pair {
    struct tls_session *client, *server;
    struct buf to_server, to_client, at_server, at_client;
    size_t step;    /* octets that go over at once; 0: all there are */
    struct buf log; /* everything that the server sent */
};
void pair_start(struct pair *p, const struct tls_context *server, const struct tls_context *client,
                const char *server_name);
/* Moves octets until nothing moves any more. */
void pair_run(struct pair *p);
void pair_free(struct pair *p);
/* Records without content, in TLS 1.2. */
void send_empty_records(struct tls_session *client, size_t count, struct buf *out);

#endif
