#include "check.h"

#include <stdio.h>
#include <string.h>

#include "dial.h"
#include "portcullis/base/resolve.h"
#include "portcullis/tls/context.h"
#include "proxy_app.h"

#define DEFAULT_PORT 443

static const char question[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: "
                               "portcullis-check\r\nConnection: close\r\n\r\n";

static bool unhealthy(const char *what, int err)
{
    (void)fprintf(stderr,
                  err != 0 ? "portcullis: unhealthy: %s (%d: %s)\n" : "portcullis: unhealthy: %s\n",
                  what, err, strerror(err));
    return false;
}

/* ------------------------------------------------------------------ where */

struct target {
    struct addr addr;
    bool tls;
};

static void to_loopback(struct addr *a)
{
    if (!addr_is_wildcard(a))
        return;
    if (addr_family(a) == AF_INET)
        a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        a->in6.sin6_addr = in6addr_loopback;
}

static bool find_given(struct target *t, struct str text)
{
    struct arena arena;
    struct addr *addrs;
    const char *problem;

    arena_init(&arena, 1024);
    size_t count = resolve_now(&arena, text, DEFAULT_PORT, &addrs, &problem);
    if (count > 0)
        *t = (struct target){addrs[0], true};
    else
        (void)fprintf(stderr, "portcullis: %s in \"%.*s\"\n", problem, STR_ARG(text));
    arena_deinit(&arena);
    return count > 0;
}

/* The first TLS address, else the first. */
static const struct listen_conf *first_listen(const struct snapshot *s)
{
    for (size_t i = 0; i < s->http.binds.count; i++)
        if (s->http.binds.items[i]->listen.ssl)
            return &s->http.binds.items[i]->listen;
    return s->http.binds.count > 0 ? &s->http.binds.items[0]->listen : NULL;
}

static bool find_configured(struct target *t, const struct command *c)
{
    struct snapshot *s = proxy_app_read(c);

    if (s == NULL)
        return false;
    const struct listen_conf *l = first_listen(s);
    if (l != NULL)
        *t = (struct target){l->addr, l->ssl};
    snapshot_free(s);
    if (l == NULL)
        return unhealthy("the configuration listens nowhere", 0);
    to_loopback(&t->addr);
    return true;
}

/* ------------------------------------------------------------------ asking */

static bool await_answer(struct dial *d)
{
    static const struct str start = STR_INIT("HTTP/1.");

    while (buf_len(&d->plain) < start.len) {
        if (!dial_receive(d))
            return false;
        if (d->tls != NULL && tls_session_status(d->tls) == TLS_CLOSED &&
            buf_len(&d->plain) < start.len)
            return unhealthy("the connection was closed without an answer", 0);
    }
    return str_starts(buf_str(&d->plain), start) || unhealthy("the answer is not HTTP", 0);
}

static bool check(const struct target *t)
{
    struct dial d;
    struct tls_session *tls = t->tls ? tls_session_new_client(NULL, STR("localhost")) : NULL;
    bool ok = dial_connect(&d, &t->addr, tls) && dial_shake_hands(&d) &&
              dial_send(&d, STR(question)) && await_answer(&d);

    if (d.problem != NULL)
        (void)unhealthy(d.problem, d.err);
    dial_close(&d);
    return ok;
}

int check_run(const struct command *c)
{
    struct target t;

    if (!tls_process_start())
        return 1;
    bool found = c->check.len > 0 ? find_given(&t, c->check) : find_configured(&t, c);
    return found && check(&t) ? 0 : 1;
}
