/* What a complete path is asked, certificate by certificate (RFC 5280, 6.1): a row of a table each.
 * Private to the verdict, verify.c. */
#ifndef PORTCULLIS_TLS_VERIFY_CHECKS_H
#define PORTCULLIS_TLS_VERIFY_CHECKS_H

#include "cert.h"
#include "portcullis/tls/verify.h"

struct path {
    const struct trust *trust;
    const struct verify_rules *rules;
    time_t now;
    const struct cert *certs[VERIFY_PATH_MAX]; /* the client's own first, the anchor last */
    size_t length;
};

/* What is wrong with which certificate, in words that follow its name. */
struct finding {
    const struct cert *cert;
    struct buf words; /* the caller's to free */
};

enum { CHECKS = 9 };

/* In the order in which they are asked: the first objection is the one that is told. */
struct check {
    const char *name; /* as `explain` calls it */
    enum refusal (*ask)(const struct path *p, struct finding *f);
};
extern const struct check checks[CHECKS];

/* One of them, which a path without an anchor is asked, too. */
enum refusal check_dates(const struct path *p, struct finding *f);
/* What each certificate of a path is asked of its key. */
enum refusal check_key(const struct cert *c, const struct verify_rules *rules, struct finding *f);

#endif
