/* ssl_client_refuse alert */
#include <stdio.h>

#include "support.h"

static const unsigned versions[] = {TLS_PROTOCOL_1_2, TLS_PROTOCOL_1_3};

static struct tls_context *client_of(unsigned protocols, const char *name)
{
    char crt[64], key[64];
    struct tls_settings s = {.protocols = protocols, .ecdh_curve = STR("auto")};
    if (name != NULL) {
        snprintf(crt, sizeof crt, "%s.crt", name);
        snprintf(key, sizeof key, "%s.key", name);
        add_certificate(&s, crt, key);
    }
    return context_of(&s);
}

static struct pair meet(enum tls_verify_mode mode, unsigned protocols, const char *name)
{
    struct tls_settings s = article();
    struct pair p;
    s.verify = mode;
    s.refuses_by_alert = true;
    s.crl = str_of(cert_path("rogues/crl.pem"));
    pair_start(&p, context_of(&s), client_of(protocols, name), "localhost");
    pair_run(&p);
    return p;
}

Test(session_refuse, tells_why_by_the_alert)
{
    static const struct {
        const char *name, *alerts[2]; /* of TLS 1.2 and 1.3 */
        enum refusal why;
    } rows[] = {
        {NULL, {"handshake failure (40)", "certificate required (116)"}, REFUSAL_CERT_MISSING},
        {"rogues/expired",
         {"certificate expired (45)", "certificate expired (45)"},
         REFUSAL_CERT_EXPIRED},
        {"rogues/not-yet-valid",
         {"bad certificate (42)", "bad certificate (42)"},
         REFUSAL_CERT_NOT_YET_VALID},
        {"rogues/bad-signature",
         {"bad certificate (42)", "bad certificate (42)"},
         REFUSAL_SIGNATURE_BAD},
        {"rogues/revoked",
         {"certificate revoked (44)", "certificate revoked (44)"},
         REFUSAL_CERT_REVOKED},
        {"rogues/other-ca", {"unknown CA (48)", "unknown CA (48)"}, REFUSAL_ISSUER_UNKNOWN},
        {"rogues/self-signed", {"unknown CA (48)", "unknown CA (48)"}, REFUSAL_SELF_SIGNED},
        {"rogues/key-usage",
         {"unsupported certificate (43)", "unsupported certificate (43)"},
         REFUSAL_KEY_USAGE_WRONG},
        {"rogues/eku-server",
         {"unsupported certificate (43)", "unsupported certificate (43)"},
         REFUSAL_EKU_WRONG},
        {"rogues/unknown-critical",
         {"certificate unknown (46)", "certificate unknown (46)"},
         REFUSAL_CRITICAL_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t v = 0; v < 2; v++) {
            char expected[64];
            struct pair p = meet(TLS_VERIFY_ON, versions[v], rows[i].name);
            snprintf(expected, sizeof expected, "peer sent alert: %s", rows[i].alerts[v]);
            cr_expect_eq(tls_session_status(p.server), TLS_FAILED);
            cr_expect_eq(tls_session_refusal(p.server), rows[i].why, "%s", rows[i].name);
            cr_expect(tls_session_problem_is_client(p.server));
            cr_expect_str_eq(tls_session_problem(p.client), expected, "%s", rows[i].name);
            cr_expect(buf_is_empty(&p.at_server));
            pair_free(&p);
        }
}

Test(session_refuse, lets_through_what_the_mode_does)
{
    static const struct {
        enum tls_verify_mode mode;
        const char *name;
        enum tls_status expected;
    } rows[] = {
        {TLS_VERIFY_ON, "client", TLS_OPEN},
        {TLS_VERIFY_OPTIONAL, NULL, TLS_OPEN},
        {TLS_VERIFY_OPTIONAL, "rogues/expired", TLS_FAILED},
        {TLS_VERIFY_REPORT, "rogues/expired", TLS_OPEN},
        {TLS_VERIFY_OFF, NULL, TLS_OPEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t v = 0; v < 2; v++) {
            struct pair p = meet(rows[i].mode, versions[v], rows[i].name);
            cr_expect_eq(tls_session_status(p.server), rows[i].expected, "%zu: %s", i,
                         tls_session_problem(p.server));
            pair_free(&p);
        }
}
