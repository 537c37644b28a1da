/* ssl_client_allow, ssl_client_deny: from the file to rules. */
#include <errno.h>
#include <stdlib.h>

#include "loader.h"
#include "portcullis/base/file.h"
#include "portcullis/base/hash.h"
#include "portcullis/base/memory.h"

enum compared { AS_IS, AS_DN, AS_HOST, AS_EMAIL, AS_ADDRESS, AS_NUMBER, AS_DIGEST };

static const struct kind_row {
    const char *name;
    enum compared compared;
} kinds[CLIENT_RULE_KINDS] = {
#define X(id, name, values) {name, values},
#include "portcullis/config/client_rules.def"
#undef X
};

const char *client_rule_kind_name(enum client_rule_kind k)
{
    return kinds[k].name;
}

/* ---- values ---- */

static void append_lower(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_append_char(out, ascii_lower(s.ptr[i]));
}

/* The local part keeps its case (RFC 5280, 7.5). */
static void append_email(struct buf *out, struct str s)
{
    size_t at = str_find_last(s, '@');
    size_t host = at == SIZE_MAX ? 0 : at + 1;
    buf_append_str(out, str_upto(s, host));
    append_lower(out, str_from(s, host));
}

static bool is_separator(char c)
{
    return c == ':' || c == ' ' || c == '-';
}

/* "AB:CD", "abcd": the octets. */
static bool append_digest(struct buf *out, struct str s)
{
    enum { OCTETS = 32 };
    size_t digits = 0;
    int high = 0;
    for (size_t i = 0; i < s.len; i++) {
        int value = ascii_hex_value(s.ptr[i]);
        if (value < 0 && is_separator(s.ptr[i]))
            continue;
        if (value < 0 || digits == (size_t)2 * OCTETS)
            return false;
        if (digits++ % 2 == 0)
            high = value;
        else
            buf_append_char(out, (char)(high << 4 | value));
    }
    return digits == (size_t)2 * OCTETS;
}

/* An integer in hex, without leading zeros: "0x0a", "0A:BC", "-0A". */
static bool append_number(struct buf *out, struct str s)
{
    bool is_negative = str_starts(s, STR("-")), begun = false, any = false;
    s = str_from(s, is_negative);
    if (str_starts_nocase(s, STR("0x")))
        s = str_from(s, 2);
    if (is_negative)
        buf_append_char(out, '-');
    for (size_t i = 0; i < s.len; i++) {
        if (ascii_hex_value(s.ptr[i]) < 0) {
            if (is_separator(s.ptr[i]) && any)
                continue;
            return false;
        }
        any = true;
        begun |= s.ptr[i] != '0';
        if (begun)
            buf_append_char(out, ascii_lower(s.ptr[i]));
    }
    return any;
}

bool client_rule_normalise(enum client_rule_kind k, struct str value, struct buf *out)
{
    buf_clear(out);
    switch (kinds[k].compared) {
    case AS_HOST:
        append_lower(out, str_ends(value, STR(".")) ? str_upto(value, value.len - 1) : value);
        return value.len > 0;
    case AS_EMAIL:
        append_email(out, value);
        return value.len > 0;
    case AS_NUMBER:
        return append_number(out, value);
    case AS_DIGEST:
        return append_digest(out, value);
    case AS_IS:
    case AS_DN:
    case AS_ADDRESS:
        break;
    }
    buf_append_str(out, value);
    return value.len > 0;
}

/* ---- lists in files ---- */

static int compare(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

bool client_list_has(const struct client_list *list, struct str normalised)
{
    return list->count > 0 &&
           bsearch(&normalised, list->values, list->count, sizeof *list->values, compare) != NULL;
}

static bool read_list_file(struct loader *l, const struct conf_node *node, struct str path,
                           struct buf *out)
{
    if (file_read(path, out))
        return true;
    return loader_error(l, node, NULL, "cannot read list \"%.*s\": %s", STR_ARG(path),
                        strerror(errno));
}

struct list_load {
    struct loader *l;
    const struct conf_node *node;
    enum client_rule_kind kind;
    struct client_list *list;
    size_t capacity;
    struct buf value;
};

static bool bad_line(struct list_load *load, struct str line, unsigned number)
{
    return loader_error(load->l, load->node, "a line is one value, or empty, or begins with \"#\"",
                        "invalid value \"%.*s\" in list \"%.*s:%u\" of kind \"%s\"", STR_ARG(line),
                        STR_ARG(load->list->path), number, kinds[load->kind].name);
}

static bool add_line(struct list_load *load, struct str line, unsigned number)
{
    struct client_list *list = load->list;
    if (line.len == 0 || line.ptr[0] == '#')
        return true;
    if (load->kind == CLIENT_RULE_IP) {
        struct cidr block;
        if (!cidr_parse(&block, line, NULL))
            return bad_line(load, line, number);
        *VEC_PUSH(load->l->arena, &list->blocks) = block;
        return true;
    }
    /* A list is of exact values: what looks like a pattern would never match. */
    if (str_find(line, '*') != SIZE_MAX || line.ptr[0] == '~' ||
        !client_rule_normalise(load->kind, line, &load->value))
        return bad_line(load, line, number);
    if (list->count == load->capacity)
        return bad_line(load, line, number);
    list->values[list->count++] = arena_str(load->l->arena, buf_str(&load->value));
    return true;
}

static size_t count_lines(struct str text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    return count;
}

static bool add_lines(struct list_load *load, struct str text)
{
    unsigned number = 0;
    bool good = true;
    load->capacity = count_lines(text);
    load->list->values = ARENA_ARRAY(load->l->arena, struct str, load->capacity);
    while (text.ptr && good) {
        struct str line = str_cut(&text, '\n');
        if (str_ends(line, STR("\r")))
            line.len--;
        good = add_line(load, str_trim(line), ++number);
    }
    if (load->list->count > 0)
        qsort(load->list->values, load->list->count, sizeof *load->list->values, compare);
    return good;
}

static bool read_list(struct loader *l, const struct conf_node *node, enum client_rule_kind kind,
                      struct str path, const struct client_list **out)
{
    struct client_list *list = ARENA_NEW(l->arena, struct client_list);
    struct list_load load = {.l = l, .node = node, .kind = kind, .list = list};
    struct buf text = {0};
    if (path.len == 0 || has_variables(path))
        return invalid_value(l, node, path, "the path of a list is written out behind file:");
    list->path = path_below(l, l->conf_dir, path);
    bool good = read_list_file(l, node, list->path, &text) && add_lines(&load, buf_str(&text));
    list->hash = hash_str(HASH_START, buf_str(&text));
    *VEC_PUSH(l->arena, &l->snapshot->http.client_lists) = list;
    buf_deinit(&text);
    buf_deinit(&load.value);
    *out = list;
    return good;
}

bool client_list_is_current(const struct client_list *list)
{
    struct buf text = {0};
    bool is_same = file_read(list->path, &text) &&
                   hash_str(HASH_START, buf_str(&text)) == list->hash;
    buf_deinit(&text);
    return is_same;
}

/* ---- patterns ---- */

static bool set_regex(struct loader *l, const struct conf_node *node, struct str arg,
                      struct client_pattern *p)
{
    bool nocase = str_starts(arg, STR("~*"));
    struct regex_conf r = {0};
    if (!regex_compile(l, node, str_from(arg, nocase ? 2 : 1), nocase, &r))
        return false;
    if (r.groups.count > 0)
        return invalid_value(l, node, arg, "names of groups have no meaning here; write (?:...)");
    p->form = PATTERN_REGEX;
    p->regex = r.regex;
    return true;
}

static bool set_exact(struct loader *l, const struct conf_node *node, enum client_rule_kind kind,
                      struct str arg, struct client_pattern *p)
{
    struct buf value = {0};
    bool is_suffix = p->form == PATTERN_SUFFIX;
    bool good = client_rule_normalise(kind, is_suffix ? str_from(arg, 1) : arg, &value);
    p->text = arena_str(l->arena, buf_str(&value));
    buf_deinit(&value);
    if (good)
        return true;
    return invalid_value(l, node, arg,
                         kinds[kind].compared == AS_DIGEST ? "it must be 64 hex digits"
                                                           : "it must be hex digits");
}

static bool takes_stars(enum client_rule_kind kind)
{
    enum compared c = kinds[kind].compared;
    return c != AS_NUMBER && c != AS_DIGEST && c != AS_ADDRESS;
}

static bool read_pattern(struct loader *l, const struct conf_node *node, enum client_rule_kind kind,
                         struct str arg, struct client_pattern *p)
{
    bool has_star = str_find(arg, '*') != SIZE_MAX;
    p->text = arg;
    if (str_starts(arg, STR("file:"))) {
        p->form = PATTERN_LIST;
        return read_list(l, node, kind, str_from(arg, 5), &p->list);
    }
    if (kind == CLIENT_RULE_IP) {
        p->form = PATTERN_BLOCK;
        return (cidr_parse(&p->block, arg, NULL) && p->block.family != AF_UNIX) ||
               invalid_value(l, node, arg, "it must be an address or a block (192.0.2.0/24)");
    }
    if (str_starts(arg, STR("~")))
        return takes_stars(kind) ? set_regex(l, node, arg, p)
                                 : invalid_value(l, node, arg, "it must be hex digits");
    /* Behind it a star would begin inside an escape. */
    if (has_star && kinds[kind].compared == AS_DN && str_search(arg, STR("\\*")) != SIZE_MAX)
        return invalid_value(l, node, arg, "no \"\\\" may stand before \"*\"; use a regex");
    if (!has_star || !takes_stars(kind))
        return set_exact(l, node, kind, arg, p);
    bool is_suffix = kinds[kind].compared != AS_DN && str_starts(arg, STR("*.")) && arg.len > 2 &&
                     str_find(str_from(arg, 1), '*') == SIZE_MAX;
    p->form = is_suffix ? PATTERN_SUFFIX : PATTERN_GLOB;
    return set_exact(l, node, kind, arg, p);
}

static uint64_t pattern_hash(uint64_t hash, const struct client_pattern *p)
{
    hash = hash_str(hash_number(hash, p->form), p->text);
    return p->list ? hash_number(hash, p->list->hash) : hash;
}

uint64_t client_rules_hash(const struct client_rule *rules, size_t count)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < count; i++) {
        hash = hash_number(hash_number(hash, rules[i].allow), rules[i].kind);
        VEC_FOR(const struct client_pattern, p, &rules[i].patterns) {
            hash = pattern_hash(hash, p);
        }
    }
    return hash;
}

/* ---- rules ---- */

static bool read_kind(struct loader *l, const struct conf_node *node, enum client_rule_kind *kind)
{
    struct str known = STR("");
    for (size_t k = 0; k < CLIENT_RULE_KINDS; k++) {
        *kind = (enum client_rule_kind)k;
        if (str_eq_z(node->args[0], kinds[k].name))
            return true;
        known = arena_printf(l->arena, "%.*s%s%s", STR_ARG(known), k ? ", " : "", kinds[k].name);
    }
    return invalid_value(l, node, node->args[0],
                         loader_text(l, "the kinds are %.*s", STR_ARG(known)));
}

bool set_client_rule(struct loader *l, const struct conf_node *node, void *field)
{
    struct client_rule rule = {.allow = str_eq_z(node->name, "ssl_client_allow"),
                               .file = node->pos.file,
                               .line = node->pos.line};
    (void)field;
    if (!read_kind(l, node, &rule.kind))
        return false;
    bool is_any = rule.kind == CLIENT_RULE_ANY;
    if ((node->count == 1) != is_any)
        return loader_error(
            l, node, is_any ? "\"any\" stands alone" : "write what it is compared with",
            "invalid number of arguments in \"%.*s\" directive", STR_ARG(node->name));
    for (size_t i = 1; i < node->count; i++)
        if (!read_pattern(l, node, rule.kind, node->args[i], VEC_PUSH(l->arena, &rule.patterns)))
            return false;
    *VEC_PUSH(l->arena, &loader_location(l)->client_rules) = rule;
    return true;
}
