/* Which blocks serve a request: the server by Host, the location by path, in nginx's order:
 *
 *   exact (=) ─▶ longest prefix and those nested in it; ends here when ^~
 *             ─▶ first regex and those nested in it ─▶ that prefix
 */
#include "route.h"

/* ---- the server ---- */

/* Without Host a block named "" serves, else the one that shook hands, or the address's default:
 * what request_new has put there. */
void route_server(struct request *req)
{
    const struct name_regex *regex = NULL;
    bool matched;
    if (req->host.len) {
        req->server = bind_find_server(req->bind, req->host, &matched, NULL, &regex);
    } else {
        const struct server_conf *nameless = strmap_find(&req->bind->exact, STR(""));
        req->server = nameless ? nameless : req->server;
        req->host = req->server->name;
    }
    request_set_location(req, req->server->root);
    if (regex)
        request_match(req, &regex->regex, req->host); /* its captures and named groups */
}

/* ---- the location ---- */

/* limit_except stands in for its location where the method is one that it limits. */
static bool is_limited(const struct request *req, const struct location_conf *loc)
{
    const struct limit_except_conf *limit = loc->limit_except;
    return limit && limit->conf && !(limit->methods >> req->head.method & 1);
}

void request_set_location(struct request *req, const struct location_conf *loc)
{
    req->outer_location = loc;
    req->location = is_limited(req, loc) ? loc->limit_except->conf : loc;
    if (req->location->error_log)
        req->log.log = req->location->error_log;
}

static const struct location_conf *find_exact(const struct location_set *set, struct str path)
{
    return set->exact.count ? strmap_find(&set->exact, path) : NULL;
}

static bool search_regexes(struct route_search *s, const struct location_set *set);

/* True: something in this set fits. */
static bool search_set(struct route_search *s, const struct location_set *set)
{
    const struct location_conf *loc = find_exact(set, s->path);
    if (loc) {
        s->found = loc;
        return s->is_final = true;
    }
    bool is_redirect = false;
    loc = location_find_prefix(set, s->path, &is_redirect);
    if (loc) {
        s->found = loc;
        if (is_redirect)
            return s->is_redirect = s->is_final = true;
        search_set(s, &loc->nested);
        if (s->is_final || s->has_failed)
            return true;
    }
    bool allows_regex = !loc || loc->kind != LOCATION_PREFIX_FINAL;
    return (allows_regex && search_regexes(s, set)) || loc;
}

static bool search_regexes(struct route_search *s, const struct location_set *set)
{
    for (size_t i = 0; i < set->regexes.count; i++) {
        const struct location_conf *loc = set->regexes.items[i];
        enum match_result match = s->match(s->owner, &loc->regex, s->path);
        if (match == MATCH_FAILED)
            return s->has_failed = true;
        if (match == MATCH_NO)
            continue;
        s->found = loc;
        search_set(s, &loc->nested);
        return s->is_final = true;
    }
    return false;
}

void route_search(struct route_search *s, const struct location_set *set)
{
    search_set(s, set);
}

static enum match_result match_for_request(void *owner, const struct regex_conf *r, struct str path)
{
    return request_try_match(owner, r, path);
}

static void redirect_to_slash(struct request *req, const struct location_conf *loc)
{
    struct str path = uri_escape_path(&req->arena, loc->name);
    struct str parts[] = {path, STR("?"), req->args};
    respond_redirect(req, 301, req->args.len ? arena_concat(&req->arena, parts, 3) : path);
}

const struct location_conf *route_location(struct request *req)
{
    struct route_search s = {.path = req->path, .match = match_for_request, .owner = req};
    if (req->outer_location->kind == LOCATION_NAMED)
        return req
            ->outer_location; /* error_page said which; its limit_except may stand in for it */
    route_search(&s, &req->server->locations);
    if (s.has_failed) {
        respond_status(req, 500);
        return NULL;
    }
    if (!s.found)
        s.found = req->server->root;
    request_set_location(req, s.found);
    if (s.found->internal && !req->is_internal) {
        respond_status(req, 404);
        return NULL;
    }
    if (s.is_redirect) {
        redirect_to_slash(req, s.found);
        return NULL;
    }
    return s.found;
}
