/* Would this client be let in? The gate's own verdict, without a connection: for "portcullis
 * explain". */
#ifndef PORTCULLIS_PROXY_EXPLAIN_H
#define PORTCULLIS_PROXY_EXPLAIN_H

#include "portcullis/config/snapshot.h"
#include "portcullis/tls/identity.h"

struct explain_question {
    const struct snapshot *snapshot;
    struct str server; /* a name, "name:port" for one address of several; empty: the default one */
    const struct server_conf *at; /* instead of a name; it has TLS */
    struct str target;            /* of the request: "/admin" */
    struct identity *identity;
    time_t now;
};

/* A header field that tells the upstream who the client is. */
struct explain_field {
    struct str name;
    struct str value; /* of what a request would have to say, the variable: "$remote_addr" */
    bool is_sent;     /* else it has line ends in it: no header field can hold that */
};

struct explain_answer {
    const struct bind_conf *bind;
    const struct server_conf *server;
    const struct location_conf *location;
    struct str path;      /* of the target, decoded */
    bool passes;          /* the gate */
    enum refusal refusal; /* that would be logged; of one that passes by ssl_verify_client report,
                             too */
    struct str detail;    /* the log's words for it */
    /* What decided: "ssl_client_deny cn", and where it stands (line 0: nowhere). */
    struct str rule;
    struct conf_pos rule_pos;
    /* What the script answers behind the gate: "return" and its status; 0: nothing. */
    unsigned returned;
    struct conf_pos returned_pos;
    bool is_barred;       /* an if that looks at the client led to it, and it is an error */
    struct conf_pos open; /* the first if or rewrite that depends on more; line 0: none */
    struct str upstream;  /* proxy_pass's URL; empty: the location passes on to none */
    VEC(struct explain_field) told;
    const struct client_rule *matched; /* of ssl_client_allow and _deny; NULL: none */
};

/* Does the client come in, after gate and script? */
static inline bool explain_lets_in(const struct explain_answer *a)
{
    return a->passes && !a->is_barred;
}

/* Judges the identity and asks the gate. False with *problem, in a: there is nobody to ask. */
bool explain_ask(const struct explain_question *q, struct arena *a, struct explain_answer *answer,
                 struct str *problem);

#endif
