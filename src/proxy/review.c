/* When trust has changed, all connections are looked at, a few at a time: a verdict is a signature
 * or more, and thousands at once would keep the others waiting. Upgraded connections end, the
 * others learn it by their next request. */
#include "access.h"
#include "portcullis/base/clock.h"
#include "portcullis/proxy/client.h"

enum { AT_ONCE = 4, PAUSE_MS = 1 };

static bool was_let_in(const struct client *c, const struct identity *id)
{
    enum tls_verify_mode mode = c->tls_server->root->verify;

    return mode != TLS_VERIFY_REPORT && id != NULL && identity_is_verified(id) &&
           tls_settings_ask(tls_context_settings(c->tls_server->tls_context));
}

/* Nothing of the identity changes under a request that runs. */
static bool has_lost(struct client *c)
{
    struct tls_session *tls = stream_tls(c->stream);

    if (c->phase == CLIENT_TUNNEL)
        return !client_recheck(c);
    if (tls == NULL || c->tls_server == NULL || stream_is_closing(c->stream))
        return false;
    const struct identity *id = tls_session_identity(tls);
    return was_let_in(c, id) &&
           tls_context_verdict(tls_session_context(tls), id, clock_wall()) != REFUSAL_NONE;
}

static void tell(const struct proxy *p)
{
    if (p->review_lost > 0)
        log_write(&log_process, LOG_NOTICE, "%zu open connection%s no longer permitted",
                  p->review_lost, p->review_lost == 1 ? " is" : "s are");
}

/* Who was looked at goes to the end, where those are that came since. */
static struct client *next(struct proxy *p)
{
    if (list_is_empty(&p->clients))
        return NULL;
    struct client *c = CONTAINER_OF(p->clients.next, struct client, node);
    if (c->review == p->review)
        return NULL;
    c->review = p->review;
    list_remove(&c->node);
    list_push_back(&p->clients, &c->node);
    return c;
}

void review_on_timer(void *owner)
{
    struct proxy *p = owner;

    for (int i = 0; i < AT_ONCE; i++) {
        struct client *c = next(p);
        if (c == NULL) {
            tell(p);
            return;
        }
        p->review_lost += has_lost(c);
    }
    timer_start(p->review_timer, PAUSE_MS);
}

void proxy_trust_changed(struct proxy *p)
{
    p->review++;
    p->review_lost = 0;
    timer_start(p->review_timer, PAUSE_MS);
}
