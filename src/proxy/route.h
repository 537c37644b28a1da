/* The search for a location, without a request. Private to the proxy floor. */
#ifndef PORTCULLIS_PROXY_ROUTE_H
#define PORTCULLIS_PROXY_ROUTE_H

#include "variables.h"

struct route_search {
    struct str path;
    enum match_result (*match)(void *owner, const struct regex_conf *r, struct str path);
    void *owner;

    const struct location_conf *found; /* NULL: none, the server's own serves */
    bool is_final;                     /* exact, or a redirect: no regex may take it */
    bool is_redirect;                  /* found's name is the path and a slash */
    bool has_failed;                   /* a regex gave up */
};

void route_search(struct route_search *s, const struct location_set *set);

#endif
