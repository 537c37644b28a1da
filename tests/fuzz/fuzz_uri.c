/* A target of any octets: what is taken has a path that no longer leads anywhere else.
 * Build: as fuzz_h1_parser.c. */
#include <assert.h>
#include <stdint.h>

#include "portcullis/http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct str path, bool merge_slashes)
{
    assert(path.len > 0 && path.ptr[0] == '/' && str_find(path, '\0') == SIZE_MAX);
    assert(str_search(path, STR("/../")) == SIZE_MAX && !str_ends(path, STR("/..")));
    assert(str_search(path, STR("/./")) == SIZE_MAX && !str_ends(path, STR("/.")));
    assert(!merge_slashes || str_search(path, STR("//")) == SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uri u, again;
    struct arena a;
    struct str target = str_make((const char *)data, size), name, port;
    const char *problem;
    arena_init(&a, 512);
    for (int merge_slashes = 0; merge_slashes < 2; merge_slashes++) {
        if (!uri_parse(&u, &a, target, merge_slashes, &problem))
            continue;
        check_path(u.path, merge_slashes);
        /* What was normalised is normal, and an escape is undone by reading it. */
        assert(uri_parse(&again, &a, uri_escape_path(&a, u.path), merge_slashes, &problem));
        assert(str_eq(again.path, u.path));
    }
    if (host_normalise(target, &a, &name))
        assert(host_normalise(name, &a, &port) && str_eq(name, port));
    if (uri_host_parse(&a, target, &name, &port))
        assert(name.len > 0);
    struct str text = uri_unescape(&a, uri_escape_component(&a, target));
    assert(str_eq(text, target));
    uri_arg(target, STR("a"));
    arena_deinit(&a);
    return 0;
}
