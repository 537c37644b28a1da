/* The message is gathered from its records first; only a whole one is parsed.
 *
 *   record     type(1) version(2) length(2) fragment
 *   fragments  msg_type(1) length(3) body
 *   body       legacy_version(2) random(32) session_id<0..32> cipher_suites<2..2^16-2>
 *              compression<1..2^8-1> extensions<0..2^16-1>
 */
#include "portcullis/tls/client_hello.h"
#include "wire.h"

#include <string.h>

enum { RECORD_HEADER = 5, RECORD_MAX = 16384, MESSAGE_HEADER = 4 };
enum { TYPE_HANDSHAKE = 22, MESSAGE_CLIENT_HELLO = 1 };
enum { /* RFC 8446, 6 */
       ALERT_UNEXPECTED_MESSAGE = 10,
       ALERT_RECORD_OVERFLOW = 22,
       ALERT_ILLEGAL_PARAMETER = 47,
       ALERT_DECODE_ERROR = 50,
       ALERT_PROTOCOL_VERSION = 70,
       ALERT_UNRECOGNIZED_NAME = 112,
};

struct verdict {
    const char *problem;
    unsigned alert;
};

static bool bad(struct verdict *v, unsigned alert, const char *problem)
{
    v->alert = alert;
    v->problem = problem;
    return false;
}

static bool is_pairs(struct str s)
{
    return s.len > 0 && s.len % 2 == 0;
}

/* ---- extensions ------------------------------------------------------------------------------ */

/* A host name as DNS has it; what else could stand there never names a server of ours. */
static bool is_host_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || (unsigned char)s.ptr[i] >= 0x7f)
            return false;
    return s.len > 0 && s.len <= 255;
}

static struct str lower(struct arena *a, struct str s)
{
    char *out = arena_z(a, s);
    for (size_t i = 0; i < s.len; i++)
        out[i] = ascii_lower(out[i]);
    return str_make(out, s.len);
}

/* RFC 6066, 3: one name of each type; host_name is the only type there is. */
static bool read_server_name(struct client_hello *h, struct arena *a, struct str in,
                             struct verdict *v)
{
    struct str list, name;
    size_t type;
    if (!wire_take_vector(&in, 2, &list) || in.len > 0 || list.len == 0)
        return bad(v, ALERT_DECODE_ERROR, "malformed server_name");
    if (!wire_take_number(&list, 1, &type) || type != 0 || !wire_take_vector(&list, 2, &name))
        return bad(v, ALERT_DECODE_ERROR, "malformed server_name");
    if (list.len > 0)
        return bad(v, ALERT_ILLEGAL_PARAMETER, "more than one server name");
    if (!is_host_name(name))
        return bad(v, ALERT_UNRECOGNIZED_NAME, "a server name that is no host name");
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name = str_upto(name, name.len - 1);
    h->server_name = lower(a, name);
    return true;
}

/* RFC 7301, 3.1 */
static bool read_alpn(struct client_hello *h, struct arena *a, struct str in, struct verdict *v)
{
    struct str name;
    (void)a;
    if (!wire_take_vector(&in, 2, &h->alpn) || in.len > 0 || h->alpn.len == 0)
        return bad(v, ALERT_DECODE_ERROR, "malformed ALPN");
    for (struct str rest = h->alpn; rest.len > 0;)
        if (!wire_take_vector(&rest, 1, &name) || name.len == 0)
            return bad(v, ALERT_DECODE_ERROR, "malformed ALPN");
    return true;
}

static bool read_versions(struct client_hello *h, struct arena *a, struct str in, struct verdict *v)
{
    (void)a;
    if (!wire_take_vector(&in, 1, &h->versions) || in.len > 0 || !is_pairs(h->versions))
        return bad(v, ALERT_DECODE_ERROR, "malformed supported_versions");
    return true;
}

static bool read_groups(struct client_hello *h, struct arena *a, struct str in, struct verdict *v)
{
    (void)a;
    if (!wire_take_vector(&in, 2, &h->groups) || in.len > 0 || !is_pairs(h->groups))
        return bad(v, ALERT_DECODE_ERROR, "malformed supported_groups");
    return true;
}

static bool read_signature_algorithms(struct client_hello *h, struct arena *a, struct str in,
                                      struct verdict *v)
{
    (void)a;
    if (!wire_take_vector(&in, 2, &h->signature_algorithms) || in.len > 0 ||
        !is_pairs(h->signature_algorithms))
        return bad(v, ALERT_DECODE_ERROR, "malformed signature_algorithms");
    return true;
}

static bool read_psk(struct client_hello *h, struct arena *a, struct str in, struct verdict *v)
{
    (void)a, (void)in, (void)v;
    h->has_psk = true;
    return true;
}

static bool read_extended_master_secret(struct client_hello *h, struct arena *a, struct str in,
                                        struct verdict *v)
{
    (void)a, (void)in, (void)v;
    h->has_extended_master_secret = true;
    return true;
}

static const struct {
    size_t type;
    bool (*read)(struct client_hello *h, struct arena *a, struct str in, struct verdict *v);
} extensions[] = {
    {0, read_server_name},
    {10, read_groups},
    {13, read_signature_algorithms},
    {16, read_alpn},
    {23, read_extended_master_secret},
    {41, read_psk},
    {43, read_versions},
};

static bool read_extensions(struct client_hello *h, struct arena *a, struct str list,
                            struct verdict *v)
{
    unsigned seen = 0;
    size_t type;
    struct str data;
    while (list.len > 0) {
        if (!wire_take_number(&list, 2, &type) || !wire_take_vector(&list, 2, &data))
            return bad(v, ALERT_DECODE_ERROR, "malformed extensions");
        for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
            if (extensions[i].type != type)
                continue;
            /* RFC 8446, 4.2: two would let two readers see two names. */
            if (seen & 1u << i)
                return bad(v, ALERT_ILLEGAL_PARAMETER, "an extension stands there twice");
            seen |= 1u << i;
            if (!extensions[i].read(h, a, data, v))
                return false;
        }
    }
    return true;
}

static bool read_body(struct client_hello *h, struct arena *a, struct str in, struct verdict *v)
{
    size_t version;
    struct str session_id, compression, list;
    if (!wire_take_number(&in, 2, &version) || in.len < 32)
        return bad(v, ALERT_DECODE_ERROR, "the message is cut short");
    h->legacy_version = (uint16_t)version;
    in = str_from(in, 32);
    if (!wire_take_vector(&in, 1, &session_id) || session_id.len > 32 ||
        !wire_take_vector(&in, 2, &h->cipher_suites) || !is_pairs(h->cipher_suites) ||
        !wire_take_vector(&in, 1, &compression) || compression.len == 0)
        return bad(v, ALERT_DECODE_ERROR, "malformed session id, cipher suites or compression");
    h->has_session_id = session_id.len > 0;
    if (in.len == 0) /* TLS 1.2 and older may end here (RFC 5246, 7.4.1.2). */
        return true;
    if (!wire_take_vector(&in, 2, &list) || in.len > 0)
        return bad(v, ALERT_DECODE_ERROR, "malformed extensions");
    return read_extensions(h, a, list, v);
}

/* ---- records --------------------------------------------------------------------------------- */

/* Adds the records from h->scanned on to the count of gathered octets. True: the message is whole.
 */
static bool scan_records(struct client_hello *h, struct str wire, struct verdict *v)
{
    while (h->message_len == 0 || h->gathered < h->message_len) {
        struct str rest = str_from(wire, h->scanned);
        size_t type, version, length;
        if (rest.len > 0 && (unsigned char)rest.ptr[0] != TYPE_HANDSHAKE)
            return bad(v, ALERT_UNEXPECTED_MESSAGE, "something else than a ClientHello");
        if (!wire_take_number(&rest, 1, &type) || !wire_take_number(&rest, 2, &version) ||
            !wire_take_number(&rest, 2, &length))
            return false;
        if (version >> 8 != 3)
            return bad(v, ALERT_PROTOCOL_VERSION, "a version that is no TLS");
        if (length == 0) /* RFC 8446, 5.1 */
            return bad(v, ALERT_UNEXPECTED_MESSAGE, "an empty record");
        if (length > RECORD_MAX)
            return bad(v, ALERT_RECORD_OVERFLOW, "a record that is too long");
        /* The header may itself be cut over records. */
        for (size_t i = 0; h->gathered + i < MESSAGE_HEADER && i < length && i < rest.len; i++)
            h->header[h->gathered + i] = (unsigned char)rest.ptr[i];
        if (h->gathered == 0 && rest.len > 0 && h->header[0] != MESSAGE_CLIENT_HELLO)
            return bad(v, ALERT_UNEXPECTED_MESSAGE, "something else than a ClientHello");
        if (h->scanned > CLIENT_HELLO_MAX + RECORD_MAX)
            return bad(v, ALERT_UNEXPECTED_MESSAGE, "too many records");
        if (rest.len < length)
            return false;
        h->gathered += length;
        h->scanned += RECORD_HEADER + length;
        if (h->gathered < MESSAGE_HEADER)
            continue;
        h->message_len = MESSAGE_HEADER +
                         ((size_t)h->header[1] << 16 | (size_t)h->header[2] << 8 | h->header[3]);
        if (h->message_len > CLIENT_HELLO_MAX)
            return bad(v, ALERT_ILLEGAL_PARAMETER, "the message is too long");
        /* RFC 8446, 5.1: keys change after it, so nothing may follow in its last record. */
        if (h->gathered > h->message_len)
            return bad(v, ALERT_UNEXPECTED_MESSAGE, "something follows in its record");
    }
    return true;
}

/* The fragments, one after the other. */
static struct str gather(const struct client_hello *h, struct arena *a, struct str wire)
{
    char *message = arena_alloc(a, h->message_len);
    size_t length, at = 0;
    for (struct str rest = str_upto(wire, h->scanned); rest.len > 0;) {
        rest = str_from(rest, RECORD_HEADER - 2);
        struct str fragment;
        if (!wire_take_vector(&rest, 2, &fragment))
            break;
        length = fragment.len;
        memcpy(message + at, fragment.ptr, length);
        at += length;
    }
    return str_make(message, at);
}

enum client_hello_result client_hello_read(struct client_hello *h, struct arena *a, struct str wire,
                                           const char **problem, unsigned *alert)
{
    struct verdict v = {NULL, 0};
    if (wire.len > 0 && (unsigned char)wire.ptr[0] != TYPE_HANDSHAKE)
        return CLIENT_HELLO_NOT_TLS;
    bool whole = scan_records(h, wire, &v);
    if (whole) {
        h->message = gather(h, a, wire);
        if (read_body(h, a, str_from(h->message, MESSAGE_HEADER), &v))
            return CLIENT_HELLO_READY;
    }
    if (v.problem == NULL)
        return CLIENT_HELLO_MORE;
    *problem = v.problem;
    *alert = v.alert;
    return CLIENT_HELLO_MALFORMED;
}

bool client_hello_offers_alpn(const struct client_hello *h, struct str protocol)
{
    struct str name;
    for (struct str rest = h->alpn; wire_take_vector(&rest, 1, &name);)
        if (str_eq(name, protocol))
            return true;
    return false;
}
