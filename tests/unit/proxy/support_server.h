/* A proxy of a configuration in the test's text, in a process of its own, and questions to it by a
 * socket.
 *
 * With PC_ORACLE=nginx in the environment nginx answers in its place: what a table expects can be
 * checked against it, but for the rows that are ours alone. */
#ifndef TESTS_UNIT_PROXY_SUPPORT_SERVER_H
#define TESTS_UNIT_PROXY_SUPPORT_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/* http: what stands in the http block; LISTEN is the server's address, DIR a folder of the test,
 * CERTS one with what certs/make makes, twice: a/ and b/, of different CAs (server_make_certs). */
void server_start(const char *http);
void server_stop(void); /* and removes the folder */

/* "/path" or "METHOD /path|Field: value|…": sent as HTTP/1.1 with Host: localhost and Connection:
 * close where these are not given (no Host with a given HTTP/1.0). The whole answer. */
const char *server_ask(const char *request);
/* Over TLS. sni may be NULL; certificate is as in "a/client" or "a/rogues/expired", NULL for none.
 */
const char *server_ask_tls(const char *sni, const char *certificate, const char *request);
void server_make_certs(bool with_rogues);
/* "STATUS", behind it " -> Location" or " body" (but an HTML page); the port in it is P. */
const char *server_brief(const char *answer);
const char *
server_file(const char *name); /* of DIR, when it has come; "" after a second; the port is P */
bool server_is_oracle(void);

struct server_row {
    const char *request;  /* behind a '!': nginx answers otherwise */
    const char *expected; /* as server_brief says it */
};

/* Starts, asks each row, stops. */
void server_check(const char *http, const struct server_row *rows, size_t count);
#define SERVER_CHECK(http, rows) server_check(http, rows, sizeof(rows) / sizeof *(rows))

/* Between the support files. */
int server_connect(void);
void server_write_request(char *to, size_t size, const char *request);
const char *server_certs(void); /* CERTS */

#endif
