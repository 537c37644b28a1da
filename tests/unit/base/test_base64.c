#include <criterion/criterion.h>

#include "portcullis/base/base64.h"

/* RFC 4648, 10, and octets whose digits differ between the alphabets. */
Test(base64, of_the_standard)
{
    static const struct {
        struct str octets;
        const char *base64, *url;
    } rows[] = {
        {STR_INIT(""), "", ""},
        {STR_INIT("f"), "Zg==", "Zg"},
        {STR_INIT("fo"), "Zm8=", "Zm8"},
        {STR_INIT("foo"), "Zm9v", "Zm9v"},
        {STR_INIT("foob"), "Zm9vYg==", "Zm9vYg"},
        {STR_INIT("fooba"), "Zm9vYmE=", "Zm9vYmE"},
        {STR_INIT("foobar"), "Zm9vYmFy", "Zm9vYmFy"},
        {STR_INIT("\xfb\xff\xbf\0"), "+/+/AA==", "-_-_AA"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf plain = {0}, url = {0};
        base64_append(&plain, rows[i].octets);
        base64url_append(&url, rows[i].octets);
        cr_expect(str_eq_z(buf_str(&plain), rows[i].base64), "row %zu", i);
        cr_expect(str_eq_z(buf_str(&url), rows[i].url), "row %zu", i);
        buf_deinit(&plain);
        buf_deinit(&url);
    }
}
