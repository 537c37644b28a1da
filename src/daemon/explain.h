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

/* ---- explain_text.c ---- */
void explain_text(const struct explained *e, bool with_colour, struct buf *out);

#endif
