/* portcullis explain: would a client with these certificates be let in, and if not, why? The
 * verdict is the gate's own (proxy/explain.h); here it is asked for and told. */
#ifndef PORTCULLIS_SRC_DAEMON_EXPLAIN_H
#define PORTCULLIS_SRC_DAEMON_EXPLAIN_H

#include "portcullis/daemon/command.h"
#include "portcullis/proxy/explain.h"
#include "portcullis/tls/bundle.h"

enum explain_status { EXPLAIN_ACCEPTED, EXPLAIN_REFUSED, EXPLAIN_UNTOLD };

/* An exit status; what was found out goes to stdout, problems to stderr. */
int explain_run(const struct command *c);

/* To stderr; false. */
bool explain_untold(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One sentence for the operator; a name may be empty. */
struct str explain_cure(struct arena *a, enum refusal why, struct str subject, struct str issuer);

/* ---- explain_connect.c: --connect ---- */
/* shown: the certificates that a client would have; may be empty. */
int explain_connect(const struct explain_options *o, const struct bundle *shown, struct arena *a);

/* ---- explain_log.c: --log-id ---- */
int explain_log(const struct command *c);

/* All that there is to tell. */
struct explained {
    struct arena arena;
    struct bundle sent;
    struct identity *identity;
    time_t now;
    bool has_configuration; /* else server and location of the answer are NULL */
    struct explain_answer answer;
    const struct tls_context *context;
    struct verify_trace trace;
    struct str cure; /* empty for who is let in */
};

/* Has nothing against the certificate at this place of the path been found? */
bool explain_link_is_good(const struct explained *e, size_t at);
bool explain_is_unused(const struct explained *e, struct str der);
/* Was the check made at all? Without revocation lists there is nothing to look up. */
bool explain_check_is_idle(const struct explained *e, const struct verify_check *c);
bool explain_asks(const struct explained *e);              /* for a certificate, there */
struct str explain_time(time_t when, char out[static 32]); /* RFC 3339 */

/* ---- explain_text.c ---- */
void explain_text(const struct explained *e, bool with_colour, struct buf *out);
/* ---- explain_json.c ---- */
void explain_json(const struct explained *e, struct buf *out);

#endif
