#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_problem(void *owner, enum log_level level, struct str message)
{
    struct loaded *c = owner;
    struct str dir = str_of(c->dir);

    buf_printf(&c->problems, "[%s] ", log_level_name(level));
    for (size_t at; (at = str_search(message, dir)) != SIZE_MAX;) {
        buf_append_str(&c->problems, str_upto(message, at));
        message = str_from(message, at + dir.len);
    }
    buf_append_str(&c->problems, message);
    buf_append_char(&c->problems, '\n');
}

void config_begin(struct loaded *c)
{
    *c = (struct loaded){0};
    strcpy(c->dir, "/tmp/portcullis-config-XXXXXX");
    cr_assert(mkdtemp(c->dir) != NULL);
    strcat(c->dir, "/");
}

void config_write(struct loaded *c, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", c->dir, name);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    fputs(text, f);
    fclose(f);
}

void config_load_file(struct loaded *c, const char *directives)
{
    struct config_options o = {
        .path = STR("test.conf"),
        .prefix = str_of(c->dir),
        .directives = str_of(directives),
        .problem = take_problem,
        .owner = c,
    };
    c->s = config_load(&o);
}

struct loaded config_of(const char *text)
{
    struct loaded c;
    config_begin(&c);
    config_write(&c, "test.conf", text);
    config_load_file(&c, "");
    return c;
}

static struct loaded wrapped(const char *before, const char *text, const char *after)
{
    struct buf b = {0};
    buf_printf(&b, "%s%s%s", before, text, after);
    buf_append_char(&b, '\0');
    struct loaded c = config_of(buf_str(&b).ptr);
    buf_deinit(&b);
    return c;
}

struct loaded config_of_http(const char *text)
{
    return wrapped("events{} http{ ", text, " }");
}

struct loaded config_of_server(const char *text)
{
    return wrapped("events{} http{ server { listen 8080; ", text, " } }");
}

void config_end(struct loaded *c)
{
    char command[128];
    snapshot_free(c->s);
    buf_deinit(&c->problems);
    snprintf(command, sizeof command, "rm -rf '%s'", c->dir);
    cr_expect_eq(system(command), 0);
}

const char *config_problems(struct loaded *c)
{
    *buf_reserve(&c->problems, 1) = '\0';
    return buf_is_empty(&c->problems) ? "" : buf_str(&c->problems).ptr;
}

size_t config_count(struct loaded *c, const char *needle)
{
    size_t count = 0;
    for (const char *at = config_problems(c); (at = strstr(at, needle)) != NULL; at++)
        count++;
    return count;
}

void expect_problems(const struct problem_row *rows, size_t count,
                     struct loaded (*load)(const char *text))
{
    for (size_t i = 0; i < count; i++) {
        struct loaded c = load(rows[i].text);
        const char *wanted = rows[i].problem;
        const char *problems = config_problems(&c);
        if (wanted == NULL)
            cr_expect(c.s != NULL && *problems == '\0', "%s\ngave %s", rows[i].text, problems);
        else
            cr_expect(strstr(problems, wanted) != NULL, "%s\ngave %s\ninstead of %s", rows[i].text,
                      problems, wanted);
        if (wanted)
            cr_expect_eq(c.s != NULL, strncmp(wanted, "[warn]", 6) == 0, "%s", rows[i].text);
        config_end(&c);
    }
}

struct server_conf *config_server(const struct loaded *c, size_t i)
{
    cr_assert(c->s != NULL && i < c->s->http.servers.count);
    return c->s->http.servers.items[i];
}

static struct location_conf *find(struct location_conf *const *items, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(items[i]->name, name))
            return items[i];
    return NULL;
}

struct location_conf *config_location(const struct loaded *c, size_t server, const char *name)
{
    const struct location_set *set = &config_server(c, server)->locations;
    struct str text = str_of(name);
    struct location_conf *found;
    if (*name == '=')
        found = strmap_find(&set->exact, str_from(text, 1));
    else if (*name == '@')
        found = strmap_find(&set->named, text);
    else if (*name == '~')
        found = find(set->regexes.items, set->regexes.count, str_from(text, 1));
    else
        found = find(set->prefixes.items, set->prefixes.count, text);
    cr_assert(found != NULL, "no location %s", name);
    return found;
}
