/* Configurations with certificates, which certs/make makes for each test. */
#ifndef TEST_CONFIG_SUPPORT_TLS_H
#define TEST_CONFIG_SUPPORT_TLS_H

#include "support.h"

extern char config_certs[]; /* the folder */

void config_make_certs(void);
void config_make_rogues(void); /* the gallery, too */
void config_remove_certs(void);
/* In an http block. % is the server's certificate and key, ^ the clients' authority, @ the folder.
 */
struct loaded config_of_tls(const char *text);

#endif
