/* The TLS side of a server block: certificates with their keys, CA set, suites. Made by the
 * builder from tls_settings, immutable after, used by every worker forked from it. */
#ifndef PORTCULLIS_TLS_CONTEXT_H
#define PORTCULLIS_TLS_CONTEXT_H

#include <time.h>

#include "portcullis/base/log.h"
#include "portcullis/tls/settings.h"
#include "portcullis/tls/verify.h"

struct tls_context;

/* Told of each problem (level LOG_EMERG: the context cannot be made; LOG_WARN: it can). The message
 * is in nginx's words with the file and the cure, e.g. cannot load certificate "/x/server.crt": …
 */
struct tls_report {
    void (*problem)(void *owner, enum log_level level, const char *message);
    void *owner;
};

/* NULL after at least one LOG_EMERG. Reads files; the key files too. Trusts and key pairs are
 * shared between contexts through the pool. */
struct tls_pool; /* files already read, by path: one for each configuration */
struct tls_pool *tls_pool_new(void);
void tls_pool_free(struct tls_pool *p); /* after its contexts */
struct tls_context *tls_context_new(struct tls_pool *pool, const struct tls_settings *s,
                                    struct tls_report report);
void tls_context_free(struct tls_context *c);

const struct tls_settings *tls_context_settings(const struct tls_context *c);
/* Do both ask clients for certificates under the same CA set, CRL and depth, so that an identity
 * accepted for one counts for the other? */
bool tls_context_same_trust(const struct tls_context *a, const struct tls_context *b);
/* Is its server block gone from the newest configuration, or another one (trust_image_adopt)? It
 * can judge nobody then: each client is refused, and should connect anew. */
bool tls_context_is_orphan(const struct tls_context *c);
/* One that asks nobody for a certificate, while the newest configuration's server of that name
 * does? Each client should connect anew, who has one and who has none. */
bool tls_context_is_outdated(const struct tls_context *c);
/* The verdict on a client of this server block, at that time. */
struct identity;
void tls_context_judge(const struct tls_context *c, struct identity *i, time_t now);
/* What it would be; changes nothing. */
enum refusal tls_context_verdict(const struct tls_context *c, const struct identity *i, time_t now);
/* Again, if trust has changed since or the verdict is older than max_age seconds (0: however old).
 */
void tls_context_judge_again(const struct tls_context *c, struct identity *i, time_t now,
                             time_t max_age);
/* How it comes to that: see verify_chain_trace. */
void tls_context_trace(const struct tls_context *c, const struct identity *i, time_t now,
                       struct verify_trace *trace);

/* Once in every process before any handshake and after its last fork: seeds the random generator
 * (CVE-2026-25835). False: no entropy. */
bool tls_process_start(void);
/* "mbedTLS 3.6.6" */
const char *tls_library_version(void);
/* A name for s that nobody can foresee or make two things share who does not know the seed: 64 bits
 * of SHA-256, never 0. */
uint64_t tls_tag(const unsigned char seed[static 32], struct str s);
/* size octets of cryptographic randomness (request ids). */
void tls_random(void *out, size_t size);

#endif
