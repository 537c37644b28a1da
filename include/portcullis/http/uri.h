/* A request target (RFC 9112, 3.2) cut into its parts, and the normalised path that routing
 * uses: percent-decoded, dot segments removed, slashes merged, as nginx does it. What goes
 * to the upstream is the original unless the configuration changes it. */
#ifndef PORTCULLIS_HTTP_URI_H
#define PORTCULLIS_HTTP_URI_H

#include "portcullis/base/arena.h"
#include "portcullis/base/str.h"

enum uri_form { URI_ORIGIN, URI_ABSOLUTE, URI_AUTHORITY, URI_ASTERISK };

struct uri {
    enum uri_form form;
    struct str scheme, authority; /* URI_ABSOLUTE; authority also of URI_AUTHORITY */
    /* Path and query as received (with "/" for an empty absolute path), $request_uri. */
    struct str raw;
    struct str path; /* normalised, $uri; "/" for "*" */
    struct str args; /* without "?", $args; raw octets */
    bool has_args;   /* a "?" was there */
    bool is_changed; /* path differs from the raw path */
};

/* False: 400, with a sentence in *problem (unsafe "..", bad escape, %00, white space, …). A
 * fragment ("#…") is cut, from raw too: what is sent on is what was routed. Of "host:port" alone
 * (URI_AUTHORITY, for CONNECT) authority is set. */
bool uri_parse(struct uri *u, struct arena *a, struct str target, bool merge_slashes,
               const char **problem);

/* Host or authority: "name", "name:port", "[v6]:port" into lower-case name without a last dot and
 * port (0: none). False when not valid (RFC 3986, 3.2.2): empty where not allowed, userinfo, bad
 * octets. */
bool uri_host_parse(struct arena *a, struct str text, struct str *name, struct str *port);

/* Escapes as nginx does. In a path sent on: controls, space, over 0x7e, and "#%<>?\^`{|} . In
 * arguments (rewrite's captures behind "?"): & + ; too. In a component ($ssl_client_escaped_cert):
 * everything but unreserved. Without need of an escape text itself is returned. */
struct str uri_escape_path(struct arena *a, struct str path);
struct str uri_escape_args(struct arena *a, struct str text);
struct str uri_escape_component(struct arena *a, struct str text);
/* Percent-decoding; malformed escapes stay as they are. */
struct str uri_unescape(struct arena *a, struct str text);
/* Is a segment of the path ".." (RFC 3986, 5.2.4), escaped or with parameters, too? */
bool uri_leads_up(struct arena *a, struct str target);
/* Raw value of argument name in args, STR_NONE without one; name compares without case as nginx's
 * $arg_. */
struct str uri_arg(struct str args, struct str name);

/* One server-name rule for SNI, Host and policy (RFC 6066, 3; RFC 9110, 7.2): lower case, one
 * trailing dot cut, in out; false when it is no host name. */
bool host_normalise(struct str in, struct arena *a, struct str *out);

#endif
