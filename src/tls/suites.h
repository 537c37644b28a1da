/* Cipher suites and groups: OpenSSL's names, as nginx's files have them, to TLS's numbers. */
#ifndef PORTCULLIS_TLS_SUITES_H
#define PORTCULLIS_TLS_SUITES_H

#include <stdbool.h>
#include <stdint.h>

#include "portcullis/base/buf.h"
#include "portcullis/base/str.h"

enum { SUITES_MAX = 32, GROUPS_MAX = 16 };

/* Each gives the numbers in order of preference and their count; 0 with the offending part in *bad.
 */
size_t suites_from_cipher_list(int out[static SUITES_MAX], struct str openssl_list,
                               struct str *bad);
size_t suites_from_ciphersuites(int out[static SUITES_MAX], struct str list, struct str *bad);
size_t groups_from_curves(uint16_t out[static GROUPS_MAX], struct str list, struct str *bad);

/* "ECDHE-RSA-AES128-GCM-SHA256"; "0xc0ff" when the number is unknown to us. */
void suite_append_name(struct buf *out, unsigned id);
void group_append_name(struct buf *out, unsigned id);
/* RFC 8701: values that say nothing about who sends them. */
bool suite_is_grease(unsigned id);
struct str suite_name(unsigned id); /* STR_NONE when unknown */
struct str group_name(unsigned id);

#endif
