/* Asking ssl_client_allow and ssl_client_deny. Private to the proxy floor. */
#ifndef PORTCULLIS_PROXY_CLIENT_RULES_H
#define PORTCULLIS_PROXY_CLIENT_RULES_H

#include "portcullis/config/snapshot.h"
#include "portcullis/tls/identity.h"

struct client_ruling {
    bool refuses;
    const struct client_rule *rule; /* that decided; refuses without one: no allow matched */
};

/* The first rule that matches; none: with any allow among them it is a refusal. id may be NULL.
 * Nothing that a certificate claims lets its owner in unless a CA vouches for it: for a client that
 * is not verified, allow looks at the key and the certificate's digest alone. */
struct client_ruling client_rules_ask(const struct location_conf *loc, struct identity *id);

/* "*" is a run without '/' (is_dn: without a ',' or '+' that is not escaped), "**" any run. */
bool client_glob_matches(struct str pattern, struct str value, bool is_dn);

#endif
