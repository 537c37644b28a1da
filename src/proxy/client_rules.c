#include "client_rules.h"

/* ---- globs ---- */

/* A DN's '\,' is one character of a value; its ',' and '+' stand between values (RFC 4514). */
static size_t character_length(struct str s, bool is_dn)
{
    return is_dn && s.ptr[0] == '\\' && s.len > 1 ? 2 : 1;
}

static bool ends_segment(struct str s, bool is_dn)
{
    char c = s.ptr[0];
    return is_dn ? c == ',' || c == '+' : c == '/';
}

/* Without recursion: a star takes more whenever what follows it does not fit. Of two stars the last
 * alone is taken back, which is enough when both may take the same; a "*" behind a "**" may not, so
 * the "**" is kept, too. */
struct retry {
    struct str pattern, value; /* behind the star; from where it would take one more */
};

static bool take_more(struct retry *r, bool crosses, bool is_dn)
{
    if (r->value.len == 0 || (!crosses && ends_segment(r->value, is_dn)))
        return false;
    r->value = str_from(r->value, character_length(r->value, is_dn));
    return true;
}

bool client_glob_matches(struct str pattern, struct str value, bool is_dn)
{
    struct retry one = {0}, many = {0};
    for (;;) {
        if (str_starts(pattern, STR("**"))) {
            pattern = str_from(pattern, 2);
            many = (struct retry){pattern, value};
            one = (struct retry){0};
            continue;
        }
        if (str_starts(pattern, STR("*"))) {
            pattern = str_from(pattern, 1);
            one = (struct retry){pattern, value};
            continue;
        }
        if (pattern.len == 0 && value.len == 0)
            return true;
        if (pattern.len > 0 && value.len > 0 && pattern.ptr[0] == value.ptr[0]) {
            pattern = str_from(pattern, 1);
            value = str_from(value, 1);
            continue;
        }
        struct retry *r = take_more(&one, false, is_dn)   ? &one
                          : take_more(&many, true, is_dn) ? &many
                                                          : NULL;
        if (!r)
            return false;
        pattern = r->pattern;
        value = r->value;
    }
}

/* ---- one value ---- */

struct question {
    const struct client_rule *rule;
    struct str spiffe_id; /* the certificate's, when it is a valid one */
    struct buf normalised;
};

static bool in_blocks(const struct client_list *list, const struct addr *a)
{
    VEC_FOR(const struct cidr, block, &list->blocks)
        if (cidr_contains(block, a))
            return true;
    return false;
}

static bool address_matches(const struct client_pattern *p, struct str text)
{
    struct addr a;
    if (!addr_parse_ip(&a, text, 0))
        return false;
    return p->form == PATTERN_LIST ? in_blocks(p->list, &a) : cidr_contains(&p->block, &a);
}

static bool is_dn_kind(enum client_rule_kind k)
{
    return k == CLIENT_RULE_DN || k == CLIENT_RULE_ISSUER || k == CLIENT_RULE_CA;
}

/* A regex that cannot tell (it ran into its limit) shuts out and lets nobody in. */
static bool regex_matches(const struct client_pattern *p, bool allow, struct str value)
{
    bool has_failed = false;
    bool matches = regex_match(p->regex, value, NULL, &has_failed);
    return has_failed ? !allow : matches;
}

static bool pattern_matches(const struct client_pattern *p, const struct client_rule *rule,
                            struct str value)
{
    if (rule->kind == CLIENT_RULE_IP)
        return address_matches(p, value);
    switch (p->form) {
    case PATTERN_EXACT:
        return str_eq(p->text, value);
    case PATTERN_SUFFIX:
        return value.len > p->text.len && str_ends(value, p->text);
    case PATTERN_GLOB:
        return client_glob_matches(p->text, value, is_dn_kind(rule->kind));
    case PATTERN_REGEX:
        return regex_matches(p, rule->allow, value);
    case PATTERN_LIST:
        return client_list_has(p->list, value);
    case PATTERN_BLOCK:
        break;
    }
    return false;
}

static bool value_matches(void *owner, struct str value)
{
    struct question *q = owner;
    const struct client_rule *rule = q->rule;
    if (!client_rule_normalise(rule->kind, value, &q->normalised))
        return false;
    VEC_FOR(const struct client_pattern, p, &rule->patterns)
        if (pattern_matches(p, rule, buf_str(&q->normalised)))
            return true;
    return false;
}

/* ---- the values of each kind ---- */

/* X509-SVID, 2: a certificate with two URIs is nobody's, and a malformed ID is none: such a
 * spiffe:// lets nobody in, whatever the pattern. */
static bool uri_value_matches(void *owner, struct str value)
{
    struct question *q = owner;
    bool is_spiffe = str_starts_nocase(value, STR("spiffe:"));
    if (q->rule->allow && is_spiffe && !str_eq(value, q->spiffe_id))
        return false;
    return value_matches(q, value);
}

static bool uri_matches(struct question *q, struct identity *id)
{
    q->spiffe_id = identity_fact(id, IDENTITY_SPIFFE_ID);
    return identity_any_name(id, IDENTITY_SAN_URI, uri_value_matches, q);
}

static bool ca_matches(struct question *q, struct identity *id)
{
    struct str name = identity_ca_der(id);
    return name.len > 0 && (value_matches(q, identity_fact(id, IDENTITY_CA)) ||
                            identity_any_attribute(name, "CN", value_matches, q));
}

static bool kind_matches(struct question *q, struct identity *id)
{
    struct str subject = identity_subject_der(id);
    switch (q->rule->kind) {
    case CLIENT_RULE_ANY:
        return true;
    case CLIENT_RULE_CN:
        return identity_any_attribute(subject, "CN", value_matches, q);
    case CLIENT_RULE_OU:
        return identity_any_attribute(subject, "OU", value_matches, q);
    case CLIENT_RULE_O:
        return identity_any_attribute(subject, "O", value_matches, q);
    case CLIENT_RULE_DN:
        return value_matches(q, identity_fact(id, IDENTITY_SUBJECT));
    case CLIENT_RULE_DNS:
        return identity_any_name(id, IDENTITY_SAN_DNS, value_matches, q);
    case CLIENT_RULE_EMAIL:
        return identity_any_name(id, IDENTITY_SAN_EMAIL, value_matches, q);
    case CLIENT_RULE_URI:
        return uri_matches(q, id);
    case CLIENT_RULE_IP:
        return identity_any_name(id, IDENTITY_SAN_IP, value_matches, q);
    case CLIENT_RULE_SERIAL:
        return value_matches(q, identity_fact(id, IDENTITY_SERIAL));
    case CLIENT_RULE_SHA256:
        return value_matches(q, identity_fact(id, IDENTITY_SHA256));
    case CLIENT_RULE_SPKI:
        return value_matches(q, identity_fact(id, IDENTITY_SPKI_SHA256));
    case CLIENT_RULE_ISSUER:
        return value_matches(q, identity_fact(id, IDENTITY_ISSUER));
    case CLIENT_RULE_CA:
        return ca_matches(q, id);
    case CLIENT_RULE_KINDS:
        break;
    }
    return false;
}

/* The client has proved that it holds the key, whoever signed the certificate. */
static bool needs_no_ca(enum client_rule_kind k)
{
    return k == CLIENT_RULE_SHA256 || k == CLIENT_RULE_SPKI;
}

static bool rule_matches(const struct client_rule *rule, struct identity *id)
{
    if (!id || !identity_has_certificate(id))
        return !rule->allow && rule->kind == CLIENT_RULE_ANY;
    if (rule->allow && !identity_is_verified(id) && !needs_no_ca(rule->kind))
        return false;
    struct question q = {.rule = rule};
    bool matches = kind_matches(&q, id);
    buf_deinit(&q.normalised);
    return matches;
}

/* ---- the ruling ---- */

struct client_ruling client_rules_ask(const struct location_conf *loc, struct identity *id)
{
    bool has_allow = false;
    VEC_FOR(const struct client_rule, rule, &loc->client_rules) {
        if (rule_matches(rule, id))
            return (struct client_ruling){.refuses = !rule->allow, .rule = rule};
        has_allow |= rule->allow;
    }
    return (struct client_ruling){.refuses = has_allow};
}
