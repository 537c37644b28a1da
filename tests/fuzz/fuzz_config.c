/* A configuration file of any octets: lexer and tree stay inside the text, and what they take is
 * complete. Nothing is included, so no file is read. Build: as fuzz_h1_parser.c, with
 * src/config/{lexer,tree,report}.c. */
#include <assert.h>
#include <stdint.h>

#include "../../src/config/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_nodes(const struct conf_node *nodes, size_t count, unsigned last_line)
{
    for (size_t i = 0; i < count; i++) {
        assert(nodes[i].pos.line >= 1 && nodes[i].pos.line <= last_line);
        assert(nodes[i].name.ptr[nodes[i].name.len] == '\0');
        assert(nodes[i].has_block || nodes[i].children.count == 0);
        check_nodes(nodes[i].children.items, nodes[i].children.count, last_line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct conf_nodes nodes = {0};
    unsigned lines = 1;

    arena_init(&a, 1024);
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    struct report report = {.arena = &a};
    struct tree tree = {.report = &report};
    bool good = tree_parse(&tree, STR("fuzz"), str_make((const char *)data, size), &nodes);
    assert(good == (report.errors == 0));
    check_nodes(nodes.list.items, nodes.list.count, lines);
    arena_deinit(&a);
    return 0;
}
