/* conf/reference.conf against the tables: neither may drift from the other. */
#include <stdio.h>
#include <string.h>

#include "support.h"

#define REFERENCE PC_SOURCE_DIR "/conf/reference.conf"

static char text[65536];

static void read_reference(void)
{
    FILE *f = fopen(REFERENCE, "r");
    cr_assert(f != NULL);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
}

TestSuite(reference, .init = read_reference);

/* A line of the file: indented, "name …" or, without a default, "#name …". */
static bool has_line(const char *begin)
{
    size_t len = strlen(begin);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        if (strncmp(line, begin, len) == 0 && strchr(" ;{", line[len]))
            return true;
    }
    return false;
}

static void check_directive(void *owner, const struct directive_info *d)
{
    char line[512];
    size_t *checked = owner;
    if (d->is_ignored)
        return;
    snprintf(line, sizeof line, d->initial ? "%s %s" : "%s", d->name, d->initial ? d->initial : "");
    bool is_there = has_line(line);
    snprintf(line, sizeof line, "#%s", d->name);
    cr_expect(is_there || (!d->initial && has_line(line)), "%s %s is missing", d->name,
              d->initial ? d->initial : "");
    ++*checked;
}

Test(reference, has_every_directive_at_its_default)
{
    size_t checked = 0;
    config_each_directive(check_directive, &checked);
    cr_expect(checked > 100);
}

static void note_name(void *owner, const struct directive_info *d)
{
    struct str *name = owner;
    if (!d->is_ignored && str_eq_z(*name, d->name))
        *name = STR_NONE;
}

Test(reference, has_no_other)
{
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        line += strspn(line, " ");
        if (*line == '#' && line[1] != ' ' && line[1] != '\0')
            line++; /* a directive without a default */
        size_t len = strcspn(line, " ;{");
        if (*line == '#' || *line == '}' || len == 0)
            continue;
        struct str name = str_make(line, len);
        config_each_directive(note_name, &name);
        cr_expect(name.ptr == NULL, "%.*s is no directive", (int)len, line);
    }
}

static void take_problem(void *owner, enum log_level level, struct str message)
{
    (void)owner;
    cr_expect(false, "[%s] %.*s", log_level_name(level), STR_ARG(message));
}

static struct snapshot *load(const char *path)
{
    const struct config_options o = {
        .path = str_of(path), .prefix = STR("/tmp/"), .problem = take_problem};
    return config_load(&o);
}

Test(reference, loads_without_a_warning)
{
    struct snapshot *s = load(REFERENCE);
    cr_assert(s != NULL);
    snapshot_free(s);
}

/* What the file spells out is what an empty one means: lists aside, octet for octet. */
Test(reference, means_what_an_empty_file_means)
{
    struct loaded empty = config_of("events {} http { server { listen 8080; } }");
    struct snapshot *s = load(REFERENCE);
    cr_assert(s != NULL && empty.s != NULL);
    const struct location_conf *a = s->http.servers.items[0]->root,
                               *b = config_server(&empty, 0)->root;
#define SAME(member) cr_expect_eq(memcmp(&a->member, &b->member, sizeof a->member), 0, #member)
    SAME(keepalive_timeout_ms);
    SAME(keepalive_header_s);
    SAME(client_max_body_size);
    SAME(client_body_buffer_size);
    SAME(server_tokens);
    SAME(lingering);
    SAME(proxy.version);
    SAME(proxy.next_upstream);
    SAME(proxy.buffers_size);
    SAME(proxy.redirects.count);
    SAME(add_headers.count);
    SAME(access_rules.count);
#undef SAME
    snapshot_free(s);
    config_end(&empty);
}
