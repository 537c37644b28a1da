#include "../../../src/tls/suites.h"
#include "support.h"

static void expect_list(struct str got, const char *expected, const char *of)
{
    cr_expect(str_eq_z(got, expected), "%s: %.*s, not %s", of, STR_ARG(got), expected);
}

Test(settings, cipher_lists_of_openssl)
{
    static const struct {
        const char *list, *suites;
    } cases[] = {
        {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
        {"ECDHE+AESGCM", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                         "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"},
        {"ECDHE+AES128+aRSA+AESGCM:nonsense:DHE-RSA-AES128-GCM-SHA256",
         "ECDHE-RSA-AES128-GCM-SHA256"},
        {"ECDHE-RSA-CHACHA20-POLY1305, ECDHE-RSA-AES128-GCM-SHA256",
         "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256"},
        {"AESGCM:+AES256:!aECDSA", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"},
        {"AESGCM:-aRSA:ECDHE-RSA-AES128-GCM-SHA256:@STRENGTH",
         "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"},
        {"!aRSA:AESGCM:aRSA", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"DEFAULT:!AES:!CHACHA20", ""},
        {"kRSA:RC4:aNULL:3DES", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int ids[SUITES_MAX];
        struct str bad;
        struct buf out = {0};
        size_t count = suites_from_cipher_list(ids, str_of(cases[i].list), &bad);
        for (size_t n = 0; n < count; n++) {
            if (n > 0)
                buf_append_char(&out, ':');
            suite_append_name(&out, (unsigned)ids[n]);
        }
        expect_list(buf_str(&out), cases[i].suites, cases[i].list);
        cr_expect_eq(tls_ciphers_check(str_of(cases[i].list), &bad), cases[i].suites[0] != '\0');
        buf_deinit(&out);
    }
}

Test(settings, the_common_strings_put_aes_gcm_first)
{
    static const char *const lists[] = {"HIGH:!aNULL:!MD5", "DEFAULT", "ALL", "HIGH"};
    for (size_t i = 0; i < 4; i++) {
        int ids[SUITES_MAX];
        struct str bad;
        cr_expect_eq(suites_from_cipher_list(ids, str_of(lists[i]), &bad), 16, "%s", lists[i]);
        cr_expect_eq(ids[0], 0xc02c);
        cr_expect_eq(ids[3], 0xc02f);
    }
}

Test(settings, tls13_suites)
{
    int ids[SUITES_MAX];
    struct str bad;
    cr_expect_eq(suites_from_ciphersuites(ids, STR_NONE, &bad), 4);
    cr_expect_eq(suites_from_ciphersuites(
                     ids, STR("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"), &bad),
                 2);
    cr_expect_eq(ids[0], 0x1303);
    cr_expect_not(tls_ciphersuites_check(STR("TLS_AES_128_GCM_SHA256:TLS_NO"), &bad));
    cr_expect(str_eq_z(bad, "TLS_NO"));
}

Test(settings, curves)
{
    static const struct {
        const char *list, *bad; /* bad NULL: good */
        size_t count;
    } cases[] = {
        {"auto", NULL, 4},
        {"", NULL, 4},
        {"X25519:prime256v1:secp384r1", NULL, 3},
        {"P-256:secp256r1:prime256v1", NULL, 1},
        {"x25519mlkem768:X25519:P-521", NULL, 2},
        {"X25519:P-257", "P-257", 0},
        {"X448", "X448", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint16_t ids[GROUPS_MAX];
        struct str bad;
        cr_expect_eq(groups_from_curves(ids, str_of(cases[i].list), &bad), cases[i].count, "%s",
                     cases[i].list);
        cr_expect_eq(tls_curves_check(str_of(cases[i].list), &bad), cases[i].bad == NULL);
        if (cases[i].bad != NULL)
            cr_expect(str_eq_z(bad, cases[i].bad));
    }
}
