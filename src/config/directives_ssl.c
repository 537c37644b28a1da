/* TLS of a server. Values are checked where they stand; files are read by tls_build. */
#include "loader.h"

/* A certificate or key file; what OpenSSL's engines and stores would give is not to be had. */
static bool set_pem_path(struct loader *l, const struct conf_node *node, void *field)
{
    static const char *const schemes[] = {"data:", "engine:", "store:"};
    struct str value = node->args[0];
    if (has_variables(value))
        return invalid_value(l, node, value, "certificates are read at start; write the path out");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (str_starts(value, str_of(schemes[i])))
            return invalid_value(
                l, node, value,
                loader_text(l, "\"%s\" is not supported, only PEM files are", schemes[i]));
    return set_conf_path_list(l, node, field);
}

static bool set_certificate(struct loader *l, const struct conf_node *node, void *field)
{
    struct server_conf *s = loader_server(l);
    if (s->tls.certificates.count == 0)
        s->tls_pos = node->pos;
    return set_pem_path(l, node, field);
}

enum { PROTOCOL_OLD = 1 << 16 };

static const struct enum_name protocols[] = {
    {"TLSv1.2", TLS_PROTOCOL_1_2},
    {"TLSv1.3", TLS_PROTOCOL_1_3},
    {"SSLv2", PROTOCOL_OLD},
    {"SSLv3", PROTOCOL_OLD << 1},
    {"TLSv1", PROTOCOL_OLD << 2},
    {"TLSv1.1", PROTOCOL_OLD << 3},
    {NULL, 0},
};

static bool set_protocols(struct loader *l, const struct conf_node *node, void *field)
{
    unsigned *bits = field;
    if (!set_bits(l, node, field))
        return false;
    struct str old = STR("");
    for (const struct enum_name *p = protocols; p->name; p++)
        if (p->value >= PROTOCOL_OLD && *bits & p->value)
            old = arena_printf(l->arena, "%.*s%s\"%s\"", STR_ARG(old), old.len ? ", " : "",
                               p->name);
    *bits &= TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3;
    if (*bits == 0)
        return loader_error(
            l, node, "add TLSv1.2 or TLSv1.3",
            "no protocol is left in \"ssl_protocols\": %s not supported",
            loader_text(l, "%.*s %s", STR_ARG(old), str_find(old, ',') == SIZE_MAX ? "is" : "are"));
    if (old.len)
        loader_warn(l, node, "TLSv1.2 and TLSv1.3 are spoken",
                    "%.*s in \"ssl_protocols\" is ignored", STR_ARG(old));
    return true;
}

static bool set_checked(struct loader *l, const struct conf_node *node, void *field,
                        bool (*check)(struct str list, struct str *bad), const char *what)
{
    struct str bad = STR_NONE;
    if (!check(node->args[0], &bad))
        return loader_error(l, node, loader_text(l, "no known %s is in it", what),
                            "invalid value \"%.*s\" in \"%.*s\" directive", STR_ARG(bad),
                            STR_ARG(node->name));
    return set_string(l, node, field);
}

static bool set_ciphers(struct loader *l, const struct conf_node *node, void *field)
{
    return set_checked(l, node, field, tls_ciphers_check, "cipher");
}

static bool set_curves(struct loader *l, const struct conf_node *node, void *field)
{
    return set_checked(l, node, field, tls_curves_check, "curve");
}

static bool set_conf_command(struct loader *l, const struct conf_node *node, void *field)
{
    struct str bad = STR_NONE;
    if (!str_eq_nocase(node->args[0], STR("Ciphersuites")))
        return loader_error(l, node, "only Ciphersuites is supported",
                            "invalid value \"%.*s\" in \"ssl_conf_command\" directive",
                            STR_ARG(node->args[0]));
    if (!tls_ciphersuites_check(node->args[1], &bad))
        return loader_error(l, node, "it is no cipher suite of TLS 1.3",
                            "invalid value \"%.*s\" in \"ssl_conf_command\" directive",
                            STR_ARG(bad));
    *(struct str *)field = node->args[1];
    return true;
}

const struct enum_name verify_modes[] = {
    {"off", TLS_VERIFY_OFF},           {"on", TLS_VERIFY_ON},
    {"optional", TLS_VERIFY_OPTIONAL}, {"optional_no_ca", TLS_VERIFY_OPTIONAL_NO_CA},
    {"report", TLS_VERIFY_REPORT},     {NULL, 0},
};

const char *verify_mode_name(enum tls_verify_mode mode)
{
    const struct enum_name *row = verify_modes;
    while (row->value != mode)
        row++;
    return row->name;
}

bool set_location_verify(struct loader *l, const struct conf_node *node, void *field)
{
    loader_location(l)->verify_pos = node->pos;
    return set_enum(l, node, field);
}

/* The server's, and what its locations begin with. */
static bool set_verify(struct loader *l, const struct conf_node *node, void *field)
{
    if (!set_location_verify(l, node, field))
        return false;
    loader_location(l)->verify = *(enum tls_verify_mode *)field;
    return true;
}

static const struct enum_name refuse[] = {
    {"403", REFUSE_403}, {"close", REFUSE_CLOSE}, {"alert", REFUSE_ALERT}, {NULL, 0}};

enum {
    CACHE_SIZE_MIN = 32768, /* eight pages, as nginx asks for */
    /* OpenSSL's: so many sessions, here of a KB each. */
    BUILTIN_SESSIONS = 20480,
    BUILTIN_SESSIONS_MAX = 1 << 24,
};

/* shared:NAME:SIZE */
static bool shared_cache(struct loader *l, const struct conf_node *node, struct str arg,
                         const struct zone **cache)
{
    uint64_t size;
    struct str rest = str_from(arg, strlen("shared:")), name = str_cut(&rest, ':');
    if (name.len == 0 || !value_to_size(rest, &size))
        return invalid_value(l, node, arg, "write shared:NAME:SIZE, as in shared:SSL:10m");
    if (size < CACHE_SIZE_MIN)
        return invalid_value(l, node, arg, "a session cache takes 32k or more");
    *cache = zone_declare(l, node, arena_printf(l->arena, "ssl_session_cache:%.*s", STR_ARG(name)),
                          name, size);
    return *cache != NULL;
}

/* nginx keeps it in each worker; here all workers have the same one. */
static bool builtin_cache(struct loader *l, const struct conf_node *node, struct str arg,
                          const struct zone **cache)
{
    uint64_t sessions = BUILTIN_SESSIONS;
    if (arg.len > strlen("builtin") &&
        (!str_to_u64(str_from(arg, strlen("builtin:")), &sessions) ||
         sessions < CACHE_SIZE_MIN / 1024 || sessions > BUILTIN_SESSIONS_MAX))
        return invalid_value(l, node, arg, "builtin takes a number of sessions from 32 on");
    *cache = zone_of(l, STR("ssl_session_cache"), sessions * 1024);
    return true;
}

static bool set_session_cache(struct loader *l, const struct conf_node *node, void *field)
{
    const struct zone *shared = NULL, *builtin = NULL;
    for (size_t i = 0; i < node->count; i++) {
        struct str arg = node->args[i];
        bool good = true;
        if (str_starts(arg, STR("shared:")))
            good = shared_cache(l, node, arg, &shared);
        else if (str_eq_z(arg, "builtin") || str_starts(arg, STR("builtin:")))
            good = builtin_cache(l, node, arg, &builtin);
        else if (node->count > 1 || (!str_eq_z(arg, "none") && !str_eq_z(arg, "off")))
            good = invalid_value(l, node, arg,
                                 "write off, none, builtin, builtin:SESSIONS or shared:NAME:SIZE");
        if (!good)
            return false;
    }
    *(const struct zone **)field = shared ? shared : builtin;
    return true;
}

static const struct enum_name crl_checks[] = {
    {"chain", TLS_CRL_CHAIN}, {"leaf", TLS_CRL_LEAF}, {NULL, 0}};
static const struct enum_name crl_missing[] = {
    {"refuse", TLS_CRL_MISSING_REFUSE}, {"allow", TLS_CRL_MISSING_ALLOW}, {NULL, 0}};

static bool set_watch_files(struct loader *l, const struct conf_node *node, void *field)
{
    const bool *on = field;
    if (!set_flag(l, node, field))
        return false;
    if (*on && !l->snapshot->process.master_process)
        report_warn(
            &l->report, &node->pos, "leave master_process on",
            "\"ssl_watch_files\" has no effect with \"master_process off\": nobody watches");
    return true;
}

static const struct number_bounds depth = {0, 100}, buffer = {512, 1 << 20};

#define S(member)   FIELD(struct server_conf, member)
#define TLS(member) FIELD(struct server_conf, tls.member)

static const struct directive rows[] = {
    {"ssl_certificate", IN_HTTP_SERVER, 1, 1, set_certificate, TLS(certificates), NULL, IS_LIST,
     NULL},
    {"ssl_certificate_key", IN_HTTP_SERVER, 1, 1, set_pem_path, TLS(certificate_keys), NULL,
     IS_LIST, NULL},
    {"ssl_password_file", IN_HTTP_SERVER, 1, 1, set_conf_path, TLS(password_file), NULL, 0, NULL},
    {"ssl_client_certificate", IN_HTTP_SERVER, 1, 1, set_conf_path, TLS(client_certificate), NULL,
     0, NULL},
    {"ssl_trusted_certificate", IN_HTTP_SERVER, 1, 1, set_conf_path, TLS(trusted_certificate), NULL,
     0, NULL},
    {"ssl_client_intermediates", IN_HTTP_SERVER, 1, 1, set_conf_path, TLS(intermediates), NULL, 0,
     NULL},
    {"ssl_client_partial_chain", IN_HTTP_SERVER, 1, 1, set_flag, TLS(partial_chain), "off", 0,
     NULL},
    {"ssl_client_clock_skew", IN_HTTP_SERVER, 1, 1, set_msec, TLS(clock_skew_ms), "0", 0, NULL},
    {"ssl_crl", IN_HTTP_SERVER, 1, 1, set_conf_path, TLS(crl), NULL, 0, NULL},
    {"ssl_crl_check", IN_HTTP_SERVER, 1, 1, set_enum, TLS(crl_check), "chain", 0, crl_checks},
    {"ssl_crl_missing", IN_HTTP_SERVER, 1, 1, set_enum, TLS(crl_missing), "refuse", 0, crl_missing},
    {"ssl_crl_grace", IN_HTTP_SERVER, 1, 1, set_msec, TLS(crl_grace_ms), "0", 0, NULL},
    {"ssl_verify_client", IN_HTTP_SERVER, 1, 1, set_verify, TLS(verify), "off", 0, verify_modes},
    {"ssl_client_refuse", IN_HTTP_SERVER, 1, 1, set_enum, S(client_refuse), "403", 0, refuse},
    {"ssl_verify_depth", IN_HTTP_SERVER, 1, 1, set_number, TLS(verify_depth), "1", 0, &depth},
    {"ssl_protocols", IN_HTTP_SERVER, 1, MANY, set_protocols, TLS(protocols), "TLSv1.2 TLSv1.3",
     IS_LIST, protocols},
    {"ssl_ciphers", IN_HTTP_SERVER, 1, 1, set_ciphers, TLS(ciphers), "HIGH:!aNULL:!MD5", 0, NULL},
    {"ssl_conf_command", IN_HTTP_SERVER, 2, 2, set_conf_command, TLS(ciphersuites), NULL, IS_LIST,
     NULL},
    {"ssl_ecdh_curve", IN_HTTP_SERVER, 1, 1, set_curves, TLS(ecdh_curve), "auto", 0, NULL},
    {"ssl_prefer_server_ciphers", IN_HTTP_SERVER, 1, 1, set_flag, TLS(prefer_server_ciphers), "off",
     0, NULL},
    {"ssl_reject_handshake", IN_HTTP_SERVER, 1, 1, set_flag, TLS(reject_handshake), "off", 0, NULL},
    {"ssl_session_cache", IN_HTTP_SERVER, 1, 2, set_session_cache, TLS(session_cache), "none", 0,
     NULL},
    {"ssl_session_tickets", IN_HTTP_SERVER, 1, 1, set_flag, TLS(session_tickets), "on", 0, NULL},
    {"ssl_session_ticket_key", IN_HTTP_SERVER, 1, 1, set_conf_path_list, TLS(ticket_keys), NULL,
     IS_LIST, NULL},
    {"ssl_session_timeout", IN_HTTP_SERVER, 1, 1, set_msec, TLS(session_timeout_ms), "5m", 0, NULL},
    {"ssl_buffer_size", IN_HTTP_SERVER, 1, 1, set_size, TLS(buffer_size), "16k", 0, &buffer},
    {"ssl_client_recheck", IN_HTTP_SERVER, 1, 1, set_msec, S(client_recheck_ms), "60s", 0, NULL},
    {"ssl_watch_files", IN_HTTP, 1, 1, set_watch_files, S(watch_files), "off", 0, NULL},
    {"ssl_handshake_timeout", IN_HTTP_SERVER, 1, 1, set_msec, S(tls_handshake_timeout_ms), "60s", 0,
     NULL},
};

const struct directive_table directives_ssl = {OF_SERVER, rows, sizeof rows / sizeof *rows};
