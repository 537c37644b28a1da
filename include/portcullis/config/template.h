/* A value with variables in it ("http://$host:8080"), compiled at load. Values come from
 * proxy/variables. */
#ifndef PORTCULLIS_CONFIG_TEMPLATE_H
#define PORTCULLIS_CONFIG_TEMPLATE_H

#include "portcullis/base/regex.h"
#include "portcullis/base/vec.h"

/* Built-in variables and families ("http_": the rest of the name is the argument), from
 * variables.def. */
enum variable_id {
    VARIABLE_ID_NONE,
#define X(id, name)        VARIABLE_ID_##id,
#define FAMILY(id, prefix) VARIABLE_ID_##id,
#include "portcullis/config/variables.def"
#undef X
#undef FAMILY
    VARIABLE_IDS
};

enum variable_kind {
    VARIABLE_BUILTIN, /* id, and argument for a family */
    VARIABLE_CAPTURE, /* $1…: number of the group of the last match */
    VARIABLE_SET, /* by set, or a regular expression's named group: what the slot holds, else "" */
    VARIABLE_MAP,
    VARIABLE_GEO,
};

struct map_conf;
struct geo_conf;

/* One for each name used in a configuration; pointers to it are equal when the names are. */
struct variable {
    struct str name;
    enum variable_kind kind;
    enum variable_id id;
    struct str argument; /* of a family, as it stands in the name: "x_request_id" */
    size_t group;        /* VARIABLE_CAPTURE */
    const struct map_conf *map;
    const struct geo_conf *geo;
    size_t slot; /* in the request's array of values; each variable has one */
    bool is_set; /* somewhere a set or a named group assigns it: the slot wins when filled */
};

struct template_part {
    struct str text; /* when variable is NULL */
    const struct variable *variable;
};

struct template
{
    VEC(struct template_part) parts; /* a constant has one part or none */
    struct str source;               /* as written */
    bool has_variables;
};

/* Constant value; only without variables. */
struct str template_constant(const struct template *t);
bool template_is_empty(const struct template *t); /* not given, or "" */

#endif
