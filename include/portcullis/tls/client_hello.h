/* The ClientHello, read by our own code before any TLS session is set up (RFC 8446, 4.1.2; RFC
 * 6066, 3; RFC 7301): it decides which server block's settings apply. It may come cut
 * anywhere, in many records. Pure: octets in, fields out. */
#ifndef PORTCULLIS_TLS_CLIENT_HELLO_H
#define PORTCULLIS_TLS_CLIENT_HELLO_H

#include "portcullis/base/arena.h"
#include "portcullis/base/str.h"

#define CLIENT_HELLO_MAX 65536 /* octets of handshake message we are willing to gather */

struct client_hello {
    struct str server_name; /* host_name as sent, lower-cased, last dot cut; ptr NULL without one */
    struct str alpn;        /* ProtocolNameList's content, raw: length-prefixed names */
    uint16_t legacy_version;
    struct str versions;             /* supported_versions' list, raw 16-bit; empty without */
    struct str cipher_suites;        /* raw 16-bit */
    struct str groups;               /* supported_groups, raw 16-bit */
    struct str signature_algorithms; /* raw 16-bit */
    bool has_session_id, has_psk, has_extended_master_secret;

    /* How far client_hello_read has come. */
    size_t scanned; /* octets of wire: whole records; from READY on, all of the message */
    size_t gathered, message_len;
    unsigned char header[4];
    struct str message; /* from READY on: the handshake message, header included */
};

enum client_hello_result {
    CLIENT_HELLO_MORE,
    CLIENT_HELLO_READY,
    CLIENT_HELLO_NOT_TLS,   /* the first octet is no handshake record: plain HTTP perhaps */
    CLIENT_HELLO_MALFORMED, /* problem says what; alert is the one to send (decode_error,
                               illegal_parameter …) */
};

/* Looks at what came so far (consumes nothing; wire only grows between calls). h is zero at first.
 * Strings live in a. */
enum client_hello_result client_hello_read(struct client_hello *h, struct arena *a, struct str wire,
                                           const char **problem, unsigned *alert);
bool client_hello_offers_alpn(const struct client_hello *h, struct str protocol);

#endif
