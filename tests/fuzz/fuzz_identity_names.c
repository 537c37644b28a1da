/* A name of a header field. What applications take for the name of one that says who the client is
 * stays that in every spelling: other marks for '-', capitals, blanks around it. */
#include <assert.h>
#include <stdint.h>

#include "portcullis/proxy/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_letter_or_digit(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

static char spell(char c, char mark)
{
    if (!is_letter_or_digit(c))
        return is_letter_or_digit(mark) ? '_' : mark;
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 256)
        return 0;
    struct str name = str_make((const char *)data + 1, size - 1);
    char other[258] = " ";
    for (size_t i = 0; i < name.len; i++)
        other[i + 1] = spell(name.ptr[i], (char)data[0]);
    other[name.len + 1] = '\t';
    struct str trimmed = str_trim(name);
    if (trimmed.len != name.len || is_letter_or_digit((char)data[0]) || data[0] <= ' ')
        return 0;
    bool is_one = identity_header_is_one(NULL, name);
    assert(is_one == identity_header_is_one(NULL, str_make(other, name.len + 2)));
    (void)is_one;
    return 0;
}
