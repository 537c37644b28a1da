/* Main and events contexts. */
#include <sched.h>
#include <unistd.h>

#include "loader.h"
#include "portcullis/base/user.h"

static bool set_worker_processes(struct loader *l, const struct conf_node *node, void *field)
{
    uint64_t count;
    if (str_eq_nocase(node->args[0], STR("auto"))) {
        cpu_set_t cpus;
        count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (uint64_t)CPU_COUNT(&cpus) : 1;
    } else if (!str_to_u64(node->args[0], &count) || count == 0 || count > 1024) {
        return invalid_value(l, node, node->args[0], "it must be \"auto\" or 1 to 1024");
    }
    *(unsigned *)field = (unsigned)count;
    return true;
}

static bool set_user(struct loader *l, const struct conf_node *node, void *field)
{
    struct process_conf *p = loader_process(l);
    struct user user;
    gid_t gid;
    (void)field;
    if (geteuid() != 0) {
        loader_warn(l, node, NULL,
                    "the \"user\" directive makes sense only if the master process runs with "
                    "super-user privileges, ignored");
        return true;
    }
    if (!user_find(node->args[0].ptr, &user))
        return loader_error(l, node, "there is no such user", "getpwnam(\"%.*s\") failed",
                            STR_ARG(node->args[0]));
    if (node->count > 1 && !group_find(node->args[1].ptr, &gid))
        return loader_error(l, node, "there is no such group", "getgrnam(\"%.*s\") failed",
                            STR_ARG(node->args[1]));
    p->user = node->args[0];
    p->group = node->count > 1 ? node->args[1] : STR_NONE;
    return true;
}

static bool set_priority(struct loader *l, const struct conf_node *node, void *field)
{
    struct str digits = node->args[0];
    uint64_t value;
    bool negative = str_starts(digits, STR("-"));
    if (negative)
        digits = str_from(digits, 1);
    if (!str_to_u64(digits, &value) || value > 20)
        return invalid_value(l, node, node->args[0], "it must be -20 to 20");
    *(int *)field = negative ? -(int)value : (int)value;
    return true;
}

static bool set_use(struct loader *l, const struct conf_node *node, void *field)
{
    (void)field;
    if (str_eq_z(node->args[0], "epoll"))
        return true;
    return loader_error(l, node, "the system has epoll; remove \"use\"",
                        "invalid event type \"%.*s\"", STR_ARG(node->args[0]));
}

/* One process accepts on a socket at a time by other means; the value changes nothing. */
static bool set_accept_mutex(struct loader *l, const struct conf_node *node, void *field)
{
    bool ignored;
    (void)field;
    if (str_eq_nocase(node->args[0], STR("on")) || str_eq_nocase(node->args[0], STR("off")))
        return true;
    return set_flag(l, node, &ignored);
}

bool set_events(struct loader *l, const struct conf_node *node, void *field)
{
    struct block b = {.where = IN_EVENTS};
    (void)field;
    if (l->events)
        return loader_error(l, node, NULL, "\"events\" directive is duplicate");
    l->events = node;
    b.fields[OF_PROCESS] = loader_process(l);
    block_load(l, &b, node->children.items, node->children.count);
    return true;
}

static void load_http(struct loader *l, const struct conf_node *node, void *conf)
{
    (void)conf;
    http_load(l, node->children.items, node->children.count);
}

bool set_http(struct loader *l, const struct conf_node *node, void *field)
{
    (void)field;
    if (l->http)
        return loader_error(l, node, NULL, "\"http\" directive is duplicate");
    l->http = node;
    block_postpone(l, load_http, node, NULL);
    return true;
}

static const struct enum_name sandbox_modes[] = {
    {"on", SANDBOX_ON}, {"report", SANDBOX_REPORT}, {"off", SANDBOX_OFF}, {NULL, 0}};

static const struct number_bounds connections = {1, 10000000}, handshake_rate = {0, 1000000};

#define P(member) FIELD(struct process_conf, member)

static const struct directive rows[] = {
    {"daemon", IN_MAIN, 1, 1, set_flag, P(daemon), "on", 0, NULL},
    {"master_process", IN_MAIN, 1, 1, set_flag, P(master_process), "on", 0, NULL},
    {"user", IN_MAIN, 1, 2, set_user, P(user), NULL, 0, NULL},
    {"pid", IN_MAIN, 1, 1, set_prefix_path, P(pid_path), NULL, 0, NULL},
    {"error_log", IN_MAIN, 1, 2, set_error_log, P(error_log), NULL, IS_LIST, NULL},
    {"env", IN_MAIN, 1, 1, set_string_list, P(env), NULL, IS_LIST, NULL},
    {"worker_processes", IN_MAIN, 1, 1, set_worker_processes, P(worker_processes), "1", 0, NULL},
    {"worker_priority", IN_MAIN, 1, 1, set_priority, P(worker_priority), "0", 0, NULL},
    {"worker_rlimit_core", IN_MAIN, 1, 1, set_offset, P(worker_rlimit_core), "0", 0, NULL},
    {"worker_rlimit_nofile", IN_MAIN, 1, 1, set_number, P(worker_rlimit_nofile), NULL, 0, NULL},
    {"worker_shutdown_timeout", IN_MAIN, 1, 1, set_msec, P(worker_shutdown_timeout_ms), NULL, 0,
     NULL},
    {"ssl_handshake_rate", IN_MAIN, 1, 1, set_number, P(ssl_handshake_rate), "0", 0,
     &handshake_rate},
    {"ssl_key_process", IN_MAIN, 1, 1, set_flag, P(key_process), "off", 0, NULL},
    {"sandbox", IN_MAIN, 1, 1, set_enum, P(sandbox), "on", 0, sandbox_modes},
    {"events", IN_MAIN, 0, 0, set_events, NO_FIELD, NULL, IS_BLOCK | IS_LIST, NULL},
    {"http", IN_MAIN, 0, 0, set_http, NO_FIELD, NULL, IS_BLOCK | IS_LIST, NULL},

    {"worker_connections", IN_EVENTS, 1, 1, set_number, P(worker_connections), "512", 0,
     &connections},
    {"multi_accept", IN_EVENTS, 1, 1, set_flag, P(multi_accept), "off", 0, NULL},
    {"use", IN_EVENTS, 1, 1, set_use, NO_FIELD, NULL, 0, NULL},
    {"accept_mutex", IN_EVENTS, 1, 1, set_accept_mutex, NO_FIELD, "off", 0, NULL},
};

const struct directive_table directives_main = {OF_PROCESS, rows, sizeof rows / sizeof *rows};
