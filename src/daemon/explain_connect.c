/* What does that server ask of its clients, seen as one of them? */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dial.h"
#include "explain.h"
#include "portcullis/base/json.h"
#include "portcullis/base/resolve.h"
#include "portcullis/http/uri.h"
#include "portcullis/tls/certificate_request.h"

#define DEFAULT_PORT 443

struct asked {
    struct arena *arena;
    struct str target; /* as given */
    struct dial dial;
    bool asks, is_tls13, is_open, is_broken; /* broken: what it asks cannot be read */
    struct certificate_request request;
    const struct bundle *shown; /* of --connect's files; none: no question of fitting */
    enum certificate_request_fit fit;
};

/* ------------------------------------------------------------------ asking */

/* An address is no name for SNI (RFC 6066, 3). */
static struct str name_of(struct arena *a, const struct explain_options *o)
{
    struct str name, port;
    struct addr literal;

    if (o->server.len > 0)
        return o->server;
    if (!uri_host_parse(a, o->connect, &name, &port) || addr_parse_ip(&literal, name, 0))
        return STR_NONE;
    return name;
}

static bool dial_any(struct asked *k, struct str name)
{
    struct addr *addrs;
    const char *problem;
    size_t count = resolve_now(k->arena, k->target, DEFAULT_PORT, &addrs, &problem);

    if (count == 0)
        return explain_untold("%s in \"%.*s\"", problem, STR_ARG(k->target));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            dial_close(&k->dial);
        if (dial_connect(&k->dial, &addrs[i], tls_session_new_client(NULL, name)))
            return true;
    }
    return explain_untold("%.*s: %s (%d: %s)", STR_ARG(k->target), k->dial.problem, k->dial.err,
                          strerror(k->dial.err));
}

/* Without a certificate a server may well end the handshake: what it asked is known by then. */
static bool ask(struct asked *k)
{
    k->is_open = dial_shake_hands(&k->dial);
    struct str body = tls_session_certificate_request(k->dial.tls, &k->is_tls13);

    k->asks = body.ptr != NULL;
    if (!k->is_open && !k->asks)
        return explain_untold("%.*s: %s%s%s", STR_ARG(k->target), k->dial.problem,
                              k->dial.err != 0 ? ": " : "",
                              k->dial.err != 0 ? strerror(k->dial.err) : "");
    k->is_broken = k->asks && !certificate_request_read(&k->request, k->arena, body, k->is_tls13);
    if (k->shown->certificates.count > 0 && k->asks && !k->is_broken)
        k->fit = certificate_request_fits(&k->request, k->shown->certificates.items,
                                          k->shown->certificates.count);
    return true;
}

/* ------------------------------------------------------------------ telling */

static const char *fit_words(const struct asked *k)
{
    static const char *const words[] = {
        [REQUEST_FITS] = "fits: a client would show it",
        [REQUEST_OTHER_CAS] =
            ("does not fit: none of its issuers is among the authorities, and most "
             "clients show nothing then"),
        [REQUEST_OTHER_KEY] = "does not fit: the server takes no signature that its key can make",
    };
    return words[k->fit];
}

static void put_list(struct buf *out, const char *title, const struct str *items, size_t count)
{
    buf_printf(out, "\n%s\n", title);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "  %.*s\n", STR_ARG(items[i]));
}

static struct str *scheme_names(const struct asked *k)
{
    struct str *names = ARENA_ARRAY(k->arena, struct str, k->request.schemes.count + 1);

    for (size_t i = 0; i < k->request.schemes.count; i++)
        names[i] = certificate_request_scheme(k->request.schemes.items[i], k->arena);
    return names;
}

static const char *protocol(const struct asked *k)
{
    return k->is_tls13 ? "TLSv1.3" : "TLSv1.2";
}

static void print_text(const struct asked *k, struct buf *out)
{
    struct str cipher = tls_session_cipher(k->dial.tls);

    buf_printf(out, "%.*s speaks %s", STR_ARG(k->target), protocol(k));
    if (k->is_open)
        buf_printf(out, ", %.*s\n", STR_ARG(cipher));
    else
        buf_append_str(out, STR(", and ends the handshake of a client without a certificate\n"));
    if (!k->asks) {
        buf_append_str(out, STR("It asks for no client certificate, at least not before a request "
                                "is made.\n"));
        return;
    }
    if (k->is_broken) {
        buf_append_str(out,
                       STR("It asks for a client certificate in a way that cannot be read.\n"));
        return;
    }
    buf_append_str(out, STR("It asks for a client certificate.\n"));
    if (k->request.authorities.count > 0)
        put_list(out, "of these authorities", k->request.authorities.items,
                 k->request.authorities.count);
    else
        buf_append_str(out, STR("\nof any authority: it names none\n"));
    put_list(out, "with a signature by", scheme_names(k), k->request.schemes.count);
    if (k->shown->certificates.count > 0)
        buf_printf(out, "\nThe certificate %s.\n", fit_words(k));
}

static void put_strings(struct json *j, const char *name, const struct str *items, size_t count)
{
    json_open(j, name, '[');
    for (size_t i = 0; i < count; i++)
        json_string(j, NULL, items[i]);
    json_close(j, ']');
}

static void print_json(const struct asked *k, struct buf *out)
{
    struct json j = {.out = out};

    json_open(&j, NULL, '{');
    json_string(&j, "protocol", str_of(protocol(k)));
    json_string(&j, "cipher", k->is_open ? tls_session_cipher(k->dial.tls) : STR_NONE);
    json_bool(&j, "asks", k->asks);
    if (k->asks && !k->is_broken) {
        put_strings(&j, "authorities", k->request.authorities.items, k->request.authorities.count);
        put_strings(&j, "signatures", scheme_names(k), k->request.schemes.count);
        if (k->shown->certificates.count > 0) {
            json_bool(&j, "fits", k->fit == REQUEST_FITS);
            json_string(&j, "words", str_of(fit_words(k)));
        }
    }
    json_close(&j, '}');
    buf_append_char(out, '\n');
}

int explain_connect(const struct explain_options *o, const struct bundle *shown, struct arena *a)
{
    struct asked k = {.arena = a, .target = o->connect, .shown = shown, .dial = {.fd = -1}};
    struct buf out = {0};

    if (!tls_process_start())
        return EXPLAIN_UNTOLD;
    bool is_told = dial_any(&k, name_of(a, o)) && ask(&k);
    if (is_told)
        (o->json ? print_json : print_text)(&k, &out);
    dial_close(&k.dial);
    (void)fwrite(buf_str(&out).ptr, 1, buf_len(&out), stdout);
    buf_deinit(&out);
    if (!is_told || k.is_broken)
        return EXPLAIN_UNTOLD;
    return k.fit == REQUEST_FITS ? EXPLAIN_ACCEPTED : EXPLAIN_REFUSED;
}
