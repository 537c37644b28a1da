/* A configuration being built: what the setters of the directive tables work on, and what the
 * files of this floor offer each other.
 *
 * A block is loaded in two passes: first its simple directives in the order of the file, then the
 * blocks inside it, each beginning as a copy of what came out (so what the parent says further down
 * counts inside, as in nginx). */
#ifndef CONFIG_LOADER_H
#define CONFIG_LOADER_H

#include <string.h>

#include "portcullis/base/resolve.h"
#include "report.h"
#include "tree.h"

/* ---- where a directive may stand ---- */

enum {
    IN_MAIN = 1,
    IN_EVENTS = 2,
    IN_HTTP = 4,
    IN_SERVER = 8,
    IN_LOCATION = 16,
    IN_SERVER_IF = 32,
    IN_LOCATION_IF = 64,
    IN_LIMIT_EXCEPT = 128,
    IN_UPSTREAM = 256,
    IN_HTTP_SERVER = IN_HTTP | IN_SERVER,
    IN_HSL = IN_HTTP | IN_SERVER | IN_LOCATION,
    IN_ANY_IF = IN_SERVER_IF | IN_LOCATION_IF,
};

struct loader;

struct directive {
    const char *name;
    unsigned where;         /* IN_ bits */
    int min_args, max_args; /* MANY: no limit */
    bool (*set)(struct loader *l, const struct conf_node *node, void *field);
    size_t offset, size; /* the field it fills, in the struct its table says; size 0: none */
    const char *initial; /* read by the same setter; NULL leaves zero */
    unsigned flags;
    const void *detail; /* names of an enum, bounds: the setter knows */
};

enum { MANY = 1 << 30 };

enum {
    IS_LIST = 1,      /* may be repeated; the first in a block drops what was inherited */
    IS_BLOCK = 2,     /* name args { … } */
    IS_OWN = 4,       /* not inherited */
    GOES_INTO_IF = 8, /* IS_OWN, but inherited into `if` and limit_except */
};

#define FIELD(type, member) offsetof(type, member), sizeof(((type *)0)->member)
#define NO_FIELD            0, 0

/* Which struct a table's offsets are in. */
enum field_owner { OF_PROCESS, OF_SERVER, OF_LOCATION, OF_UPSTREAM, FIELD_OWNERS };

struct directive_table {
    enum field_owner owner;
    const struct directive *rows;
    size_t count;
};

extern const struct directive_table directives_main, directives_http, directives_server,
    directives_ssl, directives_location, directives_proxy, directives_rewrite, directives_upstream;

/* ---- what is being loaded ---- */

enum { GIVEN_WORDS = 8 }; /* 64 rows each */

struct pending_block {
    void (*load)(struct loader *l, const struct conf_node *node, void *conf);
    const struct conf_node *node;
    void *conf;
};

struct block {
    struct block *parent;
    unsigned where;
    void *fields[FIELD_OWNERS]; /* NULL: none of this owner here */
    uint64_t given[GIVEN_WORDS];
    VEC(struct pending_block) pending;
};

struct assignment { /* by set, map, or a group of a match */
    const struct variable *variable;
    struct template value;
};

struct loader {
    struct report report;
    struct arena *arena;
    struct snapshot *snapshot;
    const struct config_options *options;
    struct str conf_dir; /* of the main file, ends with "/": certificates, includes */
    struct block *block;
    const struct directive *row; /* being set */

    struct strmap variables; /* of struct variable_entry */
    struct strmap formats;   /* of struct log_format_conf */
    struct strmap upstreams; /* of struct upstream_conf, names in lower case */
    VEC(struct assignment) assignments;
    const struct conf_node *events, *http; /* where they stood */
    struct server_conf *finishing;         /* whose locations are looked at, at the end */
    unsigned families_told;                /* foreign.c */
};

static inline struct process_conf *loader_process(struct loader *l)
{
    return l->block->fields[OF_PROCESS];
}
static inline struct server_conf *loader_server(struct loader *l)
{
    return l->block->fields[OF_SERVER];
}
static inline struct location_conf *loader_location(struct loader *l)
{
    return l->block->fields[OF_LOCATION];
}
static inline struct upstream_conf *loader_upstream(struct loader *l)
{
    return l->block->fields[OF_UPSTREAM];
}

/* ---- directive.c ---- */

/* Always false, so that a setter can return it. */
bool loader_error(struct loader *l, const struct conf_node *node, const char *cure,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
void loader_warn(struct loader *l, const struct conf_node *node, const char *cure,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* For a cure with values in it. */
const char *loader_text(struct loader *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Both passes over a block's content. */
void block_load(struct loader *l, struct block *b, const struct conf_node *nodes, size_t count);
/* A nested block whose content waits for the second pass. */
void block_postpone(struct loader *l,
                    void (*load)(struct loader *, const struct conf_node *, void *),
                    const struct conf_node *node, void *conf);
/* Every row of these owners at its initial value. */
void directives_set_initial(struct loader *l, struct block *b);
/* Fields that are not inherited, back to their initial value, in a block that began as a copy. */
void directives_reset_own(struct loader *l, struct block *b);
bool directive_is_known(struct str name, unsigned where);

/* ---- nearest.c ---- */

struct nearest {
    struct str name, found; /* found: empty as long as nothing was near */
    size_t distance;
};

struct nearest nearest_to(struct str name);
void nearest_consider(struct nearest *n, struct str candidate);

/* ---- foreign.c: nginx's directives that are not ours ---- */

/* True: it was nginx's, and the problem was reported. */
bool foreign_report(struct loader *l, const struct conf_node *node);
/* The i-th name, NULL after the last. */
const char *foreign_name(size_t i, bool *is_ignored);

/* ---- permissions.c ---- */

void permissions_check(struct loader *l);

/* ---- setters.c ---- */

struct enum_name {
    const char *name; /* NULL ends the list */
    unsigned value;
};
struct number_bounds {
    uint64_t min, max;
};

bool set_flag(struct loader *l, const struct conf_node *node, void *field);
bool set_number(struct loader *l, const struct conf_node *node, void *field); /* bounds or NULL */
bool set_size(struct loader *l, const struct conf_node *node, void *field);
bool set_offset(struct loader *l, const struct conf_node *node, void *field);
bool set_msec(struct loader *l, const struct conf_node *node, void *field);
bool set_enum(struct loader *l, const struct conf_node *node, void *field);
bool set_bits(struct loader *l, const struct conf_node *node, void *field);
bool set_string(struct loader *l, const struct conf_node *node, void *field);
bool set_string_list(struct loader *l, const struct conf_node *node, void *field);
bool set_template(struct loader *l, const struct conf_node *node, void *field);
bool set_prefix_path(struct loader *l, const struct conf_node *node, void *field);
bool set_conf_path(struct loader *l, const struct conf_node *node, void *field);
bool set_conf_path_list(struct loader *l, const struct conf_node *node, void *field);
bool set_buffers(struct loader *l, const struct conf_node *node,
                 void *field); /* size_t count, size */

bool invalid_value(struct loader *l, const struct conf_node *node, struct str value,
                   const char *cure);
bool invalid_parameter(struct loader *l, const struct conf_node *node, struct str value,
                       const char *cure);

/* Values by themselves (value.c). */
bool value_to_size(struct str s, uint64_t *size);    /* k, m */
bool value_to_offset(struct str s, uint64_t *size);  /* k, m, g */
bool value_to_msec(struct str s, int64_t *ms);       /* "1m 30s", "500ms"; 30 is 30s */
bool value_to_seconds_ms(struct str s, int64_t *ms); /* without "ms" */
/* "name=value" with this name: the value. */
bool value_of_parameter(struct str arg, const char *name, struct str *value);

/* Absolute, as it is, or behind directory. */
struct str path_below(struct loader *l, struct str directory, struct str path);
struct str lower_case(struct arena *a, struct str s);
bool has_variables(struct str s);

/* ---- template.c ---- */

bool template_compile(struct loader *l, const struct conf_node *node, struct str source,
                      struct template *t);
/* Its named groups become variables. */
bool regex_compile(struct loader *l, const struct conf_node *node, struct str source, bool nocase,
                   struct regex_conf *r);

/* ---- variables.c ---- */

/* For reading; a name that nothing defines by the end of the file is an error there. */
const struct variable *variable_use(struct loader *l, const struct conf_node *node,
                                    struct str name);
/* For writing, "$name" or a bare name; NULL: a built-in one that cannot be changed (reported). */
struct variable *variable_define(struct loader *l, const struct conf_node *node, struct str name,
                                 enum variable_kind kind);
/* "$name" to name; false (reported) when it is no variable. */
bool variable_name(struct loader *l, const struct conf_node *node, struct str arg,
                   struct str *name);
void variables_finish(struct loader *l);
/* Notes where a variable's value comes from, for template_is_identity. */
void variable_comes_from(struct loader *l, const struct variable *v, const struct template *value);
void regex_groups_come_from(struct loader *l, const struct regex_conf *r,
                            const struct template *subject);
/* After variables_finish. Does the value tell who the client is ($ssl_client_…, or what was made
 * from one)? */
bool template_is_identity(const struct loader *l, const struct template *t);

/* ---- map.c, geo.c, types.c, client_rules.c, logs.c, listen.c, names.c, location.c, proxy_pass.c,
 * tls.c ---- */

bool set_map(struct loader *l, const struct conf_node *node, void *field);
bool set_geo(struct loader *l, const struct conf_node *node, void *field);
bool set_types(struct loader *l, const struct conf_node *node, void *field);
bool set_error_log(struct loader *l, const struct conf_node *node, void *field);
bool set_access_log(struct loader *l, const struct conf_node *node, void *field);
bool set_log_format(struct loader *l, const struct conf_node *node, void *field);
const struct log *default_error_log(struct loader *l);
void add_default_access_log(struct loader *l, struct location_conf *loc);
void add_default_formats(struct loader *l);
bool set_listen(struct loader *l, const struct conf_node *node, void *field);
void add_default_listen(struct loader *l, struct server_conf *s);
bool set_server_name(struct loader *l, const struct conf_node *node, void *field);
void add_default_name(struct loader *l, struct server_conf *s);
/* Binds from the servers' listens, and who answers to which name on each. */
void binds_build(struct loader *l);
bool set_server(struct loader *l, const struct conf_node *node, void *field);
bool set_location(struct loader *l, const struct conf_node *node, void *field);
bool set_limit_except(struct loader *l, const struct conf_node *node, void *field);
bool set_if(struct loader *l, const struct conf_node *node, void *field);
/* A location-like block: inherits from the current one, then its content. For block_postpone. */
void location_load(struct loader *l, const struct conf_node *node, void *conf);
/* Makes a set ready for location_find_prefix; when all of it is loaded. */
void prefixes_build(struct loader *l, struct location_set *set);
struct location_conf *location_new(struct loader *l, const struct conf_node *node,
                                   enum location_kind kind);
bool set_upstream(struct loader *l, const struct conf_node *node, void *field);
bool set_proxy_pass(struct loader *l, const struct conf_node *node, void *field);
/* The upstream of a host:port that no block names. shown is how the file says it. */
struct upstream_conf *upstream_add(struct loader *l, const struct conf_node *node,
                                   struct str host_port, struct str shown);
bool set_events(struct loader *l, const struct conf_node *node, void *field);
bool set_http(struct loader *l, const struct conf_node *node, void *field);
void http_load(struct loader *l, const struct conf_node *nodes, size_t count);
bool set_limit_req_zone(struct loader *l, const struct conf_node *node, void *field);
bool set_limit_conn_zone(struct loader *l, const struct conf_node *node, void *field);
bool set_limit_req(struct loader *l, const struct conf_node *node, void *field);
bool set_limit_conn(struct loader *l, const struct conf_node *node, void *field);
extern const struct enum_name limit_levels[]; /* for limit_…_log_level */
extern const struct number_bounds limit_status;
/* Zones that were named and never declared. */
void limits_finish(struct loader *l);
bool set_client_rule(struct loader *l, const struct conf_node *node, void *field);
/* Does this ssl_verify_client make no sense without CAs? */
/* The snapshot's zone of this name and size; name lives in the arena. */
struct zone *zone_of(struct loader *l, struct str name, size_t size);
/* The same for one that the file names (as shown): NULL, and reported, when it was declared with
 * another size before. */
struct zone *zone_declare(struct loader *l, const struct conf_node *node, struct str name,
                          struct str shown, size_t size);
bool verify_needs_ca(enum tls_verify_mode mode);
/* ssl_verify_client's values; rows in directives_ssl.c and directives_location.c. */
extern const struct enum_name verify_modes[];
/* The same, and where it stood. */
bool set_location_verify(struct loader *l, const struct conf_node *node, void *field);
/* TLS contexts of all servers that need one. */
void tls_build(struct loader *l, const struct server_conf *outer);

#endif
