/* ssl_client_allow and ssl_client_deny: which of the verified clients may come in. Rules stand in
 * the order of the file, the first that matches decides; proxy/client_rules.c asks them. */
#ifndef PORTCULLIS_CONFIG_CLIENT_RULES_H
#define PORTCULLIS_CONFIG_CLIENT_RULES_H

#include "portcullis/base/addr.h"
#include "portcullis/base/buf.h"
#include "portcullis/base/regex.h"
#include "portcullis/base/vec.h"

/* What of a certificate is looked at. */
enum client_rule_kind {
#define X(id, name, values) CLIENT_RULE_##id,
#include "portcullis/config/client_rules.def"
#undef X
    CLIENT_RULE_KINDS
};

const char *client_rule_kind_name(enum client_rule_kind k);

enum client_pattern_form {
    PATTERN_EXACT,
    PATTERN_SUFFIX, /* "*.example.org": text is ".example.org" */
    PATTERN_GLOB,   /* "*": a run without '/' (in a DN: inside one value); "**": any run */
    PATTERN_REGEX,
    PATTERN_BLOCK, /* of addresses */
    PATTERN_LIST,  /* file: */
};

/* The lines of a file, normalised: sorted, looked up by halving. */
struct client_list {
    struct str path;
    struct str *values;
    size_t count;
    VEC(struct cidr) blocks; /* of CLIENT_RULE_IP, one after the other */
    uint64_t hash;           /* of the file */
};

struct client_pattern {
    enum client_pattern_form form;
    struct str text; /* normalised when PATTERN_EXACT or _SUFFIX */
    const struct regex *regex;
    struct cidr block;
    const struct client_list *list;
};

/* Where it stands is struct conf_pos of snapshot.h, which includes this. */
struct client_rule {
    bool allow;
    enum client_rule_kind kind;
    struct str file;
    unsigned line;
    VEC(struct client_pattern) patterns; /* any of them */
};

/* A value as it is compared: names of hosts in lower case, hex digits as octets. False: it is no
 * value of this kind. */
bool client_rule_normalise(enum client_rule_kind k, struct str value, struct buf *out);
/* Of what the rules say, lists included: the same for rules that say the same. */
uint64_t client_rules_hash(const struct client_rule *rules, size_t count);
/* Is the file what it was when it was read? */
bool client_list_is_current(const struct client_list *list);
bool client_list_has(const struct client_list *list, struct str normalised);

#endif
