/* ssl_client_allow and ssl_client_deny: the first octet says which kind, the second how long a
 * pattern is that follows; the rest is a value and, behind a NUL, a list's lines. A glob must match
 * as its definition says; each line of a list that was taken is found in it, nothing else is, and a
 * client without a certificate comes in by no rule. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/proxy/client_rules.h"
#include "portcullis/config/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- globs, by their definition -------------------------------------------------------------- */

enum { GLOB_MAX = 24 };

static size_t unit_length(struct str s, bool is_dn)
{
    return is_dn && s.ptr[0] == '\\' && s.len > 1 ? 2 : 1;
}

static bool is_border(struct str s, bool is_dn)
{
    return is_dn ? s.ptr[0] == ',' || s.ptr[0] == '+' : s.ptr[0] == '/';
}

static bool glob_by_definition(struct str p, struct str v, bool is_dn)
{
    bool crosses = str_starts(p, STR("**"));
    if (p.len == 0)
        return v.len == 0;
    if (p.ptr[0] != '*')
        return v.len > 0 && p.ptr[0] == v.ptr[0] &&
               glob_by_definition(str_from(p, 1), str_from(v, 1), is_dn);
    for (struct str rest = str_from(p, crosses ? 2 : 1);; v = str_from(v, unit_length(v, is_dn))) {
        if (glob_by_definition(rest, v, is_dn))
            return true;
        if (v.len == 0 || (!crosses && is_border(v, is_dn)))
            return false;
    }
}

static size_t stars(struct str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += s.ptr[i] == '*';
    return count;
}

static void check_glob(struct str pattern, struct str value)
{
    pattern = str_upto(pattern, GLOB_MAX);
    value = str_upto(value, GLOB_MAX);
    /* "\\*" is refused where the pattern is of a DN. */
    int kinds = str_search(pattern, STR("\\*")) == SIZE_MAX ? 2 : 1;
    for (int is_dn = 0; is_dn < kinds && stars(pattern) < 6; is_dn++)
        assert(client_glob_matches(pattern, value, is_dn) ==
               glob_by_definition(pattern, value, is_dn));
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void on_problem(void *owner, enum log_level level, struct str message)
{
    (void)owner, (void)level, (void)message;
}

static void write_at_start(int fd, struct str text)
{
    ssize_t written = ftruncate(fd, 0) == 0 ? pwrite(fd, text.ptr, text.len, 0) : -1;
    assert(written == (ssize_t)text.len);
    (void)written;
}

static const struct client_rule *rule_with_list(struct snapshot *s)
{
    const struct server_conf *server = s->http.servers.items[0];
    return &server->root->client_rules.items[0];
}

static bool stands_in(struct str lines, enum client_rule_kind kind, struct str normalised)
{
    struct buf line = {0};
    bool found = false;
    while (lines.len > 0 && !found) {
        struct str text = str_cut(&lines, '\n');
        text = str_trim(str_upto(text, text.len - str_ends(text, STR("\r"))));
        found = text.len > 0 && text.ptr[0] != '#' && client_rule_normalise(kind, text, &line) &&
                str_eq(buf_str(&line), normalised);
    }
    buf_deinit(&line);
    return found;
}

static void check_list(const struct client_rule *rule, struct str lines, struct str value)
{
    const struct client_list *list = rule->patterns.items[0].list;
    struct buf normalised = {0};
    if (rule->kind != CLIENT_RULE_IP && client_rule_normalise(rule->kind, value, &normalised))
        assert(client_list_has(list, buf_str(&normalised)) ==
               stands_in(lines, rule->kind, buf_str(&normalised)));
    for (size_t i = 0; i < list->count; i++)
        assert(client_list_has(list, list->values[i]));
    assert(client_rules_hash(rule, 1) == client_rules_hash(rule, 1));
    buf_deinit(&normalised);
}

static void load_list(enum client_rule_kind kind, struct str lines, struct str value)
{
    static int conf = -1, list = -1;
    char path[64], text[256];
    if (conf == -1) {
        conf = memfd_create("conf", 0);
        list = memfd_create("list", 0);
    }
    int length = snprintf(text, sizeof text,
                          "events {} http { server { listen 80; ssl_client_allow %s "
                          "file:/proc/self/fd/%d; } }",
                          client_rule_kind_name(kind), list);
    write_at_start(conf, str_make(text, (size_t)length));
    write_at_start(list, lines);
    snprintf(path, sizeof path, "/proc/self/fd/%d", conf);
    const struct config_options options = {
        .path = str_of(path), .prefix = STR("/"), .problem = on_problem};
    struct snapshot *s = config_load(&options);
    if (s != NULL) {
        check_list(rule_with_list(s), lines, value);
        struct client_ruling r = client_rules_ask(s->http.servers.items[0]->root, NULL);
        assert(r.refuses);
        (void)r;
    }
    snapshot_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str rest = str_make((const char *)data + 2, size - 2);
    struct str pattern = str_upto(rest, data[1]);
    rest = str_from(rest, pattern.len);
    struct str value = str_cut(&rest, '\0');
    check_glob(pattern, value);
    load_list((enum client_rule_kind)(1 + data[0] % (CLIENT_RULE_KINDS - 1)), rest, value);
    return 0;
}
