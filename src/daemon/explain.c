#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "password.h"
#include "portcullis/base/clock.h"
#include "portcullis/base/log.h"
#include "proxy_app.h"

static const char help_text[] =
    "Usage: portcullis explain [-c file] [--server name[:port]] [--location path] file...\n"
    "       portcullis explain --ca file [--intermediates file] [--crl file] [--depth n] file...\n"
    "       portcullis explain --connect host[:port] [--server name] [file...]\n"
    "       portcullis explain [-c file] --log-id id\n"
    "\n"
    "Would a client that sends the certificates of these files (PEM, DER or PKCS #12, its own\n"
    "first; - is standard input) be let in? Private keys in them are not looked at.\n"
    "\n"
    "  -c file              : by this configuration (-p, -g as without explain)\n"
    "  --server name[:port] : its server block; default: that of the first address with ssl\n"
    "  --location path      : the request's path; default: /\n"
    "  --password-file file : its first line opens PKCS #12; else the terminal is asked\n"
    "  --ca file            : by these CAs, without a configuration\n"
    "  --intermediates file : CA certificates that the client need not send\n"
    "  --crl file           : revocation lists\n"
    "  --depth n            : ssl_verify_depth; default: 1\n"
    "  --connect host[:port]: what does that server ask of its clients, and would they show the\n"
    "                         certificate of these files? --server is the name to ask for\n"
    "  --log-id id          : the refusal with this request id, from the configuration's "
    "error_log\n"
    "  --json               : for programs\n"
    "  --time time          : as it will be or was then, \"2027-01-31T12:00:00Z\"\n"
    "\n"
    "Exit status: 0 let in, 1 refused, 2 could not tell.\n";

bool explain_untold(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fputs("portcullis: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return false;
}

/* ------------------------------------------------------------------ reading */

/* RFC 3339; a date alone is its midnight, UTC. */
static bool time_parse(const char *text, time_t *when)
{
    struct tm tm = {0};
    int hours = 0, minutes = 0, end = 0;
    char sign;
    const char *rest = strptime(text, "%Y-%m-%d", &tm);

    if (rest == NULL)
        return false;
    if (*rest == '\0') {
        *when = timegm(&tm);
        return true;
    }
    if (strchr("Tt ", *rest) == NULL || (rest = strptime(rest + 1, "%H:%M:%S", &tm)) == NULL)
        return false;
    *when = timegm(&tm);
    if (strcmp(rest, "Z") == 0 || strcmp(rest, "z") == 0)
        return true;
    if (sscanf(rest, "%c%2d:%2d%n", &sign, &hours, &minutes, &end) != 3 || rest[end] != '\0')
        return false;
    *when -= (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60;
    return sign == '-' || sign == '+';
}

/* Whoever looks at the clock sees the same time. */
static bool set_time(struct explained *e, const struct explain_options *o)
{
    if (o->time.len > 0 && !time_parse(o->time.ptr, &e->now))
        return explain_untold("invalid time \"%s\": write \"2027-01-31T12:00:00Z\"", o->time.ptr);
    clock_fix((int64_t)e->now * 1000, clock_monotonic_ms());
    return true;
}

static bool read_files(struct explained *e, const struct explain_options *o)
{
    const char *problem;
    struct password password = {.file = o->password_file.ptr};
    bool good = true;

    if (o->file_count == 0 && o->connect.len == 0)
        return explain_untold("explain needs a file with the client's certificate (explain -h)");
    e->sent.password = password_ask;
    e->sent.owner = &password;
    for (size_t i = 0; i < o->file_count && good; i++)
        if (!bundle_read(&e->sent, &e->arena, str_of(o->files[i]), &problem))
            good = explain_untold("cannot read certificates from \"%s\": %s", o->files[i], problem);
    password_deinit(&password);
    if (good)
        e->identity = identity_new(e->sent.certificates.items, e->sent.certificates.count);
    return good;
}

/* ------------------------------------------------------------------ judging */

static void on_problem(void *owner, enum log_level level, const char *message)
{
    (void)owner;
    log_write(&log_process, level, "%s", message);
}

/* As a server block with these files and nothing else would. */
static bool read_settings(const struct explain_options *o, struct tls_settings *s)
{
    uint64_t depth = 1;

    if (o->depth.len > 0 && (!str_to_u64(o->depth, &depth) || depth > 100))
        return explain_untold("invalid number of intermediates \"%s\"", o->depth.ptr);
    *s = (struct tls_settings){
        .client_certificate = o->ca,
        .intermediates = o->intermediates,
        .crl = o->crl,
        .verify = TLS_VERIFY_ON,
        .verify_depth = (unsigned)depth,
        .protocols = TLS_PROTOCOL_1_2 | TLS_PROTOCOL_1_3,
        .ciphers = STR("HIGH:!aNULL:!MD5"),
        .ecdh_curve = STR("auto"),
        .judges_only = true,
    };
    return true;
}

static void judge(struct explained *e)
{
    tls_context_judge(e->context, e->identity, e->now);
    e->answer = (struct explain_answer){.passes = identity_is_verified(e->identity),
                                        .refusal = identity_refusal(e->identity),
                                        .detail = identity_detail(e->identity)};
}

static bool substitute(struct buf *out, struct str *rest, struct str mark, struct str value,
                       struct str fallback)
{
    if (!str_starts(*rest, mark))
        return false;
    buf_append_str(out, value.len > 0 ? value : fallback);
    *rest = str_from(*rest, mark.len);
    return true;
}

struct str explain_cure(struct arena *a, enum refusal why, struct str subject, struct str issuer)
{
    struct str rest = str_of(refusal_remedy(why));
    struct buf out = {0};

    while (rest.len > 0)
        if (!substitute(&out, &rest, STR("{cert}"), subject, STR("the certificate")) &&
            !substitute(&out, &rest, STR("{issuer}"), issuer, STR("its issuer"))) {
            buf_append_char(&out, rest.ptr[0]);
            rest = str_from(rest, 1);
        }
    struct str cure = arena_str(a, buf_str(&out));
    buf_deinit(&out);
    return cure;
}

/* The verdict may be about more than the chain: then the client's own certificate is meant. A
 * script that bars a client has a reason of its own, unless the certificate is no good. */
static struct str make_cure(struct explained *e)
{
    const struct explain_answer *answer = &e->answer;
    enum refusal of_chain = identity_refusal(e->identity);
    enum refusal why = answer->is_barred ? of_chain : answer->refusal;
    bool is_of_chain = why == of_chain;

    if (answer->is_barred && why == REFUSAL_NONE)
        return arena_printf(&e->arena, "See the condition around %.*s:%u.",
                            STR_ARG(answer->returned_pos.file), answer->returned_pos.line);
    if (why == REFUSAL_NONE)
        return STR("");
    return explain_cure(
        &e->arena, why,
        is_of_chain ? e->trace.subject : identity_fact(e->identity, IDENTITY_SUBJECT),
        is_of_chain ? e->trace.issuer : identity_fact(e->identity, IDENTITY_ISSUER));
}

/* ------------------------------------------------------------------ what both forms need */

/* The check of dates stops at the first, too. */
static bool is_in_time(const struct explained *e, struct str der)
{
    struct identity *c = identity_new(&der, 1);
    time_t skew = tls_context_settings(e->context)->clock_skew_ms / 1000;
    bool in_time = e->now >= identity_not_before_time(c) - skew &&
                   e->now <= identity_not_after_time(c) + skew;

    identity_unref(c);
    return in_time;
}

bool explain_link_is_good(const struct explained *e, size_t at)
{
    const struct verify_trace *t = &e->trace;

    if (!is_in_time(e, t->path[at].der) || (!t->is_complete && at + 1 == t->length))
        return false;
    for (size_t i = 0; i < t->check_count; i++)
        if (t->checks[i].refusal != REFUSAL_NONE && t->checks[i].at == at)
            return false;
    return true;
}

bool explain_is_unused(const struct explained *e, struct str der)
{
    for (size_t i = 0; i < e->trace.length; i++)
        if (str_eq(e->trace.path[i].der, der))
            return false;
    return true;
}

bool explain_check_is_idle(const struct explained *e, const struct verify_check *c)
{
    return strcmp(c->name, "revocation") == 0 && tls_context_settings(e->context)->crl.len == 0;
}

bool explain_asks(const struct explained *e)
{
    return e->answer.location == NULL || e->answer.location->verify != TLS_VERIFY_OFF;
}

struct str explain_time(time_t when, char out[static 32])
{
    struct tm tm;

    gmtime_r(&when, &tm);
    return str_make(out, strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm));
}

/* ------------------------------------------------------------------ telling */

static void print(const struct explained *e, bool as_json)
{
    struct buf out = {0};
    bool with_colour = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;

    if (as_json)
        explain_json(e, &out);
    else
        explain_text(e, with_colour, &out);
    (void)fwrite(buf_str(&out).ptr, 1, buf_len(&out), stdout);
    buf_deinit(&out);
}

static int tell(struct explained *e, const struct explain_options *o)
{
    e->trace.arena = &e->arena;
    tls_context_trace(e->context, e->identity, e->now, &e->trace);
    e->cure = make_cure(e);
    print(e, o->json);
    return explain_lets_in(&e->answer) ? EXPLAIN_ACCEPTED : EXPLAIN_REFUSED;
}

/* The pool's files live as long as the context. */
static int explain_by_files(struct explained *e, const struct explain_options *o)
{
    struct tls_settings s;
    struct tls_pool *pool = tls_pool_new();
    struct tls_context *context = NULL;
    int status = EXPLAIN_UNTOLD;

    if (read_settings(o, &s))
        context = tls_context_new(pool, &s, (struct tls_report){.problem = on_problem});
    if (context != NULL) {
        e->context = context;
        judge(e);
        status = tell(e, o);
    }
    tls_context_free(context);
    tls_pool_free(pool);
    return status;
}

static int explain_by_configuration(struct explained *e, const struct command *c)
{
    struct snapshot *s = proxy_app_read(c);
    struct str problem;
    int status = EXPLAIN_UNTOLD;

    if (s == NULL)
        return status;
    const struct explain_question q = {.snapshot = s,
                                       .server = c->explain.server,
                                       .target = c->explain.location,
                                       .identity = e->identity,
                                       .now = e->now};
    e->has_configuration = true;
    if (explain_ask(&q, &e->arena, &e->answer, &problem)) {
        e->context = e->answer.server->tls_context;
        status = tell(e, &c->explain);
    } else {
        (void)explain_untold("%.*s", STR_ARG(problem));
    }
    snapshot_free(s);
    return status;
}

int explain_run(const struct command *c)
{
    const struct explain_options *o = &c->explain;
    struct explained e = {.now = time(NULL)};
    int status = EXPLAIN_UNTOLD;

    if (c->show_help) {
        (void)fputs(help_text, stderr);
        return EXPLAIN_ACCEPTED;
    }
    if (o->log_id.len > 0)
        return explain_log(c);
    arena_init(&e.arena, 16384);
    if (set_time(&e, o) && read_files(&e, o))
        status = o->connect.len > 0 ? explain_connect(o, &e.sent, &e.arena)
                 : o->ca.len > 0    ? explain_by_files(&e, o)
                                    : explain_by_configuration(&e, c);
    identity_unref(e.identity);
    arena_deinit(&e.arena);
    return status;
}
