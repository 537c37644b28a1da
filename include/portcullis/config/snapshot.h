/* A configuration as the program runs it: built once by config_load before the workers are forked,
 * never written after. Everything lives in snapshot.arena but the TLS contexts and regexes, which
 * snapshot_free ends.
 *
 *   snapshot ─┬─ process     main and events directives
 *             └─ http ─┬─ binds[]      an address each, with its servers by name
 *                      ├─ servers[]    ─ location_conf root, locations
 *                      └─ upstreams[]
 *
 * location_conf holds every directive that may stand in a location; http and server blocks have one
 * too (the server's serves requests that match no location), and so has each `if` block. A block
 * begins as a copy of its parent's (then its own directives replace fields), so inheritance is the
 * copy; what is not inherited is marked so in the directive's row. */
#ifndef PORTCULLIS_CONFIG_SNAPSHOT_H
#define PORTCULLIS_CONFIG_SNAPSHOT_H

#include "portcullis/base/addr.h"
#include "portcullis/base/log.h"
#include "portcullis/base/strmap.h"
#include "portcullis/config/client_rules.h"
#include "portcullis/config/sandbox.h"
#include "portcullis/config/template.h"
#include "portcullis/http/message.h"
#include "portcullis/tls/context.h"

/* Where a directive stood. */
struct conf_pos {
    struct str file;
    unsigned line;
};

/* "optional_no_ca", as ssl_verify_client has it. */
const char *verify_mode_name(enum tls_verify_mode mode);

/* ---- process ---- */

struct process_conf {
    struct str user, group; /* empty: as started (nginx's default "nobody" only when root) */
    struct str pid_path;
    bool daemon, master_process;
    unsigned worker_processes;          /* auto is counted at load */
    uint64_t worker_rlimit_nofile;      /* 0: not given */
    uint64_t ssl_handshake_rate;        /* of a worker, in a second; 0: any */
    uint64_t worker_rlimit_core;        /* octets; 0: no core files */
    int64_t worker_shutdown_timeout_ms; /* 0: none */
    unsigned worker_connections;
    bool multi_accept;
    int worker_priority;
    bool key_process; /* ssl_key_process */
    enum sandbox_mode sandbox;
    VEC(struct str) env; /* NAME or NAME=value */
    const struct log *error_log;
};

/* ---- listening ---- */

struct server_conf;

struct listen_conf {
    struct addr addr;
    struct str text; /* as written, for messages */
    struct conf_pos pos;
    bool ssl, default_server, reuseport, ipv6only /* default on */, so_keepalive;
    int backlog;      /* 0: the default */
    bool has_options; /* says how to listen: backlog=, reuseport … may stand in one server of an
                         address alone */
    bool http2;       /* accepted with a warning, no effect yet */
};

/* A named group of a regex and the variable it fills. */
struct regex_group {
    size_t group;
    const struct variable *variable;
};

struct regex_conf {
    struct regex *regex;
    struct str source;
    bool negate, nocase;
    VEC(struct regex_group) groups;
};

struct name_regex {
    struct regex_conf regex;
    struct server_conf *server;
};

/* Servers of one address, found by name (nginx: exact, longest "*.x", longest "x.*", first regex,
 * default). */
struct bind_conf {
    struct listen_conf listen;
    struct strmap exact; /* of server_conf; names lower case */
    /* "*.example.com" under key "example.com"; ".example.com" is in both. */
    struct strmap wildcard_head;
    struct strmap wildcard_tail; /* "www.example.*" under key "www.example" */
    VEC(struct name_regex) regexes;
    struct server_conf *default_server;
    size_t index; /* in http.binds */
    /* The bind of the same port on 0.0.0.0 or ::, when there is one: nginx opens that socket alone
     * and tells connections apart by their local address (bind_of_local). NULL: has a socket of its
     * own. */
    const struct bind_conf *wildcard;
    bool is_shared; /* is the wildcard of others */
};

/* ---- rewrite module: set, if, return, rewrite, break, in order ---- */

enum rewrite_kind { REWRITE_SET, REWRITE_IF, REWRITE_RETURN, REWRITE_REWRITE, REWRITE_BREAK };
enum rewrite_flag {
    REWRITE_FLAG_NONE,
    REWRITE_FLAG_LAST,
    REWRITE_FLAG_BREAK,
    REWRITE_FLAG_REDIRECT,
    REWRITE_FLAG_PERMANENT
};
enum if_kind {
    IF_TRUE /* neither "" nor "0" */,
    IF_EQUAL,
    IF_NOT_EQUAL,
    IF_MATCH,
    IF_NOT_MATCH,
    IF_FILE /* -f */,
    IF_DIRECTORY /* -d */,
    IF_EXISTS /* -e */,
    IF_EXECUTABLE /* -x */
};

struct location_conf;

struct rewrite_op {
    enum rewrite_kind kind;
    struct conf_pos pos;
    /* set */
    const struct variable *variable;
    struct template value; /* also: the text or URL of return, rewrite's replacement */
    /* if: left is a template; negate for "!-f" */
    enum if_kind condition;
    struct template left, right;
    bool negate;
    struct regex_conf regex;    /* if ~, rewrite */
    struct location_conf *then; /* its fields and its script */
    /* return: status, and value when has_value. A URL alone: 302. */
    unsigned status;
    bool has_value;
    /* rewrite */
    enum rewrite_flag flag;
    bool is_redirect; /* replacement starts with http://, https:// or $scheme, or a redirect flag */
    bool drops_args;  /* replacement ends with "?" */
};

struct script {
    VEC(struct rewrite_op) ops;
};

/* ---- header lists ---- */

struct add_header_conf {
    struct str name;
    struct template value;
    bool always;
};

struct set_header_conf { /* proxy_set_header */
    struct str name;
    struct conf_pos pos;
    struct template value; /* empty value: the field is removed */
    bool is_identity; /* uses $ssl_client_*, or the name is one: removed from clients' requests,
                         sent only as set here */
};

struct error_page_conf {
    VEC(unsigned) codes;
    int overwrite;          /* -1: keep the code; 0: "=" the answer's own; else "=code" */
    struct template target; /* URI, URL or "@name" */
    bool is_named, is_url;
};

/* ---- logs ---- */

enum log_escape { LOG_ESCAPE_DEFAULT, LOG_ESCAPE_JSON, LOG_ESCAPE_NONE };

struct log_format_conf {
    struct str name;
    struct template value;
    enum log_escape escape;
};

struct access_log_conf {
    struct log_file *file; /* NULL: variables in path are not supported (an error at load) */
    const struct log_format_conf *format;
    struct template condition; /* if= ; empty: none */
    bool has_condition;
    size_t buffer_size; /* 0: written at once */
    int64_t flush_ms;
};

/* ---- access ---- */

struct access_rule {
    bool allow;
    struct cidr block;
};

struct limit_except_conf {
    uint32_t methods; /* bits of enum http_method that are not limited; GET includes HEAD */
    struct location_conf *conf; /* access rules, proxy_pass … that apply to the others */
};

/* ---- map, geo ---- */

struct map_regex {
    struct regex_conf regex;
    struct template value;
};

struct map_conf {
    struct template source;
    bool hostnames, is_volatile;
    struct strmap exact, wildcard_head, wildcard_tail; /* of struct template; keys lower case */
    VEC(struct map_regex) regexes;                     /* in order */
    struct template fallback;                          /* default; empty: "" */
};

struct geo_entry {
    struct cidr block;
    struct str value;
    const struct geo_entry *around; /* the smallest block that holds this one */
};

struct geo_conf {
    const struct variable *source; /* NULL: $remote_addr */
    VEC(struct geo_entry) entries; /* in the order of addresses, a block before those in it */
    struct str fallback;
    VEC(struct cidr) proxies;
    bool proxy_recursive;
    bool ranges;
};

/* ---- upstream ---- */

enum balancer_id {
#define X(id, name) BALANCER_##id,
#include "portcullis/config/balancers.def"
#undef X
    BALANCERS
};

struct peer_conf {
    struct addr addr;
    struct str name; /* as written: "app1:3000"; $upstream_addr is the address */
    unsigned weight, max_fails, max_conns;
    int64_t fail_timeout_ms;
    bool backup, down;
};

struct upstream_conf {
    struct str name;
    struct conf_pos pos;
    VEC(struct peer_conf) peers; /* a name with several addresses gives a peer for each */
    enum balancer_id balancer;
    unsigned keepalive;   /* idle backends kept in each worker; 0: none */
    bool keepalive_local; /* idle backends are kept for the location that opened them; nginx's
                             default */
    unsigned keepalive_requests;
    int64_t keepalive_timeout_ms, keepalive_time_ms;
    bool is_implicit; /* made by proxy_pass with a host */
    size_t index;     /* in http.upstreams */
};

/* ---- location ---- */

enum {
    NEXT_ERROR = 1,
    NEXT_TIMEOUT = 2,
    NEXT_INVALID_HEADER = 4,
    NEXT_500 = 8,
    NEXT_502 = 16,
    NEXT_503 = 32,
    NEXT_504 = 64,
    NEXT_403 = 128,
    NEXT_404 = 256,
    NEXT_429 = 512,
    NEXT_NON_IDEMPOTENT = 1024,
    NEXT_OFF = 2048
};

enum {
    IGNORE_X_ACCEL_REDIRECT = 1,
    IGNORE_X_ACCEL_BUFFERING = 2,
    IGNORE_X_ACCEL_LIMIT_RATE = 4,
    IGNORE_X_ACCEL_CHARSET = 8,
    IGNORE_X_ACCEL_EXPIRES = 16,
    IGNORE_EXPIRES = 32,
    IGNORE_CACHE_CONTROL = 64,
    IGNORE_SET_COOKIE = 128,
    IGNORE_VARY = 256
};

enum redirect_kind { REDIRECT_PREFIX, REDIRECT_REGEX, REDIRECT_DEFAULT, REDIRECT_OFF };

struct redirect_conf { /* proxy_redirect */
    enum redirect_kind kind;
    struct template from, to; /* of a prefix; of a regex, to */
    struct regex_conf regex;
};

struct identity_pass_conf { /* proxy_client_identity_pass NAME from CIDR… */
    struct str name;
    VEC(struct cidr) from;
};

/* proxy_client_identity: families of header fields */
enum {
    IDENTITY_PRESET_RFC9440 = 1,
    IDENTITY_PRESET_NGINX = 2,
    IDENTITY_PRESET_INGRESS_NGINX = 4,
    IDENTITY_PRESET_XFCC = 8,
    IDENTITY_PRESET_TRAEFIK = 16,
    IDENTITY_PRESET_AWS = 32,
    IDENTITY_PRESET_CLOUDFLARE = 64
};

struct proxy_conf {
    bool is_set; /* proxy_pass was given; not inherited, but into if and limit_except */
    const struct upstream_conf *upstream; /* NULL: url has variables and is resolved at run time */
    struct template url;                  /* whole value when it has variables */
    struct str host;                      /* $proxy_host: as written after http:// */
    struct str port;                      /* $proxy_port */
    bool has_uri;
    struct str uri; /* replaces the location's prefix when has_uri */
    /* As given; Host and Connection defaults are the proxy's. */
    VEC(struct set_header_conf) set_headers;
    VEC(struct str) pass_headers, hide_headers;
    VEC(struct redirect_conf) redirects; /* in the order of the file; "off" stands alone */
    VEC(struct identity_pass_conf) identity_pass;
    VEC(struct str) identity_strip; /* further names that clients may not set */
    unsigned client_identity;       /* IDENTITY_PRESET_ bits */
    enum http_version version;      /* HTTP_1_1 by default: nginx 1.30 */
    int64_t connect_timeout_ms, send_timeout_ms, read_timeout_ms;
    bool buffering, request_buffering;
    size_t buffer_size, buffers_count, buffers_size;
    unsigned next_upstream;           /* NEXT_ bits */
    unsigned next_upstream_tries;     /* 0: no limit */
    int64_t next_upstream_timeout_ms; /* 0: no limit */
    bool intercept_errors;
    unsigned ignore_headers; /* IGNORE_ bits */
    struct template method;  /* empty: the client's */
    bool pass_request_body, pass_request_headers;
    bool socket_keepalive;
};

/* ---- limits ---- */

/* limit_req_zone, limit_conn_zone */
struct limit_zone {
    bool is_rate;
    struct str name;
    struct conf_pos pos;       /* where it was named first */
    const struct zone *memory; /* NULL: not declared yet */
    struct template key;
    uint64_t interval_ns; /* of a rate: between two requests */
    size_t index;         /* in http.limit_zones */
};

struct limit_req {
    const struct limit_zone *zone;
    uint64_t burst, delay; /* requests; delay UINT64_MAX: nodelay */
};

struct limit_conn {
    const struct limit_zone *zone;
    unsigned most;
};

/* What becomes of those above a limit. */
struct limit_answer {
    unsigned status;
    enum log_level level;
    bool dry_run;
};

enum location_kind {
    LOCATION_PREFIX,
    LOCATION_EXACT,
    LOCATION_PREFIX_FINAL /* ^~ */,
    LOCATION_REGEX,
    LOCATION_NAMED,
    LOCATION_SERVER /* outside any */,
    LOCATION_IF,
    LOCATION_LIMIT_EXCEPT
};
enum satisfy { SATISFY_ALL, SATISFY_ANY };
enum lingering { LINGERING_OFF, LINGERING_ON, LINGERING_ALWAYS };
enum tokens { TOKENS_OFF, TOKENS_ON, TOKENS_BUILD };
enum client_detail { DETAIL_OFF, DETAIL_CODE, DETAIL_FULL }; /* of a refusal, in its page */
enum client_refuse { REFUSE_403, REFUSE_CLOSE, REFUSE_ALERT };

/* Locations of a server or of a location: where tables end, nested ones begin. */
struct location_set {
    struct strmap exact;                  /* of location_conf */
    VEC(struct location_conf *) prefixes; /* in the order of octets; kind PREFIX and PREFIX_FINAL */
    struct strmap prefix_names;           /* of them all */
    struct strmap slashless;              /* "/x" where auto_redirect leads to "/x/" */
    VEC(struct location_conf *) regexes;  /* in order */
    struct strmap named;                  /* "@name"; in the server's set alone */
};

struct location_conf {
    enum location_kind kind;
    struct str name; /* pattern or prefix as written */
    struct conf_pos pos;
    const struct server_conf *server;
    struct regex_conf regex; /* LOCATION_REGEX */
    struct location_set nested;
    struct script script; /* not inherited */
    bool internal;
    enum tls_verify_mode verify; /* ssl_verify_client */
    struct conf_pos verify_pos;  /* line 0: nowhere, it is off by default */
    VEC(struct client_rule) client_rules;
    const struct location_conf *around; /* the longest other prefix of its set that fits its name */
    bool auto_redirect; /* prefix ends with "/" and proxies: "/x" is redirected to "/x/" */

    struct proxy_conf proxy;
    VEC(struct add_header_conf) add_headers;
    VEC(struct error_page_conf) error_pages;
    struct str default_type;
    /* Of struct str: MIME types by extension, in lower case; NULL: nginx's own three. */
    const struct strmap *types;
    VEC(struct access_rule) access_rules;
    VEC(struct limit_req) limit_reqs;
    VEC(struct limit_conn) limit_conns;
    struct limit_answer limit_req, limit_conn;
    enum satisfy satisfy;
    const struct limit_except_conf *limit_except;
    VEC(struct access_log_conf) access_logs; /* empty: off */
    const struct log *error_log;
    bool log_not_found;

    int64_t client_body_timeout_ms, send_timeout_ms, keepalive_timeout_ms,
        keepalive_header_s /* -1: no Keep-Alive header */, keepalive_time_ms;
    unsigned keepalive_requests;
    int64_t lingering_time_ms, lingering_timeout_ms;
    enum lingering lingering;
    uint64_t client_max_body_size; /* 0: no limit */
    size_t client_body_buffer_size;
    struct str client_body_temp_path;
    bool reset_timedout_connection;
    enum tokens server_tokens;
    enum client_detail client_detail;
    bool absolute_redirect, server_name_in_redirect, port_in_redirect;
    bool recursive_error_pages;
    struct str root;          /* $document_root, for if -f; files are not served yet */
    struct conf_pos root_pos; /* line 0: nowhere, it is the default */

    const struct resolver_conf *resolver;
    int64_t resolver_timeout_ms;
};

struct resolver_conf {
    VEC(struct addr) servers;
    int64_t valid_ms;
    bool ipv4, ipv6;
    size_t index; /* in http.resolvers */
};

/* ---- server ---- */

enum server_name_kind {
    NAME_EXACT,
    NAME_HEAD /* *.x */,
    NAME_TAIL /* x.* */,
    NAME_DOT /* .x */,
    NAME_REGEX
};

struct server_name_conf {
    enum server_name_kind kind;
    struct str text; /* lower case; without the "*" part */
    struct regex_conf regex;
};

struct http_conf;

struct server_conf {
    const struct http_conf *http;
    struct conf_pos pos;
    struct str name; /* first server_name, $server_name; "" by default */
    VEC(struct server_name_conf) names;
    VEC(struct listen_conf) listens;
    struct tls_settings tls;
    struct conf_pos tls_pos;          /* of the first ssl_certificate */
    struct tls_context *tls_context;  /* NULL: no ssl on any of its addresses */
    int64_t tls_handshake_timeout_ms; /* ssl_handshake_timeout 60s */
    bool watch_files;                 /* ssl_watch_files, the same for all servers */
    int64_t client_recheck_ms;        /* no verdict on a client is older; 0: however old */
    enum client_refuse client_refuse;
    int64_t client_header_timeout_ms;
    size_t client_header_buffer_size, large_header_buffers, large_header_buffer_size;
    bool ignore_invalid_headers, underscores_in_headers, merge_slashes;

    bool verify_varies; /* a location has another ssl_verify_client or others of ssl_client_allow
                           and _deny than the server itself */
    const struct location_conf *needs_ca; /* the first such that cannot do without CAs */
    struct location_conf *root; /* what stands in the server block itself, and its script */
    struct location_set locations;
};

/* ---- all ---- */

struct http_conf {
    VEC(struct bind_conf *) binds;
    VEC(struct server_conf *) servers;
    VEC(struct upstream_conf *) upstreams;
    VEC(struct resolver_conf *) resolvers;
    VEC(struct limit_zone *) limit_zones;
    VEC(const struct client_list *) client_lists; /* file:LIST of ssl_client_allow and _deny */
    VEC(struct variable *) variables;             /* by slot */
    bool proxies_by_variable;       /* a proxy_pass knows its upstream at run time alone */
    VEC(struct str) identity_names; /* that some proxy_set_header fills from $ssl_client_* */
};

struct conf_text {
    struct str path, text;
};

struct snapshot {
    struct arena arena;
    struct process_conf process;
    struct http_conf http;
    /* Every file that error_log and access_log name; opened by the master. */
    struct log_file *log_files;
    struct zone *zones; /* shared memory, mapped by the daemon before workers are forked */
    struct tls_pool *tls_pool;
    VEC(struct conf_text) files; /* as read, for -T */
    VEC(struct regex *) regexes; /* all of them, for snapshot_free */
    unsigned warnings;
};

void snapshot_free(struct snapshot *s);

/* All of a server's: the root's, those of the set with the nested ones, and the blocks of if and
 * limit_except in each. */
void server_each_location(const struct server_conf *s,
                          void (*each)(void *owner, const struct location_conf *loc), void *owner);

/* The server for a name (normalised by host_normalise) on an address; *matched says whether one of
 * its names fits, or it is the default. captures get a regex's groups (may be NULL). Same function
 * for SNI, Host and policy (http/uri.h). */
/* The smallest block with the address in it, or NULL. */
const struct geo_entry *geo_find(const struct geo_conf *geo, const struct addr *a);
/* The longest prefix of the set that path begins with, or where path lacks but a slash and is to be
 * redirected; NULL when none fits. */
const struct location_conf *location_find_prefix(const struct location_set *set, struct str path,
                                                 bool *is_redirect);
struct server_conf *bind_find_server(const struct bind_conf *b, struct str name, bool *matched,
                                     struct regex_captures *captures,
                                     const struct name_regex **regex);

/* The bind of a connection accepted on b's socket with this local address: b, or one whose wildcard
 * b is. */
const struct bind_conf *bind_of_local(const struct http_conf *http, const struct bind_conf *b,
                                      const struct addr *local);

#endif
