/* The Content-Type of an answer of our own: by the extension of its path. */
#include "respond.h"

/* As ngx_http_set_exten: behind the last dot, which no slash follows or stands before. */
static struct str extension_of(struct str path)
{
    for (size_t i = path.len; i-- > 2;) {
        if (path.ptr[i] == '/')
            break;
        if (path.ptr[i] == '.' && path.ptr[i - 1] != '/')
            return str_from(path, i + 1);
    }
    return STR("");
}

/* What nginx knows without a "types" block. */
static const struct str *find_default(struct str extension)
{
    static const struct {
        struct str extension, type;
    } rows[] = {
        {STR_INIT("html"), STR_INIT("text/html")},
        {STR_INIT("gif"), STR_INIT("image/gif")},
        {STR_INIT("jpg"), STR_INIT("image/jpeg")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eq(rows[i].extension, extension))
            return &rows[i].type;
    return NULL;
}

enum { EXTENSION_MAX = 64 }; /* longer ones have no type */

struct str respond_type(const struct request *req)
{
    const struct location_conf *loc = req->location;
    struct str extension = extension_of(req->path);
    char lower[EXTENSION_MAX];
    if (extension.len == 0 || extension.len > sizeof lower)
        return loc->default_type;
    for (size_t i = 0; i < extension.len; i++)
        lower[i] = ascii_lower(extension.ptr[i]);
    extension = str_make(lower, extension.len);
    const struct str *type = loc->types ? strmap_find(loc->types, extension)
                                        : find_default(extension);
    return type ? *type : loc->default_type;
}
