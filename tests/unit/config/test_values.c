/* A text, and what the field holds then. */
#include "support.h"

#include "../../../src/config/loader.h"

Test(values, sizes)
{
    static const struct {
        const char *text;
        int64_t size, offset; /* -1: refused */
    } rows[] = {
        {"0", 0, 0},
        {"1", 1, 1},
        {"512", 512, 512},
        {"4k", 4096, 4096},
        {"4K", 4096, 4096},
        {"1m", 1 << 20, 1 << 20},
        {"1M", 1 << 20, 1 << 20},
        {"1g", -1, 1 << 30},
        {"2G", -1, 2LL << 30},
        {"", -1, -1},
        {"k", -1, -1},
        {"-1", -1, -1},
        {"1kk", -1, -1},
        {"1 k", -1, -1},
        {"0x10", -1, -1},
        {"9223372036854775807k", -1, -1},
        {"99999999999999999999", -1, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t size = 0, offset = 0;
        bool is_size = value_to_size(str_of(rows[i].text), &size);
        bool is_offset = value_to_offset(str_of(rows[i].text), &offset);
        cr_expect_eq(is_size, rows[i].size >= 0, "%s", rows[i].text);
        cr_expect_eq(is_offset, rows[i].offset >= 0, "%s", rows[i].text);
        if (is_size)
            cr_expect_eq((int64_t)size, rows[i].size, "%s", rows[i].text);
        if (is_offset)
            cr_expect_eq((int64_t)offset, rows[i].offset, "%s", rows[i].text);
    }
}

Test(values, times)
{
    static const struct {
        const char *text;
        int64_t msec, sec; /* both in ms; -1: refused */
    } rows[] = {
        {"0", 0, 0},
        {"30", 30000, 30000},
        {"30s", 30000, 30000},
        {"500ms", 500, -1},
        {"1s500ms", 1500, -1},
        {"1m", 60000, 60000},
        {"1m30s", 90000, 90000},
        {"1m 30s", 90000, 90000},
        {"1h", 3600000, 3600000},
        {"1d", 86400000, 86400000},
        {"2w", 14 * 86400000LL, 14 * 86400000LL},
        {"1M", -1, 30 * 86400000LL},
        {"1y", -1, 365 * 86400000LL},
        {"1y1d", -1, 366 * 86400000LL},
        {"1m30", 90000, 90000},
        {"30s1m", -1, -1},
        {"1m1m", -1, -1},
        {"", -1, -1},
        {"s", -1, -1},
        {"x", -1, -1},
        {"5S", -1, -1},
        {"1.5s", -1, -1},
        {"-1", -1, -1},
        {"99999999999999999999s", -1, -1},
        {"9223372036854775807d", -1, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t msec = -1, sec = -1;
        if (!value_to_msec(str_of(rows[i].text), &msec))
            msec = -1;
        if (!value_to_seconds_ms(str_of(rows[i].text), &sec))
            sec = -1;
        cr_expect_eq(msec, rows[i].msec, "%s is %lld ms", rows[i].text, (long long)msec);
        cr_expect_eq(sec, rows[i].sec, "%s is %lld ms of seconds", rows[i].text, (long long)sec);
    }
}

/* ---- fields of a server and of its root location ---- */

#define L(member) \
    offsetof(struct location_conf, member), sizeof(((struct location_conf *)0)->member)
#define S(member) offsetof(struct server_conf, member), sizeof(((struct server_conf *)0)->member)

struct field_row {
    const char *text; /* "" is the default */
    size_t offset, size;
    uint64_t value;
};

static uint64_t number_at(const char *at, size_t size)
{
    uint64_t wide = 0;
    unsigned narrow;
    if (size == sizeof(bool))
        return *(const bool *)at;
    if (size == sizeof narrow) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static void expect_fields(const struct field_row *rows, size_t count, bool of_location)
{
    for (size_t i = 0; i < count; i++) {
        struct loaded c = config_of_server(rows[i].text);
        cr_assert(c.s != NULL, "%s: %s", rows[i].text, config_problems(&c));
        const struct server_conf *s = config_server(&c, 0);
        const char *base = of_location ? (const char *)s->root : (const char *)s;
        uint64_t value = number_at(base + rows[i].offset, rows[i].size);
        cr_expect_eq(value, rows[i].value, "%s row %zu: %llu is not %llu", rows[i].text, i,
                     (unsigned long long)value, (unsigned long long)rows[i].value);
        config_end(&c);
    }
}

Test(values, of_a_location)
{
    static const struct field_row rows[] = {
        {"", L(client_body_timeout_ms), 60000},
        {"client_body_timeout 5s;", L(client_body_timeout_ms), 5000},
        {"", L(client_max_body_size), 1 << 20},
        {"client_max_body_size 0;", L(client_max_body_size), 0},
        {"client_max_body_size 3g;", L(client_max_body_size), 3ULL << 30},
        {"", L(client_body_buffer_size), 16384},
        {"", L(send_timeout_ms), 60000},
        {"", L(keepalive_timeout_ms), 75000},
        {"", L(keepalive_header_s), (uint64_t)-1},
        {"keepalive_timeout 0;", L(keepalive_timeout_ms), 0},
        {"keepalive_timeout 10 20s;", L(keepalive_timeout_ms), 10000},
        {"keepalive_timeout 10 20s;", L(keepalive_header_s), 20},
        {"", L(keepalive_requests), 1000},
        {"keepalive_requests 5;", L(keepalive_requests), 5},
        {"", L(keepalive_time_ms), 3600000},
        {"", L(lingering), LINGERING_ON},
        {"lingering_close always;", L(lingering), LINGERING_ALWAYS},
        {"lingering_close OFF;", L(lingering), LINGERING_OFF},
        {"", L(lingering_time_ms), 30000},
        {"", L(lingering_timeout_ms), 5000},
        {"reset_timedout_connection on;", L(reset_timedout_connection), true},
        {"", L(server_tokens), TOKENS_ON},
        {"server_tokens off;", L(server_tokens), TOKENS_OFF},
        {"server_tokens build;", L(server_tokens), TOKENS_BUILD},
        {"", L(absolute_redirect), true},
        {"absolute_redirect off;", L(absolute_redirect), false},
        {"", L(server_name_in_redirect), false},
        {"", L(port_in_redirect), true},
        {"", L(log_not_found), true},
        {"", L(recursive_error_pages), false},
        {"", L(satisfy), SATISFY_ALL},
        {"satisfy any;", L(satisfy), SATISFY_ANY},
        {"", L(resolver_timeout_ms), 30000},
        {"", L(proxy.version), HTTP_1_1},
        {"proxy_http_version 1.0;", L(proxy.version), HTTP_1_0},
        {"", L(proxy.connect_timeout_ms), 60000},
        {"proxy_read_timeout 1h;", L(proxy.read_timeout_ms), 3600000},
        {"proxy_send_timeout 100ms;", L(proxy.send_timeout_ms), 100},
        {"", L(proxy.buffering), true},
        {"proxy_request_buffering off;", L(proxy.request_buffering), false},
        {"", L(proxy.buffer_size), 4096},
        {"", L(proxy.buffers_count), 8},
        {"", L(proxy.buffers_size), 4096},
        {"proxy_buffers 4 16k;", L(proxy.buffers_count), 4},
        {"proxy_buffers 4 16k;", L(proxy.buffers_size), 16384},
        {"", L(proxy.next_upstream), NEXT_ERROR | NEXT_TIMEOUT},
        {"proxy_next_upstream off;", L(proxy.next_upstream), NEXT_OFF},
        {"proxy_next_upstream http_502 non_idempotent; proxy_next_upstream error;",
         L(proxy.next_upstream), NEXT_502 | NEXT_NON_IDEMPOTENT | NEXT_ERROR},
        {"", L(proxy.next_upstream_tries), 0},
        {"proxy_next_upstream_tries 3;", L(proxy.next_upstream_tries), 3},
        {"proxy_next_upstream_timeout 2s;", L(proxy.next_upstream_timeout_ms), 2000},
        {"", L(proxy.intercept_errors), false},
        {"proxy_ignore_headers x-accel-redirect Vary;", L(proxy.ignore_headers),
         IGNORE_X_ACCEL_REDIRECT | IGNORE_VARY},
        {"", L(proxy.pass_request_body), true},
        {"proxy_pass_request_headers off;", L(proxy.pass_request_headers), false},
        {"proxy_socket_keepalive on;", L(proxy.socket_keepalive), true},
        {"", L(proxy.redirects.count), 1},
        {"proxy_redirect a b;", L(proxy.redirects.count), 1},
        {"proxy_redirect a b; proxy_redirect default;", L(proxy.redirects.count), 2},
        {"", L(access_logs.count), 0},
    };
    expect_fields(rows, sizeof rows / sizeof *rows, true);
}

Test(values, of_a_server)
{
    static const struct field_row rows[] = {
        {"", S(client_header_timeout_ms), 60000},
        {"client_header_timeout 5s;", S(client_header_timeout_ms), 5000},
        {"", S(client_header_buffer_size), 1024},
        {"", S(large_header_buffers), 4},
        {"", S(large_header_buffer_size), 8192},
        {"large_client_header_buffers 2 16k;", S(large_header_buffers), 2},
        {"large_client_header_buffers 2 16k;", S(large_header_buffer_size), 16384},
        {"", S(ignore_invalid_headers), true},
        {"", S(underscores_in_headers), false},
        {"underscores_in_headers on;", S(underscores_in_headers), true},
        {"merge_slashes off;", S(merge_slashes), false},
        {"", S(tls_handshake_timeout_ms), 60000},
        {"", S(watch_files), false},
        {"", S(client_recheck_ms), 60000},
        {"ssl_client_recheck 5s;", S(client_recheck_ms), 5000},
        {"", S(tls.verify), TLS_VERIFY_OFF},
        {"", S(tls.verify_depth), 1},
        {"ssl_verify_depth 3;", S(tls.verify_depth), 3},
        {"", S(tls.partial_chain), false},
        {"ssl_client_partial_chain on;", S(tls.partial_chain), true},
        {"", S(tls.clock_skew_ms), 0},
        {"ssl_client_clock_skew 2m;", S(tls.clock_skew_ms), 120000},
        {"", S(tls.crl_check), TLS_CRL_CHAIN},
        {"ssl_crl_check leaf;", S(tls.crl_check), TLS_CRL_LEAF},
        {"", S(tls.crl_missing), TLS_CRL_MISSING_REFUSE},
        {"ssl_crl_missing allow;", S(tls.crl_missing), TLS_CRL_MISSING_ALLOW},
        {"", S(tls.crl_grace_ms), 0},
        {"ssl_crl_grace 1d;", S(tls.crl_grace_ms), 86400000},
        {"", S(tls.protocols), TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3},
        {"ssl_protocols TLSv1.3;", S(tls.protocols), TLS_PROTOCOL_1_3},
        {"ssl_protocols TLSv1 TLSv1.2;", S(tls.protocols), TLS_PROTOCOL_1_2},
        {"", S(tls.prefer_server_ciphers), false},
        {"", S(tls.buffer_size), 16384},
        {"ssl_buffer_size 4k;", S(tls.buffer_size), 4096},
        {"", S(listens.count), 1},
    };
    expect_fields(rows, sizeof rows / sizeof *rows, false);
}

Test(values, that_are_refused)
{
    static const struct problem_row rows[] = {
        {"client_max_body_size 1t;",
         "invalid value \"1t\" in \"client_max_body_size\" directive in "
         "test.conf:1; a size is a number with \"k\", \"m\" or \"g\""},
        {"proxy_buffers 8;", "invalid number of arguments in \"proxy_buffers\" directive"},
        {"proxy_buffers 0 4k;", "invalid value \"0\" in \"proxy_buffers\""},
        {"proxy_buffers 8 x;", "invalid value \"x\" in \"proxy_buffers\""},
        {"proxy_buffer_size 1;", "value must be between 256"},
        {"keepalive_timeout 5 x;", "invalid value \"x\" in \"keepalive_timeout\""},
        {"keepalive_requests 99999999999;", "it is too large"},
        {"satisfy some;", "invalid value \"some\" in \"satisfy\" directive in test.conf:1; it must "
                          "be \"all\" or \"any\""},
        {"proxy_next_upstream error error;", "[warn] duplicate value \"error\""},
        {"proxy_next_upstream foo;", "invalid value \"foo\" in \"proxy_next_upstream\""},
        {"proxy_http_version 2;", "it must be \"1.0\" or \"1.1\""},
        {"root $host;", "variables are not supported in this path"},
        {"root a; root b;", "\"root\" directive is duplicate"},
        {"add_header a b c;", "invalid parameter \"c\""},
        {"error_page x /y;", "invalid value \"x\" in \"error_page\""},
        {"error_page 499 /y;", "value \"499\" must be between 300 and 599"},
        {"error_page 200 /y;", "value \"200\" must be between 300 and 599"},
        {"error_page =200 /y;", "invalid value \"=200\""},
        {"error_page 404 =x /y;", "invalid value \"=x\""},
        {"deny 300.1.1.1;", "invalid parameter \"300.1.1.1\""},
        {"deny 10.0.0.0/33;", "invalid parameter \"10.0.0.0/33\""},
        {"allow 10.0.0.1/8;", "[warn] low address bits of 10.0.0.1/8 are meaningless"},
        {"resolver 127.0.0.1 ipv4=off ipv6=off;", "\"ipv4\" and \"ipv6\" cannot both be \"off\""},
        {"resolver valid=5s;", "no name servers defined"},
        {"resolver 127.0.0.1 valid=x;", "invalid parameter \"valid=x\""},
        {"access_log x nope;", "unknown log format \"nope\""},
        {"access_log x combined flush=5s;", "no buffer is defined for access_log \"x\""},
        {"access_log x combined gzip;", "logs are not compressed"},
        {"access_log /x/$host;", "invalid value \"/x/$host\""},
        {"access_log off x;", "invalid parameter \"x\""},
        {"proxy_client_identity_pass X-A for 1.2.3.4;", "invalid parameter \"for\""},
        {"proxy_client_identity_pass X-A from all;", "invalid parameter \"all\""},
        {"proxy_redirect foo;", "invalid parameter \"foo\""},
        {"proxy_redirect ~( b;", "missing closing parenthesis"},
    };
    EXPECT_PROBLEMS(rows, config_of_server);
}

Test(values, strings_and_lists)
{
    struct loaded c = config_of_server(
        "root www; default_type a/b; add_header X-A $host always; add_header X-B b;"
        "error_page 502 504 =200 @down; error_page 404 =  http://$host/none;"
        "allow 10.0.0.0/8; deny all; resolver 127.0.0.1 [::1]:5353 valid=5s ipv6=off;"
        "access_log a.log; access_log b.log combined buffer=4k flush=1m if=$arg_log;"
        "proxy_set_header Host $host; proxy_hide_header a; proxy_hide_header b;"
        "proxy_method POST; proxy_client_identity_pass X-User from 10.0.0.0/8 ::1;"
        "client_body_temp_path tmp 1 2; error_log e.log warn; error_log stderr;");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    const struct location_conf *l = config_server(&c, 0)->root;
    struct str dir = str_of(c.dir);
    cr_expect(str_starts(l->root, dir) && str_ends(l->root, STR("/www")));
    cr_expect(str_ends(l->client_body_temp_path, STR("/tmp")));
    EXPECT_STR(l->default_type, "a/b");
    cr_assert_eq(l->add_headers.count, 2);
    cr_expect(l->add_headers.items[0].always && l->add_headers.items[0].value.has_variables);
    cr_expect(!l->add_headers.items[1].always && !l->add_headers.items[1].value.has_variables);

    cr_assert_eq(l->error_pages.count, 2);
    const struct error_page_conf *page = l->error_pages.items;
    cr_expect_eq(page[0].codes.count, 2);
    cr_expect_eq(page[0].codes.items[1], 504);
    cr_expect_eq(page[0].overwrite, 200);
    cr_expect(page[0].is_named && !page[0].is_url);
    cr_expect_eq(page[1].overwrite, 0);
    cr_expect(page[1].is_url && page[1].target.has_variables);

    cr_assert_eq(l->access_rules.count, 2);
    cr_expect(l->access_rules.items[0].allow && !l->access_rules.items[1].allow);
    cr_assert(l->resolver != NULL);
    cr_expect_eq(l->resolver->servers.count, 2);
    cr_expect_eq(addr_port(&l->resolver->servers.items[0]), 53);
    cr_expect_eq(addr_port(&l->resolver->servers.items[1]), 5353);
    cr_expect(l->resolver->ipv4 && !l->resolver->ipv6);
    cr_expect_eq(l->resolver->valid_ms, 5000);

    cr_assert_eq(l->access_logs.count, 2);
    cr_expect_eq(l->access_logs.items[1].buffer_size, 4096);
    cr_expect_eq(l->access_logs.items[1].flush_ms, 60000);
    cr_expect(l->access_logs.items[1].has_condition);
    EXPECT_STR(l->access_logs.items[0].format->name, "combined");
    cr_assert(l->error_log != NULL && l->error_log->next != NULL);
    cr_expect_eq(l->error_log->level, LOG_WARN);
    cr_expect_eq(l->error_log->next->level, LOG_ERROR);
    cr_expect_eq(l->error_log->next->file->fd, 2);

    cr_expect_eq(l->proxy.hide_headers.count, 2);
    EXPECT_STR(template_constant(&l->proxy.method), "POST");
    cr_expect_eq(l->proxy.identity_pass.items[0].from.count, 2);
    config_end(&c);
}

Test(values, one_log_file_for_each_path)
{
    struct loaded c = config_of("events {} error_log a.log; http { access_log a.log; error_log "
                                "a.log; server { access_log b.log; access_log syslog:server="
                                "127.0.0.1; listen 8080; } }");
    cr_assert(c.s != NULL, "%s", config_problems(&c));
    size_t files = 0, syslogs = 0;
    for (struct log_file *f = c.s->log_files; f; f = f->next) {
        syslogs += f->syslog != NULL;
        files += f->path.len > 0;
    }
    cr_expect_eq(files, 2);
    cr_expect_eq(syslogs, 1);
    cr_expect(c.s->process.error_log->file == config_server(&c, 0)->root->error_log->file);
    config_end(&c);
}
