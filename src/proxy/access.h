/* The verdict on a request's client, as a pure function of facts. Private to the proxy floor;
 * access.c gathers the facts, asks, and acts. */
#ifndef PORTCULLIS_PROXY_ACCESS_H
#define PORTCULLIS_PROXY_ACCESS_H

#include "portcullis/proxy/request.h"

struct access_facts {
    bool address_is_tls; /* "listen … ssl" */
    bool connection_is_tls;
    bool same_server;          /* the block that Host names is the one that served the handshake */
    bool sni_matched;          /* SNI named that one, it did not serve by default */
    bool same_trust;           /* both judge clients by the same CAs, CRL and depth */
    bool is_orphan;            /* one of them is gone from the newest configuration */
    bool is_outdated;          /* one of them asks nobody, and asks in the newest configuration */
    enum tls_verify_mode mode; /* of the location, or of the block that Host names */
    bool has_identity;         /* the rest is the identity's */
    bool is_verified, has_expired, is_about_issuer;
    enum refusal refusal;
    enum refusal rules; /* what ssl_client_allow and _deny have against the client */
};

enum access_kind { ACCESS_PASSES, ACCESS_PLAIN_HTTP, ACCESS_REFUSED };

struct access_verdict {
    enum access_kind kind;
    enum refusal refusal;  /* ACCESS_REFUSED */
    enum refusal reported; /* ACCESS_PASSES all the same, by ssl_verify_client report */
    bool identity_counts;  /* else this server knows nothing of the client's certificate */
};

struct access_verdict access_judge(const struct access_facts *f);

/* Who asks to come in, over which connection, to which server. */
struct access_subject {
    const struct bind_conf *bind;
    const struct server_conf *handshake; /* the block that served the handshake; NULL without TLS */
    const struct server_conf *server;    /* the block that Host names */
    bool connection_is_tls, sni_matched;
    struct identity *identity; /* NULL without TLS */
    time_t now;
};
/* By a location's rules; NULL: what holds everywhere. */
struct access_verdict access_ask(const struct access_subject *s, const struct location_conf *loc);
/* Whose rules are asked before the location is known; NULL where locations differ: then the
 * location's are, later on. */
const struct location_conf *access_first_location(const struct server_conf *s);
/* What the log says of a refusal. */
struct str access_words(struct arena *a, enum refusal why, struct identity *id,
                        const struct location_conf *loc);

/* Where a server's locations differ in ssl_verify_client: by that of the request's location, before
 * anything of it runs. False: the request was answered. True for one that was refused before: what
 * error_page shows it is shown. */
bool access_check_location(struct request *req);

/* Of a refused request: a name that nobody vouches for is not to come to an upstream. */
void access_forget_refused(struct request *req);

/* An upgraded connection, judged anew: may it stay? False: it was told of in the log. */
bool access_still_admits(struct request *req);

/* Does an address pass a list of allow and deny? The first row that holds it decides; none: it
 * passes. */
bool access_address_passes(const struct location_conf *loc, const struct addr *a);

/* Has the client a certificate that counts for this server and is good now? */
bool access_client_is_verified(const struct request *req);

#endif
