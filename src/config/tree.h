/* A configuration file as a tree of directives, before any of them means something. "include" is
 * resolved here, so whoever walks the tree never sees one. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "report.h"

struct conf_node {
    struct str name;
    const struct str *args; /* without the name */
    size_t count;
    struct conf_pos pos;
    bool has_block;
    VEC(struct conf_node) children;
};

struct conf_nodes {
    VEC(struct conf_node) list;
};

struct tree {
    struct report *report;
    struct str directory; /* relative includes; ends with "/". Empty: "include" is left alone */
    struct snapshot *snapshot; /* files[] gets each text read; may be NULL */
    struct include_chain *chain;
    unsigned depth, files;
    bool is_malformed; /* some file's grammar: what was read says nothing */
};

/* Text to nodes, appended to *out. False: the grammar is broken, which was reported. */
bool tree_parse(struct tree *t, struct str file, struct str text, struct conf_nodes *out);
/* The same for a file's content. from NULL: the main file. */
bool tree_read(struct tree *t, struct str path, const struct conf_pos *from,
               struct conf_nodes *out);

#endif
