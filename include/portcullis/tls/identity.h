/* Who the client is: made once when the handshake has ended, then only read. The verdict is
 * tls/verify's; proxy/access.c alone acts on it. Shared by the requests of a connection. */
#ifndef PORTCULLIS_TLS_IDENTITY_H
#define PORTCULLIS_TLS_IDENTITY_H

#include <time.h>

#include "portcullis/base/arena.h"
#include "portcullis/tls/refusal.h"
#include "portcullis/tls/verify.h"

struct identity;

/* Of the DER certificates whose first one's key the client proved to hold, as sent; none of them:
 * no certificate. Copied. Refused until judged. */
struct identity *identity_new(const struct str *chain, size_t count);
/* The verdict by this trust and time; may be asked for again when those change. */
void identity_judge(struct identity *i, const struct trust *t, time_t now,
                    const struct verify_rules *rules);
/* What the verdict would be; changes nothing. */
enum refusal identity_verdict(const struct identity *i, const struct trust *t, time_t now,
                              const struct verify_rules *rules);
/* Is the verdict by this trust, and no older than max_age seconds (0: however old)? */
bool identity_is_judged(const struct identity *i, const struct trust *t, time_t now,
                        time_t max_age);
/* The same judgement, told: see verify_chain_trace. Changes nothing. */
void identity_trace(const struct identity *i, const struct trust *t, time_t now,
                    const struct verify_rules *rules, struct verify_trace *trace);
/* When the client proved to hold its key: before this connection, when that resumes a session.
 * Whoever does not say gets the time of the first judgement. */
void identity_set_proved_at(struct identity *i, time_t when);
time_t identity_proved_at(const struct identity *i);
struct identity *identity_ref(struct identity *i);
void identity_unref(struct identity *i); /* NULL is fine */

/* The client proved possession of a certificate and its chain was good when judged. */
bool identity_is_verified(const struct identity *i);
/* Of a verified one: when the first certificate of its chain ends, ssl_client_clock_skew included.
 */
time_t identity_valid_until(const struct identity *i);
enum refusal identity_refusal(const struct identity *i); /* REFUSAL_NONE when verified */
/* What the log says of a refusal: "CN=client expired 2020-02-01, issuer CN=my-ca, serial 0A1B". */
struct str identity_detail(const struct identity *i);
bool identity_has_certificate(const struct identity *i);
/* Is the refusal one that ssl_verify_client optional_no_ca lets pass (unknown or self-signed
 * issuer)? As nginx's ngx_ssl_verify_error_optional. */
bool identity_refusal_is_about_issuer(const struct identity *i);

/* Its SubjectPublicKeyInfo (DER); empty without a certificate that can be read. */
struct str identity_public_key(const struct identity *i);

/* $ssl_client_verify: SUCCESS, NONE, FAILED:words. */
struct str identity_verify_text(const struct identity *i);
time_t identity_not_after_time(const struct identity *i);
time_t identity_not_before_time(const struct identity *i);

/* ---- identity_facts.c: what the certificate says ---- */

/* One text each, empty when there is none; made when first asked for, it lives as long as the
 * identity. The first ten are as nginx's $ssl_client_*. In the others, what is not printable ASCII,
 * and "\", is written \XX (two hex digits), in lists "," too. */
enum identity_fact {
    IDENTITY_PEM,     /* its last newline cut */
    IDENTITY_SUBJECT, /* RFC 2253 */
    IDENTITY_ISSUER,
    IDENTITY_SUBJECT_LEGACY, /* /CN=client */
    IDENTITY_ISSUER_LEGACY,
    IDENTITY_SERIAL, /* upper-case hex */
    IDENTITY_SHA1,   /* of the certificate, lower-case hex */
    IDENTITY_SHA256,
    IDENTITY_NOT_BEFORE, /* "Nov 24 13:41:30 2026 GMT" */
    IDENTITY_NOT_AFTER,
    IDENTITY_CN,      /* of several the last in the subject, the most specific */
    IDENTITY_SAN_DNS, /* lists of the subjectAltName, joined by "," */
    IDENTITY_SAN_EMAIL,
    IDENTITY_SAN_URI,
    IDENTITY_SAN_IP,
    IDENTITY_SPIFFE_ID,   /* the one URI, when it is a valid SPIFFE ID */
    IDENTITY_SPKI_SHA256, /* of the public key's SubjectPublicKeyInfo, lower-case hex */
    IDENTITY_X5T_S256,    /* RFC 8705, 3.1: base64url of the certificate's SHA-256 */
    IDENTITY_CHAIN,       /* all that the client sent, its own first: PEM, percent-encoded */
    IDENTITY_CA,          /* subject of the CA that the verified chain ends in, RFC 2253 */
    IDENTITY_PROVED_AT,   /* when the key was proved, "2026-11-24T13:41:30Z" */
    IDENTITY_FACTS
};
struct str identity_fact(struct identity *i, enum identity_fact fact);

/* Each calls each() with one value after the other until it says true, and returns whether it did.
 * Values are raw: UTF-8 of attributes, octets of names, text of addresses. */
bool identity_any_attribute(struct str name, const char *attribute,
                            bool (*each)(void *owner, struct str value), void *owner);
/* fact: one of the SAN lists. */
bool identity_any_name(const struct identity *i, enum identity_fact fact,
                       bool (*each)(void *owner, struct str value), void *owner);
/* Names as DER, for identity_any_attribute. */
struct str identity_subject_der(const struct identity *i);
struct str identity_issuer_der(const struct identity *i);
struct str identity_ca_der(const struct identity *i); /* empty when not verified */

struct str identity_der(const struct identity *i); /* the client's certificate */
/* What the client sent, its own certificate first: how many. */
size_t identity_sent(const struct identity *i, const struct str **certificates);
/* The verified path, the client's own first, the anchor last: how many. */
size_t identity_path(const struct identity *i, const struct str **certificates);

#endif
