/* What respond.c and its neighbours share. Private to the proxy floor. */
#ifndef PORTCULLIS_PROXY_RESPOND_H
#define PORTCULLIS_PROXY_RESPOND_H

#include "portcullis/proxy/request.h"

/* The refusal's own page, whatever error_page says. */
void respond_refusal_page(struct request *req);
/* A URL of ours as Location says it: "/x" becomes absolute (absolute_redirect), controls are
 * escaped. */
struct str respond_location(struct request *req, struct str url);

/* ---- types.c: Content-Type by the path's extension, else default_type ---- */

struct str respond_type(const struct request *req);

/* ---- pages.c: the built-in bodies ---- */

struct page {
    unsigned status;   /* as sent */
    struct str title;  /* "Forbidden" */
    struct str note;   /* a further line, or empty */
    struct str server; /* "portcullis/1.2" */
};

struct str page_html(struct arena *a, const struct page *p);

struct refusal_page {
    unsigned status;
    struct str title;
    struct str code, cure, detail; /* each may be empty */
    struct str request_id, server;
};

/* By the request's Accept: HTML, JSON or plain text. *type gets its Content-Type. */
struct str page_refusal(struct arena *a, const struct refusal_page *p,
                        const struct headers *request, struct str *type);

#endif
