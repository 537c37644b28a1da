/* What -t shows of a configuration that is fine: its servers, what each asks of clients, the CAs,
 * revocation lists and certificates with the time they have left. */
#ifndef PORTCULLIS_SRC_DAEMON_SURVEY_H
#define PORTCULLIS_SRC_DAEMON_SURVEY_H

#include <time.h>

#include "portcullis/config/snapshot.h"

void survey(const struct snapshot *s, time_t now, struct buf *out);

/* ---- survey_clients.c ---- */

/* Who would come in, of a folder of certificates. False: the folder cannot be read; errno. */
bool survey_clients(const struct snapshot *s, const char *folder, time_t now, struct buf *out);

#endif
